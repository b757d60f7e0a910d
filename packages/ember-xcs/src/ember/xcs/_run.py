"""One run of a jitted function: tasks in program order, switched between on the caller's own thread.

The program's code runs in *tasks*. A task runs until it must wait; then whoever started it goes on, with a pending
value in the place of its result. Each task keeps a *log*: what was begun in it and has not succeeded yet, in the order
of the program. The logs of all tasks together say for any point what stands before it:

- an effect that others can see waits until nothing stands before it (`barrier`);
- where several things fail, the one before all others is the failure of the program (`drain`);
- what stands after a failure never happened: its tasks are ended, its calls cancelled.

Tasks are greenlets, so that code may wait in the middle of a library's callback. There is one thread of user code: the
caller's. External calls run on Ember's I/O loop.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import copy_context
from heapq import heappop, heappush
from opcode import opmap
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, cast

from greenlet import GreenletExit, getcurrent, greenlet

from ember.core.externals import External
from ember.core.loop import IOLoop, io_loop

from ._errors import Stuck, XCSError
from ._pending import Entry, Pending
from ._tasks import (
    SHARED,
    SHARED_FROM,
    WRITES,
    Abandoned,
    Flight,
    Ids,
    Line,
    Scope,
    Task,
    Turn,
    owner_of,
    parent_of,
)

if TYPE_CHECKING:
    from ._drive import Drive
    from ._record import Recorder

_MOST_DEPTH: Final = 2_000
_MOST_IDLE: Final = 16
"""Greenlets kept for tasks to come: one more costs three switches, and as many to end it."""


class Run:
    """The state of one run: its tasks, what is in flight, and the switching between them."""

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
        self.filtered: dict[int, tuple[Pending, list[Any]]] = {}
        """Of pending lists that are still being filtered: what may be in them, in order."""
        self.in_flight = self.turns = 0
        self.calls = 0
        self._seq = 0
        self._ready: deque[Task] = deque()
        self._queued: list[tuple[float, int, Flight]] = []
        self._arrived: SimpleQueue[Pending] = SimpleQueue()
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
        self.over = False

    # The log -----------------------------------------------------------------------------

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

    # Values -----------------------------------------------------------------------------

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

    def force(self, value: Any) -> Any:
        """Return the value itself, waiting for it if it is pending."""
        while isinstance(value, Pending):
            if not value.done:
                self.wait(value)
            if value.error is not None:
                self._raise(value)
            value = value.value
        return value

    def _raise(self, value: Pending) -> None:
        """Raise what a failed value stands for here: the earliest failure, or nothing at all if it was before us."""
        self.drain()
        error = value.error
        assert error is not None
        if isinstance(error, Abandoned) or self._doomed(self.current):
            if self.over and not self.current.dead:
                raise _too_late() from None
            raise Abandoned from None
        raise error

    def _doomed(self, task: Task | None) -> bool:
        """Whether something before `task` has failed."""
        while task is not None:
            if task.dead:
                return True
            before = task.prev
            while before is not None:
                if before.error is not None:
                    return True
                before = before.prev
            task = task.parent
        return False

    footprint: Callable[[Run, Task], None]
    """Notes what a task that is about to wait may still read and change; `leave`, that it has ended: see `_memory`."""
    leave: Callable[[Run, Task], None]
    iterators: Callable[[Run, Task, Ids, Ids, list[Pending]], None]
    reads_plainly: Callable[[Any, Any], bool]
    lowered_call: Callable[..., Any]
    """A call as lowered code makes it: see `_calls`."""

    def hold(self, held: Any) -> None:
        """Remember a container that the run made."""
        fresh = self.fresh
        fresh[id(held.object)] = held
        if len(fresh) > self._sweep_at:
            # Those that only this table still refers to can go (one reference each from: entry, argument of the call).
            for key in [key for key, one in fresh.items() if sys.getrefcount(one.object) <= 2]:
                del fresh[key]
            self._sweep_at = max(10_000, 2 * len(fresh))

    # Waiting -----------------------------------------------------------------------------

    def wait(self, entry: Entry) -> None:
        """Let others go on until `entry` is done."""
        task = self.current
        if task.dead:
            raise Abandoned
        if self.over:
            raise _too_late()
        record = self.record
        held = None if record is None else record.holds(task, entry)
        if entry.waiters is None:
            entry.waiters = [task]
        else:
            entry.waiters.append(task)
        task.waiting = entry
        if record is None or held is None:
            self._suspend(task)
            return
        try:
            self._suspend(task)
        finally:
            record.resumed(task, entry, held)

    def _suspend(self, task: Task) -> None:
        back = task.back
        if back is None:
            if self.hub is None:
                self.hub = self._born(self._serve)
            back = self.hub
        else:
            task.back = None
            task.result = Pending(self)
            task.result.maker = task
            task.fiber = getcurrent()
            self.footprint(self, task)
            self.suspended[task] = None
        self.waited += 1
        back.switch()
        self.current = task
        thrown, task.thrown = task.thrown, None
        if thrown is not None:
            raise thrown

    def throw(self, task: Task, error: BaseException) -> None:
        """Have `error` raised where `task` waits."""
        if task.waiting is None and task in self._ready:
            task.thrown = task.thrown or error
        else:
            task.waiting, task.thrown = None, error
            self._ready.append(task)

    def drain(self) -> None:
        """Wait until everything in the running task's log has succeeded. Raises the earliest failure of it."""
        task = self.current
        while (first := task.first) is not None:
            if task.dead:
                raise Abandoned
            if first.error is not None:
                error = first.error
                self._end_all(task)
                raise error
            last = task.last
            assert last is not None
            # The last one: when it is done, mostly everything is. A failure is thrown here as soon as it is certain.
            if last.error is not None:
                self.wait(first)
            else:
                self.wait(last)
        if task.dead:
            raise Abandoned

    def barrier(self) -> None:
        """Wait until everything before this point has succeeded."""
        while True:
            self.drain()
            task: Task | None = self.current
            while task is not None and task.prev is None:
                task = parent_of(task)
            if task is None:
                return
            self._wait_before(task)

    def drain_scope(self, scope: Scope) -> None:
        """Wait until everything before this point, back to where `scope` was entered, has succeeded."""
        while True:
            self.drain()
            task: Task | None = self.current
            while task is not None and task.outer is scope and task.prev is None:
                task = parent_of(task)
            if task is None or task.outer is not scope:
                return
            self._wait_before(task)

    def _wait_before(self, task: Task) -> None:
        before = task.prev
        if before is None or before.error is not None or self.current.dead:
            raise Abandoned
        self.wait(before)
        if self.current.dead:
            raise Abandoned

    # Failures -----------------------------------------------------------------------------

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

    # Tasks -----------------------------------------------------------------------------

    def spawn(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        *,
        inputs: tuple[Any, ...] = (),
        flags: int = 0,
        changed: int = 0,
        scope: Scope | None = None,
        what: str = "",
        gives: int = -1,
        outside: bool = True,
    ) -> Any:
        """Run `function` in a task of its own; if it has to wait, go on with its pending result.

        `inputs` are what it may read of the program's containers, those with a bit in `changed` what it may change,
        those with one in `gives` what its result may turn out to be, or be in; `outside`, whether that may also be
        something that is not the run's own.
        """
        parent = self.current
        if parent.dead:
            raise Abandoned
        child = Task(parent, parent.scope if scope is None else scope, what)
        if child.depth > _MOST_DEPTH:
            raise RecursionError("maximum recursion depth exceeded")
        child.writes, child.flags, child.changed, child.inputs = bool(flags & WRITES), flags, changed, inputs
        child.shared = SHARED[flags >> SHARED_FROM]
        child.gives, child.outside = gives, outside
        self.note(child, parent)
        if self.record is not None:
            self.record.spawned(child, parent)
        here = getcurrent()
        child.back = here
        fiber = self._idle.pop() if self._idle else self._born(self._fiber)
        fiber.gr_context = here.gr_context
        self.current = child
        fiber.switch(child, function, args, kwargs)
        self.current = parent
        if not child.finished:
            return child.result
        if child.error is not None:
            error, child.error = child.error, None
            self._strike(child)
            if isinstance(error, Abandoned) and not parent.dead:
                self.drain()  # what failed before it may be this task's own affair, to be handled here
            raise error
        value, child.value = child.value, None
        self._take_over(parent, child)
        return value

    def begin_late(
        self, entry: Entry, function: Callable[..., Any], args: tuple[Any, ...], writes: bool
    ) -> None:
        """Run `function` as a task where `entry` stands in the program: what it gave `entry` to do may have effects."""
        owner = owner_of(entry)
        assert owner is not None
        child = Task(owner, owner.scope, "an operation on an object")
        child.writes, child.inputs = writes, args[-1]
        self._seq += 1
        child.seq, child.owner, child.prev, child.next = entry.seq, owner, entry.prev, entry
        if entry.prev is None:
            owner.first = child
        else:
            entry.prev.next = child
        entry.prev = child
        result = child.result = Pending(self)
        result.maker = child
        if self.record is not None:
            self.record.late(child, entry)
        child.start = (function, args)
        child.fiber = self._idle.pop() if self._idle else self._born(self._fiber)
        child.fiber.gr_context = self._main.gr_context
        self.suspended[child] = None
        self.footprint(self, child)
        self.then(result, lambda: self.set(entry, result.value, result.error))
        self._ready.append(child)

    def _born(self, what: Callable[..., None]) -> greenlet:
        """Return a new greenlet that is about to do `what`.

        Greenlets inherit the depth of recursion of whoever starts them, so these are not started here: recursion of the
        program's would come to its end after a hundred turns.
        """
        if self._mother is None:
            self._mother = greenlet(self._bear, self._main)
        return cast(greenlet, self._mother.switch(getcurrent(), what))

    def _bear(self, asking: greenlet, what: Callable[..., None]) -> None:
        def wait_and(do: Callable[..., None], asking: greenlet) -> None:
            given = asking.switch(getcurrent())
            do(*given) if isinstance(given, tuple) else do()

        while True:
            # It goes to whoever asked by itself, and whoever asks next comes back here.
            asking, what = greenlet(wait_and, self._main).switch(what, asking)

    def _fiber(
        self,
        task: Task,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
    ) -> None:
        me = getcurrent()
        while True:
            value, error = None, None
            try:
                try:
                    value = function(*args, **kwargs) if kwargs else function(*args)
                except Abandoned:
                    raise
                except BaseException as raised:
                    self.failed(raised)
                    raise
            except BaseException as failure:
                error = failure
            back = task.back
            self._finish(task, value, error)
            if self.over:
                return
            if back is None:
                back = self.hub
            if len(self._idle) >= _MOST_IDLE:
                me.parent = cast(greenlet, back)  # where it goes when it ends
                return
            self._idle.append(me)
            del task, function, args, kwargs, value, error
            task, function, args, kwargs = cast(greenlet, back).switch()

    def _finish(self, task: Task, value: Any, error: BaseException | None) -> None:
        task.finished = True
        task.fiber = None
        result = task.result
        if error is not None and task.dead:
            error = Abandoned()
        if result is None:  # it never had to wait: whoever started it sees to the log
            task.value, task.error, task.done = value, error, True
            return
        self.suspended.pop(task, None)
        result.maker = None
        if task.lines:
            self.leave(self, task)
        task.error = error
        task.done = True
        if error is not None:
            self._end_all(task)
            self.set(result, None, error)
            if task.owner is not None and task.prev is None:
                self._earliest(task)
            self._wake(task)
            return
        if self.record is not None:
            self.record.finished(task, value)
        self.set(result, value)
        if task.first is None and task.owner is not None:
            self._strike(task)
            self._wake(task)
        elif task.first is not None and task.first.error is not None:
            self._earliest(task.first)
        # else: it is struck out, and those who wait for it woken, when its log is empty

    def _serve(self) -> None:
        """Resume what can go on; when nothing can, wait for calls to end. Runs in a greenlet of its own."""
        while True:
            try:
                self._resume()
                if self._queued:
                    self._fill()
                    if self._ready:  # a call that could not even begin has failed
                        continue
                if self.in_flight or self._queued or self.turns:
                    self._await_arrival()
                else:
                    raise Stuck(self.picture())
            except GreenletExit:
                raise
            except BaseException as error:  # Ctrl-C, a cancelled caller, or a fault of ours
                self.over = isinstance(error, Stuck)
                if self.over or not self.interrupt(error):
                    self._end_all(self.root)
                    self.throw(self.root, error)

    def _resume(self) -> None:
        while self._ready:
            task = self._ready.popleft()
            fiber = task.fiber
            if fiber is None:
                continue
            if task.start is None:
                fiber.switch()
            else:
                start, task.start = task.start, None
                self.current = task
                fiber.switch(task, *start, None)

    def _await_arrival(self) -> None:
        if self.drive is None:
            self._land(self._arrived.get())
        while not self._arrived.empty():
            self._land(self._arrived.get())
        if self.drive is not None and not self._ready:
            self.drive.pause()

    def arrive(self, entry: Pending) -> None:
        """Tell, from any thread, that `entry` has ended."""
        self._arrived.put(entry)
        if self.drive is not None:
            self.drive.ring()

    def has_arrivals(self) -> bool:
        """Whether something has ended that the program has not been told of."""
        return not self._arrived.empty()

    def interrupt(self, error: BaseException) -> bool:
        """Have `error` raised where plain Python would stand: at the earliest of what has not ended.

        Returns False if that is the running task itself, whose affair it is then.
        """
        task = self.root
        while True:
            entry = task.first
            while isinstance(entry, Task) and entry.finished and entry.first is None:
                entry = entry.next
            if not isinstance(entry, Task):
                break
            task = entry
        if entry is None:
            waits = task.waiting
            if isinstance(waits, Turn):
                waits.cancel(error)
            elif waits is not None or task in self._ready:
                self.throw(task, error)
            else:
                return False
        elif not entry.done:
            if type(entry) is Flight:
                self._cancel(entry)
            self.set(entry, None, error)
        return True

    def failed(self, error: BaseException) -> None:
        """Raise what comes before `error`, which the running task's code raised, if anything does."""
        if isinstance(error, KeyboardInterrupt) and not _is_raised(error):
            # Ctrl-C came while code ran that plain Python would not have come to yet.
            self.interrupt(error)
        self.drain()

    def picture(self) -> str:
        """Return the tasks that wait and what for, a line each: for whoever looks for a fault."""

        def named(entry: Entry | None) -> str:
            if entry is None:
                return "nothing"
            if isinstance(entry, Task):
                state = "finished" if entry.finished else "waiting"
                inner, items = entry.first, []
                while inner is not None:
                    items.append(f"{type(inner).__name__}#{inner.seq}{'!' if inner.error else ''}")
                    inner = inner.next
                return f"task {entry.what} #{entry.seq} ({state}; log: {' '.join(items)})"
            for task in self.suspended:
                if task.result is entry:
                    return f"the result of {task.what} #{task.seq}"
            of = owner_of(entry)
            return f"{entry!r} #{entry.seq}{' in ' + of.what if of else ''}"

        lines = []
        for task in [self.root, *self.suspended]:
            lines.append(
                f"{'  ' * task.depth}{task.what or 'task'} #{task.seq} waits for {named(task.waiting)}"
            )
        return "\n".join(lines)

    # External calls -----------------------------------------------------------------------------

    def issue(
        self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], kind: type | None
    ) -> Flight:
        """Send an external call, whose arguments are there, and return its pending result."""
        flight = Flight(self, external, args, kwargs, kind)
        self.note(flight)
        if self.record is not None:
            self.record.issued(flight)
        self.send(flight)
        return flight

    snapshot: Callable[[Any], Any]

    def issue_later(
        self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], kind: type | None
    ) -> Flight:
        """As `issue`, with arguments some of which are pending: it is sent when they are there."""
        flight = Flight(self, external, args, kwargs, kind)
        flight.context = copy_context()
        self.note(flight)
        if self.record is not None:
            self.record.issued(flight)
        waiting = [arg for arg in (*args, *kwargs.values()) if isinstance(arg, Pending)]
        left = len(waiting)

        def one() -> None:
            nonlocal left
            left -= 1
            if left or flight.done:
                return
            for pending in waiting:
                if pending.error is not None:
                    self.set(flight, None, pending.error)
                    return
            # As they are now: the program may go on to change what it was given.
            flight.args = tuple(
                self.snapshot(arg.value) if isinstance(arg, Pending) else arg for arg in flight.args
            )
            flight.kwargs = {
                name: self.snapshot(arg.value) if isinstance(arg, Pending) else arg
                for name, arg in flight.kwargs.items()
            }
            self.send(flight)

        for pending in waiting:
            self.then(pending, one)
        return flight

    def send(self, flight: Flight) -> None:
        """Send a call that is ready, or queue it if as many as may are under way."""
        record = self.record
        if record is not None:
            record.ready(flight)
        if self.limit is not None and (self.in_flight >= self.limit or self._queued):
            flight.context = flight.context or copy_context()
            left = 0.0
            if self.plan and record is not None:
                left = record.left(flight, self.plan)
            heappush(self._queued, (-left, flight.seq, flight))
            return
        self._begin(flight)

    def _begin(self, flight: Flight) -> None:
        self.in_flight += 1
        self.calls += 1
        context, flight.context = flight.context, None
        try:
            # It belongs to the context it was made in, wherever the last of its arguments came from.
            self._send_now(flight) if context is None else context.run(self._send_now, flight)
        except Exception as error:  # the call itself was wrong
            self.in_flight -= 1
            if self.record is not None:
                self.record.landed(flight, None, error)
            self.set(flight, None, error)

    def _send_now(self, flight: Flight) -> None:
        record = self.record
        if record is None:
            self.start(flight)
        else:
            token = record.sent(flight)
            try:
                self.start(flight)
            finally:
                record.away(token)

    def start(self, flight: Flight) -> None:
        """Have a call made on the I/O loop."""
        io = self._io
        if io is None or io.stopped:
            io = self._io = io_loop()
        io.start(
            flight.external.arun(*flight.args, **flight.kwargs), lambda: self.arrive(flight), flight.begun
        )

    def _fill(self) -> None:
        """Begin calls that stand back, as many as may be under way: the longest path first, as far as it is known."""
        while self._queued and (self.limit is None or self.in_flight < self.limit):
            following = heappop(self._queued)[2]
            if not following.done:  # else it was cancelled meanwhile
                self._begin(following)

    def _land(self, entry: Pending) -> None:
        if type(entry) is not Flight:
            self.turns -= 1
            self.set(entry, None)
            return
        self.in_flight -= 1
        if self.record is not None:
            self.record.landing(entry)
        if not self.plan:
            self._fill()  # else what follows from this call may be the one to send next
        job, entry.job = entry.job, None
        assert job is not None
        value, error = None, None
        try:
            value = job.result()
        except BaseException as failure:
            error = failure
        if self.record is not None:
            self.record.landed(entry, value, error)
        entry.args, entry.kwargs = (), {}
        self.set(entry, value, error)

    def _cancel(self, flight: Flight) -> None:
        if self.record is not None:
            self.record.cancelled(flight)
        if flight.job is not None:
            flight.job.cancel()

    def after_fork(self) -> None:
        """In a forked child: make the calls again whose answers only the parent will get."""
        self._io, arrived = None, self._arrived
        self._arrived = SimpleQueue()
        told: set[int] = set()
        while not arrived.empty():
            entry = arrived.get()
            told.add(id(entry))
            self._arrived.put(entry)
        tasks: list[Task] = [self.root]
        self.in_flight = len(told)
        while tasks:
            entry_in_log = tasks.pop().first
            while entry_in_log is not None:
                if isinstance(entry_in_log, Task):
                    tasks.append(entry_in_log)
                elif (
                    type(entry_in_log) is Flight
                    and entry_in_log.job is not None
                    and id(entry_in_log) not in told
                ):
                    self.in_flight += 1
                    self.start(entry_in_log)
                entry_in_log = entry_in_log.next

    # External calls of code that is not lowered ---------------------------------------------------------------

    def call(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a blocking external call of code that is not lowered: others go on meanwhile."""
        if local.run is not self or self.over:  # another thread, or another task of the event loop
            return external.run(*args, **kwargs)
        return self.force(self.issue(external, args, kwargs, None))

    async def acall(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer an awaited external call."""
        return await external.arun(*args, **kwargs)

    def gather(self, thunks: Iterable[Callable[[], Any]], limit: int | None) -> list[Any]:
        """Run what was given to `ember.core.gather`, each as a task."""
        if local.run is not self or self.over:
            from ember.core import gather
            from ember.core.externals import handling

            with handling(None):
                return gather(thunks, limit)
        from ._library import gathered

        return [self.force(result) for result in gathered(self, thunks, limit)]

    # The end -----------------------------------------------------------------------------

    def close(self) -> None:
        """End whatever still waits, and the greenlets. Explicitly: the collector would end them wherever it likes."""
        self.over = True
        self._end_all(self.root)
        hub, self.hub = self.hub, None
        for task in list(self.suspended):
            task.dead = True
            self.current = task
            fiber, task.fiber = task.fiber, None
            if fiber is not None and task.start is not None:  # it was never begun
                self._idle.append(fiber)
            elif fiber is not None and not fiber.dead:
                fiber.parent = getcurrent()
                task.thrown = None
                fiber.throw(Abandoned)
        self.current = self.root
        self.suspended.clear()
        self.coroutines.clear()
        for fiber in self._idle:
            fiber.parent = getcurrent()
            fiber.throw()
        self._idle.clear()
        mother, self._mother = self._mother, None
        for one in (hub, mother):
            if one is not None:
                one.parent = getcurrent()
                one.throw()


def _too_late() -> XCSError:
    return XCSError(
        "A value was asked for that was still pending when the program it belongs to ended: its call was cancelled. "
        "What a jitted function returns, stores or prints always has its value; its unfinished variables, seen through "
        "a traceback or a frame, do not."
    )


def _is_raised(error: BaseException) -> bool:
    """Whether a `raise` statement raised `error`, and not a signal."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    return trace.tb_frame.f_code.co_code[trace.tb_lasti] == _RAISE


_RAISE: Final = opmap["RAISE_VARARGS"]


class _Local(threading.local):
    run: Any = None


local = _Local()
"""The run of this thread, if one is going on."""


def _after_fork() -> None:
    if local.run is not None:
        local.run.after_fork()


os.register_at_fork(after_in_child=_after_fork)
