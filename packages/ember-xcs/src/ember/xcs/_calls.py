"""Calls in lowered code: external ones are sent, the user's own functions are tasks, all else keeps its order."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import functools
import sys
from types import FunctionType, MethodType
from typing import Any, Final

from ember.core.externals import External
from ember.core.marks import mark

from . import _effects as effects
from ._apart import apart, ordered, unknown
from ._classes import construct
from ._external_calls import external_call
from ._harmless import harmless, read_by
from ._iterators import (
    begin as begin_generator,
    hold_iterator,
    next_of,
)
from ._library import library, library_of_arrays, own_context
from ._memory import handed, ready_call, settle
from ._method_calls import method
from ._numeric import NOT_NUMERIC
from ._order import await_all, await_turn, in_turn, must_wait
from ._output import printed
from ._program import Program, program_of
from ._run import Run, local
from ._staging import staged_call
from ._tasks import HARMLESS, Abandoned
from ._values import PENDING, SCALARS, has_pending, plain_deep

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
            return library(run, function, args, kwargs)
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
        return printed(run, args, kwargs)
    if kind is _BUILTIN and type(function.__self__) in _STATIC:
        return method(function.__self__, function.__name__, *args, **kwargs)
    if function is next and args and (run.stepping or type(args[0]) in PENDING):
        return next_of(run, args)
    if effects.is_among(function, effects.READ):
        return library(run, function, args, kwargs)
    if effects.computes_on_arrays(function):
        return library_of_arrays(run, function, args, kwargs)
    if kind is type or isinstance(function, type):
        return construct(run, function, args, kwargs)
    inner = mark(function, "__ember_jit__")
    if inner is not None:
        return call(inner, *args, **kwargs)
    if hasattr(kind, "__ember_tasks__"):
        return _tasks(run, function, args, kwargs)
    if type(run) is Run:  # a rehearsal looks into it instead
        whole = mark(function, "__ember_external__")
        if whole is not None:
            return external_call(run, whole, args, kwargs)
        parts = mark(function, "__ember_calls__")
        if parts is not None and all(map(harmless, parts)):
            return _harmless_call(run, function, parts, args, kwargs)
    if kind is functools.partial:
        return call(function.func, *function.args, *args, **{**function.keywords, **kwargs})
    own = getattr(kind, "__call__", None)  # noqa: B004  # the function, not whether there is one
    if type(own) is FunctionType:
        return own_call(run, own, (function, *args), kwargs)
    return unknown(run, function, args, kwargs)


def _harmless_call(
    run: Run, function: Any, parts: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call what beside external calls only calls `parts`, all of them harmless."""
    own: Any = getattr(type(function), "__call__", None)  # noqa: B004
    program = program_of(own) if type(own) is FunctionType else None
    inputs = (*parts, *args, *kwargs.values())
    if program is None or not program.lowered:
        return apart(run, _as_it_is, (function, parts, args, kwargs), inputs, flags=HARMLESS)
    return run.spawn(
        program.twin(own),
        (function, *args),
        kwargs,
        inputs=inputs,
        flags=HARMLESS,
        what=own.__qualname__,
    )


def _as_it_is(
    run: Run, function: Any, parts: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call what only calls `parts`, which compute, before its turn: its own external calls are waited for in here."""
    own_context()
    given, words = ready_call(run, args, kwargs)
    for part in parts:
        settle(run, part)
    await_turn(run, function)  # for all that may change anything
    await_all(run, read_by(parts))
    if run.record is not None:
        run.record.really(function, run.current)
    return function(
        *[settle(run, one) for one in given], **{name: settle(run, one) for name, one in words.items()}
    )


def _call_later(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return call(run.force(function), *args, **kwargs)


# The user's own functions -----------------------------------------------------------------------------


def own_call(run: Run, function: FunctionType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if effects.computes_on_arrays(function):
        return library_of_arrays(run, function, args, kwargs)
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
        if (
            not any(map(has_pending, things))
            and in_turn(run, things)
            and (program.vouched or all(map(plain_deep, things)))
        ):
            made = function(*args, **kwargs)
            if program.generator:  # it goes over them later, and as they are then
                return hold_iterator(run, made, tuple(settle(run, one) for one in things))
            return handed(run, made, things)
        inputs = (function, *args, *kwargs.values())
        return apart(run, _plain, (function, args, kwargs), inputs, flags=HARMLESS if program.vouched else 0)
    if hasattr(function, effects.MAKES) and not any(map(has_pending, (*args, *kwargs.values()))):
        return function(*args, **kwargs)
    return unknown(run, function, args, kwargs)


def _tasks(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call what makes tasks of its elements: over lists whose turn it is, at once; else as any other."""
    things = (*args, *kwargs.values())
    if all(type(one) in (list, tuple) and must_wait(run, one, False) is None for one in things):
        made = function.__ember_tasks__(args, kwargs)
        if made is not NotImplemented:
            return made
    return unknown(run, function, args, kwargs)


def _later(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from ._drive import later  # asyncio: only for those who use it

    return later(run, function, args, kwargs)


_AWAITED: Final = frozenset({"aio", "acall"})
_MOST_NESTED: Final = 50
"""So many calls that need no task stand on the stack: from then on each has one, which brings a stack of its own."""


def begin(
    run: Run, function: FunctionType, program: Program, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Begin a call of a lowered function: a task, unless it never waits."""
    twin = program.twin(function)
    if program.sets:
        return twin(*args, **kwargs)
    if not program.waits and run.nested < _MOST_NESTED:
        run.nested += 1
        try:
            return twin(*args, **kwargs)
        finally:
            run.nested -= 1
    inputs = (*args, *kwargs.values(), function) if kwargs or function.__closure__ else args
    flags, changed = program.flags, program.changed if not kwargs or not program.changed else -1
    if run.current.flags & HARMLESS and function.__globals__.get("__ember_lower__") is True:
        flags, changed = HARMLESS, 0  # a part of the same sibling's code
    return run.spawn(
        twin,
        args,
        kwargs,
        inputs=inputs,
        changed=changed,
        flags=flags,
        what=function.__qualname__,
        gives=program.gives if not kwargs or not program.gives else -1,
        outside=program.outside,
    )


def _plain(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given, words = ready_call(run, args, kwargs)
    if not program_of(function).vouched and not all(map(plain_deep, (*given, *words.values()))):
        return ordered(run, function, tuple(given), words)
    return handed(run, function(*given, **words), (*given, *words.values()))


Run.lowered_call = staticmethod(call)
