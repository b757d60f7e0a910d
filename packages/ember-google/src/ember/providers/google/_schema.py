"""JSON schemas as the Gemini API takes them: any schema may be sent, and what it does not know is not enforced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

Schema = Mapping[str, Any]

_INSTANCES: Final = ("default", "const", "enum", "examples")  # what these hold is no schema


def accepted_schema(schema: Schema) -> Schema:
    """Return `schema` with each reference standing alone: the API refuses one that has neighbours.

    They are notes on the place (a description, a default), not part of the type.

    >>> accepted_schema({"properties": {"home": {"$ref": "#/$defs/Address", "description": "where"}}})
    {'properties': {'home': {'$ref': '#/$defs/Address'}}}
    """
    return cast("Schema", _alone(schema))


def _alone(node: object) -> object:
    if isinstance(node, (list, tuple)):
        return [_alone(item) for item in cast("list[object]", node)]
    if not isinstance(node, Mapping):
        return node
    fields = cast("Schema", node)
    refers = isinstance(fields.get("$ref"), str)
    return {
        name: value if name in _INSTANCES else _alone(value)
        for name, value in fields.items()
        if not refers or name.startswith("$")
    }
