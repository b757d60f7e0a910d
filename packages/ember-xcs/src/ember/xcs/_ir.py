"""What one run did: its external calls, what each of them waited for, and what that cost.

A `Graph` is data: frozen, comparable, printable, and able to check itself. Times are seconds since the run began.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from ._errors import XCSError

Outcome = Literal["answered", "failed", "cancelled"]
EdgeKind = Literal["data", "decision", "order"]
_SLACK: Final = 1e-6


class BrokenGraph(XCSError):
    """A graph contradicts itself. `problems` says how, a line each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "This graph contradicts itself:\n" + "\n".join(self.problems)


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the user's source."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file.replace(chr(92), '/').rsplit('/', 1)[-1]}:{self.line} in {self.function}"


@dataclass(frozen=True, slots=True)
class Call:
    """One external call. `model` is the one that answered, as told by events; tokens and `cost` (US dollars) likewise.

    `ready` is when its arguments were there, `sent` when it was begun (later, where a limit binds; None: never),
    `ended` when it answered, failed or was cancelled. None for tokens and cost means not known. `arguments` and
    `answer` are kept only where that was asked for.
    """

    index: int
    name: str
    kind: str
    site: Site | None
    ready: float
    sent: float | None
    ended: float
    outcome: Outcome = "answered"
    error: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: Decimal | None = None
    arguments: str | None = None
    answer: str | None = None

    @property
    def seconds(self) -> float:
        """How long it was under way."""
        return 0.0 if self.sent is None else self.ended - self.sent

    @property
    def label(self) -> str:
        """The model that answered, or the name of the function."""
        return self.model or self.name


