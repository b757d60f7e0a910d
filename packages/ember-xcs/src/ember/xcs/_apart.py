"""What lowered code cannot do at once, done apart: as a task, in its turn."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

from ._footprints import put_anywhere
from ._memory import lazy, reading, settle
from ._order import in_turn, quiet
from ._run import Run
from ._tasks import CHANGES, HARMLESS, WRITES, Abandoned
from ._values import PENDING, SCALARS, has_pending, is_data, is_fixed, take


def apart(
    run: Run,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    inputs: Any,
    *,
    writes: bool = False,
    changes: bool = False,
    flags: int = 0,
    outside: bool = True,
) -> Any:
    """Run `function(run, *args)` as a task that reads (and, if it `changes`, changes) what `inputs` reach."""
    return run.spawn(
        function, (run, *args), None, inputs=tuple(inputs), flags=flags | WRITES if writes else flags,
        changed=-1 if changes or flags & CHANGES else 0,
        what=function.__name__, outside=outside,
    )  # fmt: skip


def read(run: Run, function: Callable[..., Any], args: tuple[Any, ...], kind: type | None = None) -> Any:
    """Return `function(*args)`, which only reads its arguments, as soon as they are there and in order."""
    if any(type(arg) in PENDING for arg in args):
        if may_be_lazy(args):
            return lazy(run, function, args, kind)
    elif in_turn(run, args) and not any(map(has_pending, args)):
        if all(map(is_data, args)):
            made = function(*args)
            if type(made) in (list, dict) and all(
                type(arg) in SCALARS or isinstance(arg, str) for arg in args
            ):
                take(run, made, run.current.scope)
            return made
        return unknown(run, function, args, {})
    # Operators and methods of objects may be code of the user's, which may do anything.
    acting = not all(type(arg) in PENDING or is_data(arg) for arg in args)
    return apart(run, reading, (function, args), args, writes=acting, changes=acting)


def may_be_lazy(args: tuple[Any, ...]) -> bool:
    """Whether a computation may wait without being a task: nothing that is there already can be changed meanwhile."""
    return all(
        type(arg) in SCALARS or (type(arg) in PENDING and not (arg.done and not is_fixed(arg.value)))
        for arg in args
    )


def ordered(run: Run, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    run.barrier()
    function = settle(run, function)  # what it is bound to, or has captured
    args = tuple(settle(run, arg) for arg in args)
    kwargs = {name: settle(run, arg) for name, arg in kwargs.items()}
    if run.record is not None:
        run.record.really(function, run.current)
    put_anywhere(run, (*args, *kwargs.values()))
    return function(*args, **kwargs)


def unknown(run: Run, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function that may do anything, once everything before has succeeded."""
    if run.current.flags & HARMLESS:  # in there it cannot
        return function(
            *[settle(run, one) for one in args], **{name: settle(run, one) for name, one in kwargs.items()}
        )
    if type(function) not in (FunctionType, MethodType) and quiet(run):
        if run.current.dead:
            raise Abandoned
        return ordered(run, function, args, kwargs)
    # Python code that is not lowered may make calls, and wait for them: what follows need not.
    inputs = (function, *args, *kwargs.values())
    return apart(run, ordered, (function, args, kwargs), inputs, writes=True, changes=True)
