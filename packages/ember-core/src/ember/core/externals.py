"""External calls: work done elsewhere, marked as such, through one dispatch with one hook.

A model, a tool, a database, an HTTP request: an external call has a blocking form, `call(...)`, and an awaitable one,
`await call.aio(...)`. Whoever wants to overlap, estimate or replay external calls is a `Handler`, put in force for a
block with `handling`.
"""

from __future__ import annotations

import atexit
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from functools import update_wrapper
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import (
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    cast,
    overload,
)

from . import events
from .errors import BlockedLoop
from .pool import in_pool

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a call would use, before it is made: tokens, US dollars, seconds. None: not known."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: Decimal | None = None
    seconds: float | None = None


class Handler(Protocol):
    """Whoever is in force for a block of code, and gets every external call made in it."""

    def call(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a blocking call. `external.run(*args, **kwargs)` does it for real."""
        ...

    async def acall(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer an awaited call. `await external.arun(*args, **kwargs)` does it for real."""
        ...

    def gather(
        self, thunks: Iterable[Callable[[], Any]], limit: int | None, return_exceptions: bool = False
    ) -> list[Any]:
        """Run what was given to `ember.core.gather`: results in order."""
        ...


_handler: ContextVar[Handler | None] = ContextVar("ember_handler", default=None)
_inside: ContextVar[int | None] = ContextVar("ember_call", default=None)


def handler() -> Handler | None:
    """Return the handler in force here, if any."""
    return _handler.get()


@contextmanager
def handling(handler: Handler | None) -> Iterator[None]:
    """Put `handler` in force for the block, in this thread or task; None takes any out of force."""
    token = _handler.set(handler)
    try:
        yield
    finally:
        _handler.reset(token)


def current_call() -> int | None:
    """Return the number of the external call whose code is running here: the parent of calls made now."""
    return _inside.get()


def refuse_io_loop(name: str, instead: str = "") -> None:
    """Raise `BlockedLoop` if this is Ember's I/O loop, where `name` would block; say what to write `instead`."""
    loop = _loop_in_use()
    if loop is not None and loop.is_here():
        raise BlockedLoop(name, instead)


def _loop_in_use() -> Any:
    """Return the module of the I/O loop if it is imported, and not just now being so by another thread."""
    loop = sys.modules.get("ember.core.loop")
    return loop if hasattr(loop, "stop") else None


class External(ABC, Generic[P, R]):
    """A callable whose work is done elsewhere. Functions become one by `@external`; subclass it for more."""

    name: str
    kind: str = "external"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call and wait."""
        active = _handler.get()
        if active is None:
            return self.run(*args, **kwargs)
        return cast(R, active.call(self, args, kwargs))

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call and await, without holding up the running loop."""
        active = _handler.get()
        if active is None:
            return await self.arun(*args, **kwargs)
        return cast(R, await active.acall(self, args, kwargs))

    @abstractmethod
    def run(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do the work now, past any handler, and return its result."""

    @abstractmethod
    async def arun(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do the work now, past any handler, and await its result."""

    def estimate(self, *args: P.args, **kwargs: P.kwargs) -> Estimate | None:
        """Say what the call would use, without making it; None if it cannot say."""
        return None


class ExternalFunction(External[P, R]):
    """An external made of a function. In a class it is a method, as functions are."""

    def __init__(
        self,
        function: Callable[P, Any],
        kind: str,
        estimate: Callable[P, Estimate | None] | None,
    ) -> None:
        update_wrapper(self, function)  # first: it copies the function's own attributes over ours
        self._function, self._estimate, self.kind = function, estimate, kind
        self._is_async = iscoroutinefunction(function)
        self.name = getattr(function, "__qualname__", type(function).__qualname__)

    def run(self, *args: P.args, **kwargs: P.kwargs) -> R:
        with _observed(self):
            if self._is_async:
                from . import loop  # asyncio: not before the first asynchronous call

                return loop.run(cast("Coroutine[Any, Any, R]", self._function(*args, **kwargs)), self.name)
            refuse_io_loop(self.name)
            return cast(R, self._function(*args, **kwargs))

    async def arun(self, *args: P.args, **kwargs: P.kwargs) -> R:
        with _observed(self):
            if self._is_async:
                from . import loop

                return await loop.arun(cast("Coroutine[Any, Any, R]", self._function(*args, **kwargs)))
            return cast(R, await in_pool(self._function, args, kwargs))

    def estimate(self, *args: P.args, **kwargs: P.kwargs) -> Estimate | None:
        return None if self._estimate is None else self._estimate(*args, **kwargs)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self: ExternalFunction[Concatenate[S, _P], _R], instance: S, owner: type | None = None
    ) -> External[_P, _R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else _Method(self, instance)

    def __reduce__(self) -> str:
        return cast(str, getattr(self, "__qualname__"))  # noqa: B009  # by reference, as functions are

    def __repr__(self) -> str:
        return f"<external {self.name}>"


class _Method(External[..., Any]):
    """An external function bound to the instance it was looked up on."""

    def __init__(self, function: ExternalFunction[..., Any], instance: object) -> None:
        self._function, self.__self__ = function, instance
        self.name, self.kind = function.name, function.kind

    def run(self, *args: Any, **kwargs: Any) -> Any:
        return self._function.run(self.__self__, *args, **kwargs)

    async def arun(self, *args: Any, **kwargs: Any) -> Any:
        return await self._function.arun(self.__self__, *args, **kwargs)

    def estimate(self, *args: Any, **kwargs: Any) -> Estimate | None:
        return self._function.estimate(self.__self__, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<external {self.name} of {self.__self__!r}>"


@overload
def external(function: Callable[P, Coroutine[Any, Any, R]], /) -> ExternalFunction[P, R]: ...
@overload
def external(function: Callable[P, R], /) -> ExternalFunction[P, R]: ...
@overload
def external(
    *, kind: str = ..., estimate: Callable[..., Estimate | None] | None = ...
) -> _ExternalDecorator: ...
def external(
    function: Callable[..., Any] | None = None,
    /,
    *,
    kind: str = "external",
    estimate: Callable[..., Estimate | None] | None = None,
) -> Any:
    """Mark a function, `async` or not, as work done elsewhere.

    The result is called as before and waits; `.aio(...)` is its awaitable form. An `async` function runs on Ember's I/O
    loop, always the same one, whoever calls it; a plain one on the calling thread, or in a pool of threads for `.aio`.
    Both see the caller's context. `kind` names what it is in events; `estimate(...)`, called like the function, says
    what a call would use.

    Raises `BlockedLoop` when the blocking form is used on the I/O loop itself, in an `async` external's own code. A
    cancelled `.aio` of a plain function leaves that function running: a thread cannot be interrupted.

    >>> @external
    ... async def search(query: str) -> list[str]:
    ...     return [query.upper()]
    >>> search("ember")
    ['EMBER']
    """

    def mark(function: Any) -> ExternalFunction[..., Any]:
        if not callable(function) or isasyncgenfunction(function):
            what = "an async generator" if callable(function) else f"a {type(function).__name__}"
            raise TypeError(f"@external marks a function or method that returns its result, not {what}.")
        return ExternalFunction(function, kind, estimate)

    return mark if function is None else mark(function)


class _ExternalDecorator(Protocol):
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> ExternalFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> ExternalFunction[P, R]: ...


@contextmanager
def inside(call: int) -> Iterator[None]:
    """Make `call` the parent of the external calls made in the block."""
    token = _inside.set(call)
    try:
        yield
    finally:
        _inside.reset(token)


class _observed:
    """Tell the start and the end of an external function's call to those who listen. (A generator would cost 1 µs.)"""

    __slots__ = ("_external", "_number", "_parent", "_scope", "_started", "_token")

    def __init__(self, external: External[..., Any]) -> None:
        self._external = external

    def __enter__(self) -> None:
        self._number = 0
        if not (
            events.listening(events.CallStarted)
            or events.listening(events.CallFinished)
            or events.listening(events.CallFailed)
        ):
            return
        self._number, self._parent, self._scope = events.next_call(), _inside.get(), events.current_scope()
        self._started = time.perf_counter()
        self._token = _inside.set(self._number)
        events.emit(events.CallStarted(*self._facts()))

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if not self._number:
            return
        # A coroutine that is thrown away unfinished ends here in whatever context the collector runs in.
        with suppress(ValueError):
            _inside.reset(self._token)
        seconds = time.perf_counter() - self._started
        if kind is None:
            events.emit(events.CallFinished(*self._facts(), duration=seconds))
        else:
            events.emit(events.CallFailed(*self._facts(), duration=seconds, error=kind.__name__))

    def _facts(self) -> tuple[int, int | None, str, str, float, events.Scope]:
        external = self._external
        return self._number, self._parent, external.kind, external.name, time.time(), self._scope


def _at_exit() -> None:
    loop = _loop_in_use()
    if loop is not None:
        loop.stop()


# Here and not where the loop is made: exit handlers run last registered first, so a program's own may still make calls.
atexit.register(_at_exit)
