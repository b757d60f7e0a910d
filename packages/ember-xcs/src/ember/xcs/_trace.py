"""`trace` and `explain`: watch runs, and tell what decided how long they took."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from types import CodeType
from typing import Any, Generic, ParamSpec, TypeVar, cast

from ember.core import events

from ._ir import Graph, Path, Spent, Wait, spent
from ._iterators import is_generator, through
from ._jit import Jitted, Listener, jit, listening, python_function
from ._record import Recorder
from ._story import report, story

P = ParamSpec("P")
R = TypeVar("R")


class Trace:
    """The runs of jitted functions in a block, each a `Graph`, and what they come to together.

    Times are seconds, money is US dollars. Runs under way at the same time count once, as the longest of them.
    """

    def __init__(self, prompts: bool = False, around: Listener | None = None) -> None:
        self.runs: list[Graph] = []
        self.outside = 0
        """How many external calls were made in the block by code that is not under `jit`."""
        self._prompts, self._around = prompts, around

    @property
    def seconds(self) -> float:
        """How long the runs took."""
        return sum(max(r.started + r.seconds for r in some) - some[0].started for some in self._together())

    def _together(self) -> list[list[Graph]]:
        """The runs, those that overlap in one list."""
        found: list[list[Graph]] = []
        end = 0.0
        for run in sorted(self.runs, key=lambda one: one.started):
            if not found or run.started >= end:
                found.append([])
            found[-1].append(run)
            end = max(end, run.started + run.seconds)
        return found

    @property
    def work(self) -> float:
        """How long their calls took together, one after the other."""
        return sum(run.work for run in self.runs)

    @property
    def critical_path(self) -> Path:
        """The calls that decided how long the runs had to take."""
        paths = [
            max((r.critical_path for r in some), key=lambda one: one.seconds) for some in self._together()
        ]
        return Path(sum(path.seconds for path in paths), tuple(call for path in paths for call in path.calls))

    @property
    def achieved(self) -> float:
        """How many times as fast as one call after the other the runs were."""
        return self.work / self.seconds if self.seconds and self.work else 1.0

    @property
    def possible(self) -> float:
        """How many times as fast they could be, with nothing but the critical path."""
        path = self.critical_path.seconds
        return self.work / path if path else 1.0

    @property
    def cost(self) -> Decimal:
        """What calls of known price cost together."""
        return sum((run.cost for run in self.runs), Decimal(0))

    def spent(self) -> tuple[Spent, ...]:
        """Return calls, seconds, tokens and cost by model or external function, the dearest first."""
        return spent(call for run in self.runs for call in run.calls)

    def forced(self) -> tuple[tuple[Wait, int], ...]:
        """Return what made calls wait, and how many: kept orders first."""
        found = [one for run in self.runs for one in run.forced()]
        return tuple(sorted(found, key=lambda one: (one[0].kind != "order", -one[0].seconds)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a page that needs nothing else: timeline, graph, cost, and what was kept in order.

        It holds arguments and answers only if the trace was begun with `prompts=True`.
        """
        from ._page import page

        with open(path, "w", encoding="utf-8") as file:
            file.write(page(self.runs, self.outside))

    def to_chrome(self) -> dict[str, Any]:
        """Return the runs as Chrome trace events: `json.dump` it, and open the file in chrome://tracing or Perfetto."""
        from ._chrome import chrome

        return chrome(self.runs)

    def _repr_html_(self) -> str:
        from ._page import fragment

        return fragment(self.runs, self.outside)

    def __str__(self) -> str:
        return report(self.runs, self.outside)

    def __repr__(self) -> str:
        calls = sum(len(run.calls) for run in self.runs)
        runs = f"{len(self.runs):,} run{'s' * (len(self.runs) != 1)}"
        return f"<trace of {runs}, {calls:,} call{'s' * (calls != 1)}, {self.seconds:.3f} s>"

    # As a listener ----------------------------------------------------------------------------------------------

    def begins(self, function: str, code: CodeType) -> Recorder:
        """A run begins."""
        return Recorder(function, code, prompts=self.keeps_prompts())

    def keeps_prompts(self) -> bool:
        """Whether this trace or one around it keeps arguments and answers."""
        return self._prompts or (isinstance(self._around, Trace) and self._around.keeps_prompts())

    def ended(self, record: Recorder) -> None:
        """A run has ended."""
        graph = record.graph()
        self.runs.append(graph if self._prompts else _without_prompts(graph))
        if self._around is not None:
            self._around.ended(record)


def _without_prompts(graph: Graph) -> Graph:
    from dataclasses import replace

    if all(call.arguments is None and call.answer is None for call in graph.calls):
        return graph
    return replace(graph, calls=tuple(replace(call, arguments=None, answer=None) for call in graph.calls))


