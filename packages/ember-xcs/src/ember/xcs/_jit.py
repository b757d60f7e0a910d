"""`jit`: a plain function, run at its critical path."""

# What is jitted may be anything that can be called.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextvars import ContextVar
from types import CodeType, FunctionType, MethodType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    cast,
    overload,
)

from ember.core.externals import External
from ember.core.marks import mark

from ._calls import call
from ._grad import differentiating
from ._memory import perform, settle
from ._numeric import NOT_NUMERIC, Numeric
from ._program import Program, forget_programs, program_of
from ._record import Recorder
from ._reliance import still_holds
from ._run import Run, local

if TYPE_CHECKING:
    from ._drive import Drive
    from ._trace import Explanation


class Listener(Protocol):
    """Whoever wants to know of the runs in a block of code."""

    def begins(self, function: str, code: CodeType) -> tuple[Run, Recorder] | Recorder:
        """A run begins: return what notes it, and the run itself if it is of a special kind."""
        ...

    def ended(self, record: Recorder) -> None:
        """It has ended."""
        ...


listening: ContextVar[Listener | None] = ContextVar("ember_listening", default=None)
_MOST_PLANNED: Final = 10_000
_PLANNED_ANEW: Final = 8
"""After how many runs the plan of which calls go first is made again."""

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
_P = ParamSpec("_P")
_R = TypeVar("_R")


