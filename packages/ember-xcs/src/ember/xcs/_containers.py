"""Containers in lowered code: made, read by index, changed and taken apart in their turn."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import operator
from collections import defaultdict
from typing import Any, Final

from . import _effects as effects
from ._apart import apart, may_be_lazy, read, unknown
from ._footprints import put
from ._memory import fill, lazy, outward, ready, settle
from ._order import await_all, await_turn, may_be_outside, must_wait, quiet
from ._run import Run, local
from ._tasks import Abandoned
from ._values import PENDING, SCALARS, Fresh, has_pending, is_data


def new(made: Any) -> Any:
    """Take a list, dict or set that lowered code made: nothing outside knows it, so it may hold pending values."""
    run: Run = local.run
    held = Fresh(made, run.current.scope)
    items = made.values() if type(made) in effects.DICTS else made
    for item in items:
        if type(item) not in SCALARS:
            held.keep(item)
    run.hold(held)
    return made


def key(value: Any) -> Any:
    """The key of a dict display or the element of a set display: its hash is needed."""
    return value if type(value) in SCALARS else settle(local.run, value)


def item(container: Any, index: Any) -> Any:
    """`container[index]`."""
    run: Run = local.run
    kind = type(container)
    if kind in SCALARS and type(index) in SCALARS:
        return container[index]
    if kind in PENDING or type(index) in PENDING:
        if kind in PENDING and may_be_lazy((container, index)):
            known = str if container.kind is str else None
            return lazy(run, operator.getitem, (container, index), known)
        inside = kind in effects.CONTAINERS or (kind in PENDING and not may_be_outside(container))
        return apart(run, _item, (container, index), (container,), outside=not inside)
    if kind is defaultdict and container.default_factory is not None:
        return _item_or_new(run, container, index)
    if kind in effects.CONTAINERS or isinstance(container, str):
        if must_wait(run, container, False) is None:
            return container[index] if type(index) is not slice or kind is not list else new(container[index])
        return apart(run, _item, (container, index), (container,), outside=False)
    if is_data(container):
        return read(run, operator.getitem, (container, index))
    return unknown(run, operator.getitem, (container, index), {})


def _item_or_new(run: Run, container: Any, index: Any) -> Any:
    """`container[index]` of a defaultdict: that may change it."""
    if type(index) in SCALARS and must_wait(run, container, False) is None and index in container:
        return container[index]
    if container.default_factory not in effects.FACTORIES:
        return unknown(run, operator.getitem, (container, index), {})
    return change(run, container, "__getitem__", (index,), {})


def _item(run: Run, container: Any, index: Any) -> Any:
    container = run.force(container)
    if type(container) is defaultdict and container.default_factory is not None:
        return _item_or_new(run, container, index)
    if not is_data(container):
        run.barrier()
        return container[settle(run, index)]
    index = fill(run, index)
    await_turn(run, container)
    return (
        container[index] if type(index) is not slice or type(container) is not list else new(container[index])
    )


def change(run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a method that changes a list, dict, set or deque."""
    held = run.fresh.get(id(thing))
    task = run.current
    if task.dead:
        raise Abandoned
    if held is not None and held.object is thing:
        scope = task.scope
        if (
            (scope is run.outermost or scope.encloses(held.scope))
            and must_wait(run, thing, True) is None
            and not _needs(thing, name, args)
        ):
            return _change_now(run, held, name, args, kwargs)
    elif quiet(run):
        return _change_shared(run, thing, name, args, kwargs)
    function = _change_fresh if held is not None and held.object is thing else _change_shared
    return run.spawn(
        function,
        (run, thing, name, args, kwargs),
        None,
        inputs=(thing, *args, *kwargs.values()),
        changed=1,
        what=name,
        shallow=True,
        gives=(1 if len(args) == 1 else -1) if name in _GIVING else 0,
        outside=False,
    )


_GIVING: Final = frozenset({"__getitem__", "pop", "popitem", "popleft", "setdefault"})


def _needs(thing: Any, name: str, args: tuple[Any, ...]) -> bool:
    """Whether a change needs a value that is not there: a key, an element to be hashed, an iterable, an index."""
    if (type(thing) is list and name == "append") or name == "__setattr__":
        return False
    if type(thing) is list and name == "insert":
        return type(args[0]) in PENDING if args else False
    if type(thing) in effects.DICTS and name == "setdefault":
        return bool(args) and type(args[0]) not in SCALARS
    if type(thing) is list and name in ("sort", "remove"):
        return any(map(has_pending, thing)) or any(map(has_pending, args))
    return any(type(arg) not in SCALARS for arg in args)


