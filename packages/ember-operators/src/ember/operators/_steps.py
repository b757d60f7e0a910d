"""How the built-in operators run: each is written once, as steps, for callers that wait and callers that await.

An operator's `steps` is a generator. What it yields is to be done, what it gets back is the result, and an error is
raised where it stands. `call` does it through `ember.core.gather` (threads, or tasks of the program under `@xcs.jit`),
`acall` as tasks of the running loop.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

from ember.context import create_context
from ember.core import External, gather, resolve
from ember.core.externals import handler

from ._attempts import Attempt, observed, with_attempts
from ._calling import Budget as Budget, Member as Member, agather, arun, run, waited
from ._operator import Operator
from ._whole import calls, whole
from .errors import GradientThroughModel

_T = TypeVar("_T")


def member(one: Member | None) -> Callable[..., Any]:
    """Return the callable that `one` stands for: itself, or the model of that name (None: the default model)."""
    if one is None or isinstance(one, str):
        return cast("Callable[..., Any]", resolve("model", one))
    if callable(one):
        return one
    raise TypeError(f"An operator's member is a callable or the name of a model, not {type(one).__name__}.")


def name_of(one: Any) -> str:
    """Return what to call a member in traces and messages."""
    if one is None or isinstance(one, str):
        return one or "the default model"
    name = getattr(one, "name", None) or getattr(one, "__qualname__", None)
    return name if isinstance(name, str) else type(one).__name__


@dataclass(frozen=True, slots=True)
class Do:
    """One call to be made: what `who` stands for, with these arguments."""

    who: Member | None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def function(self) -> Callable[..., Any]:
        """Return what is to be called. Raises `GradientThroughModel` where JAX would follow a number into it."""
        function: Any = member(self.who)
        if isinstance(function, External) and any(map(traced, (*self.args, *self.kwargs.values()))):
            raise GradientThroughModel(name_of(self.who))
        return cast("Callable[..., Any]", function)

    def thunk(self) -> Callable[[], Any]:
        """Return the call as a partial, into which `@xcs.jit` can look."""
        return partial(waited(self.function()), *self.args, **self.kwargs)


@dataclass(frozen=True, slots=True)
class Together:
    """Calls to be made at once, at most `limit` of them. What comes back is a list in their order.

    Without `keep` that is the results, and the first error in order is raised once the others have been cancelled.
    With it, it is an `Attempt` for each, errors among them. As soon as `enough` says so of what is there, the others
    are cancelled, and None stands in their places; what had not begun by then never does.
    """

    calls: Sequence[Do]
    limit: int | None = None
    keep: bool = False
    enough: Callable[[list[Attempt | None]], bool] | None = None
    every: float = 0.0
    """Seconds after which the next call begins, unless one before it has failed; 0: all at once."""


Steps: TypeAlias = Generator[Do | Together, Any, _T]


def traced(value: object) -> bool:
    """Whether JAX is differentiating or compiling, and `value` is one of the numbers it follows."""
    core = getattr(sys.modules.get("jax"), "core", None)  # half imported, it follows nothing yet
    return core is not None and isinstance(value, core.Tracer)


class Stepped(Operator, kw_only=False):
    """An operator that is written as `steps`, from which `call` and `acall` follow."""

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        """Yield what is to be done, and return the result."""
        raise NotImplementedError(f"{type(self).__qualname__} has no `steps`.")

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Run the steps and wait."""
        with self._running():
            return _drive(self.steps(*args, **kwargs))

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """Run the steps and await them."""
        with self._running():
            return await _adrive(self.steps(*args, **kwargs))

    @property
    def __ember_external__(self) -> External[..., Any] | None:
        """What `@xcs.jit` calls instead: one external call, if nothing in this operator is the user's own Python."""
        return whole(self)

    __ember_calls__ = property(calls)  # if these only compute, a run of `@xcs.jit` need not wait before it

    def _running(self) -> ExitStack:
        around = ExitStack()
        around.enter_context(observed(self))
        budget = getattr(self, "budget", None)
        if budget is not None:  # each run has its own, whatever else holds around it
            around.enter_context(create_context(models={"budget": budget}))
        return around


def _drive(steps: Steps[_T]) -> _T:
    try:
        wanted = next(steps)
        while True:
            try:
                done = _do(wanted)
            except BaseException as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(done)
    except StopIteration as end:
        return cast(_T, end.value)
    finally:
        steps.close()


async def _adrive(steps: Steps[_T]) -> _T:
    try:
        wanted = next(steps)
        while True:
            try:
                done = await _ado(wanted)
            except BaseException as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(done)
    except StopIteration as end:
        return cast(_T, end.value)
    finally:
        steps.close()


