"""What lowered code calls in place of Python's own operations: each as before, and aware of pending values.

None of these waits, but for those about control (`test`, `iterate`, `drain` and their like): where a value is needed
that is not there yet, or something else must come first, the operation becomes a task, and its result is pending.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable
from types import FunctionType, MethodType, ModuleType, NoneType
from typing import Any, Final

from ember.core.externals import External

from . import _effects as effects
from ._memory import (
    PENDING,
    SCALARS,
    Fresh,
    await_all,
    await_turn,
    fill,
    has_pending,
    in_turn,
    is_data,
    lazy,
    local,
    may_be_outside,
    must_wait,
    outward,
    own_object,
    quiet,
    reading,
    ready,
    settle,
    take,
)
from ._pending import UNBOUND as UNBOUND, Pending, Unbound as Unbound
from ._run import CHANGES, WRITES, Abandoned, Flight, Run

NONE: Final[frozenset[int]] = frozenset()
_MISSING: Final = object()


def bound(value: Any, name: str) -> Any:
    """Return the value of a local variable that may have none."""
    if value is UNBOUND:
        raise UnboundLocalError(
            f"cannot access local variable {name!r} where it is not associated with a value"
        )
    if type(value) in PENDING and value.kind not in SCALARS:
        return checked(value, lambda found: bound(found, name))
    return value


def bound_around(value: Any, name: str) -> Any:
    """As `bound`, in a function of its own within the one whose variable it is: a comprehension."""
    if value is UNBOUND:
        raise NameError(
            f"cannot access free variable {name!r} where it is not associated with a value in enclosing scope"
        )
    if type(value) in PENDING and value.kind not in SCALARS:
        return checked(value, lambda found: bound_around(found, name))
    return value


def checked(value: Any, check: Callable[[Any], object]) -> Any:
    """Return the pending `value`; `check`, called with what it stands for, may raise: then this point fails."""
    run: Run = local.run
    if value.done:
        if value.error is None:
            check(value.value)
        return value
    result = Pending(run, value.kind)
    if run.record is not None:
        run.record.derived(result, (value,))
    result.maker = value
    run.note(result)

    def there() -> None:
        error = value.error
        if error is None:
            try:
                check(value.value)
            except Exception as found:
                error = found
        run.set(result, None if error is not None else value.value, error)

    run.then(value, there)
    return result


# As a task -----------------------------------------------------------------------------


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
        function, (run, *args), None, inputs=tuple(inputs), flags=WRITES if writes else flags,
        changed=-1 if changes or flags & CHANGES else 0,
        what=function.__name__, outside=outside,
    )  # fmt: skip


def read(run: Run, function: Callable[..., Any], args: tuple[Any, ...], kind: type | None = None) -> Any:
    """Return `function(*args)`, which only reads its arguments, as soon as they are there and in order."""
    if any(type(arg) in PENDING for arg in args):
        if _may_be_lazy(args):
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
    return apart(run, reading, (function, args), args)


def _may_be_lazy(args: tuple[Any, ...]) -> bool:
    """Whether a computation may wait without being a task: nobody can change its arguments until it is done."""
    unknown = 0
    for arg in args:
        if type(arg) in PENDING:
            if arg.kind not in SCALARS or arg.kind is None:
                unknown += 1
        elif type(arg) not in SCALARS:
            return False
    return not unknown or (unknown == 1 and sum(type(arg) in PENDING and not arg.done for arg in args) == 1)


def ordered(run: Run, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    run.barrier()
    args = tuple(settle(run, arg) for arg in args)
    kwargs = {name: settle(run, arg) for name, arg in kwargs.items()}
    if run.record is not None:
        run.record.really(function, run.current)
    return function(*args, **kwargs)


def unknown(run: Run, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function that may do anything, once everything before has succeeded."""
    if type(function) not in (FunctionType, MethodType) and quiet(run):
        if run.current.dead:
            raise Abandoned
        return ordered(run, function, args, kwargs)
    # Python code that is not lowered may make calls, and wait for them: what follows need not.
    inputs = (function, *args, *kwargs.values())
    return apart(run, ordered, (function, args, kwargs), inputs, writes=True, changes=True)


# Operators -----------------------------------------------------------------------------


