"""JSON schemas as Anthropic's structured output accepts them.

The API enforces types, properties, enumerations, a few formats and references, and refuses a schema that holds anything
else. What it cannot enforce is told to the model in the description, and left to whoever validates the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from ember.models import errors

Schema = Mapping[str, Any]

_FORMATS: Final = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
)


def accepted_schema(schema: Schema, *, model: str | None = None) -> Schema:
    """Return `schema` in the form Anthropic accepts: objects closed, and what it cannot enforce said in words.

    Raises `UnsupportedError` for an object with free keys, which the API cannot express.

    >>> accepted_schema({"type": "integer", "minimum": 1})
    {'type': 'integer', 'description': '{minimum: 1}'}
    """
    rest = dict(schema)
    if "$defs" in rest:
        definitions = {
            name: accepted_schema(node, model=model)
            for name, node in cast("Schema", rest.pop("$defs")).items()
        }
        return {"$defs": definitions, **accepted_schema(rest, model=model)}
    if "$ref" in rest:
        # A reference stands alone: its neighbours are notes on the place, not part of the type.
        return {"$ref": rest["$ref"]}
    taken = _kind(rest, model)
    for note in ("description", "title"):
        if (words := rest.pop(note, None)) is not None:
            taken[note] = words
    if taken.get("type") == "object":
        taken |= _object(rest, model)
    elif taken.get("type") == "array":
        if "items" in rest:
            taken["items"] = accepted_schema(rest.pop("items"), model=model)
        if rest.get("minItems") in (0, 1):
            taken["minItems"] = rest.pop("minItems")
    elif taken.get("type") == "string" and rest.get("format") in _FORMATS:
        taken["format"] = rest.pop("format")
    if rest:
        told = "{" + ", ".join(f"{name}: {value}" for name, value in rest.items()) + "}"
        taken["description"] = f"{taken['description']}\n\n{told}" if "description" in taken else told
    return taken


def _kind(rest: dict[str, Any], model: str | None) -> dict[str, Any]:
    """Take what says which values are allowed out of `rest`: an enumeration, a union, or a type."""
    taken = {name: rest.pop(name) for name in ("enum", "const") if _is_literal(rest, name)}
    kind = rest.pop("type", None)
    for name, told in (("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")):
        if isinstance(rest.get(name), list):
            return taken | {told: [accepted_schema(node, model=model) for node in rest.pop(name)]}
    if kind is not None and not taken:
        taken["type"] = kind
    return taken


def _is_literal(rest: Schema, name: str) -> bool:
    if name not in rest:
        return False
    values: list[object] = rest[name] if name == "enum" else [rest[name]]
    return bool(values) and all(value is None or isinstance(value, (str, int, float)) for value in values)


def _object(rest: dict[str, Any], model: str | None) -> dict[str, Any]:
    properties: Schema = rest.pop("properties", {})
    others = rest.pop("additionalProperties", not properties)
    if not properties and others is not False:
        raise errors.UnsupportedError(
            "Anthropic's structured output has no objects with free keys: name the properties in the schema, or use "
            "a list of pairs.",
            provider="anthropic",
            model=model,
        )
    taken: dict[str, Any] = {
        "properties": {name: accepted_schema(node, model=model) for name, node in properties.items()},
        "additionalProperties": False,
    }
    if "required" in rest:
        taken["required"] = rest.pop("required")
    return taken
