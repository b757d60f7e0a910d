"""Recording a run, for whoever listens: what was called, what it waited for, and what forced it to.

Without a recorder a run pays one `is None` a step. With one, each call notes where it stands in the source, which calls
its arguments came from, and what its task had waited for; the `Graph` is made of that when the run is over.

Where a value comes from is kept as *sources*: the number of a call, a pending value of which it is not known yet, or a
tuple of sources, shared and never copied, so that a thousand answers joined into one prompt cost one tuple. What a task
returns comes also from what it had waited for (`Via`).
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from decimal import Decimal
from types import CodeType, FunctionType
from typing import Any, Final

from ember.core import events
from ember.core.externals import External
from ember.core.secrets import scrub

from ._advice import Forced, name_of, why
from ._ir import Call, Edge, EdgeKind, Graph, Outcome, Site, Wait
from ._pending import Entry, Pending
from ._places import place, site_of, way_to
from ._program import NO_CALL, program_of
from ._tasks import Flight, Task

Known = tuple[tuple[int, EdgeKind, int], ...]


class Via:
    """A source: what a task had waited for, which whatever it returns comes after."""

    __slots__ = ("known",)

    def __init__(self, known: Known) -> None:
        self.known = known


Sources = int | Pending | Via | tuple[Any, ...]

_MOST_KNOWN: Final = 24
"""How many of the calls that a task waited for last are kept: the latest bind, earlier ones were over before."""
_MOST_INTO: Final = 256
"""How many calls' answers in the arguments of one are told apart; of more, those that ended last or took longest."""
_LEAST_TEXT: Final = 16
"""Shorter text is not traced by identity: Python shares it between places that have nothing to do with each other."""
_MOST_TEXT: Final = 20_000

_caller: Final = sys._getframe  # pyright: ignore[reportPrivateUsage]  # where in the program a call stands
_flying: ContextVar[tuple[Recorder, int] | None] = ContextVar("ember_flying", default=None)


class _Log:
    """What is noted of one call while the run goes on."""

    __slots__ = (
        "answer", "arguments", "cost", "data", "ended", "error", "external", "input", "key", "known", "model",
        "outcome", "output", "ready", "sent", "site",
    )  # fmt: skip

    def __init__(self, external: External[..., Any], now: float) -> None:
        self.external, self.ready, self.ended = external, now, now
        self.sent: float | None = None
        self.outcome: Outcome = "cancelled"
        self.site: tuple[CodeType, int] | None = None
        self.key: tuple[Any, ...] = ()
        self.error: str | None = None
        self.model: str | None = None
        self.data: Sources = ()
        self.known: Known = ()
        self.input: int | None = None
        self.output: int | None = None
        self.cost: Decimal | None = None
        self.arguments: str | None = None
        self.answer: str | None = None


