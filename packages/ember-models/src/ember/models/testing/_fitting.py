"""JSON that fits a schema, and the schema that a request asks for: what a model would have written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

_KINDS: Final = frozenset({"object", "array", "integer", "number", "boolean", "string"})
_TELLING: Final = ("properties", "items", "enum", "const", "additionalProperties")


def fitting(schema: Mapping[str, Any]) -> Any:
    """Return the plainest value of a JSON schema.

    >>> fitting({"type": "object", "properties": {"label": {"enum": ["yes", "no"]}, "n": {"type": "integer"}}})
    {'label': 'yes', 'n': 1}
    """
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: fitting(part) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [fitting(schema.get("items", {}))]
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case _:
            return "Paris"


def schema_in(body: object) -> Mapping[str, Any] | None:
    """Return the JSON schema that a request asks its answer to have, wherever its API puts it; not one of a tool.

    >>> schema_in({"format": {"type": "array", "items": {"type": "integer"}}, "tools": []})
    {'type': 'array', 'items': {'type': 'integer'}}
    """
    parts: Iterable[object] = ()
    if isinstance(body, dict):
        fields = cast("dict[str, Any]", body)
        if fields.get("type") in _KINDS and any(word in fields for word in _TELLING):
            return fields
        parts = (part for name, part in fields.items() if name != "tools")
    elif isinstance(body, list):
        parts = cast("list[object]", body)
    return next((found for part in parts if (found := schema_in(part)) is not None), None)