_counting: ContextVar[Trace | None] = ContextVar("ember_counting", default=None)


@contextmanager
def trace(*, prompts: bool = False) -> Iterator[Trace]:
    """Record every run of a jitted function in the block.

    `prompts` keeps arguments and answers of calls as well (known secrets masked); without it none is kept. Blocks nest:
    a run belongs to all blocks it is in. Threads that the program starts itself are not watched, unless they are given
    the context.

    >>> from ember import xcs
    >>> @xcs.external
    ... async def ask(question: str) -> str:
    ...     return question.upper()
    >>> @xcs.jit
    ... def both() -> str:
    ...     return ask("a") + ask("b")
    >>> with xcs.trace() as t:
    ...     answer = both()
    >>> answer, len(t.runs), len(t.runs[0].calls)
    ('AB', 1, 2)
    """
    made = Trace(prompts, listening.get())
    token, inner = listening.set(made), _counting.set(made)

    def count(event: events.CallStarted) -> None:
        if event.parent is None and _counting.get() is made and not _in_run():
            made.outside += 1

    stop = events.subscribe(count, events.CallStarted)
    try:
        yield made
    finally:
        stop()
        _counting.reset(inner)
        listening.reset(token)


def _in_run() -> bool:
    from ._record import in_flight

    return in_flight()


class LoopRuns(TypeError):
    """A coroutine would have to be waited for where an event loop runs."""


def finish(value: Any) -> Any:
    """Return `value`; if it is a coroutine, what it comes to on an event loop of its own."""
    from inspect import iscoroutine

    if not iscoroutine(value):
        return value
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(cast("Coroutine[Any, Any, Any]", value))
    value.close()
    raise LoopRuns(
        "The function is asynchronous, and an event loop is running here. Ask from another thread: "
        "await asyncio.to_thread(xcs.explain(f), ...). Or watch it: with xcs.trace() as t: await f(...)."
    )


class Explanation(Generic[R]):
    """What one run did, and why. `str()` of it is text to read.

    `graph` is the record of the run, `result` what the function returned, `error` what it raised instead.
    """

    def __init__(self, graph: Graph, result: R | None, error: BaseException | None) -> None:
        self.graph, self.result, self.error = graph, result, error

    def mermaid(self) -> str:
        """Return the calls and what led to what, as a Mermaid flowchart."""
        return self.graph.mermaid()

    def __str__(self) -> str:
        return story(self.graph)

    def __repr__(self) -> str:
        return f"<explanation of {self.graph.function}: {len(self.graph.calls)} calls>"


class Explain(Generic[P, R]):
    """`explain(f)`: call it as `f` to run once and be told what happened. `str()` of it says whether f is lowered."""

    def __init__(self, function: Jitted[P, R]) -> None:
        self._function = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Explanation[R]:
        result: R | None = None
        error: Exception | None = None
        with trace() as seen:
            try:
                function: Any = self._function
                plain = python_function(function)
                if plain is not None and is_generator(plain):
                    function = through(function, plain.__qualname__)
                result = finish(function(*args, **kwargs))
            except LoopRuns:
                raise
            except Exception as failure:
                error = failure
        if not seen.runs:
            raise TypeError(
                f"{self._function!r} was not run as a program of its own: it is called within another one's run, or is "
                "not a plain function or method."
            )
        return Explanation(seen.runs[-1], result, error)

    @property
    def reason(self) -> str:
        """Why the function is run as it is, one call after the other; empty if it is not."""
        return self._function.reason

    def __str__(self) -> str:
        name = getattr(self._function, "__qualname__", repr(self._function))
        plain = python_function(self._function)
        if not self.reason and plain is not None and is_generator(plain):
            return (
                f"{name} is lowered. It is a generator: gone over in a jitted function it is a part of that, elsewhere "
                "each of its steps is a program of its own."
            )
        if not self.reason:
            return f"{name} is lowered: independent external calls in it are under way at once."
        return f"{name} is run as it is, one external call after the other: {self.reason}."


def explain(function: Callable[P, R]) -> Explain[P, R]:
    """Return what explains `function`: called as it is, that runs it once, for real, and returns an `Explanation`.

    An exception of the function is not raised but kept in the explanation.

    >>> from ember import xcs
    >>> @xcs.external
    ... async def ask(question: str) -> str:
    ...     return question.upper()
    >>> def both() -> str:
    ...     return ask("a") + ask("b")
    >>> print(str(xcs.explain(both)()).splitlines()[0][:13])
    both: 2 calls
    """
    return Explain(function if isinstance(function, Jitted) else jit(function))
