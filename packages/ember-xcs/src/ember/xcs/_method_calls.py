"""Calls of methods in lowered code: of text, containers and objects, pending or not."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import functools
import logging
import re
from collections import deque
from collections.abc import Iterator
from contextvars import ContextVar
from types import FunctionType, MethodType
from typing import Any, Final, cast

from ember.core.externals import External
from ember.core.marks import mark

from . import _effects as effects
from ._apart import apart, read, unknown
from ._attributes import attr, looks_plainly, vars_of
from ._containers import change, new
from ._function_effects import flags_of_methods
from ._iterators import (
    eaten,
    held_iterator,
    hold_iterator,
    method_of,
)
from ._library import library, library_later, sort_list
from ._memory import fill, lazy, ready, settle
from ._methods import methods_named
from ._ops import checked
from ._order import await_turn, in_turn, may_be_outside, must_wait
from ._output import logged
from ._run import Run, local
from ._summary import READING
from ._tasks import Abandoned
from ._values import PENDING, SCALARS, has_pending, is_data, take


def method(thing: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
    """`thing.name(*args, **kwargs)`."""
    run: Run = local.run
    kind = type(thing)
    if kind in PENDING:
        if thing.done and thing.error is None:
            return method(thing.value, name, *args, **kwargs)
        if thing.kind is str and name in effects.STR_METHODS and not kwargs:
            return _of_str(run, thing, name, args)
        data = thing.kind in SCALARS
        return apart(
            run,
            _method_later,
            (thing, name, args, kwargs),
            (thing, *args, *kwargs.values()),
            writes=not data and name in _CHANGING and may_be_outside(thing),
            changes=not data and (name in _CHANGING or name not in READING or bool(methods_named(name))),
            flags=0 if data else flags_of_methods(name),
        )
    if run.stepping:
        if held_iterator(run, thing) is not None:
            return method_of(run, thing, name, args, kwargs)
        if name in _EATING and any(held_iterator(run, one) is not None for one in args):
            return apart(
                run, _with_eaten, (thing, name, args, kwargs), (thing, *args), changes=kind is not str
            )
    if kind is str or (isinstance(thing, str) and name in effects.STR_METHODS):
        if name == "join" or kwargs or not all(type(arg) in SCALARS for arg in args):
            return _of_str(run, thing, name, args, kwargs)
        if run.current.dead:
            raise Abandoned
        made = getattr(thing, name)(*args)
        return take(run, made, run.current.scope) if type(made) is list else made
    changing = effects.CHANGING.get(kind)
    if changing is not None:
        if name in changing:
            if name == "sort" and kwargs.get("key") is not None and kind is list and not args:
                return apart(run, sort_list, (thing, kwargs), (thing, *kwargs.values()), changes=True)
            return change(run, thing, name, args, kwargs)
        if name in ("items", "keys", "values") and not args and kind in effects.DICTS:
            return unknown(run, getattr(thing, name), args, kwargs)  # it goes with what becomes of the dict
        if name == "copy" and not args:
            if must_wait(run, thing, False) is None:
                made = getattr(thing, name)()
                return new(made) if kind is not deque else made
            return apart(run, _container_method, (thing, name, args, kwargs), (thing,))
        if (
            name == "get"
            and kind in effects.DICTS
            and args
            and type(args[0]) in SCALARS
            and must_wait(run, thing, False) is None
        ):
            return cast("dict[Any, Any]", thing).get(*args)
        return apart(run, _container_method, (thing, name, args, kwargs), (thing, *args))
    if kind is ContextVar:
        # Calls made from here on see what is set: these cannot be sent before.
        run.barrier()
        return getattr(thing, name)(*(settle(run, arg) for arg in args), **kwargs)
    if isinstance(thing, type):
        found = getattr(thing, name)
        if type(found) in (FunctionType, MethodType) or mark(found, "__ember_jit__") is not None:
            return run.lowered_call(found, *args, **kwargs)
    if kind in SCALARS or kind is tuple:
        return (
            library(run, getattr(thing, name), args, kwargs)
            if kind is tuple
            else read(run, functools.partial(_named, name), (thing, *args))
            if not kwargs
            else unknown(run, getattr(thing, name), args, kwargs)
        )
    if isinstance(thing, logging.Logger) and name in _LOGGING:
        return logged(run, thing, name, args, kwargs)
    if kind in _TEXTUAL:
        return (
            read(run, functools.partial(_named, name), (thing, *args))
            if not kwargs
            else unknown(run, getattr(thing, name), args, kwargs)
        )
    own = None if isinstance(thing, External) else vars_of(kind, name)
    if type(own) is FunctionType and name not in getattr(thing, "__dict__", ()) and looks_plainly(kind):
        return run.lowered_call(own, thing, *args, **kwargs)
    if must_wait(run, thing, False) is not None:
        return apart(
            run,
            _method_later,
            (thing, name, args, kwargs),
            (thing, *args, *kwargs.values()),
            writes=True,
            changes=True,
        )
    found = attr(thing, name)
    return run.lowered_call(found, *args, **kwargs)


_EATING: Final = frozenset(
    {"join", "extend", "extendleft", "update", "writelines", "union", "difference_update"}
)


def _with_eaten(run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return method(thing, name, *[eaten(run, arg) for arg in args], **kwargs)


def head(thing: Any, name: str) -> Any:
    """Return `thing`, whose method `name` is called next, with arguments that make calls: it must have one first."""
    kind = type(thing)
    if kind in PENDING:
        return (
            thing
            if thing.kind in SCALARS and hasattr(thing.kind, name)
            else checked(thing, lambda it: head(it, name))
        )
    if not hasattr(kind, name) and (is_data(thing) or (kind is not super and not hasattr(thing, name))):
        getattr(thing, name)
    return thing


def live_view(thing: Any, name: str) -> Any:
    """`thing.items()` and its like, to be iterated by lowered code: what is in it may be pending."""
    run: Run = local.run
    if type(thing) in PENDING:
        return apart(run, _live_view, (thing, name), (thing,))
    if type(thing) not in effects.DICTS:
        return method(thing, name)
    if must_wait(run, thing, False) is None:
        return hold_iterator(run, _over_view(run, thing, getattr(thing, name)()), (thing,))
    return apart(run, _live_view, (thing, name), (thing,))


def _over_view(run: Run, thing: Any, view: Any) -> Iterator[Any]:
    entries = iter(view)
    while True:
        if run.suspended:
            await_turn(run, thing)
        try:
            one = next(entries)
        except StopIteration:
            return
        yield one


def _live_view(run: Run, thing: Any, name: str) -> Any:
    thing = run.force(thing)
    await_turn(run, thing)
    return live_view(thing, name)


_CHANGING: Final = frozenset().union(*effects.CHANGING.values())
_TEXTUAL: Final = frozenset({re.Pattern, re.Match})
_LOGGING: Final = frozenset(["debug", "info", "warning", "error", "critical", "exception", "log"])


def _named(name: str, thing: Any, *args: Any) -> Any:
    return getattr(thing, name)(*args)


def _method_later(run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    thing = run.force(thing)
    await_turn(run, thing)
    return method(thing, name, *args, **kwargs)


def _container_method(run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    args = tuple(fill(run, arg) if place == 0 or name != "get" else arg for place, arg in enumerate(args))
    await_turn(run, thing)
    if name not in ("get", "copy"):
        ready(run, (thing,))
    return getattr(thing, name)(*args, **kwargs)


def _of_str(
    run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
) -> Any:
    known = effects.STR_KINDS.get(name)
    if kwargs:
        things = (*args, *kwargs.values())
        if type(thing) in PENDING or any(map(has_pending, things)) or not in_turn(run, things):
            made = apart(run, _method_settled, (thing, name, args, kwargs), (thing, *things))
            if type(made) in PENDING:
                made.kind = known
            return made
        return getattr(thing, name)(*args, **kwargs)
    if name == "join" and len(args) == 1 and type(args[0]) is list and must_wait(run, args[0], False) is None:
        items = args[0]
        if all(type(one) in PENDING or type(one) in SCALARS or isinstance(one, str) for one in items):
            if not any(type(one) in PENDING for one in items) and type(thing) not in PENDING:
                return thing.join(items)
            return lazy(run, _join, (thing, *items), str)
    made = read(run, functools.partial(_named, name), (thing, *args), known)
    if known is not None and type(made) in PENDING:
        made.kind = known
    return made


def _join(separator: str, *parts: str) -> str:
    return separator.join(parts)


def _method_settled(run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return library_later(run, getattr(run.force(thing), name), args, kwargs)
