"""Functions of numbers that programs with external calls call: staged by jax, while calls are under way."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

from types import FunctionType
from typing import Any, Final
from weakref import WeakKeyDictionary

from ._apart import apart
from ._memory import fill
from ._numeric import NOT_NUMERIC, Numeric
from ._order import await_all, in_turn
from ._run import Run
from ._values import PENDING, SCALARS, has_pending

_callees: WeakKeyDictionary[FunctionType, Numeric] = WeakKeyDictionary()


def staged_call(run: Run, function: FunctionType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the result of a call of numbers alone, as `jax.jit` computes it, or `NOT_NUMERIC` if it was not run.

    By its text such a function does nothing but compute. So it may wait for pending arguments, if others are arrays,
    and run whenever they are there.
    """
    things = (*args, *kwargs.values())
    if not any(map(_is_array, things)) and not any(_holds_array(one) for one in things):
        return NOT_NUMERIC
    if not all(map(_is_plain, things)):
        return NOT_NUMERIC  # to take an object of the user's apart, its code would have to run
    numeric = _callees.get(function)
    if numeric is None:
        numeric = _callees[function] = Numeric(function)
    if not any(map(has_pending, things)) and in_turn(run, things):
        found = numeric.quick(args, kwargs)
        return numeric.call(args, kwargs) if found is NOT_NUMERIC else found
    if numeric.computes():
        return apart(run, _staged_later, (function, numeric, args, kwargs), things)
    return NOT_NUMERIC


def _staged_later(
    run: Run, function: FunctionType, numeric: Numeric, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    await_all(run, [fill(run, one) for one in (*args, *kwargs.values())])
    args = tuple(fill(run, one) for one in args)
    kwargs = {name: fill(run, one) for name, one in kwargs.items()}
    plain = all(map(_is_plain, (*args, *kwargs.values())))
    found = numeric.call(args, kwargs) if plain else NOT_NUMERIC
    return function(*args, **kwargs) if found is NOT_NUMERIC else found


def _is_array(value: Any) -> bool:
    return type(value).__module__.startswith("jaxlib")


_DEEPEST: Final = 8
"""Levels of containers that are looked into: one may hold itself."""


def _holds_array(value: Any, depth: int = 0) -> bool:
    kind = type(value)
    if depth > _DEEPEST or kind not in (list, tuple, dict):
        return False
    return any(
        _is_array(one) or _holds_array(one, depth + 1) for one in (value.values() if kind is dict else value)
    )


def _is_plain(value: Any, depth: int = 0) -> bool:
    """Whether `value` is pending, a number, text, an array, or a list, tuple or dict of such."""
    kind = type(value)
    if kind in SCALARS or kind in PENDING or _is_array(value) or kind.__module__ == "numpy":
        return True
    if depth > _DEEPEST or kind not in (list, tuple, dict):
        return False
    if kind is dict and not all(type(key) is str for key in value):
        return False
    return all(_is_plain(one, depth + 1) for one in (value.values() if kind is dict else value))
