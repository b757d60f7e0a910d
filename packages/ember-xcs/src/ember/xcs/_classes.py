"""Making objects in lowered code: of classes that only store what they are given, at once."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import sys
from types import FunctionType, NoneType
from typing import Any

from ._apart import apart, unknown
from ._attributes import looks_plainly, stores_plainly, vars_of
from ._containers import new
from ._memory import settle
from ._methods import index, is_generated, is_installed
from ._order import await_all, in_turn
from ._run import Run
from ._values import has_pending, hold_object


def construct(run: Run, cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make an instance: of an exception or a plain dataclass this only computes; else it may do anything."""
    init = _init_of(cls)
    if init is not None:
        made: Any = object.__new__(cls)
        hold_object(run, made)
        if only_stores(cls):
            _store(run, init, made, args, kwargs)
        elif is_generated(init):
            _store_and_go_on(run, init, made, args, kwargs)
        else:
            run.lowered_call(init, made, *args, **kwargs)
        return made
    if only_stores(cls):
        things = (*args, *kwargs.values())
        if not any(map(has_pending, things)) and in_turn(run, things):
            for thing in things:
                settle(run, thing)
            return cls(*args, **kwargs)
        return apart(run, _constructed, (cls, args, kwargs), things)
    return unknown(run, cls, args, kwargs)


def _store(run: Run, init: FunctionType, made: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Call the `__init__` that was generated for a dataclass: default factories are taken to change nothing."""
    init(made, *args, **kwargs)
    given = {id(arg) for arg in (*args, *kwargs.values())}
    for one in vars(made).values():  # what default factories made
        if type(one) in (list, dict, set) and not one and id(one) not in run.fresh.keys() | given:
            new(one)


def _store_and_go_on(
    run: Run, init: FunctionType, made: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """As `_store`; the `__post_init__` that it ends with is the user's, and a call like any other."""
    given: tuple[Any, ...] = ()

    def later(*variables: Any) -> None:
        nonlocal given
        given = variables

    vars(made)["__post_init__"] = later  # found before that of the class
    try:
        _store(run, init, made, args, kwargs)
    finally:
        del vars(made)["__post_init__"]
    run.lowered_call(vars_of(type(made), "__post_init__"), made, *given)


_INITS: dict[type, FunctionType | None] = {}


def _init_of(cls: type) -> FunctionType | None:
    """Return the `__init__` of a plain class of the user's, whose instances the run may hold; None of any other."""
    if cls in _INITS:
        return _INITS[cls]
    init: Any = vars_of(cls, "__init__")
    plain = (
        type(cls) is type
        and vars_of(cls, "__new__") is vars(object)["__new__"]
        and type(init) is FunctionType
        and stores_plainly(cls)
        and looks_plainly(cls)
        and not hasattr(cls, "__getattr__")
        and not hasattr(cls, "__del__")
        and not (is_generated(init) and type(vars_of(cls, "__post_init__")) not in (NoneType, FunctionType))
        and not any("__slots__" in vars(parent) for parent in cls.__mro__[:-1])
        and all(parent is object or not is_installed(_file_of(parent)) for parent in cls.__mro__)
    )
    if len(_INITS) > 10_000:
        _INITS.clear()
    _INITS[cls] = init if plain else None
    index(cls)
    return _INITS[cls]


def _file_of(cls: type) -> str:
    return getattr(sys.modules.get(cls.__module__), "__file__", None) or (
        "" if cls.__module__ not in sys.builtin_module_names else sys.prefix
    )


def _constructed(run: Run, cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    await_all(run, (*args, *kwargs.values()))
    args = tuple(settle(run, arg) for arg in args)
    return cls(*args, **{name: settle(run, arg) for name, arg in kwargs.items()})


_ONLY_STORES: dict[type, bool] = {}


def only_stores(cls: type) -> bool:
    """Whether making an instance runs no code of the user's: a builtin exception, a dataclass, a named tuple."""
    known = _ONLY_STORES.get(cls)
    if known is None:
        if type(cls) is not type:
            known = False
        elif issubclass(cls, BaseException):
            known = not any(
                type(vars(parent).get(name)) is FunctionType
                for parent in cls.__mro__
                for name in ("__init__", "__new__")
            )
        elif issubclass(cls, tuple) and hasattr(cls, "_fields"):
            known = True
        else:
            made = "__dataclass_params__" in vars(cls) and not hasattr(cls, "__post_init__")
            code = getattr(vars(cls).get("__init__"), "__code__", None)
            known = (
                made and "__new__" not in vars(cls) and code is not None and code.co_filename == "<string>"
            )
            known = known and (stores_plainly(cls) or vars(cls)["__dataclass_params__"].frozen)
        if len(_ONLY_STORES) > 10_000:
            _ONLY_STORES.clear()
        _ONLY_STORES[cls] = known
    return known
