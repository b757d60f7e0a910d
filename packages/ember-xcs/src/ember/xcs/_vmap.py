"""`vmap`: one function over a batch. Of numbers it is `jax.vmap`, of anything else a task per element."""

from __future__ import annotations

import functools
import inspect
import reprlib
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar, cast, overload

from ember.core.externals import handler
from ember.core.secrets import scrub

from ._effects import MAKES
from ._jax import the_jax
from ._numeric import Numeric, jax_in_use
from ._vmap_axes import Axes, Batch, check_out_axes, together
from ._vmap_run import Finished, Thunk, as_finished, in_order, run_all

if TYPE_CHECKING:
    import jax

E = TypeVar("E")  # an element's result
B = TypeVar("B")  # the batch's
R = TypeVar("R")

_short: Final = reprlib.Repr()
_short.maxstring = _short.maxother = 200


class Vmapped(Generic[E, B]):
    """A function over batches, made by `vmap`."""

    def __init__(
        self,
        function: Callable[..., Any],
        in_axes: Axes,
        out_axes: Axes,
        max_concurrency: int | None,
        on_error: str,
        name: str = "vmap",
    ) -> None:
        if not callable(function):
            raise TypeError(f"xcs.{name} takes a function, not a {type(function).__name__}.")
        if max_concurrency is not None and (type(max_concurrency) is not int or max_concurrency < 1):
            raise ValueError(f"max_concurrency is how many run at once, at least 1; got {max_concurrency!r}.")
        if on_error not in ("raise", "return"):
            raise ValueError(f'on_error is "raise" or "return"; got {on_error!r}.')
        # Attributes of a function are notes on it, those of other objects (one under jit, say) what they are made of.
        notes = ("__dict__",) if type(function) is FunctionType else ()
        functools.update_wrapper(self, function, updated=notes)
        self.__wrapped__ = function
        self._options: tuple[Any, ...] = (in_axes, out_axes, max_concurrency, on_error, name)
        self._in_axes, self._out_axes = in_axes, out_axes
        self._limit, self._returns_errors = max_concurrency, on_error == "return"
        self._is_async = _is_async(function)
        self._name = f"{name}({getattr(function, '__name__', type(function).__name__)})"
        self._over_arrays: Callable[..., Any] | None = None
        self._numeric: Numeric | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> B:
        """Map over `args` by `in_axes` and over `kwargs` along axis 0, and return the results by `out_axes`."""
        over_arrays = self._jax_form(args, kwargs)
        if over_arrays is not None:
            return cast(B, over_arrays(*args, **kwargs))
        batch = self._batch(args, kwargs)
        if self._is_async:
            return _on_io_loop(self._await_all(batch), self._name)
        from ._elements import can_be_tasks, run_elements  # what waits for calls is not needed for numbers

        if can_be_tasks(self.__wrapped__):
            results = run_elements(self._one, self.__wrapped__, batch, self._limit)
        else:
            results = run_all(self._thunks(batch), self._limit)
        return self._together(results, batch)

    def __ember_tasks__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call in lowered code: elements and results may be pending. NotImplemented if they may not."""
        from ._elements import begin_elements, can_be_tasks

        plain = self._in_axes == 0 and self._out_axes == 0 and self._limit is None
        if not plain or self._is_async or jax_in_use(args, kwargs) or not can_be_tasks(self.__wrapped__):
            return NotImplemented
        return begin_elements(self._one, self.__wrapped__, self._batch(args, kwargs))

    async def aio(self, *args: Any, **kwargs: Any) -> B:
        """Map and await: as the call itself, without holding up the running loop.

        Elements are tasks on the running loop's thread; those of a function that makes no external call, on others.
        """
        if self._is_async:
            return await self._await_all(self._batch(args, kwargs))
        from ._elements import arun_elements, can_be_tasks
        from ._vmap_async import run_thread

        if self._jax_form(args, kwargs) is None and can_be_tasks(self.__wrapped__):
            batch = self._batch(args, kwargs)
            return self._together(await arun_elements(self._one, self.__wrapped__, batch, self._limit), batch)
        return await run_thread(self.__call__, args, kwargs)

    def stream(self, *args: Any, **kwargs: Any) -> Generator[E, None, None]:
        """Return an iterator of the results in order, each as soon as it and those before it are there.

        Batches may be iterators of any length: no more than a few times `max_concurrency` (256 if not given) elements
        are taken ahead of who asks. Closing the iterator cancels what is in flight.

        >>> def numbers():
        ...     yield from range(1_000_000)
        >>> squares = vmap(lambda n: n * n).stream(numbers())
        >>> next(squares), next(squares), next(squares)
        (0, 1, 4)
        >>> squares.close()
        """
        return in_order(self._finished(args, kwargs))

    def as_completed(self, *args: Any, **kwargs: Any) -> Generator[tuple[int, E], None, None]:
        """Return an iterator of (index, result) in the order in which they finish. As `stream` otherwise."""
        return ((each.index, each.get()) for each in self._finished(args, kwargs))

    def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[E]:
        """Return `stream` as an async iterator."""
        from ._vmap_async import astream

        return astream(self.stream(*args, **kwargs))

    @overload
    def __get__(self, instance: None, owner: type) -> Vmapped[E, B]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Vmapped[E, B]: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Vmapped[E, B]:
        """Be a method in a class: `self` is not mapped."""
        if instance is None:
            return self
        return Vmapped(MethodType(self.__wrapped__, instance), *self._options)

    def __repr__(self) -> str:
        return f"xcs.{self._name}"

    def _jax_form(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., Any] | None:
        """Return `jax.vmap` of the function if it and the arguments are numeric."""
        if self._numeric is None:
            if not jax_in_use(args, kwargs):
                return None
            jax = the_jax()

            over_arrays = jax.vmap(self.__wrapped__, self._in_axes, self._out_axes)
            self._numeric = Numeric(over_arrays)
            self._over_arrays = over_arrays
        return self._over_arrays if self._numeric.admits(args, kwargs) else None

    def _batch(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Batch:
        batch = Batch(self._name, args, kwargs, self._in_axes)
        check_out_axes(self._out_axes, self._name, batch.of_arrays)
        return batch

    def _finished(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Finished[E]]:
        batch = self._batch(args, kwargs)
        if handler() is None and not self._is_async:
            from ._elements import can_be_tasks, only_computes

            if can_be_tasks(self.__wrapped__):
                from ._stream import finished_elements

                return finished_elements(self._one, self.__wrapped__, batch, self._limit)
            if only_computes(self.__wrapped__):
                calls = enumerate(batch)
                return (Finished(index, self._one(index, args, kwargs)) for index, (args, kwargs) in calls)
        return as_finished(self._thunks(batch), self._limit)

    def _thunks(self, batch: Batch) -> Iterator[Thunk[Any]]:
        return (partial(self._one, index, args, kwargs) for index, (args, kwargs) in enumerate(batch))

    def _one(self, index: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        from ._elements import element

        try:
            result = element(self.__wrapped__, args, kwargs)
            return _on_io_loop(result, self._name) if self._is_async else result
        except Exception as error:
            return self._failed(error, index, args, kwargs)

    async def _aone(self, index: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return await self.__wrapped__(*args, **kwargs)
        except Exception as error:
            return self._failed(error, index, args, kwargs)

    async def _await_all(self, batch: Batch) -> B:
        from ._vmap_async import arun_all

        calls = (partial(self._aone, index, args, kwargs) for index, (args, kwargs) in enumerate(batch))
        return self._together(await arun_all(calls, self._limit), batch)

    def _failed(
        self, error: Exception, index: int, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Exception:
        """Say on the error which element it was, and return it as a result if that is asked for."""
        given = [_short.repr(arg) for arg in args]
        given += [f"{name}={_short.repr(arg)}" for name, arg in kwargs.items()]
        error.add_note(scrub(f"in element {index} of {self._name}: {', '.join(given)}"))
        if not self._returns_errors:
            raise error
        return error

    def _together(self, results: list[Any], batch: Batch) -> B:
        return cast(B, together(results, self._out_axes, self._name, batch.of_arrays))


def _is_async(function: Any) -> bool:
    """Whether calls of `function`, jitted or not, give coroutines."""
    while (inner := getattr(function, "__ember_jit__", None)) is not None:
        function = inner
    own = getattr(function, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(own)


def _on_io_loop(coroutine: Coroutine[Any, Any, R], name: str) -> R:
    from ember.core import loop  # asyncio: not before the first coroutine

    return loop.run(coroutine, name)


@overload
def vmap(
    function: Callable[..., jax.Array],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    *,
    max_concurrency: int | None = None,
    on_error: Literal["raise", "return"] = "raise",
) -> Vmapped[jax.Array, Any]: ...
@overload
def vmap(
    function: Callable[..., Coroutine[Any, Any, R]],
    in_axes: Axes = 0,
    out_axes: Literal[0] = 0,
    *,
    max_concurrency: int | None = None,
    on_error: Literal["raise"] = "raise",
) -> Vmapped[R, list[R]]: ...
@overload
def vmap(
    function: Callable[..., Coroutine[Any, Any, R]],
    in_axes: Axes = 0,
    out_axes: Literal[0] = 0,
    *,
    max_concurrency: int | None = None,
    on_error: Literal["return"],
) -> Vmapped[R | Exception, list[R | Exception]]: ...
@overload
def vmap(
    function: Callable[..., R],
    in_axes: Axes = 0,
    out_axes: Literal[0] = 0,
    *,
    max_concurrency: int | None = None,
    on_error: Literal["raise"] = "raise",
) -> Vmapped[R, list[R]]: ...
@overload
def vmap(
    function: Callable[..., R],
    in_axes: Axes = 0,
    out_axes: Literal[0] = 0,
    *,
    max_concurrency: int | None = None,
    on_error: Literal["return"],
) -> Vmapped[R | Exception, list[R | Exception]]: ...
@overload
def vmap(
    function: Callable[..., R],
    in_axes: Axes = 0,
    *,
    out_axes: Axes,
    max_concurrency: int | None = None,
    on_error: Literal["raise", "return"] = "raise",
) -> Vmapped[R, Any]: ...
@overload
def vmap(
    function: Callable[..., R],
    in_axes: Axes,
    out_axes: Axes,
    *,
    max_concurrency: int | None = None,
    on_error: Literal["raise", "return"] = "raise",
) -> Vmapped[R, Any]: ...
def vmap(
    function: Callable[..., Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    *,
    max_concurrency: int | None = None,
    on_error: Literal["raise", "return"] = "raise",
) -> Vmapped[Any, Any]:
    """Return `function` over batches: `[function(x) for x in xs]`, its external calls at the same time.

    A numeric function of jax arrays is `jax.vmap` of it. Any other is called once per element, results in order, at
    most `max_concurrency` at once. The result is a list; where all batches are jax arrays and so are the results, they
    are stacked.

    `in_axes` and `out_axes` are as in `jax.vmap`: an int, None for what is passed to every call as it is, or tuples,
    lists and dicts of these. Axis 0 of a list or tuple are its items, axis 1 the items of these. Dicts, named tuples,
    dataclasses and pytrees are structures of batches: `{"q": [...], "a": [...]}` gives elements `{"q": …, "a": …}`.
    Keyword arguments are mapped along axis 0. Iterators are batches too; see `stream` for long ones.

    With on_error="raise" the exception of the earliest element that fails is raised, those after it are cancelled. With
    "return" exceptions stand in the place of results. Either way a note on the exception names the element.

    Raises `ValueError` for batches of different lengths or wrong axes, and `TypeError` for what is no batch, before any
    call is made (for iterators: when one ends).

    >>> vmap(str.upper)(["a", "b", "c"])
    ['A', 'B', 'C']
    >>> vmap(lambda question, context: f"{context}: {question}", in_axes=(0, None))(["why?", "how?"], "bread")
    ['bread: why?', 'bread: how?']
    """
    return Vmapped(function, in_axes, out_axes, max_concurrency, on_error)


setattr(vmap, MAKES, True)
