"""Values between tasks: computing on pending ones, settling them, and the order of reads and changes."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import CoroutineType, FunctionType, MethodType, ModuleType
from typing import Any, Final, cast

from ember.core.externals import External, handling

from . import _effects as effects
from ._pending import UNBOUND, Pending
from ._run import (
    CHANGES,
    OBJECTS,
    Abandoned,
    Flight,
    Line,
    Run,
    Scope,
    Task,
    is_earlier,
    local as local,
    owner_of,
)
from ._summary import global_at, is_of_user

SCALARS = effects.SCALARS


def running() -> Run | None:
    """Return the run of this thread, if there is one."""
    return cast("Run | None", local.run)


class Lazy(Pending):
    """A computation on values that are not there yet: done when they are."""

    __slots__ = ("args", "function", "left")

    def __init__(
        self, run: Run, function: Callable[..., Any], args: tuple[Any, ...], left: int, kind: type | None
    ) -> None:
        super().__init__(run, kind)
        self.function: Callable[..., Any] | None = function
        self.args, self.left = args, left


PENDING: Final = frozenset({Pending, Flight, Lazy})


class Fresh:
    """A container that the run made and that nothing outside of it can reach: it may hold pending values.

    `nested` is what is in it besides plain values. If it is `live`, that is a view, of an object's attributes say, and
    nobody has to keep it up to date.
    """

    __slots__ = ("live", "nested", "object", "scope")

    def __init__(self, made: Any, scope: Scope) -> None:
        self.object, self.scope = made, scope
        self.nested: Any = None
        self.live = False


def own_object(value: Any, run: Run | None = None) -> Fresh | None:
    """Return what is held of an object of a user's class that the run made, None for anything else."""
    run = running() if run is None else run
    held = run.fresh.get(id(value)) if run is not None else None
    return held if held is not None and held.live and held.object is value else None


def hold_object(run: Run, made: Any) -> None:
    """Take an object that lowered code made: nothing outside knows it."""
    held = Fresh(made, run.current.scope)
    held.nested, held.live = vars(made).values(), True
    run.hold(held)


