"""Attributes of objects in lowered code: read, stored and deleted in their turn."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cached_property
from types import FunctionType, ModuleType
from typing import Any, Final

from ember.core.externals import External

from . import _effects as effects
from ._apart import apart, unknown
from ._containers import change
from ._footprints import put
from ._function_effects import flags_of_methods
from ._memory import lazy, settle
from ._order import await_turn, must_wait, quiet
from ._run import Run, local
from ._tasks import WRITES, Flight
from ._values import PENDING, SCALARS, own_object


def attr(thing: Any, name: str) -> Any:
    """`thing.name`, where it is not called."""
    kind = type(thing)
    run: Run = local.run
    if kind is ModuleType or kind in SCALARS:
        found: Any = getattr(thing, name)
        if kind is type and not callable(found) and must_wait(run, thing, False) is not None:
            return apart(run, _attr, (thing, name), (thing,))
        return found
    if kind in PENDING:
        if thing.done and thing.error is None:
            return attr(thing.value, name)
        if type(thing) is Flight:
            return lazy(run, _getattr_of(name), (thing,), str if name == "text" else None)
        return apart(run, _attr, (thing, name), (thing,), flags=flags_of_methods(f"{name}.getter"))
    if isinstance(thing, External):  # what it is does not change
        return getattr(thing, name)
    if hasattr(kind, effects.FROZEN) and _is_stored(thing, kind, name):  # nor does an Ember module
        return getattr(thing, name)
    found = getattr(kind, name, None)
    if type(found) is property and type(found.fget) is FunctionType and not hasattr(kind, "__getattr__"):
        return local.run.lowered_call(found.fget, thing)
    cached = _cached_by(found, kind, name)
    if must_wait(run, thing, False) is None:
        if cached is not None and name not in vars(thing):
            value = run.lowered_call(cached, thing)
            set_attr(thing, name, value)
            return value
        if _plain_attribute(kind, name) or _is_stored(thing, kind, name):
            return getattr(thing, name)
        return unknown(run, getattr, (thing, name), {})
    inside = hasattr(thing, "__dict__") and type(getattr(kind, name, None)) in SCALARS
    flags = flags_of_methods(f"{name}.getter") if cached is not None else 0
    return apart(
        run, _attr, (thing, name), (thing,), outside=not inside, flags=flags, changes=cached is not None
    )


def _cached_by(found: Any, kind: type, name: str) -> FunctionType | None:
    """Return the user's function that computes an attribute which is then stored; None if none does."""
    if type(found) is not cached_property or found.attrname != name:
        return None
    function: Any = found.func
    plain = type(function) is FunctionType and stores_plainly(kind) and looks_plainly(kind)
    return function if plain else None


def _attr(run: Run, thing: Any, name: str) -> Any:
    if type(thing) in PENDING:
        return attr(run.force(thing), name)
    await_turn(run, thing)
    if _cached_by(getattr(type(thing), name, None), type(thing), name) is not None:
        return attr(thing, name)
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
        known = name != "__dict__"  # what is in it may be pending
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
    value = settle(run, value)
    put(run, thing, (value,))
    setattr(settle(run, thing), name, value)


def del_attr(thing: Any, name: str) -> None:
    """`del thing.name`."""
    unknown(local.run, delattr, (thing, name), {})


def looks_plainly(kind: Any) -> bool:
    """Whether looking up an attribute of such an object runs no code of the user's."""
    return kind.__getattribute__ is object.__getattribute__


def vars_of(kind: type, name: str) -> Any:
    """Return what `name` stands for in the class, as it stands there."""
    for parent in kind.__mro__:
        if name in vars(parent):
            return vars(parent)[name]
    return None
