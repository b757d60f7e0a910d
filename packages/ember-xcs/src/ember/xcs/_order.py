"""The order of reads and changes: who may still read or change a container, and who has to wait for whom."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Iterable, Set as AbstractSet
from contextlib import suppress
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final, cast

from ember.core.externals import External

from . import _effects as effects
from ._methods import is_of_user
from ._pending import UNBOUND, Pending
from ._run import Run
from ._tasks import Abandoned, Flight, Line, Task, is_earlier
from ._values import METHODS, PENDING, SCALARS, Fresh, Lazy, captured, is_data, own_object


def reach(
    values: Any, found: set[int], later: list[Pending], run: Run, outer: list[Any] | None = None
) -> None:
    """Collect the run's own containers that can be reached from `values`, and pending values that may become one."""
    for value in values:
        kind = type(value)
        if kind in SCALARS:
            continue
        if kind in PENDING:
            if value.kind not in SCALARS:
                if value.done:
                    if value.error is None:
                        reach((value.value,), found, later, run, outer)
                else:
                    later.append(value)
                    _reach_by(value, found)
        elif kind is tuple:
            reach(value, found, later, run, outer)
        elif kind is FunctionType:
            reach(captured(value), found, later, run, outer)
        else:
            fresh = run.fresh.get(id(value))
            if fresh is not None and fresh.object is value and id(value) not in found:
                found.add(id(value))
                if fresh.coming:
                    _expect(run, fresh)
                if fresh.nested:
                    reach(list(fresh.nested) if fresh.live else fresh.nested, found, later, run, outer)
            elif kind in METHODS:
                reach((value.__self__,), found, later, run, outer)
            elif fresh is None and outer is not None and kind not in _UNCHANGING and value is not UNBOUND:
                outer.append(value)  # it is not the run's own


def _expect(run: Run, held: Fresh) -> None:
    """Somebody may wait who has a container: note what comes into it when it comes, and what that may be."""
    coming, held.coming = held.coming, None
    key = id(held.object)
    around = frozenset((key,))
    for one in coming or ():
        if one.done:
            if one.error is None:
                held.keep(one.value)
            continue
        found: set[int] = set()
        _reach_by(one, found)
        for part in found:
            run.within[part] = run.within.get(part, around) | around
        run.then(one, partial(_has_come_into, run, held, one))


def _has_come_into(run: Run, held: Fresh, one: Pending) -> None:
    key = id(held.object)
    if one.error is None:
        if run.fresh.get(key) is held:
            held.keep(one.value)
        lies_within(run, run.within.get(key, _NONE) | {key}, (one.value,))


def lies_within(run: Run, around: AbstractSet[int], values: Iterable[Any]) -> None:
    """Note that `values` lie within what has the keys `around`: whoever waits and has that comes to them, too."""
    if not around:
        return
    found: set[int] = set()
    later: list[Pending] = []
    outer: list[Any] = []
    reach(values, found, later, run, outer)
    for one in outer:
        content(one, found)
    for key in found:
        run.within[key] = run.within.get(key, _NONE) | around
    for one in later:
        run.then(one, partial(_has_come, run, around, one))


def _has_come(run: Run, around: AbstractSet[int], one: Pending) -> None:
    if one.error is None:
        lies_within(run, around, (one.value,))


_NONE: Final[frozenset[int]] = frozenset()
_UNCHANGING: Final = frozenset({type(len), ModuleType})


def _reach_by(value: Pending, found: set[int]) -> None:
    """Collect what a pending value may turn out to be, or be a part of: `OUTSIDE_ID` is what is not the run's own."""
    left: list[Any] = [value]
    while left:
        one = left.pop()
        if type(one) is Lazy and not one.done:
            left += [arg for arg in one.args if type(arg) in PENDING]
        elif type(one) is Task:
            found.update(one.reach)
        elif type(one) in PENDING and not one.done and one.maker is not None:
            left.append(one.maker)


OUTSIDE_ID: Final = 0


def may_be_outside(value: Pending) -> bool:
    """Whether a pending value may turn out to be something that is not the run's own, and not an answer either."""
    left, seen = [value], set[int]()
    while left:
        one = left.pop()
        if id(one) in seen or type(one) is Flight:
            continue
        seen.add(id(one))
        if type(one) is Lazy and not one.done:
            outer: list[Any] = []
            reach(one.args, set(), left, cast("Run", one.run), outer)
            if outer:
                return True
        elif isinstance(one.maker, Pending):
            left.append(one.maker)
        elif one.maker is None or OUTSIDE_ID in one.maker.reach:
            return True
    return False


