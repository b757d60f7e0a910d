"""Calls of Python's own functions in lowered code: those that read, hand on, or call back."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import dataclasses
import functools
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from contextvars import Context
from types import FunctionType
from typing import Any, Final, cast

from greenlet import getcurrent

from ember.core import gather
from ember.core.externals import External

from . import _effects as effects
from ._apart import apart, ordered, read, unknown
from ._attributes import attr
from ._classes import only_stores
from ._containers import new
from ._harmless import harmless
from ._iterators import (
    held_iterator,
    hold_iterator,
    over_iterators,
    steps,
)
from ._memory import fill, reading, ready, ready_call, settle
from ._order import await_turn, in_turn, must_wait
from ._pending import Pending
from ._program import program_of
from ._run import Run
from ._tasks import HARMLESS, SCOPED, WRITES, Scope
from ._values import PENDING, SCALARS, has_pending, is_data, plain_deep


def library(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if function in effects.LAZY and args and function is not reversed:
        return _lazily(run, function, args, kwargs)
    if run.stepping and any(held_iterator(run, one) is not None for one in args):
        return over_iterators(run, function, args, kwargs)
    if function in effects.CALLS_BACK:
        return calling_back(run, function, args, kwargs)
    if function in _CONTAINER_TYPES and not kwargs:
        if not any(map(has_pending, args)) and in_turn(run, args) and all(map(is_data, args)):
            return new(function(*args))
        return apart(run, _made, (function, args), args)
    if function is functools.partial and all(
        type(one) in SCALARS
        or type(one) is FunctionType
        or isinstance(one, External)
        or hasattr(type(one), effects.FROZEN)
        for one in (*args, *kwargs.values())
    ):
        partial: Any = function
        return partial(*args, **kwargs)  # what it holds never changes, and calls of it are seen
    if function is dataclasses.replace and not (
        args and (type(args[0]) in PENDING or only_stores(type(args[0])))
    ):
        return unknown(run, function, args, kwargs)
    if kwargs:
        things = (*args, *kwargs.values())
        if any(map(has_pending, things)) or not in_turn(run, things):
            return apart(run, library_later, (function, args, kwargs), things)
        return function(*args, **kwargs)
    if args and (function is iter or function is reversed):
        return _iterator(run, function, args)
    if function in effects.SHALLOW and args and all(type(arg) not in PENDING for arg in args):
        return _shallow(run, function, args)
    return read(run, function, args, effects.known_result(function))


_CONTAINER_TYPES: Final = frozenset({deque, *effects.DICTS} - {dict})


def _made(run: Run, function: Any, args: tuple[Any, ...]) -> Any:
    return new(reading(run, function, args))


def library_of_arrays(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of jax's or numpy's that only computes."""
    things = (*args, *kwargs.values())
    if not any(map(has_pending, things)) and in_turn(run, things):
        return function(*args, **kwargs)
    return apart(run, library_later, (function, args, kwargs), things)


