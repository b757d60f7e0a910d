"""What a value must be: any type that pydantic can describe, compiled once, and never changing what it accepts.

Python values are taken strictly: "5" is no int, a list no tuple. What the type itself says of them counts: pydantic
models follow their own configuration, dataclasses and TypedDicts may be given as mappings. Text for what is no text is
JSON.

This is imported with the first spec that is used, and pydantic with it.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import json
import re
import sys
import typing
from collections.abc import Callable
from threading import Lock
from typing import Any, Final

from pydantic import ConfigDict, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError
from pydantic_core import SchemaValidator, ValidationError

from .errors import Problem, SpecMismatch

_FENCED: Final = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL)
_STRICT: Final = frozenset(
    "int float bool str bytes complex list tuple set frozenset dict date datetime time timedelta decimal uuid".split()  # noqa: SIM905
)
"""The kinds of pydantic's schemas that would otherwise make one value of another."""
_TEXT: Final = (str, bytes)
_SCALARS: Final = frozenset({str, int, float, bytes})
_TEXTS: Final = frozenset(
    {"str", "any", "bytes", "literal", "enum", "is-instance", "custom-error", "lax-or-strict"}
)


class Spec:
    """A compiled type."""

    def __init__(self, kind: Any) -> None:
        self.name = name_of(kind)
        schema = _schema(kind)
        self._validator = SchemaValidator(schema)
        self._takes_text = _takes_text(schema, schema)

    def taker(self, operator: str, side: str, where: str = "") -> Callable[[Any], Any]:
        """Return the function that returns a value as the type says it is.

        It raises `SpecMismatch`, which names `operator`, `side` and `where`, the argument.
        """
        python, takes_text, from_text = self._validator.validate_python, self._takes_text, self._from_text

        def take(value: Any) -> Any:
            try:
                if takes_text or not isinstance(value, _TEXT):
                    found = python(value)
                else:
                    return from_text(value)
            except ValidationError as error:
                mismatch = SpecMismatch(operator, side, self.name, _problems(error, where))
                mismatch.value = value
                raise mismatch from None
            if found is value:
                return value
            # An answer is a str that knows its cost; the same text alone would be less.
            kind = type(found)
            if kind in _SCALARS and kind is not type(value) and isinstance(value, kind) and found == value:
                return value
            return found

        return take

    def _from_text(self, text: str | bytes) -> Any:
        fenced = _FENCED.fullmatch(text) if isinstance(text, str) else None
        source = text if fenced is None else fenced.group(1)
        try:
            return self._validator.validate_json(source)
        except ValidationError as error:
            if error.errors(include_url=False)[0]["type"] != "json_invalid" or isinstance(source, bytes):
                raise
            try:  # a date as people write it: text that JSON would have in quotes
                return self._validator.validate_json(json.dumps(source.strip()))
            except ValidationError:
                raise error from None


def spec_of(kind: Any) -> Spec:
    """Return `kind` compiled; the same for the same type, whichever thread asks first."""
    try:
        found = _compiled.get(kind)
    except TypeError:  # a type that has no hash is compiled by each that asks
        return Spec(kind)
    if found is None:
        with _lock:
            found = _compiled.get(kind) or _compiled.setdefault(kind, Spec(kind))
    return found


_compiled: dict[Any, Spec] = {}
_lock: Final = Lock()


def name_of(kind: Any) -> str:
    """Return how a type is called in messages."""
    return (
        kind.__name__
        if isinstance(kind, type) and not typing.get_args(kind)
        else str(kind).replace("typing.", "")
    )


def _schema(kind: Any) -> Any:
    kind = _portable(kind)
    try:
        return _strict(TypeAdapter(kind).core_schema)
    except PydanticSchemaGenerationError:
        return _strict(TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True)).core_schema)


def _strict(schema: Any) -> Any:
    """Return a copy of pydantic's schema in which plain values are taken as they are; models keep what they say."""
    if isinstance(schema, dict):
        node = schema
        kind = node.get("type")
        if kind == "model":
            return node
        made = {key: part if key in ("cls", "metadata") else _strict(part) for key, part in node.items()}
        if kind in _STRICT:
            made.setdefault("strict", True)
        elif kind in ("typed-dict", "dataclass") and "extra_fields_behavior" not in node.get("config", {}):
            # Names that it does not know it would drop, unless it says something else.
            known = made if kind == "typed-dict" else made["schema"]
            if known["type"] in ("typed-dict", "dataclass-args"):
                known["extra_behavior"] = "forbid"
        return made
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if type(schema) is tuple:
        return tuple(_strict(part) for part in schema)
    return schema


def _takes_text(schema: Any, whole: Any) -> bool:
    """Whether a str may be what the type asks for."""
    kind = schema["type"]
    if kind in ("union", "tagged-union"):
        choices = schema["choices"]
        parts = choices.values() if isinstance(choices, dict) else choices
        return any(_takes_text(part[0] if isinstance(part, tuple) else part, whole) for part in parts)
    if kind == "definition-ref":
        found = [one for one in whole.get("definitions", ()) if one.get("ref") == schema["schema_ref"]]
        return bool(found) and _takes_text(found[0], whole)
    if kind in ("function-plain", "function-wrap", "function-before"):
        return True
    if kind in _TEXTS:
        return True
    inner = (
        schema.get("schema")
        if kind in ("nullable", "default", "definitions", "function-after", "chain")
        else None
    )
    return inner is not None and _takes_text(inner, whole)


def _problems(error: ValidationError, where: str) -> tuple[Problem, ...]:
    return tuple(
        Problem(
            where + _path(one["loc"]) if where else _path(one["loc"]).removeprefix("."),
            one["msg"].removeprefix("Value error, "),
            "nothing" if one["type"] in ("missing", "missing_argument") else _kind(one["input"]),
        )
        for one in error.errors(include_url=False)
    )


def _path(steps: tuple[int | str, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


# TypedDicts before Python 3.12 ----------------------------------------------------------------------


def _portable(kind: Any) -> Any:
    """Return `kind` with typing's TypedDicts as typing_extensions' own, the only ones that pydantic takes on 3.11."""
    if sys.version_info >= (3, 12):
        return kind
    if typing.is_typeddict(kind) and type(kind).__module__ == "typing":
        import typing_extensions

        hints = typing.get_type_hints(kind, include_extras=True)
        required: frozenset[str] = kind.__required_keys__
        fields = {
            name: (typing_extensions.Required if name in required else typing_extensions.NotRequired)[
                _portable(_bare(hint))
            ]
            for name, hint in hints.items()
        }
        made: Any = typing_extensions.TypedDict
        return made(kind.__name__, fields)
    arguments = typing.get_args(kind)
    if not arguments or typing.get_origin(kind) is typing.Literal:
        return kind
    changed = tuple(_portable(one) for one in arguments)
    if changed == arguments:
        return kind
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return typing.Annotated[(changed[0], *kind.__metadata__)]
    if isinstance(kind, type(int | str)):
        return typing.Union[changed]  # noqa: UP007
    return kind.copy_with(changed) if hasattr(kind, "copy_with") else origin[changed]


def _bare(hint: Any) -> Any:
    return (
        typing.get_args(hint)[0] if typing.get_origin(hint) in (typing.Required, typing.NotRequired) else hint
    )