def perform(run: Run, twin: FunctionType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a lowered function to its end, in this greenlet, and return its result with nothing pending in it."""
    local.run = run
    try:
        with handling(run):
            try:
                value = twin(*args, **kwargs)
            except BaseException as error:
                run.failed(error)
                raise
            run.drain()
            return settle(run, value)
    finally:
        run.close()
        local.run = None


# Pending values -----------------------------------------------------------------------------


def lazy(
    run: Run, function: Callable[..., Any], args: tuple[Any, ...], kind: type | None, log: bool = True
) -> Any:
    """Return `function(*args)`, which only computes, as soon as all of `args` are there."""
    waiting = [arg for arg in args if type(arg) in PENDING and not arg.done]
    if not waiting:
        return function(*[run.force(arg) if type(arg) in PENDING else arg for arg in args])
    result = Lazy(run, function, args, len(waiting), kind)
    if run.record is not None:
        run.record.derived(result, args)
    if log:
        run.note(result)

    def one() -> None:
        result.left -= 1
        if not result.left:
            _compute(run, result)

    for arg in waiting:
        run.then(arg, one)
    return result


def _compute(run: Run, result: Lazy) -> None:
    if result.done:
        return
    values: list[Any] = []
    for arg in result.args:
        if type(arg) in PENDING:
            if arg.error is not None:
                run.set(result, None, arg.error)
                return
            arg = arg.value
        values.append(arg)
    function = result.function
    assert function is not None
    result.args, result.function = (), None
    if (
        result.owner is None
        or all(map(_is_fixed, values))
        or (type(function) is operator.attrgetter and run.reads_plainly(values[0], function))
    ):
        try:
            value = function(*values)
        except BaseException as error:
            run.set(result, None, error)
        else:
            owner = owner_of(result)
            if type(value) in (list, dict) and owner is not None and all(map(_is_fixed, values)):
                take(run, value, owner.scope)
            run.set(result, value)
    else:
        run.begin_late(result, reading, (run, function, tuple(values)), not all(map(is_data, values)))


def _is_fixed(value: Any) -> bool:
    """Whether nothing in `value` can ever change."""
    kind = type(value)
    return (
        kind in SCALARS
        or isinstance(value, str)
        or (kind is tuple and all(type(one) in SCALARS for one in value))
    )


def take(run: Run, made: Any, scope: Scope) -> Any:
    """Take a list or dict computed from what never changes, and those in it: nobody else can know them."""
    held = Fresh(made, scope)
    for one in made.values() if type(made) is dict else made:
        if type(one) not in SCALARS:
            held.nested = [one] if held.nested is None else held.nested
            if held.nested[-1] is not one:
                held.nested.append(one)
            if type(one) in (list, dict):
                take(run, one, scope)
    run.hold(held)
    return made


def reading(run: Run, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call `function`, which only reads its arguments, in its turn."""
    values = ready(run, args)
    if not all(map(is_data, values)):
        run.barrier()
        values = [settle(run, value) for value in values]
    return function(*values)


def is_data(value: Any) -> bool:
    """Whether operators and methods of `value` are Python's own, and so only compute."""
    kind = type(value)
    return (
        kind in SCALARS
        or kind in effects.CONTAINERS
        or isinstance(value, str)
        or kind in _DATA
        or kind.__module__ in _DATA_MODULES
    )


_DATA: Final = frozenset({bytearray, memoryview, type(len), object})
_DATA_MODULES: Final = frozenset(
    {"numpy", "jaxlib._jax", "jaxlib.xla_extension", "decimal", "fractions", "datetime", "re", "operator"}
)


def has_pending(value: Any, within: tuple[int, ...] = ()) -> bool:
    """Whether `value` is pending, or a container of the run in which something is. `within`: a list may hold itself."""
    kind = type(value)
    if kind in PENDING:
        return True
    if kind in SCALARS or id(value) in within:
        return False
    if kind is list or kind is tuple or kind is set or kind is frozenset or kind in effects.DICTS:
        within = (*within, id(value))
        items = value.values() if kind in effects.DICTS else value
        return any(type(one) not in SCALARS and has_pending(one, within) for one in items)
    if kind in _VIEWS:
        return any(map(has_pending, list(value)))
    held = own_object(value)
    return held is not None and any(has_pending(one, (*within, id(value))) for one in list(held.nested))


_VIEWS: Final = frozenset({type({}.values()), type({}.items())})


def settle(run: Run, value: Any) -> Any:
    """Return `value` with everything pending in it replaced by what it stands for, waiting as needed.

    The run's own containers are filled in place, so that they stay the same objects; from then on others may know them.
    """
    if type(value) in SCALARS:
        return value
    value = fill(run, value, True)
    _release(run, value, set())
    return value


def _release(run: Run, value: Any, seen: set[int]) -> None:
    """What is in `value` is the run's own no longer."""
    kind = type(value)
    if kind in SCALARS or id(value) in seen:
        return
    if kind is FunctionType:
        seen.add(id(value))
        for one in _brought(value):
            _release(run, one, seen)
    elif kind is MethodType:
        _release(run, value.__self__, seen)
    elif kind is tuple:
        for one in value:
            _release(run, one, seen)
    elif (held := run.fresh.get(id(value))) is not None and held.object is value:
        del run.fresh[id(value)]
        seen.add(id(value))
        if held.live or hasattr(kind, "__next__"):
            inside: Iterable[Any] = list(held.nested)
        else:
            inside = list(value.values()) if kind in effects.DICTS else value
        for one in inside:
            if type(one) not in SCALARS:
                _release(run, one, seen)


def _brought(function: FunctionType) -> list[Any]:
    """Return what a function has captured, and its defaults."""
    found: list[Any] = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for cell in function.__closure__ or ():
        with suppress(ValueError):
            found.append(cell.cell_contents)
    return found


def snapshot(value: Any, copies: dict[int, Any] | None = None) -> Any:
    """Return a copy of plain containers in `value`, to be read elsewhere while the program goes on."""
    kind = type(value)
    if kind is list or kind in effects.DICTS or kind is set:
        copies = {} if copies is None else copies
        made = copies.get(id(value))
        if made is None:
            fresh: Any = [] if kind is list else copy.copy(value)
            made = copies[id(value)] = fresh
            if kind is list:
                made += [item if type(item) in SCALARS else snapshot(item, copies) for item in value]
            elif kind is not set:
                for key, item in made.items():
                    if type(item) not in SCALARS:
                        made[key] = snapshot(item, copies)
        return made
    if kind is tuple and not all(type(item) in SCALARS for item in value):
        copies = {} if copies is None else copies
        return tuple(snapshot(item, copies) for item in value)
    return value


Run.snapshot = staticmethod(snapshot)


def fill(run: Run, value: Any, functions: bool = False) -> Any:
    """As `settle`, but the run's own containers stay its own: for reading them here and now.

    With `functions`, what functions have captured is filled in too.
    """
    if type(value) in SCALARS:
        return value
    while True:
        before = run.waited
        value = _filled(run, value, set(), functions)
        if run.waited == before:
            return value  # else something may have come into it meanwhile


def ready(run: Run, values: Iterable[Any]) -> list[Any]:
    """Return `values`, to be read here and now: filled, and in their turn."""
    values = list(values)
    while True:
        before = run.waited
        values = [value if type(value) in SCALARS else _filled(run, value, set(), False) for value in values]
        await_all(run, values)
        if run.waited == before:
            return values


def _filled(run: Run, value: Any, seen: set[int], functions: bool) -> Any:
    kind = type(value)
    if kind in PENDING:
        return _filled(run, run.force(value), seen, functions)
    if kind in SCALARS or id(value) in seen:
        return value
    if kind is tuple:
        if all(type(item) in SCALARS for item in value):
            return value
        known = run.tuples.get(id(value))
        if known is not None and known[0] is value:
            return _filled(run, known[1], seen, functions)
        items = tuple([_filled(run, item, seen, functions) for item in value])
        if all(a is b for a, b in zip(items, value)):
            return value
        run.tuples[id(value)] = value, items  # wherever else it stands, it is the same one
        return items
    if kind is FunctionType:
        if functions:
            seen.add(id(value))
            _fill_function(run, value, seen)
        return value
    if kind is MethodType:
        _filled(run, value.__self__, seen, functions)
        return value
    if kind is CoroutineType:
        if functions and id(value) in run.coroutines:
            call = run.coroutines[id(value)][1]
            call.args = tuple(settle(run, arg) for arg in call.args)
            call.kwargs = {name: settle(run, arg) for name, arg in call.kwargs.items()}
        return value
    held = run.fresh.get(id(value))
    if held is None or held.object is not value:
        return value
    seen.add(id(value))
    if hasattr(kind, "__next__"):  # others see what it goes over, with its values
        for item in list(held.nested) if functions else ():
            _filled(run, item, seen, True)
        return value
    # Whatever is stored where we read, while we wait, is left alone: whoever calls us looks again.
    if kind is list:
        for place, item in enumerate(value):
            if type(item) not in SCALARS:
                made = _filled(run, item, seen, functions)
                if made is not item and place < len(value) and value[place] is item:
                    value[place] = made
    elif kind in effects.DICTS or held.live:
        holder = vars(value) if held.live else value
        for key, item in list(holder.items()):
            if type(item) not in SCALARS:
                made = _filled(run, item, seen, functions)
                if made is not item and holder.get(key) is item:
                    holder[key] = made
    return value


def _fill_function(run: Run, function: FunctionType, seen: set[int]) -> None:
    if function.__defaults__:
        function.__defaults__ = tuple([_filled(run, one, seen, True) for one in function.__defaults__])
    words = function.__kwdefaults__ or {}
    for name, one in words.items():
        words[name] = _filled(run, one, seen, True)
    for cell in function.__closure__ or ():
        try:
            inside = cell.cell_contents
        except ValueError:
            continue
        made = inside if type(inside) in SCALARS else _filled(run, inside, seen, True)
        if made is not inside:
            cell.cell_contents = made


def outward(run: Run, value: Any, scope: Scope) -> None:
    """Note that what the run made inside of a `try` or `with` is seen in `scope`, too, should that fail."""
    kind = type(value)
    if kind in PENDING and value.done and value.error is None:
        value = value.value
        kind = type(value)
    if kind in SCALARS or kind in PENDING:
        return
    if kind is tuple:
        for one in value:
            outward(run, one, scope)
        return
    held = run.fresh.get(id(value))
    if held is not None and held.object is value and not held.scope.encloses(scope):
        held.scope = scope
        for one in list(held.nested or ()):
            outward(run, one, scope)


def captured(function: FunctionType) -> list[Any]:
    """Return what a function brings along: captured variables and defaults, those of functions among them too."""
    seen = {id(function)}
    found: list[Any] = []
    left = [function]
    while left:
        one = left.pop()
        inside: list[Any] = [*(one.__defaults__ or ()), *(one.__kwdefaults__ or {}).values()]
        for cell in one.__closure__ or ():
            with suppress(ValueError):
                inside.append(cell.cell_contents)
        for value in inside:
            if type(value) is not FunctionType:
                found.append(value)
            elif id(value) not in seen:
                seen.add(id(value))
                left.append(value)
    return found


# The order of reads and changes -----------------------------------------------------------------------------


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
                if fresh.nested:
                    reach(list(fresh.nested) if fresh.live else fresh.nested, found, later, run, outer)
            elif kind is MethodType:
                reach((value.__self__,), found, later, run, outer)
            elif fresh is None and outer is not None and kind not in _UNCHANGING and value is not UNBOUND:
                outer.append(value)  # it is not the run's own


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


def may_be_outside(value: Any) -> bool:
    """Whether a pending value may turn out to be something that is not the run's own, and not an answer either."""
    if type(value) is Flight:
        return False
    if type(value) is Lazy:
        return any(may_be_outside(arg) for arg in value.args if type(arg) in PENDING and not arg.done)
    maker = value.maker
    if maker is None:
        return True
    return OUTSIDE_ID in maker.reach if type(maker) is Task else may_be_outside(maker)


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
        elif type(one) is MethodType:
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


def footprint(run: Run, task: Task) -> None:
    """Note what a task that is about to wait may still read and change."""
    found: set[int] = set()
    later: list[Pending] = []
    inputs, task.inputs = task.inputs, ()
    changes: set[int] = set()
    within: list[Any] = []
    objects = task.flags & OBJECTS
    for place, value in enumerate(inputs):
        kind = type(value)
        if kind in SCALARS or value is UNBOUND:
            continue
        changing = (task.changed >> place) & 1
        if changing and task.shallow:
            changes.add(id(value))
            changing = False
        if kind is FunctionType and value.__closure__ and (task.writes or _may_write(value)):
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
            if hasattr(kind, "__next__"):
                changes.add(id(value))
                task.writes = task.writes or not (own or kind in effects.ITERATORS)
    for one in within:  # what is not the run's own, but is in what it may change
        if not content(one, changes):
            task.writes = True
    if run.stepping:
        run.iterators(run, task, found, changes, later)
    for number in task.shared:
        if not content(global_at(number), changes):
            task.writes = True
    if task.gives:
        outer: list[Any] = []
        for place, value in enumerate(inputs):
            if (task.gives >> place) & 1:
                reach((value,), task.reach, [], run, outer)
        if task.outside or not all(content(one, task.reach) for one in outer):
            task.reach.add(OUTSIDE_ID)
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


Run.footprint = staticmethod(footprint)


def _may_write(function: FunctionType) -> bool:
    from ._program import effects_of  # it knows lowering, which knows this module

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


Run.leave = staticmethod(leave)


def must_wait(run: Run, thing: Any, changing: bool) -> Task | None:
    """Return a task that must end before the running one may read (or change) `thing`; None if there is none."""
    if not run.suspended:
        return None
    here, key = run.current, id(thing)
    line: Line | None = run.changing.get(key)
    if line is not None and (task := line.last_before(here)) is not None:
        return task
    if changing:
        line = run.reading.get(key)
        if line is not None and (task := line.last_before(here)) is not None:
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
