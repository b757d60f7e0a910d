"""Footprints: what a task that waits may still read, and what it may still change."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any, Final
from weakref import WeakKeyDictionary

from ember.core.externals import External

from . import _effects as effects
from ._function_effects import effects_of, is_installed_code
from ._harmless import made_of_harmless
from ._methods import is_generated, is_of_user
from ._order import OUTSIDE_ID, content, lies_within, reach
from ._origins import global_at
from ._pending import UNBOUND, Pending
from ._run import Run
from ._tasks import CHANGES, HARMLESS, OBJECTS, PARTS, Line, Task
from ._unnamed import LOOKING
from ._values import PENDING, SCALARS, captured, is_data


def footprint(run: Run, task: Task) -> None:
    """Note what a task that is about to wait may still read and change."""
    if not (task.flags or task.writes or task.changed or run.stepping) and all(map(_is_inert, task.inputs)):
        task.inputs = ()  # nothing that anybody would have to wait for: most tasks are of this kind
        if task.gives and task.outside:
            task.reach = _ONLY_OUTSIDE
        return
    found: set[int] = set()
    later: list[Pending] = []
    inputs, task.inputs = task.inputs, ()
    changes: set[int] = set()
    within: list[Any] = []
    objects, harmless = task.flags & OBJECTS, task.flags & HARMLESS
    if task.flags & PARTS and not _harmless_parts(inputs):
        task.writes, task.changed = True, -1
    for place, value in enumerate(inputs):
        kind = type(value)
        if kind in SCALARS or value is UNBOUND:
            if kind is type and is_of_user(value):
                content(value, changes if (task.changed >> place) & 1 else found)
                task.writes = task.writes or bool(objects)
            continue
        changing = (task.changed >> place) & 1
        if changing and task.shallow:
            changes.add(id(value))
            changing = False
        if kind is FunctionType and value.__closure__ and not harmless and (task.writes or _may_write(value)):
            changing = True  # what it has captured, that is
        mine = changes if changing else found
        reach((value,), mine, later, run, within if changing else None)
        if kind is FunctionType:
            mine.update(id(one) for one in captured(value) if type(one) in effects.CHANGING)
            if objects and _may_write(value):
                task.writes = True
        elif kind not in PENDING and kind is not tuple:
            held = run.fresh.get(id(value))
            own = held is not None and held.object is value
            if objects and not is_data(value) and not isinstance(value, External):
                task.writes = task.writes or not own or "<locals>" in kind.__qualname__
            mine.add(id(value))
            if kind.__module__ != "builtins" and not harmless and (acts := _acts_when_read(kind)) is not None:
                reach((value,), changes, later, run, within)
                changes.add(id(value))
                task.writes = task.writes or acts
            if hasattr(kind, "__next__"):
                changes.add(id(value))
                task.writes = task.writes or not (own or kind in effects.ITERATORS)
    if within:  # what is not the run's own, but is in what it may change
        inside: set[int] = set()
        for one in within:
            task.writes = not content(one, inside) or task.writes
        changes |= inside
    if run.stepping:
        run.iterators(run, task, found, changes, later)
    for number in task.shared:
        if not content(global_at(number), changes):
            task.writes = True
    if run.keeping and not task.shallow:
        task.writes = not _with_kept(run, changes, later) or task.writes
    if task.gives:
        outer: list[Any] = []
        reached: set[int] = set()
        for place, value in enumerate(inputs):
            if (task.gives >> place) & 1:
                reach((value,), reached, [], run, outer)
        outside = task.outside
        for one in outer:
            outside = not content(one, reached) or outside
        if outside:
            reached.add(OUTSIDE_ID)
        task.reach = reached
    changes.discard(OUTSIDE_ID)
    found.discard(OUTSIDE_ID)
    task.inputs = tuple(later)
    lines: list[Line] = []
    for table, keys in ((run.changing, changes), (run.reading, found)):
        for key in keys:
            line = table.get(key)
            if line is None:
                line = table[key] = Line()
            lines.append(line)
    if task.writes:
        lines.append(run.writers)
    if later:
        lines.append(run.guessing)
        if task.writes or task.changed or task.flags & (CHANGES | OBJECTS):
            lines.append(run.altering)
    for line in lines:
        line.join(task)
    task.lines, task.keys = tuple(lines), (*changes, *found)
    if task.shallow:
        task.keeps = tuple(value for value in inputs[1:] if not _is_inert(value))
        if task.keeps:
            task.into = id(inputs[0])
            run.keeping.setdefault(task.into, {})[task] = None


_ONLY_OUTSIDE: Final = frozenset({OUTSIDE_ID})


def _is_inert(value: Any) -> bool:
    """Whether nothing can be reached from `value` that may change: text and numbers, there or not, bare functions."""
    kind = type(value)
    if kind in SCALARS:
        return kind is not type
    if kind in PENDING:
        return value.kind in SCALARS
    return (
        kind is FunctionType
        and value.__closure__ is None
        and value.__defaults__ is None
        and value.__kwdefaults__ is None
    )


def _harmless_parts(inputs: tuple[Any, ...]) -> bool:
    """Whether what the frozen objects among `inputs` are made of does nothing but compute."""
    things = [
        one for value in inputs for one in (captured(value) if type(value) is FunctionType else (value,))
    ]
    frozen = [one for one in things if hasattr(type(one), effects.FROZEN)]
    return bool(frozen) and all(map(made_of_harmless, frozen))


_ACTING: Final[WeakKeyDictionary[type, bool | None]] = WeakKeyDictionary()


def _acts_when_read(kind: type) -> bool | None:
    """Whether operators may change anything when an object of this class is but looked at; None: not even itself."""
    if kind in _ACTING:
        return _ACTING[kind]
    acts: bool | None = None
    for name in LOOKING:
        found = getattr(kind, name, None)
        if type(found) is FunctionType and not is_generated(found) and not is_installed_code(found):
            done = effects_of(found)
            if done.writes or done.shared or done.objects:
                acts = True
            elif done.changed and acts is None:
                acts = False
    _ACTING[kind] = acts
    return acts


def _may_write(function: FunctionType) -> bool:
    done = effects_of(function)
    return done.writes or done.objects


def leave(run: Run, task: Task) -> None:
    """`task` has ended: nobody has to wait for it any more."""
    for line in task.lines:
        line.tasks.remove(task)
    task.lines = ()
    for key in task.keys:
        for table in (run.changing, run.reading):
            found = table.get(key)
            if found is not None and not found.tasks:
                del table[key]
    if task.keeps:
        stores = run.keeping[task.into]
        del stores[task]
        if not stores:
            del run.keeping[task.into]
        task.keeps = ()


def _with_kept(run: Run, changes: set[int], later: list[Pending]) -> bool:
    """Add to what a task may change what stores that still wait will put into it; False if that is too much."""
    whole, left = True, changes
    while left:
        more: set[int] = set()
        outer: list[Any] = []
        for key in [key for key in run.keeping if key in left]:
            for store in run.keeping[key]:
                reach(store.keeps, more, later, run, outer)
        for one in outer:
            whole = content(one, more) and whole
        left = more - changes
        changes |= more
    return whole


# What is put into something others wait for ---------------------------------------------------


def put(run: Run, container: Any, values: Iterable[Any]) -> None:
    """Note that `values` are put into `container`.

    Tasks that wait, and have that in their footprint, come to them too: who is to read or change what is in them has to
    ask for the container as well.
    """
    if run.suspended:
        lies_within(run, _waited_for(run, (id(container),)), values)


def put_anywhere(run: Run, things: Iterable[Any]) -> None:
    """Note that any of `things`, and of what is in them, may have been put into any other."""
    if run.suspended:
        found: set[int] = set()
        outer: list[Any] = []
        reach(things, found, [], run, outer)
        for one in outer:
            content(one, found)
        lies_within(run, _waited_for(run, found), things)


def _waited_for(run: Run, keys: Iterable[int]) -> set[int]:
    """Return those of `keys` that are in footprints, and what these lie in that is."""
    found: set[int] = set()
    for key in keys:
        if key in run.changing or key in run.reading:
            found.add(key)
        found |= run.within.get(key, _NONE)
    return found


_NONE: Final[frozenset[int]] = frozenset()
