"""Calls in lowered code: external ones are sent, the user's own functions are tasks, all else keeps its order."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import dataclasses
import functools
import logging
import re
import sys
from collections import deque
from collections.abc import Iterator
from contextvars import Context, ContextVar
from types import FunctionType, MethodType
from typing import Any, Final, cast

from greenlet import getcurrent

from ember.core import gather
from ember.core.externals import External

from . import _effects as effects
from ._arguments import takes_over
from ._iterators import (
    begin as begin_generator,
    eaten,
    held_iterator,
    hold_iterator,
    method_of,
    next_of,
    over_iterators,
    steps,
)
from ._memory import (
    PENDING,
    SCALARS,
    await_all,
    await_turn,
    fill,
    has_pending,
    hold_object,
    in_turn,
    is_data,
    lazy,
    local,
    may_be_outside,
    must_wait,
    quiet,
    reading,
    ready,
    settle,
    snapshot,
    take,
)
from ._numeric import NOT_NUMERIC
from ._ops import apart, attr, change, checked, new, ordered, read, stores_plainly, unknown
from ._pending import Pending
from ._program import Program, program_of
from ._run import WRITES, Abandoned, Flight, Run
from ._staging import staged_call
from ._summary import READING, index, is_installed, methods_named

_BUILTIN: Final = type(len)
_STATIC: Final = frozenset({list, dict, set, str, tuple, *effects.CHANGING})


def call(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """`function(*args, **kwargs)`."""
    run: Run = local.run
    if run.current.dead:
        raise Abandoned
    kind = type(function)
    if kind is FunctionType:
        if function in effects.READ:
            return _library(run, function, args, kwargs)
        return own_call(run, function, args, kwargs)
    if isinstance(function, External):
        return external_call(run, function, args, kwargs)
    if kind in PENDING:
        return apart(
            run,
            _call_later,
            (function, args, kwargs),
            (function, *args, *kwargs.values()),
            writes=True,
            changes=True,
        )
    if kind is MethodType:
        own = function.__func__
        if type(own) is not FunctionType:
            return call(own, function.__self__, *args, **kwargs)
        if own.__name__ in _AWAITED and isinstance(function.__self__, External):
            return _later(run, function, args, kwargs)
        return own_call(run, own, (function.__self__, *args), kwargs)
    if function is print:
        return _print(run, args, kwargs)
    if kind is _BUILTIN and type(function.__self__) in _STATIC:
        return method(function.__self__, function.__name__, *args, **kwargs)
    if function is next and args and (run.stepping or type(args[0]) in PENDING):
        return next_of(run, args)
    try:
        reads = function in effects.READ
    except TypeError:
        reads = False
    if reads:
        return _library(run, function, args, kwargs)
    if effects.computes_on_arrays(function):
        return _library_of_arrays(run, function, args, kwargs)
    if kind is type or isinstance(function, type):
        return _construct(run, function, args, kwargs)
    inner = getattr(function, "__ember_jit__", None)
    if inner is not None:
        return call(inner, *args, **kwargs)
    if kind is functools.partial:
        return call(function.func, *function.args, *args, **{**function.keywords, **kwargs})
    own = getattr(kind, "__call__", None)  # noqa: B004  # the function, not whether there is one
    if type(own) is FunctionType:
        return own_call(run, own, (function, *args), kwargs)
    return unknown(run, function, args, kwargs)


def _call_later(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return call(run.force(function), *args, **kwargs)


# The user's own functions -----------------------------------------------------------------------------


def own_call(run: Run, function: FunctionType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if effects.computes_on_arrays(function):
        return _library_of_arrays(run, function, args, kwargs)
    if "jax" in sys.modules and not all(type(one) in SCALARS for one in args):
        staged = staged_call(run, function, args, kwargs)
        if staged is not NOT_NUMERIC:
            return staged
    program = program_of(function)
    if program.lowered:
        if program.asynchronous:
            return _later(run, function, args, kwargs)
        if program.generator:
            return begin_generator(run, function, program, args, kwargs)
        return begin(run, function, program, args, kwargs)
    if program.computes:
        things = (*args, *kwargs.values())
        if not any(map(has_pending, things)) and in_turn(run, things) and all(map(_plain_deep, things)):
            made = function(*args, **kwargs)
            if program.generator:  # it goes over them later, and as they are then
                return hold_iterator(run, made, tuple(settle(run, one) for one in things))
            return _handed(run, made, things)
        return apart(run, _plain, (function, args, kwargs), (*args, *kwargs.values()))
    return unknown(run, function, args, kwargs)


def _later(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from ._drive import later  # asyncio: only for those who use it

    return later(run, function, args, kwargs)


_AWAITED: Final = frozenset({"aio", "acall"})


def begin(
    run: Run, function: FunctionType, program: Program, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Begin a call of a lowered function: a task, unless it never waits."""
    twin = program.twin(function)
    if not program.waits or program.sets:
        return twin(*args, **kwargs)
    inputs = (*args, *kwargs.values(), function) if kwargs or function.__closure__ else args
    return run.spawn(
        twin,
        args,
        kwargs,
        inputs=inputs,
        changed=program.changed if not kwargs or not program.changed else -1,
        flags=program.flags,
        what=function.__qualname__,
        gives=program.gives if not kwargs or not program.gives else -1,
        outside=program.outside,
    )


