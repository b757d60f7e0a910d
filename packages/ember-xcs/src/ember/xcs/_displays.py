"""Comprehensions, displays and variables of lowered code."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from contextvars import Context
from typing import Any, Final

from greenlet import getcurrent

from ember.context import ContextBlock

from . import _effects as effects
from ._apart import apart
from ._calls import call
from ._containers import new
from ._control import iterate, test
from ._memory import fill, lazy, ready, settle
from ._order import await_turn, must_wait, quiet
from ._pending import Pending, Unbound
from ._run import Run, local
from ._tasks import CHANGES, is_earlier
from ._values import PENDING, SCALARS, is_data


class _Skip:
    """An element that a comprehension leaves out."""


skip: Final = _Skip()


def _known(run: Run, source: Any) -> bool:
    """Whether a comprehension over `source` can begin without waiting."""
    if type(source) in PENDING:
        return source.done and source.error is None
    return (
        type(source) in SCALARS
        or type(source) in effects.CONTAINERS
        or type(source) in effects.ITERATORS
        or is_data(source)
        or quiet(run)
    )


def each(source: Any, function: Callable[[Any], Any], flags: int) -> Any:
    """`[function(x) for x in source]`."""
    run: Run = local.run
    if _known(run, source):
        return new([function(one) for one in iterate(source)])
    if (places := _places(run, source, flags)) is not None:
        return _from_places(run, places, function)
    return apart(run, _each, (source, function), (source, function), flags=flags)


def _each(run: Run, source: Any, function: Callable[[Any], Any]) -> Any:
    return new([function(one) for one in iterate(source)])


def mapped(by: Any, source: Any, flags: int) -> Any:
    """`map(by, source)` where all of it is taken at once."""
    run: Run = local.run
    if type(by) in PENDING:
        by = run.force(by)
    return each(source, lambda one: call(by, one), flags)


def kept(source: Any, function: Callable[[Any], Any], flags: int) -> Any:
    """`[... for x in source if ...]`: `function` returns `skip` for what is left out."""
    run: Run = local.run
    if not _known(run, source):
        if (places := _places(run, source, flags)) is not None:
            return _from_places(run, places, function)
        return apart(run, _kept_now, (source, function, flags), (source, function), flags=flags)
    return _kept_now(run, source, function, flags)


def _kept_now(run: Run, source: Any, function: Callable[[Any], Any], flags: int) -> Any:
    made = [
        run.spawn(
            function,
            (one,),
            None,
            inputs=(function, one),
            flags=flags,
            changed=-1 if flags & CHANGES else 0,
            what="a filtered element",
        )
        for one in iterate(source)
    ]
    return _those_kept(run, made)


def _those_kept(run: Run, made: list[Any]) -> Any:
    """Return a list of what is in `made` and not left out."""
    if not any(type(one) in PENDING and _may_skip(one) for one in made):
        return new([one for one in made if one is not skip])
    result = apart(run, _kept, (made,), made)
    if type(result) is Pending and not result.done:
        run.filtered[id(result)] = result, made
        run.then(result, lambda: run.filtered.pop(id(result)))
    return result


def _places(run: Run, source: Any, flags: int) -> list[Any] | None:
    """Return the places of a list still to be filtered, if a comprehension over it may go on at each of them.

    It may if it changes nothing, and nothing that waits before it may change the list.
    """
    held = run.filtered.get(id(source)) if type(source) is Pending and not flags else None
    if held is None or held[0] is not source:
        return None
    return held[1] if run.altering.last_before(run.current) is None else None


def _from_places(run: Run, places: list[Any], function: Callable[[Any], Any]) -> Any:
    """As `kept`, over a list of which it is not known yet what is in it."""
    made = [
        run.spawn(
            _from_place,
            (run, one, function),
            None,
            inputs=(function, one),
            what="an element of a filtered list",
        )
        for one in places
        if one is not skip
    ]
    return _those_kept(run, made)


def _from_place(run: Run, one: Any, function: Callable[[Any], Any]) -> Any:
    one = run.force(one)
    return skip if one is skip else function(one)


def _may_skip(one: Any) -> bool:
    return not one.done or one.value is skip


def _kept(run: Run, made: list[Any]) -> Any:
    values = [run.force(one) if type(one) in PENDING and one.owner is None else one for one in made]
    return new(
        [
            one
            for one in (run.force(value) if type(value) in PENDING else value for value in values)
            if one is not skip
        ]
    )


def flat(source: Any, function: Callable[[Any], Any], flags: int) -> Any:
    """`[... for x in source for ...]`: `function` returns the list for one x."""
    run: Run = local.run
    if not _known(run, source):
        return apart(run, _flat_now, (source, function, flags), (source, function), flags=flags)
    return _flat_now(run, source, function, flags)


def _flat_now(run: Run, source: Any, function: Callable[[Any], Any], flags: int) -> Any:
    made = [
        run.spawn(
            function,
            (one,),
            None,
            inputs=(function, one),
            flags=flags,
            changed=-1 if flags & CHANGES else 0,
            what="an inner comprehension",
        )
        for one in iterate(source)
    ]
    if any(type(one) in PENDING for one in made):
        return apart(run, _joined, (made,), made)
    return new([item for one in made for item in one])


def _joined(run: Run, made: list[Any]) -> Any:
    return new([item for one in made for item in run.force(one)])


def some(source: Any, function: Callable[[Any], Any], wanted: bool, flags: int) -> Any:
    """`any(...)` (or `all(...)`, if False is `wanted`) of a generator expression: no further than it decides."""
    return apart(local.run, _some, (source, function, wanted), (source, function), flags=flags)


def _some(run: Run, source: Any, function: Callable[[Any], Any], wanted: bool) -> bool:
    for one in iterate(source):
        value = function(one)
        if value is not skip and test(value) is wanted:
            return wanted
    return not wanted


def set_of(elements: list[Any]) -> Any:
    """A set display, or a comprehension's: its elements are hashed."""
    run: Run = local.run
    if all(type(one) in SCALARS for one in elements):
        return new(set(elements))
    return apart(run, _set_from, (elements,), elements)


