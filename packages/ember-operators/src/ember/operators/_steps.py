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

from ._attempts import Attempt, observed
from ._calling import agather, arun, run, waited
from ._operator import Operator
from ._thunks import kept
from .errors import GradientThroughModel

_T = TypeVar("_T")

Member: TypeAlias = Callable[..., Any] | str
"""What can be put into an operator: an operator, any callable, `async` or not, or the name of a model."""

Budget: TypeAlias = float | Mapping[str, Any]
"""What an operator's model calls may use in all: US dollars, or `usd`, `tokens`, `calls` (docs/models.md, Budgets)."""


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
        from ._whole import whole

        return whole(self)

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
        return run(wanted.function(), *wanted.args, **wanted.kwargs)
    if wanted.enough is not None:
        from ._race import Race  # asyncio: not before it is needed

        return Race(wanted)()
    # Tuples, which nobody can change: xcs would go through a list only after the calls that might.
    if not wanted.keep:
        return gather(tuple(one.thunk() for one in wanted.calls), wanted.limit)
    if handler() is None:
        return gather([Timed(*numbered).now for numbered in enumerate(wanted.calls, 1)], wanted.limit)
    # What a program's tasks do beside their calls is kept in order, looking at the clock included.
    pairs = gather(tuple(kept(one.thunk()) for one in wanted.calls), wanted.limit)
    return [
        Attempt(number, name_of(one.who), None, value, error)
        for number, (one, (value, error)) in enumerate(zip(wanted.calls, pairs), 1)
    ]


async def _ado(wanted: Do | Together) -> Any:
    if isinstance(wanted, Do):
        return await arun(wanted.function(), *wanted.args, **wanted.kwargs)
    if wanted.enough is not None:
        from ._race import Race

        return await Race(wanted).aio()
    if wanted.keep:
        return await agather([Timed(*one).awaited for one in enumerate(wanted.calls, 1)], wanted.limit)
    return await agather([_awaiting(one) for one in wanted.calls], wanted.limit)


def _awaiting(one: Do) -> Callable[[], Awaitable[Any]]:
    return lambda: arun(one.function(), *one.args, **one.kwargs)


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
