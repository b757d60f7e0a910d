"""The logs of a run: what was begun and has not succeeded yet, in program order, and what follows when it ends."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from greenlet import getcurrent, greenlet

from ember.core.collector import Unhurried
from ember.core.loop import IOLoop

from ._pending import Entry, Pending
from ._tasks import (
    Abandoned,
    Flight,
    Line,
    Scope,
    Task,
    owner_of,
)

if TYPE_CHECKING:
    from ._drive import Drive
    from ._interrupts import Guard
    from ._record import Recorder


_MANY: Final = 1_000
"""From so many calls and tasks on, the collector looks less often: all that waits is alive, and it looks in vain."""

_unhurried: Final = Unhurried(10_000, 10, 10)


class Log:
    """What a run knows of itself, and the logs of its tasks."""

    def __init__(self, max_concurrency: int | None = None, drive: Drive | None = None) -> None:
        self.drive = drive
        self.thread = threading.get_ident()
        self.outermost = Scope(None)
        self.root = self.current = Task(None, self.outermost, "the program")
        self.limit = max_concurrency
        self.record: Recorder | None = None
        """Notes what happens, if somebody listens."""
        self.plan: dict[Any, float] | None = None
        """Seconds left from calls of a place on, as last recorded: where a limit binds, the longest path goes first."""
        self.suspended: dict[Task, None] = {}
        self.writers = Line()
        self.guessing, self.altering = Line(), Line()
        """Tasks with inputs of which it is not known yet what they are; and those that may change such inputs."""
        self.changing: dict[int, Line] = {}
        self.reading: dict[int, Line] = {}
        self.keeping: dict[int, dict[Task, None]] = {}
        """Stores that wait, and what they store into."""
        self.within: dict[int, frozenset[int]] = {}
        """Of what was put into something that tasks wait for: what it was put into."""
        self.filtered: dict[int, tuple[Pending, list[Any]]] = {}
        """Of pending lists that are still being filtered: what may be in them, in order."""
        self.in_flight = self.turns = 0
        self.calls = 0
        self._seq = 0
        self.many = False
        self._ready: deque[Task] = deque()
        self._queued: list[tuple[float, int, Flight]] = []
        self._arrived: SimpleQueue[Pending] = SimpleQueue()
        self._landing: deque[Pending] = deque()
        self.guard: Guard | None = None
        """Takes SIGINT while a run of the main thread goes on, from its first call."""
        self.coroutines: dict[int, Any] = {}
        self._firing = False
        self._fire: deque[Entry] = deque()
        self._idle: list[greenlet] = []
        self.hub: greenlet | None = None
        self._main = getcurrent()
        self._mother: greenlet | None = None
        self._io: IOLoop | None = None
        self.root.fiber = self._main
        self.fresh: dict[int, Any] = {}
        self.tuples: dict[int, tuple[tuple[Any, ...], tuple[Any, ...]]] = {}
        """Tuples in which something was pending, and what has taken their place."""
        self.waited = 0
        """How often anything has waited: unchanged, nothing else can have run meanwhile."""
        self._sweep_at = 10_000
        self.stepping = False
        """Whether it has made iterators."""
        self.nested = 0
        """How many calls that need no task stand on the stack."""
        self.over = False
        self.interruption: tuple[BaseException | None, set[Task]] = None, set()
        """What interrupted the run last, and the tasks it came into, from the root on."""

    def note(self, entry: Entry, task: Task | None = None) -> None:
        """Put `entry` at the end of the log of the running task."""
        task = self.current if task is None else task
        self._seq += 1
        entry.seq, entry.owner = self._seq, task
        last = task.last
        if last is None:
            task.first = entry
        else:
            last.next = entry
            entry.prev = last
        task.last = entry
        if self._seq >= _MANY and not self.many:
            self.many = True
            _unhurried.enter()

    def _strike(self, entry: Entry) -> None:
        """Take `entry`, which succeeded or was ended, out of its log."""
        owner = owner_of(entry)
        if owner is None:
            return
        before, after = entry.prev, entry.next
        if before is None:
            owner.first = after
        else:
            before.next = after
        if after is None:
            owner.last = before
        else:
            after.prev = before
        entry.owner = entry.prev = entry.next = None
        if before is None:
            if after is not None:
                if after.error is not None:
                    self._earliest(after)
            elif owner.finished and owner.error is None and owner.owner is not None:
                self._strike(owner)  # nothing of it is left that could fail
                self._wake(owner)

    def _take_over(self, parent: Task, child: Task) -> None:
        """Put what is left of `child`'s log in its place, at the end of `parent`'s."""
        before = child.prev
        child.owner = child.prev = None
        parent.last = before
        if before is None:
            parent.first = None
        else:
            before.next = None
        first, child.first = child.first, None
        if first is None:
            return
        child.merged = parent
        if before is None:
            parent.first = first
        else:
            before.next = first
            first.prev = before
        parent.last, child.last = child.last, None

    def set(self, entry: Entry, value: Any, error: BaseException | None = None) -> None:
        """Give `entry` its value or its error, and everything that waits for it what follows from that."""
        if entry.done:
            return
        if isinstance(value, Pending):
            if value.done:
                value, error = value.value, value.error
            else:
                if isinstance(entry, Pending):
                    entry.maker = value
                self.then(value, lambda: self.set(entry, value.value, value.error))
                return
        entry.value, entry.error, entry.done = value, error, True
        if self.record is not None and error is None:
            self.record.settled(entry, value)
        if error is None:
            if entry.owner is not None:
                self._strike(entry)
        elif entry.prev is None and entry.owner is not None:
            self._earliest(entry)
        self._wake(entry)

    def _wake(self, entry: Entry) -> None:
        if entry.waiters is not None:
            self._fire.append(entry)
            if not self._firing:  # otherwise whoever fires comes to it: long chains must not recurse
                self._firing = True
                try:
                    while self._fire:
                        waiters, one = None, self._fire.popleft()
                        waiters, one.waiters = one.waiters, None
                        for waiter in waiters or ():
                            if type(waiter) is Task:
                                if waiter.waiting is one:
                                    waiter.waiting = None
                                    self._ready.append(waiter)
                            else:
                                waiter()
                finally:
                    self._firing = False

    def then(self, entry: Entry, do: Callable[[], object]) -> None:
        """Call `do` once `entry` is done."""
        if entry.done and (type(entry) is not Task or entry.first is None):
            do()
        elif entry.waiters is None:
            entry.waiters = [do]
        else:
            entry.waiters.append(do)

    def throw(self, task: Task, error: BaseException) -> None:
        """Have `error` raised where `task` waits."""
        if task.waiting is None and task in self._ready:
            task.thrown = task.thrown or error
        else:
            task.waiting, task.thrown = None, error
            self._ready.append(task)

    def _earliest(self, entry: Entry) -> None:
        """`entry` failed, and nothing stands before it in its log: this is how its task fails."""
        task = owner_of(entry)
        error = entry.error
        assert task is not None and error is not None
        if task.finished:
            if task.error is None:
                task.error = error
                self._end_all(task)
                if task.result is not None and not task.result.done:
                    self.set(task.result, None, error)
                if task.owner is not None and task.prev is None:
                    self._earliest(task)
                self._wake(task)
        elif task.waiting is not None:
            self._end_all(task)
            self.throw(task, error)

    def _end_all(self, task: Task) -> None:
        """End everything in the log of `task`: it stands after a failure, and so never happened."""
        entry, task.first, task.last = task.first, None, None
        while entry is not None:
            following = entry.next
            entry.owner = entry.prev = entry.next = None
            self._end(entry)
            entry = following

    def _end(self, entry: Entry) -> None:
        if isinstance(entry, Task):
            if not entry.dead:
                entry.dead = True
                self._end_all(entry)
                if not entry.finished and entry.waiting is not None:
                    self.throw(entry, Abandoned())
        elif not entry.done:
            if type(entry) is Flight:
                self._cancel(entry)
            entry.done, entry.error = True, Abandoned()
            self._wake(entry)

    def hurried(self) -> None:
        """Have the collector look as often as before."""
        if self.many:
            self.many = False
            _unhurried.leave()

    def _cancel(self, flight: Flight) -> None:
        if self.record is not None:
            self.record.cancelled(flight)
        if flight.job is not None:
            flight.job.cancel()
