"""What an answer by `schema=` looks like: the JSON schema vendors are given, and the value made of what comes back.

A schema is a JSON schema, or any type that pydantic can describe; pydantic is imported when the first such type comes.
Vendors take only objects at the root. Any other shape travels as the one field of an object; `.parsed` is without it.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    NotRequired,
    Required,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from ._provider import clipped
from .errors import SchemaMismatch

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

_FIELD: Final = "value"
_SHOWN: Final = 20  # a list of a thousand wrong items is no more helpful than twenty of them


@dataclass(frozen=True, slots=True)
class Shape:
    """The JSON schema of an answer, and the function that makes the value of the answer's text.

    `parse` raises `SchemaMismatch` for text that is no JSON or does not fit.
    """

    schema: Mapping[str, Any]
    parse: Callable[[str], Any]


def shape(schema: Any) -> Shape:
    """Return the shape that `schema` describes. Raises TypeError for what describes none."""
    if isinstance(schema, Mapping):
        return _json_shape(cast("Mapping[str, Any]", schema))
    if schema is None or isinstance(schema, (str, types.FunctionType)):
        raise _no_schema(schema)
    try:
        hash(schema)
    except TypeError:  # an annotation with a list in it
        return _typed_shape.__wrapped__(schema)
    return _typed_shape(schema)


def _json_shape(schema: Mapping[str, Any]) -> Shape:
    if _is_object(schema):
        return Shape(schema, _read)
    return Shape(_wrapped(schema), lambda text: _unwrapped(text, "the JSON schema"))


@lru_cache(maxsize=256)
def _typed_shape(schema: Any) -> Shape:
    adapter = adapter_of(schema, _no_schema)
    name = _name(schema)
    described = adapter.json_schema()
    if _is_object(described):
        return Shape(described, lambda text: _validated(adapter.validate_json, text, text, name))

    def inside(text: str) -> Any:
        value = _unwrapped(text, name)
        return _validated(adapter.validate_json, json.dumps(value), text, name)

    return Shape(_wrapped(described), inside)


def adapter_of(annotation: Any, refusal: Callable[[Any, str], TypeError]) -> TypeAdapter[Any]:
    """Return what validates values of `annotation`. Raises what `refusal` makes of a type that has no JSON form."""
    from pydantic import PydanticUserError, TypeAdapter
    from pydantic.errors import PydanticUndefinedAnnotation

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(modern(annotation))
        adapter.json_schema()  # some types can be validated and have no JSON schema
    except (PydanticUserError, PydanticUndefinedAnnotation, NameError) as error:
        raise refusal(annotation, str(error).partition("\n")[0]) from None
    return adapter


def _no_schema(schema: Any, why: str = "") -> TypeError:
    got = _name(schema) if isinstance(schema, type) else f"a {type(schema).__name__}"
    return TypeError(
        "schema is a JSON schema (a dict) or a type that has one: a pydantic model, a dataclass, a TypedDict, "
        f"list[int], Literal[...] and the like; got {got}{f' ({why})' if why else ''}."
    )


def _name(schema: Any) -> str:
    return schema.__name__ if isinstance(schema, type) and not get_args(schema) else repr(schema)[:80]


def modern(annotation: Any) -> Any:
    """Return `annotation` with each `typing.TypedDict` in it made one that pydantic accepts.

    Before Python 3.12 the standard library's own lacks what pydantic needs. Those inside a class are out of reach.
    """
    if sys.version_info >= (3, 12):
        return annotation
    if is_typeddict(annotation):
        return _modern_dict(annotation) if type(annotation).__module__ == "typing" else annotation
    parts = get_args(annotation)
    origin = get_origin(annotation)
    changed = tuple(modern(part) if is_typeddict(part) or get_args(part) else part for part in parts)
    if changed == parts or origin is None:
        return annotation
    return (
        reduce(lambda one, other: one | other, changed)
        if origin in (Union, types.UnionType)
        else origin[changed]
    )


def _modern_dict(made: Any) -> Any:
    from typing_extensions import TypedDict

    fields: dict[str, Any] = {}
    for name, hint in get_type_hints(made, include_extras=True).items():
        # Under postponed annotations __required_keys__ knows nothing of the marks, which are still strings then.
        marked = get_origin(hint) in (Required, NotRequired)
        needed = get_origin(hint) is Required if marked else name in made.__required_keys__
        inner = modern(get_args(hint)[0] if marked else hint)
        fields[name] = inner if needed else NotRequired[inner]
    twin = cast(Any, TypedDict)(made.__name__, fields)
    twin.__doc__ = made.__doc__
    return twin


def _is_object(schema: Mapping[str, Any]) -> bool:
    """Whether only objects fit, so that the schema can stand at the root. One that does not say may be one."""
    target: Any = schema
    for _ in range(8):
        reference = cast("Mapping[str, Any]", target).get("$ref") if isinstance(target, Mapping) else None
        if not isinstance(reference, str):
            break
        folder, _, name = reference.removeprefix("#/").partition("/")
        target = schema.get(folder, {}).get(name) if folder in _DEFINITIONS else None
    if not isinstance(target, Mapping):
        return True  # a reference that is the vendor's to resolve
    said = cast("Mapping[str, Any]", target)
    if "type" in said:
        return bool(said["type"] == "object")
    return not any(name in said for name in ("anyOf", "oneOf", "enum", "const"))


_DEFINITIONS: Final = ("$defs", "definitions")


def _wrapped(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of an object whose one field is of `schema`; definitions stay at the root."""
    inner = {name: part for name, part in schema.items() if name not in _DEFINITIONS}
    outer: dict[str, Any] = {
        "type": "object",
        "properties": {_FIELD: inner},
        "required": [_FIELD],
        "additionalProperties": False,
    }
    return outer | {name: schema[name] for name in _DEFINITIONS if name in schema}


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise _not_json(text, "nested too deeply") from None
    except ValueError as error:
        raise _not_json(text, str(error)) from None


def _not_json(text: str, why: str) -> SchemaMismatch:
    problem = f"the answer is not the JSON that was asked for ({why}): {clipped(text)!r}."
    return SchemaMismatch(problem, text=text, errors=(f"not JSON: {why}",))


def _unfit(text: str, name: str, errors: tuple[str, ...]) -> SchemaMismatch:
    problem = f"the answer does not fit {name}: {clipped('; '.join(errors), 400)}."
    return SchemaMismatch(problem, text=text, errors=errors)


def _unwrapped(text: str, name: str) -> Any:
    answer = _read(text)
    if not isinstance(answer, dict) or set(cast("dict[str, Any]", answer)) != {_FIELD}:
        raise _unfit(text, name, (f'not an object with the one field "{_FIELD}"',))
    return cast("dict[str, Any]", answer)[_FIELD]


def _validated(validate: Callable[[str], Any], json_text: str, text: str, name: str) -> Any:
    from pydantic import ValidationError

    try:
        return validate(json_text)
    except ValidationError as error:
        if any(each["type"] == "json_invalid" for each in error.errors(include_input=False)):
            raise _not_json(text, str(error.errors()[0]["msg"])) from None
        raise _unfit(text, name, problems(error)) from None


def problems(error: ValidationError) -> tuple[str, ...]:
    """Return what is wrong, one line for each place: `home.zip: Field required`. Values are not repeated."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}" if each["loc"] else each["msg"] for each in found
    ]
    return (*lines[:_SHOWN], *((f"and {len(lines) - _SHOWN} more",) if len(lines) > _SHOWN else ()))
