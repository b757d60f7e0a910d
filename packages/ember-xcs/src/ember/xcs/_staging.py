"""Functions of numbers that programs with external calls call: staged by jax, while calls are under way."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from ._apart import apart
from ._memory import fill
from ._numeric import NOT_NUMERIC, Numeric, jax_in_use
from ._order import await_all, in_turn
from ._run import Run
from ._values import has_pending

_callees: WeakKeyDictionary[FunctionType, Numeric] = WeakKeyDictionary()


def staged_call(run: Run, function: FunctionType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the result of a call of numbers alone, as `jax.jit` computes it, or `NOT_NUMERIC` if it was not run.

    By its text such a function does nothing but compute. So it may wait for pending arguments, if others are arrays,
    and run whenever they are there.
    """
    numeric = _callees.get(function)
    if numeric is None:
        numeric = _callees[function] = Numeric(function)
    things = (*args, *kwargs.values())
    if not any(map(has_pending, things)) and in_turn(run, things):
        found = numeric.quick(args, kwargs)
        return numeric.call(args, kwargs) if found is NOT_NUMERIC else found
    if jax_in_use(*(one for one in things if not has_pending(one))) and numeric.computes():
        return apart(run, _staged_later, (function, numeric, args, kwargs), things)
    return NOT_NUMERIC


def _staged_later(
    run: Run, function: FunctionType, numeric: Numeric, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    await_all(run, [fill(run, one) for one in (*args, *kwargs.values())])
    args = tuple(fill(run, one) for one in args)
    kwargs = {name: fill(run, one) for name, one in kwargs.items()}
    found = numeric.call(args, kwargs)
    return function(*args, **kwargs) if found is NOT_NUMERIC else found