def _change_now(run: Run, held: Fresh, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    thing = held.object
    if run.current.scope is not held.scope:
        for arg in args:
            outward(run, arg, held.scope)
    for arg in (*args, *kwargs.values()):
        if type(arg) not in SCALARS:
            put(run, thing, (arg,))
            if not held.live:
                held.keep(arg)
    if name == "__getitem__" and args[0] not in thing:
        made = thing[args[0]]
        if type(made) in effects.CHANGING:
            new(made)
            put(run, thing, (made,))
            held.keep(made)
        return made
    return getattr(thing, name)(*args, **kwargs)


def _change_fresh(run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    held: Fresh | None = run.fresh.get(id(thing))
    if held is None:
        return _change_shared(run, thing, name, args, kwargs)
    if _needs(thing, name, args) or name == "sort":
        if type(thing) is list and name == "extend":
            args = tuple(run.force(arg) for arg in args)
            await_all(run, args)
            args = tuple(
                new(list(arg)) if type(arg) in effects.CONTAINERS or type(arg) in SCALARS else arg
                for arg in args
            )
        else:
            args = tuple(ready(run, args))
        if type(thing) is list and name in ("sort", "remove"):
            await_turn(run, thing, True)
            fill(run, thing)
    scope = None
    while held is not None and held.scope is not scope:  # it may come to where others see it while this waits
        scope = held.scope
        run.drain_out_to(scope)
        await_turn(run, thing, True)
        held = run.fresh.get(id(thing))
    if any(not is_data(arg) and type(arg) not in PENDING for arg in args) and name in ("extend", "update"):
        run.barrier()
    now: Fresh | None = run.fresh.get(id(thing))
    if now is None:  # meanwhile it was handed to somebody
        return _change_shared(run, thing, name, args, kwargs)
    return _change_now(run, now, name, args, kwargs)


def _change_shared(run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    run.barrier()
    args = tuple(settle(run, arg) for arg in args)
    kwargs = {word: settle(run, arg) for word, arg in kwargs.items()}
    put(run, thing, (*args, *kwargs.values()))
    return getattr(thing, name)(*args, **kwargs)


def set_item(container: Any, index: Any, value: Any) -> None:
    """`container[index] = value`."""
    run: Run = local.run
    kind = type(container)
    if kind is list or kind in effects.DICTS:
        if type(index) in SCALARS and type(index) is not slice:
            change(run, container, "__setitem__", _Slot(index, value), {})
        else:
            change(run, container, "__setitem__", (index, value), {})
    elif kind in PENDING:
        apart(run, _set_item, (container, index, value), (container, index, value), writes=True, changes=True)
    else:
        unknown(run, operator.setitem, (container, index, value), {})


class _Slot(tuple):  # type: ignore[type-arg]
    """The arguments of a store whose key is there: nothing of the value is needed."""

    def __new__(cls, *args: Any) -> _Slot:
        return super().__new__(cls, args)


def _set_item(run: Run, container: Any, index: Any, value: Any) -> None:
    set_item(run.force(container), index, value)


def del_item(container: Any, index: Any) -> None:
    """`del container[index]`."""
    run: Run = local.run
    container = run.force(container)
    if type(container) is list or type(container) in effects.DICTS:
        change(run, container, "__delitem__", (index,), {})
    else:
        unknown(run, operator.delitem, (container, index), {})


def unpack(value: Any, before: int, after: int = -1) -> Any:
    """The right side of `a, b = value`, or with `after` ≥ 0 of `a, *b, c = value`: as many values as names."""
    run: Run = local.run
    kind = type(value)
    if kind is tuple and after < 0 and len(value) == before:
        return value
    if kind in PENDING or must_wait(run, value, False) is not None:
        count = before if after < 0 else before + 1 + after
        made = apart(run, _unpack, (value, before, after), (value,))
        if type(made) in PENDING:
            return [lazy(run, operator.getitem, (made, index), None, False) for index in range(count)]
        return made
    return _unpack(run, value, before, after)


def _unpack(run: Run, value: Any, before: int, after: int) -> Any:
    value = run.force(value)
    if run.stepping:
        from ._iterators import held_iterator, steps  # which needs this module

        if (held := held_iterator(run, value)) is not None:
            moving = steps(run, held)
            value = tuple(moving if after >= 0 else _exactly(moving, before))
    if type(value) in effects.CONTAINERS or isinstance(value, (str, bytes, range)):
        await_turn(run, value)
        items = list(value)
    else:
        run.barrier()
        if not hasattr(type(value), "__iter__") and not hasattr(type(value), "__getitem__"):
            raise TypeError(f"cannot unpack non-iterable {type(value).__name__} object")
        items = list(value) if after >= 0 else _exactly(value, before)
    if after < 0:
        if len(items) > before:
            raise ValueError(f"too many values to unpack (expected {before})")
        if len(items) < before:
            raise ValueError(f"not enough values to unpack (expected {before}, got {len(items)})")
        return items
    if len(items) < before + after:
        raise ValueError(
            f"not enough values to unpack (expected at least {before + after}, got {len(items)})"
        )
    end = len(items) - after
    return [*items[:before], new(items[before:end]), *items[end:]]


def _exactly(iterable: Any, count: int) -> list[Any]:
    found: list[Any] = []
    for one in iterable:
        found.append(one)
        if len(found) > count:
            break
    return found