class Jitted(Generic[P, R]):
    """A function under `jit`: called as before, with independent external calls under way at once."""

    __ember_jit__: Callable[P, R]
    __name__: str
    __qualname__: str

    def __init__(self, function: Callable[P, R], **options: Any) -> None:
        # Attributes of a function are notes on it, those of other objects are what they are made of.
        functools.update_wrapper(
            self, function, updated=("__dict__",) if type(function) is FunctionType else ()
        )
        self.__ember_jit__ = function
        self._options: Final = options
        self._limit: int | None = options.get("max_concurrency")
        self._plan = _Plan()
        self._numeric: Numeric | None = None
        code = mark(function, "__code__")
        if code is not None and code.co_flags & inspect.CO_COROUTINE:
            _mark(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        # A call of numbers may cost a fifth more than jax's own, which is 0.7 µs: this comes first, and does little.
        if self._numeric is not None:
            staged: Any = self._numeric.quick(args, kwargs)
            if staged is not NOT_NUMERIC:
                return staged  # type: ignore[no-any-return]
        function: Any = self.__ember_jit__
        if local.run is not None:
            return cast(R, _within(local.run, function, args, kwargs))
        if differentiating():
            # A handler of our own would hide the calls from the gradient's.
            return self.__ember_jit__(*args, **kwargs)
        if "jax" in sys.modules and (staged := self._staged(args, kwargs)) is not NOT_NUMERIC:
            return cast(R, staged)
        if type(function) is not FunctionType:
            function, bound, words = _plain(function)
            if type(function) is not FunctionType:
                return self.__ember_jit__(*args, **kwargs)
            args, kwargs = (*bound, *args), {**words, **kwargs}  # type: ignore[assignment]
        program = program_of(function)
        if program.generator and program.lowered:
            from ._iterators import alone

            return cast(R, alone(function, program, args, kwargs, self._limit))
        if program.asynchronous:
            if not program.lowered:
                return cast(R, function(*args, **kwargs))
            function(*args, **kwargs).close()  # raises TypeError at once, as it should, for wrong arguments
            coroutine: Any = self._awaited(program, function, args, kwargs)
            coroutine.__name__, coroutine.__qualname__ = function.__name__, function.__qualname__
            return cast(R, coroutine)
        return cast(R, self._performed(program, function, args, kwargs))

    def _staged(self, args: Any, kwargs: Any) -> Any:
        """Return the result by `jax.jit`, if this is a call of numbers alone."""
        numeric = self._numeric
        if numeric is None:
            options = self._options
            numeric = self._numeric = Numeric(
                self.__ember_jit__, options.get("static_argnums"), options.get("static_argnames")
            )
        return numeric.call(args, kwargs)

    def _performed(
        self, program: Program, function: FunctionType, args: Any, kwargs: Any, drive: Drive | None = None
    ) -> Any:
        if program.lowered and not still_holds():  # what it relied on has been replaced
            forget_programs()
            program = program_of(function)
        if program.lowered:
            twin = program.twin(function)
            if self._limit is None and listening.get() is None:
                return perform(Run(None, drive), twin, args, kwargs)
        elif listening.get() is None:
            return function(*args, **kwargs)
        else:
            twin = function
        return self.recorded(twin, program.reason, args, kwargs, drive)

    def recorded(
        self,
        twin: FunctionType,
        reason: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        drive: Drive | None,
    ) -> Any:
        """Run for a listener, or for the next run: under a limit, the longest path goes first."""
        listener, limit = listening.get(), self._limit
        run: Run | None = None
        if listener is None:
            record = Recorder(twin.__qualname__, usage=False, most=_MOST_PLANNED)
        else:
            made = listener.begins(twin.__qualname__, twin.__code__)
            run, record = made if isinstance(made, tuple) else (None, made)
        rehearsed = run is not None
        if run is None:
            run = Run(limit)
        run.limit, run.drive = limit, drive
        run.record, run.plan, record.limit = record, self._plan.left, limit
        record.as_is(twin.__qualname__, reason)
        error: BaseException | None = None
        try:
            return perform(run, twin, args, kwargs)
        except BaseException as failure:
            error = failure
            raise
        finally:
            if limit is not None and not rehearsed:
                self._plan.learn(record)
            record.close(error)
            del error
            if listener is not None:
                listener.ended(record)

    @overload
    async def aio(self: Jitted[_P, Coroutine[Any, Any, _R]], *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    @overload
    async def aio(self: Jitted[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    async def aio(self, *args: Any, **kwargs: Any) -> Any:
        """Call, and await the result: the running event loop goes on meanwhile.

        The function's own code runs on the loop's thread, in the caller's task; between its steps the loop has the
        thread. Cancelling the task cancels the calls under way, and raises CancelledError where the program waits.
        """
        function, bound, words = _plain(self.__ember_jit__)
        if type(function) is FunctionType and (program := program_of(function)).lowered:
            return await self._awaited(program, function, (*bound, *args), {**words, **kwargs})
        from inspect import isawaitable

        value = self.__ember_jit__(*args, **kwargs)
        return await value if isawaitable(value) else value

    async def _awaited(self, program: Program, function: FunctionType, args: Any, kwargs: Any) -> Any:
        from ._drive import Drive  # asyncio: only for those who use it

        return await Drive(lambda drive: self._performed(program, function, args, kwargs, drive))

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self: Jitted[Concatenate[S, _P], _R], instance: S, owner: type | None = None
    ) -> Jitted[_P, _R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        bind = getattr(type(self.__ember_jit__), "__get__", None)
        if bind is None:  # an instance that can be called is no method
            return self
        bound = bind(self.__ember_jit__, instance, owner)
        if bound is self.__ember_jit__:
            return self
        made: Jitted[Any, Any] = Jitted(bound, **self._options)
        made._plan = self._plan
        return made

    @property
    def reason(self) -> str:
        """Why the function is run as it is, with one external call after the other; empty if it is not."""
        plain, _, _ = _plain(self.__ember_jit__)
        if type(plain) is not FunctionType:
            return "it is not a Python function or method"
        program = program_of(plain)
        return "" if program.lowered else program.reason

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation[R]:
        """Run the function once, for real, and return what happened: see `xcs.explain`."""
        from ._trace import Explain

        return Explain(self)(*args, **kwargs)

    def __reduce__(self) -> Any:
        function: Any = self.__ember_jit__
        if type(function) is MethodType and not isinstance(function.__self__, type):
            return getattr, (function.__self__, function.__name__)
        name, found = getattr(self, "__qualname__", None), sys.modules.get(getattr(self, "__module__", ""))
        for part in () if name is None else name.split("."):
            found = getattr(found, part, None)
        if found == self:
            return name  # by reference, as functions are
        return _again, (function, self._options)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Jitted)
            and self.__ember_jit__ == other.__ember_jit__
            and self._options == other._options
        )

    def __hash__(self) -> int:
        return hash(self.__ember_jit__)

    def __repr__(self) -> str:
        return f"<jit {self.__ember_jit__!r}>"


def _mark(jitted: Jitted[..., Any]) -> None:
    """Let others see that this is a coroutine function: `inspect` from Python 3.12 on, and asyncio."""
    mark = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None:
        mark(jitted)
    else:
        from asyncio import coroutines  # only for those who use it

        vars(jitted)["_is_coroutine"] = vars(coroutines)["_is_coroutine"]


def _again(function: Any, options: dict[str, Any]) -> Jitted[..., Any]:
    return Jitted(function, **options)


def _plain(function: Any) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """Return the Python function that a call of `function` comes to, and the arguments that it brings along."""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    while True:
        if isinstance(function, Jitted):
            function = function.__ember_jit__
        elif type(function) is MethodType:
            function, args = function.__func__, (function.__self__, *args)
        elif type(function) is functools.partial:
            function, args, kwargs = function.func, (*function.args, *args), {**function.keywords, **kwargs}
        elif type(function) is staticmethod:
            function = function.__func__
        elif type(function) is FunctionType or isinstance(function, (External, type)):
            return function, args, kwargs
        elif mark(function, "__ember_jit__") is not None:  # a sibling's object around a function
            function = function.__ember_jit__
        else:
            own = getattr(type(function), "__call__", None)  # noqa: B004  # the function, not whether there is one
            if type(own) is not FunctionType and not isinstance(own, Jitted):
                return function, args, kwargs
            function, args = own, (function, *args)


def _within(run: Run, function: Any, args: Any, kwargs: Any) -> Any:
    """Answer a call that library code makes in a run: its calls are part of it, its result is there when it returns."""
    try:
        value = call(function, *args, **kwargs)
    except BaseException as error:
        run.failed(error)
        raise
    run.drain()
    return settle(run, value)


def perform_as_lowered(
    function: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any], drive: Drive | None = None
) -> R:
    """Run code of ours that is written as lowered code is, as a program of its own; whoever listens hears of it."""
    twin: Any = function
    if not still_holds():
        forget_programs()
    if listening.get() is None:
        return cast(R, perform(Run(None, drive), twin, args, kwargs))
    return cast(R, Jitted(function).recorded(twin, "", args, kwargs, drive))


def alone_as_lowered(function: Callable[..., R], args: tuple[Any, ...], limit: int | None) -> R:
    """As `perform_as_lowered`, with at most `limit` calls under way."""
    if limit is None:
        return perform_as_lowered(function, args, {})
    return cast(R, Jitted(function, max_concurrency=limit).recorded(cast(Any, function), "", args, {}, None))


_LATER: Final = object()


def python_function(function: Any) -> FunctionType | None:
    """Return the Python function that a callable, jitted or not, comes to."""
    found = _plain(function)[0]
    return found if type(found) is FunctionType else None


class _Plan:
    """What the last recorded run says about the next: seconds left from calls of each place on."""

    def __init__(self) -> None:
        self.left: dict[Any, float] = {}
        self._runs = 0

    def learn(self, record: Recorder) -> None:
        """Take over what `record` says, now and then."""
        if self._runs % _PLANNED_ANEW == 0:
            self.left = record.plan()
        self._runs += 1


class _Decorator(Protocol):
    def __call__(self, function: Callable[P, R], /) -> Jitted[P, R]: ...


@overload
def jit(function: Callable[P, R], /) -> Jitted[P, R]: ...
@overload
def jit(
    *,
    max_concurrency: int | None = ...,
    static_argnums: int | Sequence[int] | None = ...,
    static_argnames: str | Sequence[str] | None = ...,
) -> _Decorator: ...
def jit(
    function: Any = _LATER,
    /,
    *,
    max_concurrency: int | None = None,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Sequence[str] | None = None,
) -> Any:
    """Run a plain sequential function in the time of its critical path.

    The result is called as before: same result, same exception, same visible effects in the same order. Independent
    external calls (`models`, anything marked `@external`) are under way at once, at most `max_concurrency` of them if
    that is given. One thing differs: a call that stands after a failing one may have been sent before that failed; it
    is cancelled. `await f.aio(...)` is the awaitable form; a coroutine function stays one.

    Works on functions, methods, class and static methods (either order of decorators), lambdas, partials and objects
    with a `__call__`. What cannot be followed (no source, generators, C) runs as plain Python. `static_argnums` and
    `static_argnames` are JAX's, for numeric functions.

    >>> from ember.xcs import external, jit
    >>> @external
    ... async def ask(prompt: str) -> str:
    ...     return prompt.upper()
    >>> @jit
    ... def both(a: str, b: str) -> str:
    ...     return ask(a) + ask(b)
    >>> both("x", "y")
    'XY'
    """
    options = {
        name: value
        for name, value in (
            ("max_concurrency", max_concurrency),
            ("static_argnums", static_argnums),
            ("static_argnames", static_argnames),
        )
        if value is not None
    }
    if max_concurrency is not None and (type(max_concurrency) is not int or max_concurrency < 1):
        raise ValueError(
            f"max_concurrency is how many calls are under way at once, at least 1; got {max_concurrency!r}."
        )

    def make(function: Any) -> Any:
        if not callable(function) and not isinstance(function, classmethod):
            raise TypeError(
                f"@jit is for something that can be called, not a {type(function).__name__}: {function!r:.80}"
            )
        wanted: Any = function
        return Jitted(wanted, **options)

    return make if function is _LATER else make(function)
