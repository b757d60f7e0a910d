"""Values as bytes that outlive the process, and the same values again: JSON, with a tag where JSON has no word for it.

Never pickles, whose reading would run what they say. What comes back equals what went in, type by type; what cannot be
promised that for is refused when it is written.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from importlib import import_module
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final, cast
from uuid import UUID

from .errors import EmberError
from .secrets import Secret, scrub

_TAG: Final = "$"


class Unkeepable(EmberError, TypeError):
    """A value that cannot be written so that it comes back the same."""


class HoldsSecret(Unkeepable):
    """A value in which a known secret stands."""


def pack(value: object) -> bytes:
    """Return `value` as bytes.

    Plain values, bytes, tuples, sets, dates, decimals, UUIDs, paths, numpy arrays, members of enumerations,
    dataclasses, named tuples, msgspec structs and pydantic models, and whatever has a method `__plain__()` that returns
    plain values and a class method `__from_plain__(plain)`. Raises `Unkeepable` for anything else, and `HoldsSecret`
    for what holds a known secret.

    >>> unpack(pack({"a": (1, 2.5, None), 3: {"b"}}))
    {'a': (1, 2.5, None), 3: {'b'}}
    """
    try:
        text = json.dumps(_pack(value), ensure_ascii=True, separators=(",", ":"))
    except RecursionError:
        raise Unkeepable("A value that holds itself, or is nested very deeply, cannot be kept.") from None
    _require_clean(text)
    return text.encode()


def _require_clean(text: str) -> None:
    if scrub(text) != text:
        raise HoldsSecret("A value in which a secret stands is not kept.")


def _base64(data: bytes | bytearray) -> str:
    _require_clean(data.decode("latin-1"))
    return base64.b64encode(data).decode()


def unpack(data: bytes) -> Any:
    """Return the value that `pack` made `data` of. Raises ValueError for anything else."""
    try:
        return _unpack(json.loads(data))
    except (TypeError, LookupError, AttributeError, ImportError, RecursionError) as error:
        raise ValueError(f"what is kept cannot be read ({type(error).__name__}: {error})") from error


_SIMPLE: Final[dict[type, tuple[str, Callable[[Any], object], Callable[[Any], object]]]] = {
    bytes: ("bytes", _base64, base64.b64decode),
    bytearray: ("bytearray", _base64, lambda it: bytearray(base64.b64decode(it))),
    tuple: ("tuple", lambda it: [_pack(each) for each in it], lambda it: tuple(_unpack(each) for each in it)),
    set: ("set", lambda it: [_pack(each) for each in it], lambda it: {_unpack(each) for each in it}),
    frozenset: (
        "frozenset",
        lambda it: [_pack(each) for each in it],
        lambda it: frozenset(_unpack(each) for each in it),
    ),
    complex: ("complex", lambda it: [it.real, it.imag], lambda it: complex(*it)),
    Decimal: ("Decimal", str, Decimal),
    UUID: ("UUID", str, UUID),
    date: ("date", date.isoformat, date.fromisoformat),
    timedelta: ("timedelta", lambda it: [it.days, it.seconds, it.microseconds], lambda it: timedelta(*it)),
    **{path: (path.__name__, str, path) for path in (type(Path()), PurePosixPath, PureWindowsPath)},
}
_READ: Final[dict[str, Callable[[Any], object]]] = {
    **{name: read for name, _, read in _SIMPLE.values()},
    "PosixPath": Path,
    "WindowsPath": Path,
    "dict": lambda it: {_unpack(key): _unpack(inner) for key, inner in it},
    "datetime": lambda it: datetime.fromisoformat(it[0]).replace(fold=it[1]),
    "time": lambda it: time.fromisoformat(it[0]).replace(fold=it[1]),
    "Enum": lambda it: _class(it[0])[it[1]],
    "fields": lambda it: _with_fields(_class(it[0]), it[1]),
    "named": lambda it: _class(it[0])._make(map(_unpack, it[1])),
    "model": lambda it: _model(_class(it[0]), it[1]),
    "plain": lambda it: _class(it[0]).__from_plain__(_unpack(it[1])),
    "array": lambda it: _array(*it),
    "number": lambda it: _array(it[0], [], it[1])[()],
}


def _pack(value: Any) -> Any:
    kind: type[Any] = _class_of(value)
    if value is None or kind is str or kind is int or kind is float or kind is bool:
        return value
    if kind is list:
        return [_pack(item) for item in value]
    if kind is dict:
        if _TAG not in value and all(type(key) is str for key in value):
            return {key: _pack(inner) for key, inner in value.items()}
        return {_TAG: "dict", "v": [[_pack(key), _pack(inner)] for key, inner in value.items()]}
    simple = _SIMPLE.get(kind)
    if simple is not None:
        return {_TAG: simple[0], "v": simple[1](value)}
    if kind is datetime or kind is time:
        if value.tzinfo is not None and type(value.tzinfo) is not timezone:
            raise Unkeepable(f"A {kind.__name__} with a named time zone cannot be kept; convert it to UTC.")
        return {_TAG: kind.__name__, "v": [value.isoformat(), value.fold]}
    tag, told = _told(value, kind)
    return {_TAG: tag, "v": told}


def _told(value: Any, kind: type[Any]) -> tuple[str, list[Any]]:
    """Return how an object of a class is written: the tag, and the class's place with what it holds."""
    if isinstance(value, Secret):
        raise Unkeepable("A Secret is not kept.")
    if kind.__module__ == "numpy":
        return _numpy(value)
    where = _place(kind)
    if hasattr(kind, "__plain__"):
        return "plain", [where, _pack(value.__plain__())]
    if Enum in kind.__mro__ and kind.__members__.get(value.name) is value:
        return "Enum", [where, value.name]
    if tuple in kind.__mro__ and hasattr(kind, "_make"):
        return "named", [where, [_pack(item) for item in value]]
    if hasattr(kind, "__pydantic_fields__") and hasattr(kind, "model_construct"):
        fields_of: dict[str, Any] = value.__dict__
        held = {name: _pack(inner) for name, inner in fields_of.items()}
        return "model", [where, [held, _pack(value.__pydantic_extra__), sorted(value.model_fields_set)]]
    if is_dataclass(value):
        names = [field.name for field in fields(value)]
        if set(getattr(value, "__dict__", ())) - set(names):
            raise Unkeepable(f"A {kind.__qualname__} that has more attributes than fields cannot be kept.")
        return "fields", [where, {name: _pack(getattr(value, name)) for name in names}]
    if hasattr(kind, "__struct_fields__"):
        return "fields", [where, {name: _pack(getattr(value, name)) for name in kind.__struct_fields__}]
    raise Unkeepable(
        f"A {kind.__module__}.{kind.__qualname__} cannot be kept. Return plain values, a dataclass, or give the class "
        f"__plain__ and __from_plain__."
    )


