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
import threading
from collections.abc import Callable, Iterable
from contextvars import copy_context
from functools import partial
from heapq import heappop, heappush
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit, getcurrent

from ember.core.externals import External
from ember.core.loop import io_loop

from ._errors import Stuck
from ._interrupts import guard
from ._pending import Entry, Pending
from ._tasks import (
    Abandoned,
    Flight,
    Ids,
    Task,
    owner_of,
)

if TYPE_CHECKING:
    pass

from ._switching import Switching


class Run(Switching):
    """The state of one run: its tasks, what is in flight, and the switching between them."""

    iterators: Callable[[Run, Task, Ids, Ids, list[Pending]], None]

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
            elif task.thrown is not None:
                error, task.thrown, task.start = task.thrown, None, None
                self.current = task
                fiber.switch(task, _raising, (error,), None)
            else:
                start, task.start = task.start, None
                self.current = task
                fiber.switch(task, *start, None)

    def _await_arrival(self) -> None:
        if self.drive is None:
            if self.guard is None:
                self._landing.append(self._arrived.get())
            else:
                self.guard.wait(self._arrived, self._landing)
        while self._landing:
            self._land(self._landing.popleft())
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
        copies: dict[int, Any] = {}

        def one(pending: Pending) -> None:
            nonlocal left
            left -= 1
            if flight.done:
                return
            if pending.error is None:
                # As it is now: the program may go on to change what it was given.
                copies[id(pending)] = self.snapshot(pending.value)
            if left:
                return
            for pending in waiting:
                if pending.error is not None:
                    self.set(flight, None, pending.error)
                    return
            flight.args = tuple(copies.get(id(arg), arg) for arg in flight.args)
            flight.kwargs = {name: copies.get(id(arg), arg) for name, arg in flight.kwargs.items()}
            self.send(flight)

        for pending in waiting:
            self.then(pending, partial(one, pending))
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
            if self.drive is None and self.guard is None and (made := guard()) is not None:
                self.guard = made
                made.enter()
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

    def call(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a blocking external call of code that is not lowered: others go on meanwhile."""
        if local.run is not self or self.over:  # another thread, or another task of the event loop
            return external.run(*args, **kwargs)
        return self.force(self.issue(external, args, kwargs, None))

    async def acall(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer an awaited external call."""
        return await external.arun(*args, **kwargs)

    def gather(
        self, thunks: Iterable[Callable[[], Any]], limit: int | None, return_exceptions: bool = False
    ) -> list[Any]:
        """Run what was given to `ember.core.gather`, each as a task."""
        if local.run is not self or self.over:
            from ember.core import gather
            from ember.core.externals import handling

            with handling(None):
                return gather(thunks, limit, return_exceptions=return_exceptions)
        from ._library import gathered
        from ._memory import settle

        return [settle(self, result) for result in gathered(self, thunks, limit, return_exceptions)]

    def end(self) -> None:
        """End what is left of the run, which is this thread's no longer. Raises an interruption that came late."""
        try:
            self.close()
        finally:
            self.hurried()
            local.run = None
            taken, self.guard = self.guard, None
            if taken is not None:
                taken.leave()

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


def _raising(error: BaseException) -> None:
    raise error


class _Local(threading.local):
    run: Any = None


local = _Local()
"""The run of this thread, if one is going on."""


def _after_fork() -> None:
    if local.run is not None:
        local.run.after_fork()


os.register_at_fork(after_in_child=_after_fork)