@dataclass(frozen=True, slots=True)
class Edge:
    """The call `target` was sent after the call `source` had ended, because of it.

    "data": the answer went into its arguments. "decision": code chose by the answer. "order": an effect had to come
    first. `wait` is the index of the wait that made it so, if the program waited.
    """

    source: int
    target: int
    kind: EdgeKind
    wait: int | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A place where the program held still: `construct` needed `value`, or had to come after it.

    `advice` says what to write for it to hold up less; empty where nothing is held up needlessly.
    """

    index: int
    site: Site | None
    kind: EdgeKind
    construct: str
    value: str
    began: float
    ended: float
    advice: str = ""

    @property
    def seconds(self) -> float:
        """How long it waited."""
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Path:
    """Calls that had to come one after the other, and how long they took together, in seconds."""

    seconds: float
    calls: tuple[Call, ...]

    def __str__(self) -> str:
        return f"{_time(self.seconds)}: " + (" → ".join(_folded(self.calls)) or "no call")


@dataclass(frozen=True, slots=True)
class Spent:
    """What calls of one model (or external function) used together. `unpriced` counts those whose cost is not known."""

    name: str
    calls: int
    seconds: float
    input_tokens: int
    output_tokens: int
    cost: Decimal
    unpriced: int


@dataclass(frozen=True, slots=True)
class Graph:
    """The record of one run of `function`. `seconds` is how long the run took, `started` seconds since the epoch.

    `plain` names functions that were run as they are, with the reason. `limit` is the `max_concurrency` in force.
    """

    function: str
    site: Site | None
    started: float
    seconds: float
    calls: tuple[Call, ...]
    edges: tuple[Edge, ...]
    waits: tuple[Wait, ...] = ()
    plain: tuple[tuple[str, str], ...] = ()
    limit: int | None = None
    error: str | None = None

    # What follows from it -------------------------------------------------------------------------------------------

    @property
    def work(self) -> float:
        """Seconds that all calls took together: how long they take one after the other."""
        return sum(call.seconds for call in self.calls)

    @property
    def critical_path(self) -> Path:
        """The calls that decided how long the run had to take, whatever the number of calls under way at once."""
        return self._path(("data", "decision", "order"))

    @property
    def data_path(self) -> Path:
        """As `critical_path`, had no effect been kept in order: what is left when all advice is followed."""
        return self._path(("data", "decision"))

    @property
    def achieved(self) -> float:
        """How many times as fast as one call after the other the run was."""
        return self.work / self.seconds if self.seconds and self.calls else 1.0

    @property
    def possible(self) -> float:
        """How many times as fast it could be with nothing but the critical path, and no limit."""
        path = self.critical_path.seconds
        return self.work / path if path else 1.0

    @property
    def cost(self) -> Decimal:
        """US dollars that calls of known price cost together."""
        return sum((call.cost for call in self.calls if call.cost is not None), Decimal(0))

    def spent(self) -> tuple[Spent, ...]:
        """Return what was used by model or external function, the dearest first."""
        return spent(self.calls)

    def held(self, wait: Wait) -> tuple[Call, ...]:
        """Return the calls that were sent only after `wait`."""
        return tuple(
            self.calls[place] for place in sorted({e.target for e in self.edges if e.wait == wait.index})
        )

    def forced(self) -> tuple[tuple[Wait, int], ...]:
        """Return the waits that held calls up and how many of them, kept orders first, then the longest."""
        counts: dict[int, set[int]] = defaultdict(set)
        for edge in self.edges:
            if edge.wait is not None:
                counts[edge.wait].add(edge.target)
        found = [(self.waits[index], len(targets)) for index, targets in counts.items()]
        return tuple(sorted(found, key=lambda one: (one[0].kind != "order", -one[0].seconds, one[0].index)))

    def remaining(self) -> tuple[float, ...]:
        """Return for each call the seconds of the longest path that begins with it."""
        after: dict[int, list[int]] = defaultdict(list)
        for edge in self.edges:
            after[edge.source].append(edge.target)
        left = [0.0] * len(self.calls)
        for place in reversed(self.order()):
            left[place] = self.calls[place].seconds + max((left[one] for one in after[place]), default=0.0)
        return tuple(left)

    def _path(self, kinds: Sequence[EdgeKind]) -> Path:
        before: dict[int, list[int]] = defaultdict(list)
        for edge in self.edges:
            if edge.kind in kinds:
                before[edge.target].append(edge.source)
        length, last = [0.0] * len(self.calls), [-1] * len(self.calls)
        for place in self.order():
            for one in before[place]:
                if length[one] > length[place]:
                    length[place], last[place] = length[one], one
            length[place] += self.calls[place].seconds
        if not length:
            return Path(0.0, ())
        place = max(range(len(length)), key=length.__getitem__)
        seconds, calls = length[place], [self.calls[place]]
        while (place := last[place]) >= 0:
            calls.append(self.calls[place])
        return Path(seconds, tuple(reversed(calls)))

    def order(self) -> list[int]:
        """Return the calls' indexes, each source before its targets; not all of them if there is a circle."""
        after: dict[int, list[int]] = defaultdict(list)
        waiting = [0] * len(self.calls)
        for edge in self.edges:
            after[edge.source].append(edge.target)
            waiting[edge.target] += 1
        order = [place for place, count in enumerate(waiting) if not count]
        for place in order:  # grows meanwhile
            for one in after[place]:
                waiting[one] -= 1
                if not waiting[one]:
                    order.append(one)
        return order

    # The graph itself -----------------------------------------------------------------------------------------------

    def check(self) -> Graph:
        """Return this graph. Raises `BrokenGraph` if an index is not there, times run back or edges in a circle."""
        problems: list[str] = []
        for place, call in enumerate(self.calls):
            if call.index != place:
                problems.append(f"Call {place} says that it is call {call.index}.")
            if call.sent is not None and not call.ready - _SLACK <= call.sent <= call.ended + _SLACK:
                problems.append(
                    f"Call {place} was sent at {call.sent}, ready at {call.ready}, over at {call.ended}."
                )
            if (call.outcome == "failed") != (call.error is not None):
                problems.append(f"Call {place} {call.outcome}, with the error {call.error}.")
        count = len(self.calls)
        for edge in self.edges:
            if not (0 <= edge.source < count and 0 <= edge.target < count):
                problems.append(f"There is no call at one end of {edge}.")
            elif (sent := self.calls[edge.target].sent) is not None and sent + _SLACK < self.calls[
                edge.source
            ].ended:
                problems.append(
                    f"Call {edge.target} was sent before call {edge.source} had ended, which it needs."
                )
            if edge.wait is not None and not 0 <= edge.wait < len(self.waits):
                problems.append(f"There is no wait of {edge}.")
        for place, wait in enumerate(self.waits):
            if wait.index != place or wait.ended + _SLACK < wait.began:
                problems.append(f"Wait {place} is out of order: {wait}")
        if not problems and len(self.order()) < count:
            problems.append("Calls wait for each other in a circle.")
        if problems:
            raise BrokenGraph(tuple(problems))
        return self

    def __str__(self) -> str:
        lines = [f"{self.function}: {_count(len(self.calls), 'call')} in {_time(self.seconds)}"]
        into: dict[int, list[Edge]] = defaultdict(list)
        for edge in self.edges:
            into[edge.target].append(edge)
        for call in self.calls:
            deps = ", ".join(f"{edge.source} ({edge.kind})" for edge in into[call.index])
            span = "not sent" if call.sent is None else f"{_time(call.sent)} + {_time(call.seconds)}"
            end = "" if call.outcome == "answered" else f" {call.error or call.outcome}"
            lines.append(
                f"{call.index:4} {call.label:24} {span:20}{end} {call.site or ''}{' after ' + deps if deps else ''}"
            )
        return "\n".join(lines)

    def mermaid(self, limit: int = 80) -> str:
        """Return the graph as a Mermaid flowchart: what went into what, decisions dashed, kept orders dotted.

        Equal siblings (same place, same neighbours) are one box. Past `limit` boxes, those of the critical path stay.
        """
        from ._fold import fold

        return fold(self).mermaid(limit)


def spent(calls: Iterable[Call]) -> tuple[Spent, ...]:
    """Return what `calls` used by model or external function, the dearest first."""
    by: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.sent is not None:
            by[call.label].append(call)
    made = [
        Spent(
            name,
            len(those),
            sum(call.seconds for call in those),
            sum(call.input_tokens or 0 for call in those),
            sum(call.output_tokens or 0 for call in those),
            sum((call.cost for call in those if call.cost is not None), Decimal(0)),
            sum(call.cost is None for call in those if call.kind == "model"),
        )
        for name, those in by.items()
    ]
    return tuple(sorted(made, key=lambda one: (-one.cost, -one.seconds, one.name)))


def _folded(calls: Iterable[Call]) -> list[str]:
    names: list[tuple[str, int]] = []
    for call in calls:
        if names and names[-1][0] == call.label:
            names[-1] = (call.label, names[-1][1] + 1)
        else:
            names.append((call.label, 1))
    return [name if count == 1 else f"{name} ×{count}" for name, count in names]


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