def _plain(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given, words = ready_call(run, args, kwargs)
    if not all(map(_plain_deep, (*given, *words.values()))):
        return ordered(run, function, tuple(given), words)
    return _handed(run, function(*given, **words), (*given, *words.values()))


def ready_call(run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a call, to be read here and now."""
    values = ready(run, (*args, *kwargs.values()))
    return values[: len(args)], dict(zip(kwargs, values[len(args) :]))


def _handed(run: Run, value: Any, things: tuple[Any, ...]) -> Any:
    """Return what a function that only computes made of `things`: a container of its own may hold them from now on."""
    if type(value) not in SCALARS and id(value) not in run.fresh:
        for thing in things:
            settle(run, thing)
    return value


# External calls -----------------------------------------------------------------------------


def external_call(
    run: Run, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    kind = result_kind(external)
    if all(type(arg) in SCALARS for arg in args) and (
        not kwargs or all(type(a) in SCALARS for a in kwargs.values())
    ):
        return run.issue(external, args, kwargs, kind)
    things = (*args, *kwargs.values())
    if takes_over(external) and not all(type(one) in SCALARS or _is_scalar(one) for one in things):
        return apart(run, _external_in_place, (external, args, kwargs), things, changes=True)
    if not any(map(has_pending, things)) and in_turn(run, things):
        args = tuple(handed_out(run, arg) for arg in args)
        return run.issue(external, args, {name: handed_out(run, arg) for name, arg in kwargs.items()}, kind)
    if all(type(one) in SCALARS or _is_scalar(one) or _is_unshared(run, one) for one in things):
        return run.issue_later(external, args, kwargs, kind)
    made = apart(run, _external_later, (external, args, kwargs, kind), things)
    if type(made) in PENDING:
        made.kind = kind
    return made


def handed_out(run: Run, value: Any) -> Any:
    """Return what whoever answers a call is given: he reads it while the program goes on."""
    if type(value) in SCALARS:
        return value
    return snapshot(value) if _plain_deep(value) else settle(run, value)


def _is_scalar(value: Any) -> bool:
    """Whether `value` is pending, and known to be of a type that never changes."""
    return type(value) in PENDING and value.kind in SCALARS and value.kind is not None


def _is_unshared(run: Run, value: Any) -> bool:
    """Whether `value` is an answer that is not there yet, and nothing that waits for it can change it."""
    return type(value) is Flight and not run.guessing.tasks


def _external_in_place(
    run: Run, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Make a call that changes or keeps its arguments: with the objects themselves, while nobody else uses them."""
    things = [run.force(one) for one in (*args, *kwargs.values())]
    for one in things:
        if type(one) not in SCALARS:
            await_turn(run, one, True)
    await_all(run, things)
    args = tuple(settle(run, arg) for arg in args)
    kwargs = {name: settle(run, arg) for name, arg in kwargs.items()}
    return run.force(run.issue(external, args, kwargs, None))


def _external_later(
    run: Run, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], kind: type | None
) -> Any:
    if run.record is not None:
        run.record.reads(run.current, (args, kwargs))
    given, words = ready_call(run, args, kwargs)
    copies = {name: handed_out(run, one) for name, one in words.items()}
    return run.issue(external, tuple(handed_out(run, one) for one in given), copies, kind)


def result_kind(external: External[..., Any]) -> type | None:
    """Return the type an external call's result is known to have."""
    if external.kind == "model" and not external.name.startswith("models."):
        return str
    function = getattr(external, "__wrapped__", None)
    returns: object = getattr(function, "__annotations__", {}).get("return")
    if isinstance(returns, str):
        return _NAMED.get(returns)
    return returns if isinstance(returns, type) and returns in SCALARS else None


_NAMED: Final[dict[str, type]] = {"str": str, "int": int, "float": float, "bool": bool, "bytes": bytes}


# Python's own functions -----------------------------------------------------------------------------


def _library(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if function in effects.LAZY and args and function is not reversed:
        return _lazily(run, function, args, kwargs)
    if run.stepping and any(held_iterator(run, one) is not None for one in args):
        return over_iterators(run, function, args, kwargs)
    if function in effects.CALLS_BACK:
        return _calling_back(run, function, args, kwargs)
    if function in _CONTAINER_TYPES and not kwargs:
        if not any(map(has_pending, args)) and in_turn(run, args) and all(map(is_data, args)):
            return new(function(*args))
        return apart(run, _made, (function, args), args)
    if function is functools.partial and all(
        type(one) in SCALARS
        or type(one) is FunctionType
        or isinstance(one, External)
        or hasattr(type(one), "__ember_frozen__")
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
            return apart(run, _library_later, (function, args, kwargs), things)
        return function(*args, **kwargs)
    if function in effects.SHALLOW and args and all(type(arg) not in PENDING for arg in args):
        return _shallow(run, function, args)
    return read(run, function, args, effects.known_result(function))


_CONTAINER_TYPES: Final = frozenset({deque, *effects.DICTS} - {dict})


def _made(run: Run, function: Any, args: tuple[Any, ...]) -> Any:
    return new(reading(run, function, args))


def _library_of_arrays(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of jax's or numpy's that only computes."""
    things = (*args, *kwargs.values())
    if not any(map(has_pending, things)) and in_turn(run, things):
        return function(*args, **kwargs)
    return apart(run, _library_later, (function, args, kwargs), things)


def _library_later(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given, words = ready_call(run, args, kwargs)
    return function(*given, **words)


def _shallow(run: Run, function: Any, args: tuple[Any, ...]) -> Any:
    """Functions that hand elements on as they are: pending ones may stay so, in what they return too."""
    if function is iter or function is reversed:
        if len(args) == 1 and is_data(args[0]) and must_wait(run, args[0], False) is None:
            return hold_iterator(run, function(*args), args)
        return apart(run, _iterator_later, (function, args), args)
    if function is dict and type(args[0]) not in effects.DICTS and not _are_pairs(args[0]):
        return apart(run, _library_later, (function, args, {}), args)
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
        return apart(run, _library_later, (function, args, {}), args)
    if function is set and args and any(map(has_pending, args)):
        return apart(run, _library_later, (function, args, {}), args)
    return read(run, function, args, None)


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


def _calling_back(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
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


def _gather(run: Run, thunks: Any, limit: int | None = None) -> Any:
    """`ember.core.gather`: the thunks are tasks."""
    if limit is not None or type(thunks) not in (list, tuple) or not in_turn(run, (thunks,)):
        return apart(run, gathered, (thunks, limit), (thunks,), writes=True, changes=True)
    return new([_thunk(run, thunk) for thunk in thunks])


def gathered(run: Run, thunks: Any, limit: int | None) -> list[Any]:
    """Begin thunks, at most `limit` at once, until one has failed; their results may be pending."""
    thunks, limit = run.force(thunks), run.force(limit)
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
        one = _thunk(run, thunk)
        made.append(one)
        if type(one) in PENDING and not one.done:
            active += 1
            run.then(one, ended)
    return cast("list[Any]", new(made))


def _thunk(run: Run, thunk: Any) -> Any:
    function = thunk if type(thunk) is FunctionType else None
    program = None if function is None else program_of(function)
    flags = WRITES if program is None or not program.lowered else program.flags
    return run.spawn(
        _in_own_context,
        (run, thunk),
        None,
        inputs=(thunk,),
        changed=-1,
        flags=flags,
        what="a thunk of gather",
    )


def _in_own_context(run: Run, thunk: Any) -> Any:
    here = getcurrent()
    here.gr_context = (here.gr_context or Context()).copy()
    value = run.force(call(thunk))
    run.drain()
    return value


def _library_pick(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    things = (*args, *kwargs.values())
    if not any(map(has_pending, things)) and in_turn(run, things) and all(map(_plain_deep, things)):
        return function(*args, **kwargs)
    return apart(run, _picked, (function, args, kwargs), things)


def _plain_deep(thing: Any, within: tuple[int, ...] = ()) -> bool:
    """Whether operators and methods of `thing`, and of all that is in it, are Python's own."""
    kind = type(thing)
    if kind in SCALARS or id(thing) in within:
        return True
    if kind in (list, tuple, set, frozenset):
        within = (*within, id(thing))
        return all(_plain_deep(one, within) for one in thing)
    if kind in effects.DICTS:
        within = (*within, id(thing))
        return all(_plain_deep(one, within) for pair in thing.items() for one in pair)
    return is_data(thing)


def _picked(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given, words = ready_call(run, args, kwargs)
    if not all(map(_plain_deep, (*given, *words.values()))):
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
    keys = ready(run, [call(by, one) for one in items])
    if function is sorted:
        order = sorted(range(len(items)), key=keys.__getitem__, **kwargs)
        return [fill(run, items[place]) for place in order]
    if not items:
        return function(items, key=by, **kwargs)
    return items[function(range(len(items)), key=keys.__getitem__)]


def _sort(run: Run, things: list[Any], kwargs: dict[str, Any]) -> None:
    """`things.sort(key=...)`."""
    if run.fresh.get(id(things)) is None:
        run.barrier()
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
        value = call(by, value, one)
    return value


# Methods -----------------------------------------------------------------------------


def method(thing: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
    """`thing.name(*args, **kwargs)`."""
    run: Run = local.run
    kind = type(thing)
    if kind in PENDING:
        if thing.done and thing.error is None:
            return method(thing.value, name, *args, **kwargs)
        if thing.kind is str and name in effects.STR_METHODS and not kwargs:
            return _of_str(run, thing, name, args)
        data = thing.kind in SCALARS
        return apart(
            run,
            _method_later,
            (thing, name, args, kwargs),
            (thing, *args, *kwargs.values()),
            writes=not data and name in _CHANGING and may_be_outside(thing),
            changes=not data and (name in _CHANGING or name not in READING or bool(methods_named(name))),
        )
    if run.stepping:
        if held_iterator(run, thing) is not None:
            return method_of(run, thing, name, args, kwargs)
        if name in _EATING and any(held_iterator(run, one) is not None for one in args):
            return apart(
                run, _with_eaten, (thing, name, args, kwargs), (thing, *args), changes=kind is not str
            )
    if kind is str or (isinstance(thing, str) and name in effects.STR_METHODS):
        if name == "join" or kwargs or not all(type(arg) in SCALARS for arg in args):
            return _of_str(run, thing, name, args, kwargs)
        if run.current.dead:
            raise Abandoned
        made = getattr(thing, name)(*args)
        return take(run, made, run.current.scope) if type(made) is list else made
    changing = effects.CHANGING.get(kind)
    if changing is not None:
        if name in changing:
            if name == "sort" and kwargs.get("key") is not None and kind is list and not args:
                return apart(run, _sort, (thing, kwargs), (thing, *kwargs.values()), changes=True)
            return change(run, thing, name, args, kwargs)
        if name in ("items", "keys", "values") and not args and kind in effects.DICTS:
            return unknown(run, getattr(thing, name), args, kwargs)  # it goes with what becomes of the dict
        if name == "copy" and not args:
            if must_wait(run, thing, False) is None:
                made = getattr(thing, name)()
                return new(made) if kind is not deque else made
            return apart(run, _container_method, (thing, name, args, kwargs), (thing,))
        if (
            name == "get"
            and kind in effects.DICTS
            and args
            and type(args[0]) in SCALARS
            and must_wait(run, thing, False) is None
        ):
            return cast("dict[Any, Any]", thing).get(*args)
        return apart(run, _container_method, (thing, name, args, kwargs), (thing, *args))
    if kind is ContextVar:
        # Calls made from here on see what is set: these cannot be sent before.
        run.barrier()
        return getattr(thing, name)(*(settle(run, arg) for arg in args), **kwargs)
    if isinstance(thing, type):
        found = getattr(thing, name)
        if type(found) in (FunctionType, MethodType) or hasattr(found, "__ember_jit__"):
            return call(found, *args, **kwargs)
    if kind in SCALARS or kind is tuple:
        return (
            _library(run, getattr(thing, name), args, kwargs)
            if kind is tuple
            else read(run, functools.partial(_named, name), (thing, *args))
            if not kwargs
            else unknown(run, getattr(thing, name), args, kwargs)
        )
    if isinstance(thing, logging.Logger) and name in _LOGGING:
        return _log(run, thing, name, args, kwargs)
    if kind in _TEXTUAL:
        return (
            read(run, functools.partial(_named, name), (thing, *args))
            if not kwargs
            else unknown(run, getattr(thing, name), args, kwargs)
        )
    own = None if isinstance(thing, External) else vars_of(kind, name)
    if type(own) is FunctionType and name not in getattr(thing, "__dict__", ()) and looks_plainly(kind):
        return call(own, thing, *args, **kwargs)
    if must_wait(run, thing, False) is not None:
        return apart(
            run,
            _method_later,
            (thing, name, args, kwargs),
            (thing, *args, *kwargs.values()),
            writes=True,
            changes=True,
        )
    found = attr(thing, name)
    return call(found, *args, **kwargs)


_EATING: Final = frozenset(
    {"join", "extend", "extendleft", "update", "writelines", "union", "difference_update"}
)


def _with_eaten(run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return method(thing, name, *[eaten(run, arg) for arg in args], **kwargs)


def looks_plainly(kind: Any) -> bool:
    """Whether looking up an attribute of such an object runs no code of the user's."""
    return kind.__getattribute__ is object.__getattribute__


def vars_of(kind: type, name: str) -> Any:
    """Return what `name` stands for in the class, as it stands there."""
    for parent in kind.__mro__:
        if name in vars(parent):
            return vars(parent)[name]
    return None


def head(thing: Any, name: str) -> Any:
    """Return `thing`, whose method `name` is called next, with arguments that make calls: it must have one first."""
    kind = type(thing)
    if kind in PENDING:
        return (
            thing
            if thing.kind in SCALARS and hasattr(thing.kind, name)
            else checked(thing, lambda it: head(it, name))
        )
    if not hasattr(kind, name) and (is_data(thing) or (kind is not super and not hasattr(thing, name))):
        getattr(thing, name)
    return thing


def live_view(thing: Any, name: str) -> Any:
    """`thing.items()` and its like, to be iterated by lowered code: what is in it may be pending."""
    run: Run = local.run
    if type(thing) in PENDING:
        return apart(run, _live_view, (thing, name), (thing,))
    if type(thing) not in effects.DICTS:
        return method(thing, name)
    if must_wait(run, thing, False) is None:
        return hold_iterator(run, _over_view(run, thing, getattr(thing, name)()), (thing,))
    return apart(run, _live_view, (thing, name), (thing,))


def _over_view(run: Run, thing: Any, view: Any) -> Iterator[Any]:
    entries = iter(view)
    while True:
        if run.suspended:
            await_turn(run, thing)
        try:
            one = next(entries)
        except StopIteration:
            return
        yield one


def _live_view(run: Run, thing: Any, name: str) -> Any:
    thing = run.force(thing)
    await_turn(run, thing)
    return live_view(thing, name)


_CHANGING: Final = frozenset().union(*effects.CHANGING.values())
_TEXTUAL: Final = frozenset({re.Pattern, re.Match})
_LOGGING: Final = frozenset(["debug", "info", "warning", "error", "critical", "exception", "log"])


def _named(name: str, thing: Any, *args: Any) -> Any:
    return getattr(thing, name)(*args)


def _method_later(run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    thing = run.force(thing)
    await_turn(run, thing)
    return method(thing, name, *args, **kwargs)


def _container_method(run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    args = tuple(fill(run, arg) if place == 0 or name != "get" else arg for place, arg in enumerate(args))
    await_turn(run, thing)
    if name not in ("get", "copy"):
        ready(run, (thing,))
    return getattr(thing, name)(*args, **kwargs)


def _of_str(
    run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
) -> Any:
    known = str if name in effects.STR_TO_STR else None
    if kwargs:
        things = (*args, *kwargs.values())
        if type(thing) in PENDING or any(map(has_pending, things)) or not in_turn(run, things):
            made = apart(run, _method_settled, (thing, name, args, kwargs), (thing, *things))
            if type(made) in PENDING:
                made.kind = known
            return made
        return getattr(thing, name)(*args, **kwargs)
    if name == "join" and len(args) == 1 and type(args[0]) is list and must_wait(run, args[0], False) is None:
        items = args[0]
        if all(type(one) in PENDING or type(one) in SCALARS or isinstance(one, str) for one in items):
            if not any(type(one) in PENDING for one in items) and type(thing) not in PENDING:
                return thing.join(items)
            return lazy(run, _join, (thing, *items), str)
    made = read(run, functools.partial(_named, name), (thing, *args), known)
    if known is not None and type(made) in PENDING:
        made.kind = known
    return made


def _join(separator: str, *parts: str) -> str:
    return separator.join(parts)


def _method_settled(run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return _library_later(run, getattr(run.force(thing), name), args, kwargs)


# Output and classes -----------------------------------------------------------------------------


def _print(run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if quiet(run):
        print(*(settle(run, arg) for arg in args), **kwargs)
    elif all(type(arg) in PENDING or type(arg) in SCALARS for arg in args) and not kwargs:
        apart(run, _print_later, (args, kwargs), ())
    else:
        things = (*args, *kwargs.values())
        plain = all(map(_shown, args)) and all(name in ("sep", "end", "flush") for name in kwargs)
        apart(run, _print_later, (args, kwargs), things, writes=not plain, changes=not plain)


def _shown(thing: Any, within: tuple[int, ...] = ()) -> bool:
    """Whether showing `thing` runs no code of the user's."""
    kind = type(thing)
    if id(thing) in within:
        return True
    if kind in (list, tuple, set, frozenset):
        within = (*within, id(thing))
        return all(_shown(one, within) for one in thing)
    if kind in effects.DICTS:
        within = (*within, id(thing))
        return all(_shown(key, within) and _shown(one, within) for key, one in thing.items())
    return kind in PENDING or kind in SCALARS or is_data(thing)


def _print_later(run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    run.barrier()
    given, words = ready_call(run, args, kwargs)
    print(*given, **words)


def _log(run: Run, logger: logging.Logger, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if quiet(run) or not all(map(_shown, args)) or kwargs:
        unknown(run, getattr(logger, name), args, kwargs)
    else:
        apart(run, ordered, (getattr(logger, name), args, kwargs), args)


def _construct(run: Run, cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make an instance: of an exception or a plain dataclass this only computes; else it may do anything."""
    init = _init_of(cls)
    if init is not None:
        made: Any = object.__new__(cls)
        hold_object(run, made)
        if only_stores(cls):
            init(made, *args, **kwargs)
            given = {id(arg) for arg in (*args, *kwargs.values())}
            for one in vars(made).values():  # what default factories made
                if type(one) in (list, dict, set) and not one and id(one) not in run.fresh.keys() | given:
                    new(one)
        else:
            call(init, made, *args, **kwargs)
        return made
    if only_stores(cls):
        things = (*args, *kwargs.values())
        if not any(map(has_pending, things)) and in_turn(run, things):
            for thing in things:
                settle(run, thing)
            return cls(*args, **kwargs)
        return apart(run, _constructed, (cls, args, kwargs), things)
    return unknown(run, cls, args, kwargs)


_INITS: dict[type, FunctionType | None] = {}


def _init_of(cls: type) -> FunctionType | None:
    """Return the `__init__` of a plain class of the user's, whose instances the run may hold; None of any other."""
    if cls in _INITS:
        return _INITS[cls]
    init: Any = vars_of(cls, "__init__")
    plain = (
        type(cls) is type
        and vars_of(cls, "__new__") is vars(object)["__new__"]
        and type(init) is FunctionType
        and stores_plainly(cls)
        and looks_plainly(cls)
        and not hasattr(cls, "__getattr__")
        and not hasattr(cls, "__del__")
        and not hasattr(cls, "__post_init__")
        and not any("__slots__" in vars(parent) for parent in cls.__mro__[:-1])
        and all(parent is object or not is_installed(_file_of(parent)) for parent in cls.__mro__)
    )
    if len(_INITS) > 10_000:
        _INITS.clear()
    _INITS[cls] = init if plain else None
    index(cls)
    return _INITS[cls]


def _file_of(cls: type) -> str:
    return getattr(sys.modules.get(cls.__module__), "__file__", None) or (
        "" if cls.__module__ not in sys.builtin_module_names else sys.prefix
    )


def _constructed(run: Run, cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    await_all(run, (*args, *kwargs.values()))
    args = tuple(settle(run, arg) for arg in args)
    return cls(*args, **{name: settle(run, arg) for name, arg in kwargs.items()})


_ONLY_STORES: dict[type, bool] = {}


def only_stores(cls: type) -> bool:
    """Whether making an instance runs no code of the user's: a builtin exception, a dataclass, a named tuple."""
    known = _ONLY_STORES.get(cls)
    if known is None:
        if type(cls) is not type:
            known = False
        elif issubclass(cls, BaseException):
            known = not any(
                type(vars(parent).get(name)) is FunctionType
                for parent in cls.__mro__
                for name in ("__init__", "__new__")
            )
        elif issubclass(cls, tuple) and hasattr(cls, "_fields"):
            known = True
        else:
            made = "__dataclass_params__" in vars(cls) and not hasattr(cls, "__post_init__")
            code = getattr(vars(cls).get("__init__"), "__code__", None)
            known = (
                made and "__new__" not in vars(cls) and code is not None and code.co_filename == "<string>"
            )
            known = known and (stores_plainly(cls) or vars(cls)["__dataclass_params__"].frozen)
        if len(_ONLY_STORES) > 10_000:
            _ONLY_STORES.clear()
        _ONLY_STORES[cls] = known
    return known


local.call = call
