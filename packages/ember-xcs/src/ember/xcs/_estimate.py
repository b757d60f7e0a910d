"""`estimate`: what a run would take, before money is spent.

The program runs, and its external calls are answered by a stand-in at once, on a clock of its own that goes forward by
what each call would take. So calls overlap as they would, and nothing is sent.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from heapq import heappop, heappush
from types import CodeType, NoneType
from typing import Any, Final, Generic, ParamSpec, cast, get_origin, get_type_hints

from ember.core.concurrency import one_by_one
from ember.core.externals import Estimate, External, handling

from ._grad import differentiating
from ._ir import Graph, Path, Spent
from ._jit import Jitted, jit, listening, python_function
from ._record import Recorder
from ._run import Run, local
from ._story import dollars, seconds
from ._tasks import Flight
from ._trace import LoopRuns, finish

__ember_lower__ = (
    True  # the lambda below stands for callables that are no functions: it must not hold their calls up
)

P = ParamSpec("P")
_MOST_TEXT: Final = 4_000
_CHARACTERS: Final = 4
"""Characters of a token, roughly."""
_MOST_TOLD: Final = 12


@dataclass(frozen=True, slots=True)
class Estimated:
    """What a run would take. `graph` is the run as it would go, in seconds of its own clock.

    `unknown` says what could not be known, a sentence each: read it before trusting the numbers.
    """

    graph: Graph
    unknown: tuple[str, ...]

    @property
    def calls(self) -> int:
        """How many external calls would be made."""
        return len(self.graph.calls)

    @property
    def input_tokens(self) -> int:
        """Tokens sent, of calls that can tell."""
        return sum(call.input_tokens or 0 for call in self.graph.calls)

    @property
    def output_tokens(self) -> int:
        """Tokens answered, of calls that can tell."""
        return sum(call.output_tokens or 0 for call in self.graph.calls)

    @property
    def cost(self) -> Decimal:
        """US dollars, of calls whose price is known."""
        return self.graph.cost

    @property
    def seconds(self) -> float:
        """How long the run would take."""
        return self.graph.seconds

    @property
    def critical_path(self) -> Path:
        """The calls that would decide how long it has to take."""
        return self.graph.critical_path

    def spent(self) -> tuple[Spent, ...]:
        """Return what would be used by model or external function, the dearest first."""
        return self.graph.spent()

    def __str__(self) -> str:
        lines = [
            f"{self.graph.function} would make {self.calls:,} call{'' if self.calls == 1 else 's'}: "
            f"{self.input_tokens:,} tokens in, {self.output_tokens:,} out, {dollars(self.cost)}, "
            f"{seconds(self.seconds)} (one after the other {seconds(self.graph.work)})"
        ]
        for one in self.spent():
            price = "price unknown" if one.unpriced == one.calls else dollars(one.cost)
            tokens = (
                f", {one.input_tokens:,} tokens in, {one.output_tokens:,} out, {price}"
                if one.input_tokens
                else ""
            )
            lines.append(f"  {one.name}: {one.calls:,} × {seconds(one.seconds / one.calls)}{tokens}")
        lines.append(f"Critical path, {self.critical_path}")
        if self.unknown:
            lines += ["What it could not know:", *(f"  {one}" for one in self.unknown)]
        return "\n".join(lines)


class Answer(str):
    """The stand-in for a model's answer: text, of about as many tokens as were estimated."""

    @property
    def text(self) -> str:
        """The text itself."""
        return str(self)


class Enough(BaseException):
    """More calls than an estimate counts."""


class _Given:
    """An answer that is there already, in the place of a call on its way."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def result(self) -> Any:
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value

    def cancel(self) -> None:
        """There is nothing to end."""


class _Agenda:
    """Calls by when they would end; the clock goes from one to the next."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Flight]] = []
        self._count = 0

    def add(self, flight: Flight, seconds: float) -> None:
        self._count += 1
        heappush(self._due, (self.now + seconds, self._count, flight))

    def get(self) -> Flight:
        self.now, _, flight = heappop(self._due)
        return flight

    def __bool__(self) -> bool:
        return bool(self._due)


