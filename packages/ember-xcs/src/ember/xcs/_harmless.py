"""Whether calling something does nothing beside external calls but compute.

Code of a sibling that says of itself that it only calls certain functions of the user's (`__ember_calls__`) may then
run as it is, before its turn. That asks for more than being lowered does: there, a `print` waits by itself.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dis import get_instructions
from inspect import CO_ASYNC_GENERATOR, CO_GENERATOR
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final, NamedTuple

from ember.core.externals import External
from ember.core.marks import mark

from . import _effects as effects
from ._function_effects import Key, effects_of, forgets, is_asking, is_installed_file, key_of, resolver
from ._methods import methods_named, owner_of
from ._values import SCALARS, is_data

_SAYING: Final = frozenset(
    {
        *("print", "input", "open", "write", "breakpoint", "exec", "eval"),
        *("debug", "info", "warning", "error", "critical", "exception", "log"),
    }
)
"""Names of functions and methods that are known to change nothing but what is written, which has its turn too."""


class _Reads(NamedTuple):
    """What a function that only computes looks at beside its arguments: names of its module's, and methods."""

    names: frozenset[str] = frozenset()
    methods: tuple[FunctionType, ...] = ()
    parts: bool = False
    """Whether it is a method that calls what its object is made of: that must be harmless, too."""


_known: dict[Key, _Reads | None] = {}
forgets.append(_known.clear)


def harmless(thing: Any) -> bool:
    """Whether calling `thing` changes nothing that others can see, and writes nothing, beside its external calls."""
    if isinstance(thing, External):
        return True
    kind = type(thing)
    if kind is FunctionType:
        return _function(thing)
    if kind is MethodType:
        return harmless(thing.__func__)
    if kind is functools.partial:
        return harmless(thing.func)
    inner = mark(thing, "__ember_jit__")
    if inner is not None:
        return harmless(inner)
    parts = mark(thing, "__ember_calls__")
    if parts is not None:
        return all(map(harmless, parts))
    if effects.is_among(thing, effects.COMPUTE):
        return True
    if kind is BuiltinFunctionType and type(thing.__self__) in SCALARS:  # `", ".join`
        return True
    own = getattr(kind, "__call__", None)  # noqa: B004  # the function, not whether there is one
    if type(own) is not FunctionType or (reads := _reads_of(own)) is None:
        return False
    return not reads.parts or made_of_harmless(thing)


def made_of_harmless(thing: Any) -> bool:
    """Whether `thing` never changes, and all that it is made of is data, or harmless."""
    if not hasattr(type(thing), effects.FROZEN):
        return False
    left = list(vars(thing).values())
    while left:
        one = left.pop()
        if type(one) in SCALARS:
            continue
        if type(one) in effects.DICTS:
            left += one.values()
        elif type(one) in effects.CONTAINERS:
            left += one
        elif not is_data(one) and not hasattr(one, "dtype") and not harmless(one):
            return False
    return True


def read_by(things: Iterable[Any]) -> list[Any]:
    """Return what calls of harmless `things` may read, beside their arguments, that others may change."""
    found: list[Any] = []
    seen: set[int] = set()
    left = list(things)
    while left:
        one = left.pop()
        kind = type(one)
        if kind in SCALARS or id(one) in seen or isinstance(one, External):
            continue
        seen.add(id(one))
        if kind is FunctionType:
            left += (*(one.__defaults__ or ()), *(one.__kwdefaults__ or {}).values())
            for cell in one.__closure__ or ():
                with suppress(ValueError):  # nothing was assigned yet
                    left.append(cell.cell_contents)
            reads = _reads_of(one) or _Reads()
            left += [one.__globals__[name] for name in reads.names if name in one.__globals__]
            left += reads.methods
        elif kind is MethodType:
            left += (one.__self__, one.__func__)
        elif kind is functools.partial:
            left += (one.func, *one.args, *one.keywords.values())
        elif (inner := mark(one, "__ember_jit__")) is not None:
            left.append(inner)
        else:
            found.append(one)
            left += mark(one, "__ember_calls__") or ()
            if hasattr(kind, effects.FROZEN):
                left += vars(one).values()
            left.append(getattr(kind, "__call__", None))  # noqa: B004
    return found


def _function(function: FunctionType) -> bool:
    reads = _reads_of(function)
    return reads is not None and not reads.parts


def _reads_of(function: FunctionType) -> _Reads | None:
    """Return what a harmless function looks at; None for one that is not."""
    key = key_of(function)
    if key in _known:
        return _known[key]
    _known[key] = _Reads()  # for whoever asks meanwhile: itself, by recursion
    found = None
    try:
        found = _looked_into(function)
    finally:
        if is_asking():  # what it was told may not be the last word
            del _known[key]
        else:
            _known[key] = found
    return found


def _looked_into(function: FunctionType) -> _Reads | None:
    done = effects_of(function)
    if done.writes or done.objects or done.changed or done.shared:
        return None
    if done.parts and not hasattr(owner_of(function), effects.FROZEN):
        return None
    code = function.__code__
    names, attributes = frozenset(_names(code)), frozenset(_attributes(code))
    methods = tuple(method for name in attributes for method in methods_named(name))
    if (names | attributes) & _SAYING or not all(map(_function, methods)):
        return None
    if not all(map(_may_be_used, map(resolver(function), names))):
        return None
    return _Reads(names, methods, done.parts)


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names of variables that are not local; "print" for a generator: it goes on when it likes."""
    if code.co_flags & (CO_GENERATOR | CO_ASYNC_GENERATOR) and code.co_name != "<genexpr>":
        yield "print"
    yield from (one.argval for one in get_instructions(code) if one.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    yield from code.co_freevars
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _names(one)


def _attributes(code: CodeType) -> Iterator[str]:
    for one in get_instructions(code):
        if "_ATTR" in one.opname or one.opname == "LOAD_METHOD":
            yield one.argval
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _attributes(inner)


def _may_be_used(value: Any) -> bool:
    """Whether a function that uses `value`, of its module or captured, may still be harmless."""
    if isinstance(value, FunctionType):
        return value in effects.READ or _function(value)
    if isinstance(value, ModuleType):
        path = getattr(value, "__file__", None)
        return is_installed_file(path) if path else value.__name__ in sys.builtin_module_names
    if isinstance(value, type) and value.__module__ != "builtins":
        from ._classes import only_stores  # which needs to know what must wait

        return effects.is_among(value, effects.READ) or only_stores(value)
    return True
