"""`jit`: a plain function, run at its critical path."""

# What is jitted may be anything that can be called.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from ember.core.externals import External, handling

from ._grad import differentiating
from ._memory import local, settle
from ._program import program_of
from ._record import Recorder
from ._run import Run

if TYPE_CHECKING:
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


class Jitted(Generic[P, R]):
    """A function under `jit`: called as before, with independent external calls under way at once."""

    def __init__(self, function: Callable[P, R], max_concurrency: int | None = None) -> None:
        functools.update_wrapper(self, function)
        self.__ember_jit__ = function
        self._max_concurrency = max_concurrency
        self._plan = _Plan()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        function = self.__ember_jit__
        if getattr(local, "run", None) is not None:
            return function(*args, **kwargs)  # within a run: its handler sees to the calls
        if differentiating():
            return function(*args, **kwargs)  # a handler of our own would hide the calls from the gradient's
        plain, bound = _plain(function)
        if plain is None:
            return function(*args, **kwargs)
        program = program_of(plain)
        if program.lowered:
            twin = program.twin(plain)
            if self._max_concurrency is None and listening.get() is None:
                return cast(R, _run(Run(), twin, (*bound, *args), kwargs))
        elif listening.get() is None:
            return function(*args, **kwargs)
        else:
            twin = plain
        return cast(R, self._recorded(twin, program.reason, (*bound, *args), kwargs))

    def _recorded(
        self, twin: FunctionType, reason: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run for a listener, or for the next run: under a limit, the longest path goes first."""
        listener, limit = listening.get(), self._max_concurrency
        run: Run | None = None
        if listener is None:
            record = Recorder(twin.__qualname__, usage=False, most=_MOST_PLANNED)
        else:
            made = listener.begins(twin.__qualname__, twin.__code__)
            run, record = made if isinstance(made, tuple) else (None, made)
        rehearsed = run is not None
        if run is None:
            run = Run(limit)
        run.limit = limit
        run.record, run.plan, record.limit = record, self._plan.left, limit
        record.as_is(twin.__qualname__, reason)
        error: BaseException | None = None
        try:
            return _run(run, twin, args, kwargs)
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

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        bound = self.__ember_jit__.__get__(instance, owner)
        made: Jitted[Any, Any] = Jitted(bound, self._max_concurrency)
        made._plan = self._plan
        return made

    @property
    def reason(self) -> str:
        """Why the function is run as it is, with one external call after the other; empty if it is not."""
        plain, _ = _plain(self.__ember_jit__)
        if plain is None:
            return "it is not a Python function or method"
        program = program_of(plain)
        return "" if program.lowered else program.reason

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation[R]:
        """Run the function once, for real, and return what happened: see `xcs.explain`."""
        from ._trace import Explain

        return Explain(self)(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<jit {getattr(self, '__qualname__', self.__ember_jit__)}>"


def python_function(function: Any) -> FunctionType | None:
    """Return the Python function that a callable, jitted or not, is."""
    return _plain(getattr(function, "__ember_jit__", function))[0]


def _plain(function: Any) -> tuple[FunctionType | None, tuple[Any, ...]]:
    """Return the Python function that a callable is, and the arguments that it brings along."""
    bound: tuple[Any, ...] = ()
    if type(function) is MethodType:
        function, bound = function.__func__, (function.__self__,)
    elif type(function) is not FunctionType and not isinstance(function, External):
        own = getattr(type(function), "__call__", None)  # noqa: B004  # not whether: which
        if type(own) is FunctionType:
            function, bound = own, (function,)
    return (function if type(function) is FunctionType else None), bound


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


def _run(run: Run, twin: FunctionType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    local.run = run
    try:
        with handling(run):
            try:
                value = twin(*args, **kwargs)
            except BaseException:
                run.drain()
                raise
            run.drain()
            return settle(run, value)
    finally:
        run.close()
        local.run = None


@overload
def jit(function: Callable[P, R], /) -> Jitted[P, R]: ...
@overload
def jit(*, max_concurrency: int | None = ...) -> Callable[[Callable[P, R]], Jitted[P, R]]: ...
def jit(function: Any = None, /, *, max_concurrency: int | None = None) -> Any:
    """Run a plain sequential function in the time of its critical path."""
    if function is None:
        return functools.partial(Jitted, max_concurrency=max_concurrency)
    return Jitted(function, max_concurrency)
