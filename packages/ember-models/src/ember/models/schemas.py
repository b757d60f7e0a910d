"""JSON schemas in the forms that vendors accept, and the schema that makes a model choose one of several labels."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, cast

from ._call import Call, Tool
from ._likelihood import KEYS

Schema = Mapping[str, Any]

# The one field of the object that answers `choices=`. The caller sees the label only.
_FIELD: Final = "choice"


def wanted_schema(call: Call) -> Schema | None:
    """Return the schema the answer must have: that of the choices, or the call's own, or None for free text.

    >>> wanted_schema(Call("m", (), choices=("yes", "no")))["properties"]
    {'choice': {'type': 'string', 'enum': ['yes', 'no']}}
    """
    if not call.choices:
        return call.schema
    labels = KEYS[: len(call.choices)] if call.keyed else call.choices
    return {
        "type": "object",
        "properties": {_FIELD: {"type": "string", "enum": list(labels)}},
        "required": [_FIELD],
        "additionalProperties": False,
    }


def chosen(text: str) -> str:
    """Return the label in an answer: what is in the field of `wanted_schema`'s object, or else the text itself.

    >>> chosen('{"choice":"no"}'), chosen(" no\\n")
    ('no', 'no')
    """
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    label = cast("dict[str, Any]", answer).get(_FIELD) if isinstance(answer, dict) else None
    return label if isinstance(label, str) else text.strip()


def schema_name(schema: Schema) -> str:
    """Return a name for `schema` that vendors accept: its title, or "answer".

    >>> schema_name({"title": "Point"}), schema_name({"title": "list[int]"}), schema_name({})
    ('Point', 'list_int_', 'answer')
    """
    title = schema.get("title")
    return re.sub(r"[^a-zA-Z0-9_-]", "_", title)[:64] if isinstance(title, str) and title else "answer"


def strict_schema(schema: Schema) -> tuple[Schema, bool]:
    """Return `schema` as vendors' strict modes want it and True, or `schema` itself and False if it cannot be strict.

    Strict means: objects hold exactly the properties they name. Every property becomes required and nothing else is
    allowed, so an answer in strict form also satisfies the original. A schema with objects that are open on purpose
    (a dictionary with free keys) has no strict form.

    >>> strict_schema({"type": "object", "properties": {"x": {"type": "integer", "default": None}}})[0]
    {'type': 'object', 'properties': {'x': {'type': 'integer'}}, 'additionalProperties': False, 'required': ['x']}
    >>> strict_schema({"type": "object", "additionalProperties": {"type": "integer"}})[1]
    False
    """
    if _is_open(schema):
        return schema, False
    return cast("Schema", _closed(schema, schema, ())), True


def tool_schema(tool: Tool) -> tuple[Schema, bool]:
    """Return the schema of a tool's arguments, and whether it is in strict form.

    A tool with parameters that may be left out stays as it is: in strict form the model would have to make them up.

    >>> tool_schema(Tool("now"))
    ({'type': 'object', 'properties': {}, 'additionalProperties': False, 'required': []}, True)
    """
    if set(tool.schema.get("properties", ())) - set(tool.schema.get("required", ())):
        return tool.schema, False
    return strict_schema(tool.schema)


def _is_open(node: object) -> bool:
    """Whether any object in the schema admits properties that it does not name."""
    if isinstance(node, list):
        return any(map(_is_open, cast("list[object]", node)))
    if not isinstance(node, Mapping):
        return False
    fields = cast("Schema", node)
    if fields.get("type") == "object" and "additionalProperties" not in fields and "properties" not in fields:
        return True
    if fields.get("additionalProperties", False) is not False:
        return True
    for name, value in fields.items():
        if name in _NAMED and isinstance(value, Mapping):
            # A mapping from names to schemas: a property may well be called "default".
            if any(map(_is_open, cast("Schema", value).values())):
                return True
        elif name not in _INSTANCES and _is_open(value):
            return True
    return False


_NAMED: Final = ("properties", "$defs", "definitions")
_INSTANCES: Final = (
    "default",
    "const",
    "enum",
    "examples",
)  # what these hold is no schema, and opens nothing


def _closed(node: object, root: Schema, inside: tuple[str, ...]) -> object:
    """Return a strict copy of `node`; `inside` are the references being written out, so that a cycle ends."""
    if not isinstance(node, Mapping):
        return node
    fields = dict(cast("Schema", node))
    reference = fields.get("$ref")
    if isinstance(reference, str) and len(fields) > 1:
        # A reference may have no neighbours in strict mode: what it means is written out, and the neighbours win.
        if reference in inside:
            return {"$ref": reference}
        target = _resolve(reference, root)
        if target is None:
            return fields
        merged = {**target, **{name: value for name, value in fields.items() if name != "$ref"}}
        return _closed(merged, root, (*inside, reference))
    if fields.get("default", ...) is None:
        del fields["default"]
    for name in _NAMED:
        if isinstance(fields.get(name), Mapping):
            fields[name] = {key: _closed(value, root, inside) for key, value in fields[name].items()}
    if "items" in fields:
        fields["items"] = _closed(fields["items"], root, inside)
    for name in ("anyOf", "allOf"):
        if isinstance(fields.get(name), list):
            fields[name] = [_closed(value, root, inside) for value in fields[name]]
    if isinstance(fields.get("allOf"), list) and len(fields["allOf"]) == 1:
        fields.update(fields.pop("allOf")[0])
    if fields.get("type") == "object":
        fields.setdefault("additionalProperties", False)
    if isinstance(fields.get("properties"), Mapping):
        fields["required"] = list(fields["properties"])
    return fields


def _resolve(reference: str, root: Schema) -> Schema | None:
    """Return what a reference into `root` points at, or None if it points elsewhere or nowhere."""
    if not reference.startswith("#/"):
        return None
    target: Any = root
    for step in reference[2:].split("/"):
        target = (
            cast("Schema", target).get(step.replace("~1", "/").replace("~0", "~"))
            if isinstance(target, Mapping)
            else None
        )
    return cast("Schema", target) if isinstance(target, Mapping) else None