def set_from(elements: Any) -> Any:
    """`{... for ...}`."""
    run: Run = local.run
    if type(elements) is list and all(type(one) in SCALARS for one in elements):
        return new(set(elements))
    return apart(run, _set_from, (elements,), (elements,))


def _set_from(run: Run, elements: Any) -> Any:
    values = ready(run, run.force(elements))
    if not all(map(is_data, values)):
        run.barrier()
    return new(set(values))


def dict_from(pairs: Any) -> Any:
    """`{...: ... for ...}`: values may be pending, keys are hashed."""
    run: Run = local.run
    if type(pairs) is list and all(type(key) in SCALARS for key, _ in pairs):
        return new(dict(pairs))
    return apart(run, _dict_from, (pairs,), (pairs,))


def _dict_from(run: Run, pairs: Any) -> Any:
    made: dict[Any, Any] = {}
    for pair in run.force(pairs):
        key, value = run.force(pair)
        key = fill(run, key)
        if not is_data(key):
            run.barrier()
        made[key] = value
    return new(made)


def mapping(value: Any) -> Any:
    """What stands behind `**`."""
    run: Run = local.run
    value = run.force(value)
    if is_data(value):
        await_turn(run, value)
    else:
        run.barrier()
        value = settle(run, value)
    return value


def slice_of(start: Any, stop: Any, step: Any) -> Any:
    """`start:stop:step`."""
    if type(start) in SCALARS and type(stop) in SCALARS and type(step) in SCALARS:
        return slice(start, stop, step)
    return lazy(local.run, slice, (start, stop, step), slice)


# Variables -----------------------------------------------------------------------------


