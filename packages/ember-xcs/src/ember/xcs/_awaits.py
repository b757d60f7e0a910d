"""`await` in lowered code: calls are sent, coroutine functions are tasks, all else is the event loop's affair."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import ast
import asyncio
import functools
from collections.abc import Iterator
from types import CoroutineType, FunctionType, MethodType
from typing import Any, Final, cast

from ember.context import ContextBlock
from ember.core.externals import External
from ember.core.marks import mark

from ._apart import apart
from ._calls import begin
from ._containers import new
from ._drive import on_loop
from ._external_calls import external_call
from ._memory import settle
from ._program import program_of
from ._run import Run, local
from ._tasks import SCOPED, Abandoned, Scope
from ._values import PENDING


def acall(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """`await function(*args, **kwargs)`."""
    run = cast(Run, local.run)
    if run.current.dead:
        raise Abandoned
    while True:
        inner = mark(function, "__ember_jit__")
        if inner is not None:
            function = inner
        elif type(function) is functools.partial:
            function, args, kwargs = function.func, (*function.args, *args), {**function.keywords, **kwargs}
        elif type(function) is MethodType and not is_external(function):
            function, args = function.__func__, (function.__self__, *args)
        else:
            break
    if is_external(function):
        return external_call(run, cast("External[..., Any]", function.__self__), args, kwargs)
    if function is asyncio.gather:
        return _gather(run, args, kwargs)
    if type(function) is FunctionType:
        program = program_of(function)
        if program.asynchronous and program.lowered:
            return begin(run, function, program, args, kwargs)
    if type(function) in PENDING:
        return apart(
            run,
            _acall_later,
            (function, args, kwargs),
            (function, *args, *kwargs.values()),
            writes=True,
            changes=True,
        )
    return apart(
        run,
        _foreign,
        (function, args, kwargs),
        (function, *args, *kwargs.values()),
        writes=True,
        changes=True,
    )


def _acall_later(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return acall(run.force(function), *args, **kwargs)


def is_external(function: Any) -> bool:
    """Whether this is the awaitable form of an external call."""
    return (
        type(function) is MethodType
        and isinstance(function.__self__, External)
        and function.__func__.__name__ in ("aio", "acall")
    )


def _foreign(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    run.barrier()
    args = tuple(settle(run, arg) for arg in args)
    awaitable = function(*args, **{name: settle(run, arg) for name, arg in kwargs.items()})
    return _await(run, awaitable)


def awaited(value: Any) -> Any:
    """`await value`."""
    run = cast(Run, local.run)
    if type(value) is CoroutineType and id(value) in run.coroutines:
        return _begun(run, value)
    return apart(run, _await_later, (value,), (value,), writes=True, changes=True)


def _await_later(run: Run, value: Any) -> Any:
    value = run.force(value)
    if type(value) is CoroutineType and id(value) in run.coroutines:
        return _begun(run, value)
    run.barrier()
    return _await(run, settle(run, value))


def _await(run: Run, awaitable: Any) -> Any:
    if type(awaitable) is CoroutineType and id(awaitable) in run.coroutines:
        return _begun(run, awaitable)
    if not hasattr(type(awaitable), "__await__") and not isinstance(awaitable, _Generator):
        raise TypeError(f"object {type(awaitable).__name__} can't be used in 'await' expression")
    return on_loop(run, awaitable)


_Generator: Final = type(_ for _ in ())


def _begun(run: Run, coroutine: Any) -> Any:
    """Begin what a coroutine object that lowered code made stands for, as part of this run."""
    _, call = run.coroutines.pop(id(coroutine))
    coroutine.close()
    return acall(call.function, *call.args, **call.kwargs)


# Several at once --------------------------------------------------------------


def _gather(run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`await asyncio.gather(...)`: tasks of this run, or of the event loop if one awaits anything of its."""
    tell = kwargs.get("return_exceptions", False)
    if (
        not all(map(functools.partial(_is_ours, run), args))
        or type(tell) is not bool
        or kwargs.keys() - {"return_exceptions"}
    ):
        return apart(run, _foreign, (asyncio.gather, args, kwargs), args, writes=True, changes=True)
    if not tell:
        return new([_begun(run, one) for one in args])
    return new([_told(run, one) for one in args])