def _place(kind: type) -> str:
    where = f"{kind.__module__}:{kind.__qualname__}"
    try:
        if _class(where) is kind:
            return where
    except (AttributeError, ImportError):
        pass
    raise Unkeepable(
        f"{kind.__qualname__} cannot be kept, for it cannot be imported by name: define it in a module."
    )


def _class(where: str) -> Any:
    module, _, name = where.partition(":")
    found: Any = sys.modules.get(module) or import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not isinstance(found, type):
        raise TypeError(f"{where} is no class")
    return cast("type[Any]", found)


def _numpy(value: Any) -> tuple[str, list[Any]]:
    if value.dtype.hasobject or value.dtype.names is not None:
        raise Unkeepable(f"A numpy array of {value.dtype} cannot be kept.")
    data = base64.b64encode(value.tobytes()).decode()
    if hasattr(value, "flags") and type(value).__name__ == "ndarray":
        return "array", [value.dtype.str, list(value.shape), data]
    return "number", [value.dtype.str, data]


def _array(kind: str, shape: list[int], data: str) -> Any:
    numpy = import_module("numpy")
    return numpy.frombuffer(base64.b64decode(data), kind).reshape(shape).copy()


def _with_fields(kind: Any, told: dict[str, Any]) -> Any:
    """Return an object with these fields, which were checked when it was first made."""
    is_struct = hasattr(kind, "__struct_fields__")
    held = {name: _unpack(inner) for name, inner in told.items()}
    if set(held) != set(kind.__struct_fields__ if is_struct else (field.name for field in fields(kind))):
        raise TypeError(f"{kind.__qualname__} has other fields now")
    if is_struct:
        return kind(**held)
    made = kind.__new__(kind)
    for name, inner in held.items():
        object.__setattr__(made, name, inner)
    return made


def _model(kind: Any, told: list[Any]) -> Any:
    held, extra, given = told
    values = {name: _unpack(inner) for name, inner in held.items()}
    return kind.model_construct(_fields_set=set(given), **values, **(_unpack(extra) or {}))


def _class_of(value: object) -> type[Any]:
    return type(value)


def _unpack(value: Any) -> Any:
    kind = _class_of(value)
    if kind is list:
        return [_unpack(item) for item in value]
    if kind is dict:
        tag = value.get(_TAG)
        if tag is None:
            return {key: _unpack(inner) for key, inner in value.items()}
        return _READ[tag](value["v"])
    return value