def binary(operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """`a + b` and its like, and comparisons."""
    ta, tb = type(a), type(b)
    if ta in SCALARS and tb in SCALARS:
        return operation(a, b)
    if operation is operator.is_ or operation is operator.is_not:
        if ta in PENDING or tb in PENDING:
            if (a is None and _is_something(b)) or (b is None and _is_something(a)):
                return operation is operator.is_not
            return lazy(local.run, operation, (a, b), bool)
        return operation(a, b)
    kind: type | None = None
    if operation in _COMPARISONS:
        kind = bool
    elif ta in PENDING and tb in PENDING:
        kind = a.kind if operation is operator.add and a.kind is b.kind else None
    elif operation is operator.add and (ta is str or tb is str):
        kind = str
    return read(local.run, operation, (a, b), kind)


_COMPARISONS: Final = frozenset(
    {
        operator.eq,
        operator.ne,
        operator.lt,
        operator.le,
        operator.gt,
        operator.ge,
        operator.is_,
        operator.is_not,
    }
)


def _is_something(value: Any) -> bool:
    """Whether a pending value is known not to be None."""
    return type(value) in PENDING and value.kind in SCALARS and value.kind is not NoneType


def unary(operation: Callable[[Any], Any], a: Any) -> Any:
    """`-a` and its like."""
    if type(a) in SCALARS:
        return operation(a)
    return read(local.run, operation, (a,), bool if operation is operator.not_ else None)


def is_in(a: Any, b: Any) -> Any:
    """`a in b`."""
    if type(a) in SCALARS and type(b) in SCALARS:
        return a in b
    return read(local.run, _in, (a, b), bool)


def _in(a: Any, b: Any) -> bool:
    return a in b


def not_in(a: Any, b: Any) -> Any:
    """`a not in b`."""
    if type(a) in SCALARS and type(b) in SCALARS:
        return a not in b
    return read(local.run, _not_in, (a, b), bool)


def _not_in(a: Any, b: Any) -> bool:
    return a not in b


def augmented(operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """`a += b` and its like: in place where `a` is a container."""
    if type(a) in SCALARS or (type(a) in PENDING and a.kind in SCALARS) or type(a) is tuple:
        if type(a) in SCALARS and type(b) in SCALARS:
            return operation(a, b)
        text = operation is operator.iadd and (str in (type(a), type(b)))
        return read(local.run, operation, (a, b), str if text or getattr(a, "kind", None) is str else None)
    run = local.run
    if type(a) is list and operation is operator.iadd:
        change(run, a, "extend", (b,), {})
        return a
    if type(a) in PENDING:
        return apart(run, _augmented, (operation, a, b), (a, b), changes=True)
    return unknown(run, operation, (a, b), {})


def _augmented(run: Run, operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    a = run.force(a)
    return run.force(augmented(operation, a, b))


# Text -----------------------------------------------------------------------------


def text(*parts: Any) -> Any:
    """An f-string: strings, and (value, conversion, format) for what stands in braces."""
    run: Run = local.run
    values: list[Any] = []
    waits = simple = True
    waits = False
    for part in parts:
        if type(part) is tuple:
            value, _, spec = part
            if type(value) in PENDING:
                waits = True
            elif type(value) not in SCALARS and not isinstance(value, str) and not plain_error(value):
                simple = False
            values.append(value)
            if type(spec) in PENDING:
                waits = True
                values.append(spec)
    if simple:
        if not waits:
            return _format(parts, values)
        fallible = any(
            type(part) is tuple and (part[2] != "" or getattr(part[0], "kind", str) is None) for part in parts
        )
        return lazy(run, lambda *known: _format(parts, known), tuple(values), str, fallible)
    return read(run, lambda *known: _format(parts, known), tuple(values), str)


def plain_error(value: Any) -> bool:
    """Whether `value` is an exception whose text is made by Python itself, of plain values."""
    return (
        isinstance(value, BaseException)
        and all(type(getattr(type(value), name)) is _SLOT for name in ("__str__", "__repr__"))
        and all(type(one) in SCALARS for one in value.args)
    )


_SLOT: Final = type(object.__str__)


def _format(parts: tuple[Any, ...], values: Any) -> str:
    known = iter(values)
    done: list[str] = []
    for part in parts:
        if type(part) is not tuple:
            done.append(part)
            continue
        _, conversion, spec = part
        value = next(known)
        if type(spec) in PENDING:
            spec = next(known)
        if conversion == 115:
            value = str(value)
        elif conversion == 114:
            value = repr(value)
        elif conversion == 97:
            value = ascii(value)
        done.append(format(value, spec))
    return "".join(done)


# Containers -----------------------------------------------------------------------------


def new(made: Any) -> Any:
    """Take a list, dict or set that lowered code made: nothing outside knows it, so it may hold pending values."""
    run: Run = local.run
    held = Fresh(made, run.current.scope)
    items = made.values() if type(made) in effects.DICTS else made
    for item in items:
        if type(item) not in SCALARS and type(item) not in PENDING:
            held.nested = [item] if held.nested is None else [*held.nested, item]
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
        if kind in PENDING and _may_be_lazy((container, index)):
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
    for arg in args:
        if not held.live and type(arg) not in SCALARS and type(arg) not in PENDING:
            held.nested = [arg] if held.nested is None else held.nested
            if held.nested[-1] is not arg:
                held.nested.append(arg)
    if name == "__getitem__" and args[0] not in thing:
        made = thing[args[0]]
        if type(made) in effects.CHANGING:
            new(made)
            held.nested = [made] if held.nested is None else [*held.nested, made]
        return made
    return getattr(thing, name)(*args, **kwargs)


def _change_fresh(run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    scope = run.current.scope
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
    if scope is not run.outermost and not scope.encloses(held.scope):
        run.drain_scope(scope)
    await_turn(run, thing, True)
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


# Attributes -----------------------------------------------------------------------------


def attr(thing: Any, name: str) -> Any:
    """`thing.name`, where it is not called."""
    kind = type(thing)
    run: Run = local.run
    if kind is ModuleType or kind in SCALARS:
        found = getattr(thing, name)
        if kind is type and not callable(found) and must_wait(run, thing, False) is not None:
            return apart(run, _attr, (thing, name), (thing,))
        return found
    if kind in PENDING:
        if thing.done and thing.error is None:
            return attr(thing.value, name)
        if type(thing) is Flight:
            return lazy(run, _getattr_of(name), (thing,), str if name == "text" else None)
        return apart(run, _attr, (thing, name), (thing,))
    if isinstance(thing, External):  # what it is does not change
        return getattr(thing, name)
    if hasattr(kind, "__ember_frozen__") and _is_stored(thing, kind, name):  # nor does an Ember module
        return getattr(thing, name)
    found = getattr(kind, name, None)
    if type(found) is property and type(found.fget) is FunctionType and not hasattr(kind, "__getattr__"):
        return local.call(found.fget, thing)
    if must_wait(run, thing, False) is None:
        if _plain_attribute(kind, name) or _is_stored(thing, kind, name):
            return getattr(thing, name)
        return unknown(run, getattr, (thing, name), {})
    inside = hasattr(thing, "__dict__") and type(getattr(kind, name, None)) in SCALARS
    return apart(run, _attr, (thing, name), (thing,), outside=not inside)


def _attr(run: Run, thing: Any, name: str) -> Any:
    if type(thing) in PENDING:
        return attr(run.force(thing), name)
    await_turn(run, thing)
    if not _plain_attribute(type(thing), name) and not _is_stored(thing, type(thing), name):
        run.barrier()
        settle(run, thing)
    return getattr(thing, name)


def _is_stored(thing: Any, kind: type, name: str) -> bool:
    """Whether an object has this attribute in itself, so that a `__getattr__` of its class is not asked."""
    looks: Any = kind.__getattribute__
    return (
        looks is object.__getattribute__
        and name in getattr(thing, "__dict__", ())
        and not any(hasattr(vars(parent).get(name), "__set__") for parent in kind.__mro__)
    )


def _reads_plainly(thing: Any, getter: Any) -> bool:
    """Whether an attribute of what an external call returned may be read at once."""
    if own_object(thing) is not None:
        return False
    name: str = getter.__reduce__()[1][0]
    return _plain_attribute(type(thing), name)


Run.reads_plainly = staticmethod(_reads_plainly)


_GETTERS: dict[str, Callable[[Any], Any]] = {}


def _getattr_of(name: str) -> Callable[[Any], Any]:
    found = _GETTERS.get(name)
    if found is None:
        found = _GETTERS[name] = operator.attrgetter(name)
    return found


_PLAINLY: Final = (object.__getattribute__, tuple.__getattribute__)
_PLAIN_ATTRIBUTES: dict[tuple[type, str], bool] = {}


def _plain_attribute(kind: type, name: str) -> bool:
    """Whether reading this attribute runs no code: no property of the user's, no `__getattr__`."""
    known = _PLAIN_ATTRIBUTES.get((kind, name))
    if known is None:
        known = True
        if not issubclass(kind, type):
            if kind.__getattribute__ not in _PLAINLY and kind.__module__ != "builtins":
                known = issubclass(kind, (ModuleType, BaseException, str, External))
            for parent in kind.__mro__:
                if "__getattr__" in parent.__dict__:
                    known = False
                if name in parent.__dict__:
                    found = parent.__dict__[name]
                    known = known and not (
                        isinstance(found, property) or type(found).__name__ == "cached_property"
                    )
                    break
        if len(_PLAIN_ATTRIBUTES) > 10_000:
            _PLAIN_ATTRIBUTES.clear()
        _PLAIN_ATTRIBUTES[kind, name] = known
    return known


def stores_plainly(kind: type, name: str = "") -> bool:
    """Whether storing an attribute of such an object runs no code of the user's."""
    store: Any = kind.__setattr__
    return store is object.__setattr__ and not hasattr(getattr(kind, name, None), "__set__")


def set_attr(thing: Any, name: str, value: Any) -> None:
    """`thing.name = value`."""
    run: Run = local.run
    if type(thing) in PENDING:
        apart(run, _set_attr, (thing, name, value), (thing, value), writes=True, changes=True)
    elif own_object(thing, run) is not None and stores_plainly(type(thing), name):
        change(run, thing, "__setattr__", (name, value), {})
    elif quiet(run):
        _set_attr(run, thing, name, value)
    else:
        simple = stores_plainly(type(thing), name)
        run.spawn(
            _set_attr, (run, thing, name, value), None, inputs=(thing, value), changed=1,
            flags=0 if simple else WRITES, what=f"store {name}", shallow=True,
        )  # fmt: skip


def _set_attr(run: Run, thing: Any, name: str, value: Any) -> None:
    thing = run.force(thing)
    if own_object(thing, run) is not None and stores_plainly(type(thing), name):
        set_attr(thing, name, value)
        return
    run.barrier()
    setattr(settle(run, thing), name, settle(run, value))


def del_attr(thing: Any, name: str) -> None:
    """`del thing.name`."""
    unknown(local.run, delattr, (thing, name), {})