def _do(wanted: Do | Together) -> Any:
    if isinstance(wanted, Do):
        if handler() is not None:
            return gather((wanted.thunk(),))[0]  # a task of the program, whose own calls overlap
        return run(wanted.function(), *wanted.args, **wanted.kwargs)
    if wanted.enough is not None:
        from ._race import Race  # asyncio: not before it is needed

        return Race(wanted)()
    # Tuples, which nobody can change: xcs would go through a list only after the calls that might.
    if not wanted.keep:
        return _all(wanted)
    if handler() is None:
        return gather([Timed(*numbered).now for numbered in enumerate(wanted.calls, 1)], wanted.limit)
    # What a program's tasks do beside their calls is kept in order, looking at the clock included.
    results = gather(tuple(one.thunk() for one in wanted.calls), wanted.limit, return_exceptions=True)
    return [
        Attempt(number, name_of(one.who), None, None, result)
        if isinstance(result, Exception)
        else Attempt(number, name_of(one.who), None, result, None)
        for number, (one, result) in enumerate(zip(wanted.calls, results), 1)
    ]


def _all(wanted: Together) -> list[Any]:
    """Return all answers, or raise the first error with what was tried until then."""
    ended: list[Attempt | None] = [None] * len(wanted.calls)
    try:
        if handler() is None:
            return gather(
                [Timed(*numbered).into(ended) for numbered in enumerate(wanted.calls, 1)], wanted.limit
            )
        return gather(tuple(one.thunk() for one in wanted.calls), wanted.limit)
    except Exception as error:
        place: int | None = getattr(error, "__ember_place__", None)  # xcs knows which of its tasks it was
        if handler() is not None and place is not None:
            ended[place] = Attempt(place + 1, name_of(wanted.calls[place].who), None, None, error)
        with_attempts(error, ended)
        raise


async def _ado(wanted: Do | Together) -> Any:
    if isinstance(wanted, Do):
        return await arun(wanted.function(), *wanted.args, **wanted.kwargs)
    if wanted.enough is not None:
        from ._race import Race

        return await Race(wanted).aio()
    if wanted.keep:
        return await agather([Timed(*one).awaited for one in enumerate(wanted.calls, 1)], wanted.limit)
    ended: list[Attempt | None] = [None] * len(wanted.calls)
    try:
        return await agather(
            [Timed(*numbered).ainto(ended) for numbered in enumerate(wanted.calls, 1)], wanted.limit
        )
    except Exception as error:
        with_attempts(error, ended)
        raise


class Timed:
    """One call, made and timed: what comes of it is an `Attempt`, whatever it is."""

    def __init__(self, number: int, do: Do) -> None:
        self.number, self.do = number, do

    def now(self) -> Attempt:
        begun = time.perf_counter()
        try:
            return self._attempt(begun, run(self.do.function(), *self.do.args, **self.do.kwargs), None)
        except Exception as error:
            return self._attempt(begun, None, error)

    async def awaited(self) -> Attempt:
        begun = time.perf_counter()
        try:
            return self._attempt(begun, await arun(self.do.function(), *self.do.args, **self.do.kwargs), None)
        except Exception as error:
            return self._attempt(begun, None, error)

    def into(self, ended: list[Attempt | None]) -> Callable[[], Any]:
        """Return a thunk that notes the attempt in its place and gives what it came to, or raises."""

        def noted() -> Any:
            ended[self.number - 1] = made = self.now()
            if made.error is not None:
                raise made.error
            return made.value

        return noted

    def ainto(self, ended: list[Attempt | None]) -> Callable[[], Awaitable[Any]]:
        """As `into`, to be awaited."""

        async def noted() -> Any:
            ended[self.number - 1] = made = await self.awaited()
            if made.error is not None:
                raise made.error
            return made.value

        return noted

    def _attempt(self, begun: float, value: Any, error: Exception | None) -> Attempt:
        return Attempt(self.number, name_of(self.do.who), time.perf_counter() - begun, value, error)


def attempt(number: int, do: Do) -> Steps[Attempt]:
    """Make one call, and return what came of it, an error too."""
    begun = time.perf_counter()
    try:
        value = yield do
    except Exception as error:
        return Attempt(number, name_of(do.who), time.perf_counter() - begun, None, error)
    return Attempt(number, name_of(do.who), time.perf_counter() - begun, value)


def answered(attempts: Iterable[Attempt | None]) -> list[Attempt]:
    """Return those of `attempts` that have a value."""
    return [one for one in attempts if one is not None and one.error is None]