class Recorder:
    """Notes what a run does, of the first `most` calls.

    `usage`: tokens and cost too, from events; `prompts`: arguments and answers too. `clock` counts seconds.
    """

    def __init__(
        self,
        function: str,
        code: CodeType | None = None,
        *,
        usage: bool = True,
        prompts: bool = False,
        most: int = sys.maxsize,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.function, self.code, self.prompts, self.most = function, code, prompts, most
        self.usage = usage
        self.begun = time.time()
        self.clock = clock or time.perf_counter
        self.start = self.clock()
        self.seconds = 0.0
        self.limit: int | None = None
        self.error: str | None = None
        self.logs: list[_Log] = []
        self.waits: list[Wait] = []
        self.plain: dict[str, str] = {}
        self.ran: dict[str, Site | None] = {}
        self.decisions: dict[Site, int] = {}
        self._sources: dict[int, tuple[Entry, Sources]] = {}
        self._origins: dict[int, tuple[Any, Sources]] = {}
        self._known: dict[Task, Known] = {}
        self._sites: dict[Task, tuple[tuple[CodeType, int] | None, int]] = {}
        self._after: list[frozenset[int]] = []
        self._landed = -1
        self._graph: Graph | None = None
        self._unsubscribe: Callable[[], None] | None = None
        if usage:
            self._unsubscribe = events.subscribe(_charge, events.CallFinished, events.CallFailed)

    def now(self) -> float:
        """Return the seconds since the run began."""
        return self.clock() - self.start

    # Tasks ----------------------------------------------------------------------------------------------------------

    def spawned(self, child: Task, parent: Task) -> None:
        """`child` begins: it stands where it was called, and after what its parent has waited for."""
        known = self._known.get(parent)
        if known:
            self._known[child] = known
        _, frame, _ = place(_caller(2))
        if frame is None:
            self._sites[child] = self._sites.get(parent, (None, 0))
        else:
            path = self._sites[parent][1] if parent in self._sites else 0
            self._sites[child] = (frame.f_code, frame.f_lineno), way_to(path, frame)

    def late(self, child: Task, entry: Entry) -> None:
        """`child` does what `entry` has been waiting to do."""
        self._add(child, self._flat(self.sources(entry)))

    def finished(self, task: Task, value: Any) -> None:
        """A task that had to wait has ended with `value`."""
        result = task.result
        if result is not None:
            self._sources[id(result)] = result, (self.of(value), Via(self._known.get(task, ())))

    # Values ---------------------------------------------------------------------------------------------------------

    def derived(self, result: Entry, args: Iterable[Any]) -> None:
        """`result` will be computed from `args`."""
        self._sources[id(result)] = (
            result,
            tuple(source for arg in args if (source := self.of(arg)) is not _NONE),
        )

    def settled(self, entry: Entry, value: Any) -> None:
        """`entry` has got `value`, which is known from now on by what it is."""
        kind: type[Any] = type(value)
        if isinstance(value, str) and len(value) < _LEAST_TEXT:
            return
        if kind not in _NAMELESS and id(entry) in self._sources:
            self._origins.setdefault(id(value), (value, self._sources[id(entry)][1]))

    def sources(self, entry: Entry) -> Sources:
        """Return the calls that `entry` comes from; itself, if that is not known yet."""
        found = self._sources.get(id(entry))
        if found is None:
            return entry if isinstance(entry, Pending) and not entry.done else _NONE
        return found[1]

    def of(self, value: Any, depth: int = 0) -> Sources:
        """Return the calls that `value` comes from, and what is in it."""
        kind: type[Any] = type(value)
        if kind in _NAMELESS:
            return _NONE
        if isinstance(value, Pending):
            return self.sources(value)
        known = self._origins.get(id(value))
        if known is not None:
            return known[1]
        if depth < 4:
            if kind in _HOLDING:
                items = value.values() if kind is dict else value
                return tuple(source for one in items if (source := self.of(one, depth + 1)) is not _NONE)
            if kind is FunctionType and value.__closure__:
                return _NONE
        return _NONE

    def _flat(self, sources: Sources) -> dict[int, tuple[EdgeKind, int]]:
        """Return the numbers in `sources`, each once, and what makes one come after it: its kind and its wait."""
        found: dict[int, tuple[EdgeKind, int]] = {}
        seen: set[int] = set()
        left: list[Sources] = [sources]
        while left:
            one = left.pop()
            if type(one) is int:
                found[one] = _DATA
            elif id(one) not in seen:
                seen.add(id(one))
                if isinstance(one, tuple):
                    left.extend(one)
                elif isinstance(one, Via):
                    for call, kind, wait in one.known:
                        found.setdefault(call, (kind, wait))
                elif isinstance(one, Pending):
                    known = self._sources.get(id(one))
                    if known is not None:
                        left.append(known[1])
        return found

    # Calls ----------------------------------------------------------------------------------------------------------

    def issued(self, flight: Flight) -> None:
        """A call stands in the program here; its arguments may still be pending."""
        if len(self.logs) >= self.most:
            return
        log = _Log(flight.external, self.now())
        task = flight.run.current
        _, frame, _ = place(_caller(2))
        where, path = self._sites.get(task, (None, 0))
        if frame is not None:
            where = frame.f_code, frame.f_lineno
        log.site = where
        log.key = path if frame is None else way_to(path, frame), where, flight.external.name
        log.data = self.of((*flight.args, *flight.kwargs.values()))
        log.known = self._known.get(task, ())
        index = len(self.logs)
        self.logs.append(log)
        after = {one[0] for one in log.known}
        after.update(list(self._flat(log.data))[-_MOST_KNOWN:])
        self._after.append(frozenset(after))
        self._sources[id(flight)] = flight, index

    def reads(self, task: Task, things: Any) -> None:
        """`task` will make a call of `things`, which are filled in first: here it is known what they come from."""
        self._add(task, self._flat(self.of(things)))

    def ready(self, flight: Flight) -> None:
        """The arguments of a call are there."""
        log = self.log(flight)
        if log is None:
            return
        log.ready = self.now()
        if self.prompts:
            log.arguments = _shown(flight.args, flight.kwargs)

    def sent(self, flight: Flight) -> Any:
        """A call begins. Returns what to give `away` when it is on its way."""
        log = self.log(flight)
        if log is None:
            return None
        log.sent = self.now()
        return _flying.set((self, self._index(flight))) if self.usage else None

    @staticmethod
    def away(token: Any) -> None:
        """The call is on its way, with the context that it was begun in."""
        if token is not None:
            _flying.reset(token)

    def landing(self, flight: Flight) -> None:
        """A call has ended: those that stood back for it may be sent."""
        log = self.log(flight)
        if log is not None and not flight.done:
            log.ended = self.now()

    def landed(self, flight: Flight, value: Any, error: BaseException | None) -> None:
        """A call has ended."""
        log = self.log(flight)
        if log is None or flight.done:  # done: it was cancelled before
            return
        self._landed = self._index(flight)
        if error is None:
            log.outcome = "answered"
            if self.prompts:
                log.answer = _cut(scrub(str(value)))
        else:
            log.outcome, log.error = "failed", type(error).__name__

    def cancelled(self, flight: Flight) -> None:
        """A call stands after a failure: it counts no more."""
        log = self.log(flight)
        if log is not None:
            log.ended = self.now()

    def log(self, flight: Flight) -> _Log | None:
        """Return what is noted of a call; None if there were too many before it."""
        index = self._index(flight)
        return self.logs[index] if index >= 0 else None

    def _index(self, flight: Flight) -> int:
        found = self._sources.get(id(flight))
        return found[1] if found is not None and type(found[1]) is int else -1

    # Waiting --------------------------------------------------------------------------------------------------------

    def holds(self, task: Task, entry: Entry) -> Held:
        """`task` is about to wait for `entry`. Returns what `resumed` needs."""
        hook, frame, behind = place(_caller(2))
        forced = why(hook, behind, task)
        at = self._sites.get(task, (None, 0))[0] if frame is None else (frame.f_code, frame.f_lineno)
        found: dict[int, tuple[EdgeKind, int]] = {}
        self._waited_for(entry, found, 0)
        return Forced(forced.kind, forced.construct, forced.advice, at), found, self.now()

    def _waited_for(self, entry: Entry | None, found: dict[int, tuple[EdgeKind, int]], depth: int) -> None:
        if isinstance(entry, Pending):
            found.update(self._flat(self.sources(entry)))
        elif isinstance(entry, Task) and depth < 50:
            inner = entry.first
            while inner is not None and len(found) < _MOST_INTO:
                self._waited_for(inner, found, depth + 1)
                inner = inner.next

    def resumed(self, task: Task, entry: Entry, held: Held) -> None:
        """`task` goes on: `entry` is there, or has failed."""
        if task.dead:
            return
        forced, found, began = held
        if isinstance(entry, Pending):
            found = self._flat(self.sources(entry))
        if self._landed >= 0 and (forced.kind == "order" or not found):
            found.setdefault(self._landed, _DATA)
        calls = [one for one in found if self.logs[one].outcome != "cancelled"]
        calls.sort(key=lambda one: self.logs[one].ended)
        index = len(self.waits)
        site = site_of(forced.at)
        value = _named([self.logs[one].external.name for one in calls])
        self.waits.append(
            Wait(index, site, forced.kind, forced.construct, value, began, self.now(), forced.advice)
        )
        here = forced.kind, index
        self._add(
            task, {one: found[one] if found[one][0] == "order" else here for one in calls[-_MOST_KNOWN:]}
        )

    def _add(self, task: Task, calls: dict[int, tuple[EdgeKind, int]]) -> None:
        if not calls:
            return
        behind: set[int] = set(calls)
        for one in calls:
            behind |= self._after[one]
        kept = [one for one in self._known.get(task, ()) if one[0] not in behind]
        kept.extend((one, *how) for one, how in calls.items())
        self._known[task] = tuple(kept[-_MOST_KNOWN:])

    def decided(self, value: Pending) -> None:
        """A decision looks at `value`, which is an answer or made of one."""
        _, frame, _ = place(_caller(2))
        if frame is not None and (site := site_of((frame.f_code, frame.f_lineno))) is not None:
            self.decisions[site] = self.decisions.get(site, 0) + 1

    def really(self, function: Any, task: Task) -> None:
        """A function of which nothing is known is about to be called; or one that is run as it is."""
        name = name_of(function)
        if type(function) is FunctionType and str(function.__module__).startswith("ember."):
            return
        if type(function) is FunctionType:
            self.as_is(name, program_of(function).reason)
        if name not in self.ran:
            self.ran[name] = site_of(self._sites.get(task, (None, 0))[0])

    def as_is(self, name: str, reason: str) -> None:
        """A function of the user's is run as it is."""
        if reason and reason != NO_CALL:
            self.plain.setdefault(name, reason)

    # The end --------------------------------------------------------------------------------------------------------

    def close(self, error: BaseException | None = None) -> None:
        """The run is over."""
        self.seconds = self.now()
        self.error = None if error is None else type(error).__name__
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._graph = self.graph()
        self._sources.clear()
        self._origins.clear()
        self._known.clear()
        self._sites.clear()

    def graph(self) -> Graph:
        """Return the record of the run so far."""
        if self._graph is not None:
            return self._graph
        calls = tuple(self._call(index, log) for index, log in enumerate(self.logs))
        edges: list[Edge] = []
        flat: dict[int, dict[int, tuple[EdgeKind, int]]] = {}
        for index, log in enumerate(self.logs):
            sources = flat.get(id(log.data))
            if sources is None:
                sources = self._flat(log.data)
                if len(sources) > _MOST_INTO:
                    last = sorted(sources, key=lambda one: (self.logs[one].ended, one))[-_MOST_INTO // 2 :]
                    longest = sorted(sources, key=lambda one: calls[one].seconds)[-_MOST_INTO // 2 :]
                    sources = {one: sources[one] for one in sorted({*last, *longest})}
                flat[id(log.data)] = sources
            into: dict[int, Edge] = {}
            known: list[tuple[int, tuple[EdgeKind, int]]] = [
                (one, (kind, wait)) for one, kind, wait in log.known
            ]
            for one, (kind, wait) in (*sources.items(), *known):
                if one not in into and self._before(one, log):
                    into[one] = Edge(one, index, kind, wait if wait >= 0 else None)  # pyright: ignore[reportArgumentType]
            edges.extend(into[one] for one in sorted(into))
        plain = tuple(sorted(self.plain.items()))
        site = None if self.code is None else site_of((self.code, self.code.co_firstlineno))
        return Graph(
            self.function, site, self.begun, self.seconds, calls, tuple(edges), tuple(self.waits), plain, self.limit,
            self.error,
        )  # fmt: skip

    def _before(self, one: int, log: _Log) -> bool:
        source = self.logs[one]
        return source.outcome != "cancelled" and source.ended <= (log.ready if log.sent is None else log.sent)

    def _call(self, index: int, log: _Log) -> Call:
        external = log.external
        return Call(
            index, external.name, external.kind, site_of(log.site), log.ready, log.sent, max(log.ended, log.ready),
            log.outcome, log.error, log.model, log.input, log.output, log.cost, log.arguments, log.answer,
        )  # fmt: skip

    def left(self, flight: Flight, plan: dict[Any, float]) -> float:
        """Return the seconds left from a call on, by what was last recorded of its place; 0 if that is not known."""
        log = self.log(flight)
        key = () if log is None else log.key
        left = plan.get(key)
        return plan.get(key[1:], 0.0) if left is None else left

    def plan(self) -> dict[Any, float]:
        """Return the seconds that were left from calls of each place on, by the place and the way there."""
        left = self.graph().remaining()
        plan: dict[Any, float] = {}
        for index, log in enumerate(self.logs):
            if log.outcome == "answered":
                for key in (log.key, log.key[1:]):
                    plan[key] = max(plan.get(key, 0.0), left[index])
        return plan


def _charge(event: events.CallFinished | events.CallFailed) -> None:
    """Note what a call used. Runs where the call does, in the context that it was begun in."""
    flying = _flying.get()
    if flying is None or (event.usage is None and event.cost is None and event.kind != "model"):
        return
    recorder, index = flying
    log = recorder.logs[index]
    if isinstance(event, events.CallFinished) and event.kind == "model":
        log.model = event.name
    if event.usage is not None:
        log.input = _sum(log.input, event.usage.input_tokens)
        log.output = _sum(log.output, event.usage.output_tokens)
    if event.cost is not None:
        log.cost = event.cost if log.cost is None else log.cost + event.cost


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


_NONE: Final[
    tuple[Any, ...]
] = ()  # compared by identity: a source may be a pending value, which comparing forces
_DATA: Final[tuple[EdgeKind, int]] = ("data", -1)
Held = tuple[Forced, dict[int, tuple[EdgeKind, int]], float]
_NAMELESS: Final = frozenset({int, float, bool, complex, type(None), type, range, slice, bytes})
_HOLDING: Final = frozenset({list, tuple, dict, set, frozenset})


def _named(names: list[str]) -> str:
    if not names:
        return "something before it"
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    shown = [name if count == 1 else f"{name} ×{count}" for name, count in list(counts.items())[:4]]
    more = len(counts) - len(shown)
    return (
        ("the answer of " if len(names) == 1 else "the answers of ")
        + ", ".join(shown)
        + (f" and {more} more" if more > 0 else "")
    )


def _shown(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    parts = [str(arg) if isinstance(arg, str) else repr(arg) for arg in args]
    parts += [f"{name}={value!r}" for name, value in kwargs.items()]
    return _cut(scrub("\n".join(parts)))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + " …"


def in_flight() -> bool:
    """Whether the code that asks runs in a call that is being recorded."""
    return _flying.get() is not None