class Rehearsal(Run):
    """A run whose external calls are answered by a stand-in, on a clock of its own."""

    def __init__(self, terms: Terms) -> None:
        super().__init__()
        self.terms = terms
        self.agenda = _Agenda()

    def start(self, flight: Flight) -> None:
        """Answer a call, after what it would take."""
        terms = self.terms
        if self.calls > terms.most:
            flight.job = _Given(
                Enough()
            )  # the program's failure at this place: what stands before it is counted
            self.agenda.add(flight, 0.0)
            return
        external, args, kwargs = flight.external, flight.args, flight.kwargs
        estimate = terms.estimate(external, args, kwargs)
        record = self.record
        assert record is not None
        log = record.log(flight)
        assert log is not None
        log.input, log.output, log.cost = estimate.input_tokens, estimate.output_tokens, estimate.cost
        if external.name == "models" and args and isinstance(args[0], str):
            log.model = args[0]
        flight.job = _Given(terms.answer(external, args, kwargs, estimate))
        self.agenda.add(flight, terms.seconds if estimate.seconds is None else estimate.seconds)

    def _await_arrival(self) -> None:
        if self.agenda:
            self._land(
                self.agenda.get()
            )  # one at a time: what follows from it begins before the clock goes on
        else:
            super()._await_arrival()

    def call(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a blocking call; never for real, whichever thread it is made on."""
        if self.elsewhere() or self.over:
            return self._at_once(external, args, kwargs)
        return super().call(external, args, kwargs)

    async def acall(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer an awaited call."""
        return self._at_once(external, args, kwargs)

    def gather(
        self, thunks: Iterable[Callable[[], Any]], limit: int | None, return_exceptions: bool = False
    ) -> list[Any]:
        """Run thunks as tasks; those of other threads one after the other."""
        if self.elsewhere() or self.over:
            return one_by_one(thunks, return_exceptions)
        return super().gather(thunks, limit, return_exceptions)

    def elsewhere(self) -> bool:
        """Whether this is not the run's thread."""
        return threading.get_ident() != self.thread

    def _at_once(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        terms = self.terms
        terms.note(
            f"{external.name} is also called by asynchronous code or other threads: those calls are not counted."
        )
        return _Given(terms.answer(external, args, kwargs, terms.estimate(external, args, kwargs))).result()


class Terms:
    """What is taken for granted of the calls of one estimate, and what turned out not to be known."""

    def __init__(self, answers: Mapping[str, Any], seconds: float, tokens: int, most: int) -> None:
        self.answers, self.seconds, self.tokens, self.most = answers, seconds, tokens, most
        self.unknown: dict[str, None] = {}
        self.record: Recorder | None = None

    def note(self, sentence: str) -> None:
        """Remember something that is not known, once."""
        self.unknown[sentence] = None

    # As a listener
    def begins(self, function: str, code: CodeType) -> tuple[Run, Recorder]:
        """A run begins: it is a rehearsal."""
        run = Rehearsal(self)
        return run, Recorder(function, code, usage=False, most=self.most, clock=lambda: run.agenda.now)

    def ended(self, record: Recorder) -> None:
        """It has ended."""
        self.record = record

    def estimate(
        self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Estimate:
        """Return what a call would use, as the external itself says."""
        name = external.name
        try:
            found = external.estimate(*args, **kwargs)
            if found is not None and found.output_tokens is None and external.kind == "model":
                self.note(
                    f"{name}: how long its answers are (no max_tokens). {self.tokens:,} tokens were taken."
                )
                found = external.estimate(*args, **{**kwargs, "max_tokens": self.tokens})
        except Exception as error:  # an external's own code: whatever it does wrong, the call can be counted
            self.note(f"{name}: its estimate failed with {type(error).__name__}.")
            found = None
        if found is None:
            found = Estimate()
        if external.kind == "model" and found.input_tokens is None:
            self.note(f"{name}: its tokens.")
        if external.kind == "model" and found.cost is None:
            which = f" {args[0]}" if name == "models" and args and isinstance(args[0], str) else ""
            self.note(f"{name}{which}: its price.")
        if found.seconds is None:
            self.note(f"{name}: how long it takes. {seconds(self.seconds)} was taken.")
        return found

    def answer(
        self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], estimate: Estimate
    ) -> Any:
        """Return the stand-in for an answer: what the caller gave for it, or something of the right type."""
        name = external.name
        for known in (name, name.rsplit(".", 1)[-1]):
            if known in self.answers:
                given = self.answers[known]
                return given(*args, **kwargs) if callable(given) else given
        tokens = self.tokens if estimate.output_tokens is None else estimate.output_tokens
        text = Answer(
            ("stand-in " * (tokens * _CHARACTERS // 9 + 1))[: min(tokens * _CHARACTERS, _MOST_TEXT)].strip()
        )
        if external.kind == "model":
            return text
        kind = _returned(external)
        if kind in _EMPTY:
            return _EMPTY[kind]
        if kind in (list, tuple, set, frozenset):
            self.note(f"{name}: how many items it returns. One text was taken.")
            return cast(Any, kind)([text])
        if kind is dict:
            self.note(f"{name}: what is in the dict it returns. An empty one was taken.")
            return {}
        if kind is not str:
            self.note(
                f"{name}: what it returns. Text was taken; give `answers={{{name.rsplit('.', 1)[-1]!r}: ...}}`."
            )
        return text


_EMPTY: Final[dict[Any, Any]] = {int: 0, float: 0.0, bool: False, NoneType: None, bytes: b"", complex: 0j}


def _returned(external: External[..., Any]) -> Any:
    function = getattr(external, "__wrapped__", None)
    try:
        kind = get_type_hints(function).get("return")
    except Exception:  # annotations may name anything, and be wrong
        return None
    return get_origin(kind) or kind


class Estimator(Generic[P]):
    """`estimate(f)`: call it as `f`."""

    def __init__(self, function: Callable[P, Any], terms: Callable[[], Terms]) -> None:
        self._function, self._terms = function, terms

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Estimated:
        if local.run is not None or differentiating():
            raise TypeError(
                "An estimate cannot be made inside a jitted function, or while a gradient is taken."
            )
        terms, function = self._terms(), self._function
        program: Callable[[], Any]
        if python_function(function) is None:
            program = jit(lambda: function(*args, **kwargs))
        else:
            jitted: Any = function if isinstance(function, Jitted) else jit(function)
            program = partial(jitted, *args, **kwargs)
        token = listening.set(terms)
        stopped: str | None = None
        try:
            with redirect_stdout(io.StringIO()), handling(None):
                finish(program())
        except Enough:
            stopped = (
                f"How it goes on: it was stopped after {terms.most:,} calls. Loops may be bounded by answers; "
                "`max_calls` is how far to look."
            )
        except LoopRuns:
            raise
        except Exception as error:  # the program's own, on an answer that is none
            stopped = (
                f"How it goes on: it ended with {type(error).__name__}: {error}. An answer made up is not what it "
                "expects; give one with `answers={name: value or function}`."
            )
        finally:
            listening.reset(token)
        record = terms.record
        assert record is not None
        return Estimated(_named(record.graph(), function), tuple(_unknown(record, terms, stopped)))


def _named(graph: Graph, function: Any) -> Graph:
    return replace(graph, function=getattr(function, "__qualname__", None) or repr(function))


def _unknown(record: Recorder, terms: Terms, stopped: str | None) -> list[str]:
    told = [] if stopped is None else [stopped]
    told += terms.unknown
    for site, times in list(record.decisions.items())[:_MOST_TOLD]:
        often = "once" if times == 1 else f"{times:,} times"
        told.append(
            f"{site}: which way it goes depends on answers ({often}). The way of the stand-in's was counted."
        )
    if len(record.decisions) > _MOST_TOLD:
        told.append(f"and {len(record.decisions) - _MOST_TOLD} more decisions on answers.")
    for name, ran in list(record.ran.items())[:_MOST_TOLD]:
        told.append(f"{name}{f', called at {ran}' if ran is not None else ''}: it was called for real.")
    for name, reason in record.plain.items():
        told.append(f"{name} is run as it is ({reason}): its calls were taken one after the other.")
    return told


def estimate(
    function: Callable[P, Any],
    /,
    *,
    answers: Mapping[str, Any] | None = None,
    seconds: float = 1.0,
    output_tokens: int = 256,
    max_calls: int = 10_000,
) -> Estimator[P]:
    """Return what estimates `function`: called as the function is, it says what a run would take, and makes no call.

    External calls are answered by a stand-in: `answers` by the external's name (a value, or a function of the call's
    arguments), else by text or something empty of the annotated type. Where an external cannot say, a call takes
    `seconds` and a model answers `output_tokens`; after `max_calls` the program is stopped.

    The program itself does run: what it prints is dropped, but files it writes are written, and work that is not marked
    `external` is done. `Estimated.unknown` names such functions, the decisions that hang on answers, and what else
    could not be known.

    >>> from ember import xcs
    >>> @xcs.external
    ... async def ask(question: str) -> str:
    ...     raise ConnectionError("this costs money")
    >>> def both() -> str:
    ...     return ask(ask("a") + ask("b"))
    >>> found = xcs.estimate(both, seconds=2.0)()
    >>> found.calls, found.seconds
    (3, 4.0)
    """
    if not callable(function):
        raise TypeError(f"xcs.estimate takes a function, not a {type(function).__name__}.")
    given = dict(answers or {})
    return Estimator(function, lambda: Terms(given, seconds, output_tokens, max_calls))