def _is_ours(run: Run, value: Any) -> bool:
    if type(value) is not CoroutineType or id(value) not in run.coroutines:
        return False
    function = run.coroutines[id(value)][1].function
    return is_external(function) or program_of(function).closed


def _told(run: Run, coroutine: Any) -> Any:
    scope = Scope(run.current.scope)
    return run.spawn(
        _tell, (run, coroutine), None, inputs=(), flags=SCOPED, scope=scope, what="a coroutine of gather"
    )


def _tell(run: Run, coroutine: Any) -> Any:
    me = run.current
    try:
        value = run.force(_begun(run, coroutine))
        run.drain()
        if me in run.interruption[1]:  # it has swallowed what ends the gather all the same
            _end(run)
    except Abandoned:
        raise
    except (Exception, asyncio.CancelledError) as error:
        if me in run.interruption[1]:
            _end(run)
        try:
            run.failed(error)
        except Abandoned:
            raise
        except (Exception, asyncio.CancelledError) as earlier:
            return earlier
        return error
    return value


def _end(run: Run) -> None:
    """End a gather that was cancelled itself, not just one of its coroutines."""
    error = run.interruption[0]
    assert error is not None
    raise error


# async with, async for --------------------------------------------------------------


class Entered:
    """The context manager of an `async with`, as one of a `with`."""

    def __init__(self, run: Run, manager: Any) -> None:
        kind = type(manager)
        if not hasattr(kind, "__aenter__") or not hasattr(kind, "__aexit__"):
            raise TypeError(
                f"{kind.__name__!r} object does not support the asynchronous context manager protocol"
            )
        self._run, self._manager = run, manager

    def __enter__(self) -> Any:
        return _await(self._run, type(self._manager).__aenter__(self._manager))

    def __exit__(self, *error: Any) -> Any:
        if isinstance(error[1], Abandoned):
            return None
        return _await(self._run, type(self._manager).__aexit__(self._manager, *error))


def amanager(manager: Any) -> Any:
    """What stands in an `async with`."""
    run = cast(Run, local.run)
    manager = run.force(manager)
    return manager if type(manager) is ContextBlock else Entered(run, settle(run, manager))


def asteps(source: Any) -> Iterator[Any]:
    """What an `async for` goes over."""
    run = cast(Run, local.run)
    source = settle(run, source)
    run.barrier()
    if not hasattr(type(source), "__aiter__"):
        raise TypeError(f"'async for' requires an object with __aiter__ method, got {type(source).__name__}")
    return _Steps(run, type(source).__aiter__(source))


class _Steps:
    def __init__(self, run: Run, steps: Any) -> None:
        self._run, self._steps = run, steps

    def __iter__(self) -> _Steps:
        return self

    def __next__(self) -> Any:
        try:
            return _await(self._run, type(self._steps).__anext__(self._steps))
        except StopAsyncIteration:
            raise StopIteration from None


# In the tree --------------------------------------------------------------


class Synchronous(ast.NodeTransformer):
    """An asynchronous function's tree as a plain one's, its `await` calls of the hooks above."""

    def visit_Await(self, node: ast.Await) -> ast.AST:
        value = node.value
        if isinstance(value, ast.Call) and not (
            isinstance(value.func, ast.Name) and value.func.id == "super"
        ):
            value = cast(ast.Call, self.generic_visit(value))
            return ast.copy_location(
                ast.Call(self._hook("acall", node), [value.func, *value.args], value.keywords), node
            )
        return self._call("awaited", self.visit(value))

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        self.generic_visit(node)
        return ast.copy_location(
            ast.For(node.target, self._call("asteps", node.iter), node.body, node.orelse, None), node
        )

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        self.generic_visit(node)
        for item in node.items:
            item.context_expr = self._call("amanager", item.context_expr)
        return ast.copy_location(ast.With(node.items, node.body, None), node)

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        if node.is_async:
            node.is_async, node.iter = 0, self._call("asteps", node.iter)
        return node

    def _call(self, name: str, value: ast.expr) -> ast.expr:
        return ast.copy_location(ast.Call(self._hook(name, value), [value], []), value)

    def _hook(self, name: str, at: ast.AST) -> ast.expr:
        return ast.copy_location(ast.Name(f"_x_{name}", ast.Load()), at)

    def _leave(self, node: Any) -> Any:
        return node

    visit_FunctionDef = visit_Lambda = visit_AsyncFunctionDef = visit_ClassDef = _leave
