"""Control in lowered code: where a decision needs a value that is not there, the statement becomes a task."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from . import _effects as effects
from ._apart import apart
from ._footprints import put_anywhere
from ._iterators import held_iterator
from ._library import turns
from ._memory import fill, lazy, outward, ready
from ._order import await_turn, must_wait, quiet
from ._pending import UNBOUND
from ._run import Run, local
from ._tasks import SCOPED, WRITES, Abandoned, Scope
from ._values import PENDING, SCALARS, has_pending, is_data, look_again


def test(value: Any) -> bool:
    """Whether `value` is true: for a decision that is made here and now."""
    if type(value) in SCALARS:
        return bool(value)
    run: Run = local.run
    if run.record is not None and type(value) in PENDING:
        run.record.decided(value)
    value = run.force(value)
    if type(value) in SCALARS or isinstance(value, str):
        return bool(value)
    if is_data(value):
        await_turn(run, value)
    elif type(value).__bool__ if hasattr(type(value), "__bool__") else hasattr(type(value), "__len__"):
        run.barrier()
    return bool(value)


def force(value: Any) -> Any:
    """The value itself."""
    return local.run.force(value) if type(value) in PENDING else value


def iterate(value: Any) -> Iterator[Any]:
    """The iterator of a `for`."""
    if type(value) in SCALARS:
        return iter(value)
    run: Run = local.run
    value = run.force(value)
    if (
        type(value) in effects.CONTAINERS
        or type(value) in SCALARS
        or type(value) in effects.ITERATORS
        or held_iterator(run, value) is not None
        or is_data(value)
    ):
        return turns(run, value)
    return _ordered_steps(run, value)


def gone_over(value: Any) -> Any:
    """What a generator expression goes over: it must be something that can be, but nothing is done yet."""
    if type(value) not in PENDING:
        kind = type(value)
        if not (hasattr(kind, "__iter__") or hasattr(kind, "__getitem__")):
            raise TypeError(f"{kind.__name__!r} object is not iterable")
    return value


def later(value: Any) -> Iterator[Any]:
    """As `iterate`, begun with the first step."""
    yield from iterate(value)


def _ordered_steps(run: Run, thing: Any) -> Iterator[Any]:
    run.barrier()
    steps = iter(thing)
    while True:
        run.barrier()
        try:
            one = next(steps)
        except StopIteration:
            return
        yield one


def region(
    function: Callable[..., Any], flags: int, changed: int, gives: int, count: int, *inputs: Any
) -> Any:
    """Run statements as a task. Returns the values of the `count` variables that they assign.

    `flags` say what they may do, the bits of `changed` which of `inputs` they may change, those of `gives` which of
    them they may assign, or a part of them. Its highest bit (it is negative) stands for anything else.
    """
    run: Run = local.run
    scope = Scope(run.current.scope) if flags & SCOPED else None
    made = run.spawn(
        function,
        inputs,
        None,
        inputs=inputs,
        flags=flags,
        changed=changed,
        scope=scope,
        what=function.__name__,
        gives=gives,
        outside=gives < 0,
    )
    if type(made) in PENDING:
        return [lazy(run, operator.getitem, (made, index), None, False) for index in range(count)]
    return made


def branch(
    function: Callable[..., Any], flags: int, changed: int, gives: int, count: int, guard: Any, *inputs: Any
) -> Any:
    """Run statements that begin with a decision on `guard`: here if that is known, as a task if not."""
    if (type(guard) in PENDING and not guard.done) or held_iterator(local.run, guard) is not None:
        return region(function, flags, changed, gives, count, guard, *inputs)
    return function(guard, *inputs)


def plain(
    function: Callable[..., Any], flags: int, changed: int, gives: int, count: int, *inputs: Any
) -> Any:
    """Run statements that make no external call, as they are: here if what they need is there, as a task if not."""
    run: Run = local.run
    if _can_run(run, flags, changed, inputs):
        made = function(*inputs)
        if changed:
            _mixed(run, changed, inputs)
        return made
    made = run.spawn(
        _plain, (run, function, flags, changed, inputs), None, inputs=inputs, flags=flags, changed=changed,
        what=function.__name__, gives=gives, outside=gives < 0,
    )  # fmt: skip
    if type(made) in PENDING:
        return [lazy(run, operator.getitem, (made, index), None, False) for index in range(count)]
    return made


def _can_run(run: Run, flags: int, changed: int, inputs: tuple[Any, ...]) -> bool:
    quiet_now = None
    scope = run.current.scope
    for place, value in enumerate(inputs):
        if type(value) in SCALARS or value is UNBOUND:
            continue
        changing = bool(changed >> place & 1)
        held = run.fresh.get(id(value))
        if held is not None and held.object is value:
            if has_pending(value) or (
                changing and scope is not run.outermost and not scope.encloses(held.scope)
            ):
                return False
        elif type(value) in PENDING or (type(value) is tuple and has_pending(value)):
            return False
        elif changing or not is_data(value):
            if quiet_now is None:
                quiet_now = quiet(run)
            if not quiet_now:
                return False
        if must_wait(run, value, changing) is not None:
            return False
    return not flags & WRITES or quiet(run)


def _plain(run: Run, function: Callable[..., Any], flags: int, changed: int, inputs: tuple[Any, ...]) -> Any:
    values = [value if value is UNBOUND else fill(run, value) for value in inputs]
    shared = flags & WRITES
    for place, value in enumerate(values):
        if value is not UNBOUND and type(value) not in SCALARS:
            held = run.fresh.get(id(value))
            mine = held is not None and held.object is value
            shared = shared or not is_data(value) or (changed >> place & 1 and not mine)
    if shared:
        run.barrier()
    elif run.current.scope is not run.outermost:
        run.drain_scope(run.current.scope.first_without(run.outermost))
    for place, value in enumerate(values):
        if value is not UNBOUND and type(value) not in SCALARS:
            await_turn(run, value, bool(changed >> place & 1))
    there = iter(ready(run, [value for value in values if value is not UNBOUND]))
    values = [value if value is UNBOUND else next(there) for value in values]
    made = function(*values)
    if changed:
        _mixed(run, changed, values)
    return made


def _mixed(run: Run, changed: int, values: Sequence[Any]) -> None:
    """Statements that nobody watched may have put any of `values` into those with a bit in `changed`."""
    for place, value in enumerate(values):
        if changed >> place & 1:
            look_again(run, value, set())
    if run.suspended:
        put_anywhere(run, [value for value in values if value is not UNBOUND])


# Expressions that decide -----------------------------------------------------------------------------


def either(value: Any, other: Callable[[], Any], flags: int) -> Any:
    """`value or other()`."""
    if type(value) in PENDING and not value.done:
        return apart(local.run, _either, (value, other), (value, other), flags=flags)
    return value if test(value) else other()


def _either(run: Run, value: Any, other: Callable[[], Any]) -> Any:
    value = run.force(value)
    return value if test(value) else other()


def both(value: Any, other: Callable[[], Any], flags: int) -> Any:
    """`value and other()`."""
    if type(value) in PENDING and not value.done:
        return apart(local.run, _both, (value, other), (value, other), flags=flags)
    return other() if test(value) else value


def _both(run: Run, value: Any, other: Callable[[], Any]) -> Any:
    value = run.force(value)
    return other() if test(value) else value


def choose(condition: Any, yes: Callable[[], Any], no: Callable[[], Any], flags: int) -> Any:
    """`yes() if condition else no()`."""
    if type(condition) in PENDING and not condition.done:
        return apart(local.run, _choose, (condition, yes, no), (condition, yes, no), flags=flags)
    return yes() if test(condition) else no()


def _choose(run: Run, condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
    return yes() if test(condition) else no()


# Failures -----------------------------------------------------------------------------


def drain() -> None:
    """Wait until everything this task began has succeeded: a `try` or `with` is about to be left."""
    local.run.drain()


def barrier() -> None:
    """Wait until everything before has succeeded."""
    local.run.barrier()


def importing(*wanted: tuple[str, str]) -> None:
    """An import: of what is there already, nothing happens; that of other modules may do anything."""
    for module, name in wanted:
        if (found := sys.modules.get(module)) is None or (name and name not in vars(found)):
            break
    else:
        if wanted:
            return
    local.run.barrier()


def leaving(value: Any) -> Any:
    """As `drain`, on the way out with `value`."""
    local.run.drain()
    return value


def caught() -> None:
    """An exception was raised: what failed before it in the program comes first, and is raised instead."""
    error = sys.exc_info()[1]
    assert error is not None
    local.run.failed(error)


def shown(value: Any) -> Any:
    """The new value of a variable that is read outside of the `try` or `with` too, should that fail from here on."""
    run: Run = local.run
    run.drain()
    outward(run, value, run.outermost)
    return value


def entered() -> Scope:
    """A `try` or `with` that is no region begins: all before it must have succeeded. Returns the scope around."""
    run: Run = local.run
    run.drain()
    around = run.current.scope
    run.current.scope = Scope(around)
    return around


def left(around: Scope) -> None:
    """A `try` or `with` that is no region has ended."""
    local.run.current.scope = around


def passed_through() -> None:
    """A `finally` ends. If an exception passes through it, what fails in it has that for its context."""
    if sys.exc_info()[1] is not None:
        local.run.drain()


def alive() -> bool:
    """Whether this code still counts; False in what is unwound because something before it failed."""
    return not local.run.current.dead and sys.exc_info()[0] is not Abandoned
