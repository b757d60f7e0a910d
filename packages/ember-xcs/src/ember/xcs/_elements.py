"""Several calls of one function as tasks of one run: what `vmap` does with a function that makes external calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, TypeAlias, cast

from ember.core.externals import External, handler

from . import _effects as effects
from ._calls import call
from ._containers import new
from ._jax import kind_of
from ._jit import perform_as_lowered, python_function
from ._memory import settle
from ._program import program_of
from ._run import Run, local
from ._tasks import WRITES, Scope
from ._values import captured, own_object

Call: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
"""The arguments of a call."""


def can_be_tasks(function: Any) -> bool:
    """Whether calls of `function` overlap as tasks: it is an external call, or a Python function that makes some.

    Where somebody else's handler is in force, that one says how things run together.
    """
    if handler() is not local.run:
        return False
    if isinstance(function, External):
        return True
    plain = python_function(function)
    return plain is not None and program_of(plain).lowered


def only_computes(function: Any) -> bool:
    """Whether calls of `function` make no external call and change nothing: there is nothing to wait for."""
    plain = python_function(function)
    return plain is not None and program_of(plain).computes


def run_elements(
    one: Callable[..., Any],
    function: Any,
    calls: Iterable[Call],
    limit: int | None,
) -> list[Any]:
    """Return what `one(index, args, kwargs)` gives for each of `calls`, at most `limit` of them under way at once.

    `one` calls `function` by `element`. Each is a task, in the order of the calls: effects keep that order, and the
    earliest failure is the one that is raised.
    """
    run: Run | None = local.run
    if run is None:
        return perform_as_lowered(_elements, (one, function, calls, limit), {})
    return _elements(one, function, calls, limit)


async def arun_elements(
    one: Callable[..., Any],
    function: Any,
    calls: Iterable[Call],
    limit: int | None,
) -> list[Any]:
    """As `run_elements`, awaited: the running loop goes on meanwhile."""
    from ._drive import Drive

    given = (one, function, calls, limit)
    return list(await Drive(lambda drive: perform_as_lowered(_elements, given, {}, drive)))


def _elements(
    one: Callable[..., Any],
    function: Any,
    calls: Iterable[Call],
    limit: int | None,
) -> list[Any]:
    run: Run = local.run
    under_way: list[Any] = []
    for index, (args, kwargs) in enumerate(calls):
        if limit is not None and index >= limit:
            run.force(under_way[index - limit])
        under_way.append(begin_element(run, one, function, index, args, kwargs))
    return [settle(run, run.force(result)) for result in under_way]


def begin_elements(one: Callable[..., Any], function: Any, calls: Iterable[Call]) -> list[Any]:
    """As `run_elements`, in lowered code: results may be pending."""
    run: Run = local.run
    made = [
        begin_element(run, one, function, index, args, kwargs) for index, (args, kwargs) in enumerate(calls)
    ]
    return cast("list[Any]", new(made))


def begin_element(
    run: Run,
    one: Callable[..., Any],
    function: Any,
    index: int,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Begin `one(index, args, kwargs)`, which calls `function`, as a task: return its result, which may be pending."""
    flags, changed = _footprint(python_function(function))
    # What it has captured, and not itself: the task that its call is says what it may change of that.
    given: Iterable[Any] = captured(function) if type(function) is FunctionType else (function,)
    if hasattr(kind_of(function), effects.FROZEN) and own_object(function, run) is None:
        given = ()
    return run.spawn(
        one, (index, args, kwargs), None, inputs=(*args, *kwargs.values(), *given), flags=flags, changed=changed,
        scope=Scope(run.current.scope), what="an element",
    )  # fmt: skip


def _footprint(plain: FunctionType | None) -> tuple[int, int]:
    """Return the flags of an element's task, beside those of what it calls, and the bits of inputs it may change."""
    if plain is None:  # an external call: it has no part in the program's own objects
        return 0, 0
    program = program_of(plain)
    if program.lowered and not program.sets and not program.generator:
        return 0, 0  # its call is a task of its own: all that is left to do here is to wait for the result
    return WRITES, -1


def element(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call `function` for one element: as a part of the run that is under way here, if there is one."""
    run: Run | None = local.run
    if run is None:
        return function(*args, **kwargs)
    try:
        value = settle(run, call(function, *args, **kwargs))
    except BaseException as error:
        run.failed(error)
        raise
    run.drain()
    return value
