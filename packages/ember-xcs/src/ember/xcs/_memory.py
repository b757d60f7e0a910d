"""Values between tasks: computing on pending ones, and settling and filling what holds them."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import copy
import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import CoroutineType, FunctionType
from typing import Any, Final

from ember.core.externals import handling

from . import _effects as effects
from ._footprints import footprint, leave
from ._order import await_all, await_turn
from ._pending import Pending
from ._run import Run, local
from ._tasks import WRITES, Scope, owner_of
from ._values import METHODS, PENDING, SCALARS, Lazy, is_data, is_fixed, take

Run.footprint, Run.leave = staticmethod(footprint), staticmethod(leave)


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
        run.end()


# Pending values -----------------------------------------------------------------------------


def lazy(
    run: Run, function: Callable[..., Any], args: tuple[Any, ...], kind: type | None, log: bool = True
) -> Any:
    """Return `function(*args)`, which only computes, as soon as all of `args` are there."""
    waiting = [arg for arg in args if type(arg) in PENDING and not arg.done]
    if not waiting:
        values = tuple([run.force(arg) if type(arg) in PENDING else arg for arg in args])
        if not log or _computes_now(run, function, values):
            return function(*values)
        acting = not all(map(is_data, values))
        return run.spawn(
            reading, (run, function, values), None, inputs=values, flags=WRITES if acting else 0,
            changed=-1 if acting else 0, what="an operation on an object",
        )  # fmt: skip
    result = Lazy(run, function, args, len(waiting), kind)
    if run.record is not None:
        run.record.derived(result, args)
    if log:
        run.note(result)

    def one() -> None:
        result.left -= 1
        if not result.left:
            _compute(run, result)

    def one_of_several(arg: Pending) -> None:
        if result.done or result.function is None:
            return
        if arg.error is None and not is_fixed(arg.value):
            # Others may change it while the rest is not there yet: from now on somebody reads it.
            _compute_late(run, result, reading, result.args, not is_data(arg.value))
        else:
            one()

    several = log and len(waiting) > 1 and function not in _LOOKS_AT_NOTHING
    for arg in waiting:
        run.then(arg, functools.partial(one_of_several, arg) if several else one)
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
    if function is None:
        return  # a task does it
    if result.owner is None or _computes_now(run, function, values):
        result.args, result.function = (), None
        try:
            value = function(*values)
        except BaseException as error:
            run.set(result, None, error)
        else:
            owner = owner_of(result)
            if type(value) in (list, dict) and owner is not None and all(map(is_fixed, values)):
                take(run, value, owner.scope)
            run.set(result, value)
    elif _reads_attribute(run, function, values):
        _compute_late(run, result, _attribute, tuple(values), False)
    else:
        _compute_late(run, result, reading, tuple(values), not all(map(is_data, values)))


def _compute_late(
    run: Run, result: Lazy, how: Callable[..., Any], values: tuple[Any, ...], writes: bool
) -> None:
    """Have a task compute `result`, which reads something that others may change."""
    function, result.function = result.function, None
    run.begin_late(result, how, (run, function, values), writes)
    run.then(result, lambda: setattr(result, "args", ()))  # till then it may be one of these


def _computes_now(run: Run, function: Callable[..., Any], values: Sequence[Any]) -> bool:
    """Whether nothing has to be waited for to compute `function(*values)`: nothing in these can change."""
    return (
        function in _LOOKS_AT_NOTHING
        or all(map(is_fixed, values))
        or (not run.altering.tasks and _reads_attribute(run, function, values))
    )


def _reads_attribute(run: Run, function: Callable[..., Any], values: Sequence[Any]) -> bool:
    return type(function) is operator.attrgetter and run.reads_plainly(values[0], function)


def _attribute(run: Run, getter: Callable[[Any], Any], values: tuple[Any, ...]) -> Any:
    """Read an attribute that something that waits before this point may still store."""
    await_turn(run, values[0])
    return getter(values[0])


_LOOKS_AT_NOTHING: Final = frozenset({operator.is_, operator.is_not})
"""What is in their arguments is nothing to them: it may be what they are computed for."""


def reading(run: Run, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call `function`, which only reads its arguments, in its turn."""
    values = ready(run, args)
    if not all(map(is_data, values)):
        run.barrier()
        values = [settle(run, value) for value in values]
    return function(*values)


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
    elif kind in METHODS:
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
        known = copies.get(id(value))
        made = tuple([snapshot(item, copies) for item in value]) if known is None else known
        return copies.setdefault(id(value), made)  # one that is in itself was copied on the way
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
    if kind in METHODS:
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


def ready_call(run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a call, to be read here and now."""
    values = ready(run, (*args, *kwargs.values()))
    return values[: len(args)], dict(zip(kwargs, values[len(args) :]))


def handed(run: Run, value: Any, things: tuple[Any, ...]) -> Any:
    """Return what a function that only computes made of `things`: a container of its own may hold them from now on."""
    if type(value) not in SCALARS and id(value) not in run.fresh:
        for thing in things:
            settle(run, thing)
    return value