def library_later(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given, words = ready_call(run, args, kwargs)
    return function(*given, **words)


def _shallow(run: Run, function: Any, args: tuple[Any, ...]) -> Any:
    """Functions that hand elements on as they are: pending ones may stay so, in what they return too."""
    if function is dict and type(args[0]) not in effects.DICTS and not _are_pairs(args[0]):
        return apart(run, library_later, (function, args, {}), args)
    if function in (list, tuple, dict, len, bool, type, isinstance):
        if (
            function is type
            or function is isinstance
            or all(is_data(arg) and must_wait(run, arg, False) is None for arg in args)
        ):
            made = function(*args)
            return new(made) if type(made) in (list, dict) else made
        if not any(type(arg) in PENDING for arg in args) and not all(map(is_data, args)):
            return unknown(run, function, args, {})
        return apart(run, library_later, (function, args, {}), args)
    if function is set and args and any(map(has_pending, args)):
        return apart(run, library_later, (function, args, {}), args)
    return read(run, function, args, None)


def _iterator(run: Run, function: Any, args: tuple[Any, ...]) -> Any:
    if len(args) == 1 and is_data(args[0]) and must_wait(run, args[0], False) is None:
        return hold_iterator(run, function(*args), args)
    return apart(run, _iterator_later, (function, args), args)


def _iterator_later(run: Run, function: Any, args: tuple[Any, ...]) -> Any:
    thing = run.force(args[0])
    if len(args) == 1 and is_data(thing):
        await_turn(run, thing)
        return hold_iterator(run, function(thing), (thing,))
    return ordered(run, function, (thing, *args[1:]), {})


def _are_pairs(things: Any) -> bool:
    """Whether a dict can be made of these: pairs whose keys are there."""
    return type(things) is list and all(
        type(one) is tuple and len(one) == 2 and type(one[0]) in SCALARS for one in things
    )


def turns(run: Run, thing: Any) -> Iterator[Any]:
    """Iterate over a container that the program may change meanwhile: each step comes in its turn."""
    kind = type(thing)
    if kind in SCALARS or kind is tuple or kind is frozenset:
        return iter(thing)
    if (held := held_iterator(run, thing)) is not None:
        return steps(run, held)
    if kind in effects.CHANGING or kind in effects.ITERATORS:
        return _turns(run, thing, kind not in effects.CHANGING)
    return iter(thing)


def _turns(run: Run, thing: Any, changing: bool) -> Iterator[Any]:
    if run.suspended:
        await_turn(run, thing, changing)
    moving = iter(thing)
    while True:
        if run.suspended:
            await_turn(run, thing, changing)
        try:
            one = next(moving)
        except StopIteration:
            return
        yield one


def _lazily(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make an iterator over `args`: what it goes over may be pending, and change before it is come to."""
    things = (*args, *kwargs.values())
    if any(type(one) in PENDING for one in things) or not all(_goes_over(run, one) for one in args):
        return apart(run, _lazily_later, (function, args, kwargs), things)
    made = function(*[one if type(one) in SCALARS else turns(run, one) for one in args], **kwargs)
    return hold_iterator(run, made, things)


def _goes_over(run: Run, thing: Any) -> bool:
    return is_data(thing) or type(thing) in effects.ITERATORS or held_iterator(run, thing) is not None


def _lazily_later(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    args = tuple(run.force(arg) for arg in args)
    kwargs = {name: run.force(arg) for name, arg in kwargs.items()}
    if all(_goes_over(run, one) for one in args):
        return _lazily(run, function, args, kwargs)
    run.barrier()
    return function(*[settle(run, arg) for arg in args], **kwargs)


def calling_back(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if function in (max, min, sorted) and len(args) == 1:
        if kwargs.get("key") is None:
            return _library_pick(run, function, args, kwargs)
        return apart(run, _by_key, (function, args[0], kwargs), (args[0], *kwargs.values()))
    if function is gather:
        return _gather(run, *args, **kwargs)
    if function is functools.reduce and len(args) in (2, 3):
        return apart(run, _reduce, args, args)
    if function in (max, min):
        if kwargs.get("key") is not None:
            return apart(run, _by_key, (function, args, kwargs), (*args, *kwargs.values()))
        return _library_pick(run, function, args, kwargs)
    if function is getattr and len(args) == 2 and type(args[1]) is str:
        return attr(args[0], args[1])
    return unknown(run, function, args, kwargs)


def _gather(run: Run, thunks: Any, limit: int | None = None, *, return_exceptions: bool = False) -> Any:
    """`ember.core.gather`: the thunks are tasks."""
    # What the thunks themselves read, they read in their turn.
    there = type(thunks) is tuple or (type(thunks) is list and must_wait(run, thunks, False) is None)
    if limit is None and there and type(return_exceptions) is bool:
        return new([_thunk(run, thunk, return_exceptions, place) for place, thunk in enumerate(thunks)])
    given = (thunks, limit, return_exceptions)
    if there and all(map(harmless, thunks)):
        return apart(run, gathered, given, (thunks, *thunks), flags=HARMLESS)
    return apart(run, gathered, given, (thunks,), writes=True, changes=True)


def gathered(run: Run, thunks: Any, limit: int | None, return_exceptions: bool = False) -> list[Any]:
    """Begin thunks, at most `limit` at once, until one has failed; their results may be pending."""
    thunks, limit, return_exceptions = run.force(thunks), run.force(limit), run.force(return_exceptions)
    if limit is not None and limit < 1:
        raise ValueError(f"limit is how many run at once, at least 1; got {limit!r}.")
    made: list[Any] = []
    active = 0
    bell: Pending | None = None

    def ended() -> None:
        nonlocal active
        active -= 1
        if bell is not None:
            run.set(bell, None)

    for thunk in turns(run, thunks):
        while limit is not None and active >= limit:
            bell = Pending(run)
            run.wait(bell)
            bell = None
            for one in made:
                if type(one) in PENDING and one.done and one.error is not None:
                    run.force(one)
        one = _thunk(run, thunk, return_exceptions, len(made))
        made.append(one)
        if type(one) in PENDING and not one.done:
            active += 1
            run.then(one, ended)
    return cast("list[Any]", new(made))


def _thunk(run: Run, thunk: Any, keep: bool, place: int) -> Any:
    if run.current.flags & HARMLESS or harmless(thunk):
        flags = HARMLESS
    else:
        function = thunk if type(thunk) is FunctionType else None
        program = None if function is None else program_of(function)
        flags = WRITES if program is None or not program.lowered else program.flags
    return run.spawn(
        _kept if keep else _in_own_context,
        (run, thunk, place),
        None,
        inputs=(thunk,),
        changed=0 if flags & HARMLESS else -1,
        flags=flags | SCOPED if keep else flags,
        scope=Scope(run.current.scope) if keep else None,
        what="a thunk of gather",
    )


def _in_own_context(run: Run, thunk: Any, place: int) -> Any:
    own_context()
    try:
        value = run.force(run.lowered_call(thunk))
        run.drain()
    except Exception as error:
        with suppress(AttributeError, TypeError):  # it has slots
            error.__ember_place__ = place  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        raise
    return value


def _kept(run: Run, thunk: Any, place: int) -> Any:
    """Return what a thunk returned, or the exception it raised."""
    try:
        try:
            return _in_own_context(run, thunk, place)
        except Exception as error:
            run.failed(error)
            raise
    except Exception as error:
        return error


def own_context() -> None:
    """From here on the running task sets context variables for itself alone."""
    here = getcurrent()
    here.gr_context = (here.gr_context or Context()).copy()


def _library_pick(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    things = (*args, *kwargs.values())
    if not any(map(has_pending, things)) and in_turn(run, things) and all(map(plain_deep, things)):
        return function(*args, **kwargs)
    return apart(run, _picked, (function, args, kwargs), things)


def _picked(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given, words = ready_call(run, args, kwargs)
    if not all(map(plain_deep, (*given, *words.values()))):
        run.barrier()
    return function(*given, **words)


def _by_key(run: Run, function: Any, things: Any, kwargs: dict[str, Any]) -> Any:
    kwargs = {name: run.force(value) for name, value in kwargs.items()}
    by = kwargs.pop("key")
    things = run.force(things)
    if (
        type(things) in effects.CONTAINERS
        or type(things) in SCALARS
        or type(things) in effects.ITERATORS
        or held_iterator(run, things) is not None
    ):
        items = list(turns(run, things))
    else:
        run.barrier()
        items = list(things)
    keys = ready(run, [run.lowered_call(by, one) for one in items])
    if function is sorted:
        order = sorted(range(len(items)), key=keys.__getitem__, **kwargs)
        return [fill(run, items[place]) for place in order]
    if not items:
        return function(items, key=by, **kwargs)
    return items[function(range(len(items)), key=keys.__getitem__)]


def sort_list(run: Run, things: list[Any], kwargs: dict[str, Any]) -> None:
    """`things.sort(key=...)`."""
    held = run.fresh.get(id(things))
    if held is None:
        run.barrier()
    else:
        run.drain_out_to(held.scope)
    await_turn(run, things, True)
    items = things[:]
    things.clear()  # as in Python: whoever looks at it while it is sorted finds it empty
    try:
        items = _by_key(run, sorted, items, kwargs)
        run.drain()
    finally:
        things[:] = items


def _reduce(run: Run, by: Any, things: Any, *start: Any) -> Any:
    things = run.force(things)
    by = run.force(by)
    steps = turns(run, things)
    if start:
        value = start[0]
    else:
        try:
            value = next(steps)
        except StopIteration:
            raise TypeError("reduce() of empty iterable with no initial value") from None
    for one in steps:
        value = run.lowered_call(by, value, one)
    return value