def content(value: Any, found: set[int]) -> bool:
    """Collect everything in `value`, which is not the run's own; False if that is too much."""
    left = [value]
    while left:
        one = left.pop()
        kind = type(one)
        if (kind in SCALARS and kind is not type) or id(one) in found:
            continue
        found.add(id(one))
        if len(found) > _MOST_CONTENT:
            return False
        if kind is type:
            if is_of_user(one):
                left += [
                    value
                    for parent in one.__mro__[:-1]
                    for value in vars(parent).values()
                    if type(value) in effects.CHANGING or type(value).__module__ not in _BUILT_IN
                ]
            continue
        if type(one) in effects.DICTS:
            left += [item for item in one.values() if type(item) not in SCALARS]
        elif type(one) in effects.CONTAINERS:
            left += [item for item in one if type(item) not in SCALARS]
        elif type(one) in METHODS:
            left.append(one.__self__)
        elif not isinstance(one, (type, FunctionType, ModuleType, External)) and type(one) not in PENDING:
            if is_data(one):
                continue
            with suppress(Exception):  # an attribute in a slot, or `__dict__` itself, may be code
                left += one.__dict__.values()
            for name in getattr(type(one), "__slots__", ()):
                with suppress(Exception):
                    left.append(getattr(one, name))
    return True


_MOST_CONTENT: Final = 1000
_BUILT_IN: Final = frozenset({"builtins", "functools", "types"})


def _of_lines(run: Run, key: int, changing: bool) -> Task | None:
    """Return a task before the running one that may change (or read, if `changing`) what has this key."""
    line: Line | None = run.changing.get(key)
    if line is not None and (task := line.last_before(run.current)) is not None:
        return task
    line = run.reading.get(key) if changing else None
    return None if line is None else line.last_before(run.current)


def must_wait(run: Run, thing: Any, changing: bool) -> Task | None:
    """Return a task that must end before the running one may read (or change) `thing`; None if there is none."""
    if not run.suspended:
        run.within.clear()
        return None
    here, key = run.current, id(thing)
    if (task := _of_lines(run, key, changing)) is not None:
        return task
    for around in run.within.get(key, ()):
        if (task := _of_lines(run, around, changing)) is not None:
            return task
    held = run.fresh.get(key)
    if held is None or held.object is not thing:
        if run.writers.tasks and (task := run.writers.last_before(here)) is not None:
            return task
        for task in run.guessing.tasks:
            if (
                (changing or task.changed)
                and any(one.done and one.value is thing for one in task.inputs)
                and is_earlier(task, here)
            ):
                return task
        return None
    for task in (run.guessing if changing else run.altering).tasks:
        for pending in task.inputs:
            if pending.done and pending.error is None:
                found: set[int] = set()
                reach((pending.value,), found, [], run)
                if key in found and is_earlier(task, here):
                    return task
    return None


def await_turn(run: Run, thing: Any, changing: bool = False) -> None:
    """Wait until nothing before this point can still change `thing` (or read it, if it is to be changed)."""
    while (task := must_wait(run, thing, changing)) is not None:
        result = task.result
        assert result is not None
        if not result.done:
            run.wait(result)
        if run.current.dead:
            raise Abandoned


def await_all(run: Run, things: Iterable[Any], seen: set[int] | None = None) -> None:
    """As `await_turn`, for reading everything in `things`, containers in them too."""
    if not run.suspended:
        return
    seen = set() if seen is None else seen
    for thing in things:
        kind = type(thing)
        if kind in SCALARS or kind in PENDING or id(thing) in seen:
            continue
        seen.add(id(thing))
        await_turn(run, thing)
        if kind is list or kind is tuple or kind is set:
            if any(type(item) not in SCALARS for item in thing):
                await_all(run, list(thing), seen)
        elif kind in effects.DICTS:
            await_all(run, list(thing.values()), seen)
        elif (held := own_object(thing, run)) is not None:
            await_all(run, list(held.nested), seen)
        elif hasattr(thing, "__dict__") and not isinstance(thing, _NOT_LOOKED_INTO) and not is_data(thing):
            await_all(run, list(vars(thing).values()), seen)


_NOT_LOOKED_INTO: Final = (type, FunctionType, MethodType, ModuleType, External)


def quiet(run: Run) -> bool:
    """Whether nothing stands before this point: an effect may happen now."""
    task: Task | None = run.current
    assert task is not None
    if task.first is not None:
        return False
    while task is not None:
        if task.prev is not None:
            return False
        task = task.parent
    return True


def in_turn(run: Run, things: Any) -> bool:
    """Whether `things` may be read now."""
    if not run.suspended:
        return True
    return all(
        type(thing) in SCALARS
        or type(thing) in PENDING
        or (must_wait(run, thing, False) is None and flat_data(thing))
        for thing in things
    )


def flat_data(thing: Any) -> bool:
    kind = type(thing)
    if kind is list or kind is tuple or kind is set:
        return all(type(item) in SCALARS or type(item) in PENDING for item in thing)
    if kind in effects.DICTS:
        return all(type(item) in SCALARS or type(item) in PENDING for item in thing.values())
    if kind not in SCALARS and (held := own_object(thing)) is not None:
        return all(type(item) in SCALARS for item in held.nested)
    return True