def settled(value: Any) -> Any:
    """The value itself, with nothing pending in it."""
    return value if type(value) in SCALARS or isinstance(value, Unbound) else settle(local.run, value)


def turn() -> None:
    """A variable that nested functions share is about to be read: nothing before may still assign it."""
    _await_others(local.run)


def rebind(value: Any) -> Any:
    """The new value of a variable that nested functions share: nothing before may still read it."""
    run: Run = local.run
    value = settle(run, value)
    run.drain()
    scope = run.current.scope
    if scope is not run.outermost:  # should something before it fail, whoever handles that may read it
        run.drain_scope(scope.first_without(run.outermost))
    _await_others(run)
    return value


def rebind_outer(value: Any) -> Any:
    """As `rebind`, of a variable of a function around: it may be read wherever this program fails."""
    run: Run = local.run
    value = settle(run, value)
    run.barrier()
    return value


def _await_others(run: Run) -> None:
    while True:
        for task in run.suspended:
            if is_earlier(task, run.current):
                break
        else:
            return
        result = task.result
        assert result is not None
        if not result.done:
            run.wait(result)
        if run.current.dead:
            run.barrier()


def global_of(namespace: dict[str, Any], name: str, read: Callable[[], Any]) -> Any:
    """A global variable: read when nothing before can still change it."""
    run: Run = local.run
    if must_wait(run, namespace, False) is None:
        return read()
    return apart(run, _global_of, (namespace, read), (namespace,))


def _global_of(run: Run, namespace: dict[str, Any], read: Callable[[], Any]) -> Any:
    await_turn(run, namespace)
    return read()


def set_global(namespace: dict[str, Any], name: str, value: Any) -> None:
    """`name = value` of a global variable."""
    run: Run = local.run
    if quiet(run):
        namespace[name] = settle(run, value)
    else:
        run.spawn(
            _set_global,
            (run, namespace, name, value),
            None,
            inputs=(namespace, value),
            changed=1,
            what="a global",
            shallow=True,
        )


def _set_global(run: Run, namespace: dict[str, Any], name: str, value: Any) -> None:
    run.barrier()
    namespace[name] = settle(run, value)


def enter(manager: Any) -> Any:
    """The context manager of a `with`, about to be entered."""
    run: Run = local.run
    manager = run.force(manager)
    if type(manager) not in _HARMLESS:
        run.barrier()
        manager = settle(run, manager)
    return Entered(manager)


_HARMLESS: Final = frozenset({ContextBlock, suppress, nullcontext})
"""Context managers of which nobody sees that they are entered."""


class Entered:
    """A context manager in a context of its own, for what it sets: code after the `with` may run before it is left."""

    def __init__(self, manager: Any) -> None:
        kind = type(manager)
        if not hasattr(kind, "__enter__") or not hasattr(kind, "__exit__"):
            raise TypeError(f"{kind.__name__!r} object does not support the context manager protocol")
        self._manager = manager
        here = getcurrent()
        self._around = here.gr_context or Context()
        self._before = self._around.copy()
        here.gr_context = self._around.copy()

    def __enter__(self) -> Any:
        try:
            return type(self._manager).__enter__(self._manager)
        except BaseException:
            self._leave()
            raise

    def __exit__(self, *error: Any) -> Any:
        try:
            return type(self._manager).__exit__(self._manager, *error)
        finally:
            self._leave()

    def _leave(self) -> None:
        """Go back to the context around, and set there what was set in here and stayed so."""
        here = getcurrent()
        inside, here.gr_context = here.gr_context, self._around
        for variable, value in () if inside is None else inside.items():
            if self._before.get(variable, _UNSET) is not value:
                variable.set(value)


_UNSET: Final = object()


def subject(value: Any) -> Any:
    """The subject of a `match`: patterns look into it."""
    run: Run = local.run
    return ready(run, (value,))[0]
