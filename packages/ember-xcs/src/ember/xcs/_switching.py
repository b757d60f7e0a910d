"""Switching between the tasks of a run: a task waits, is suspended, goes on, and ends."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import sys
from collections.abc import Callable
from opcode import opmap
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from greenlet import getcurrent, greenlet

from ._errors import XCSError
from ._pending import Entry, Pending
from ._tasks import (
    SHARED,
    SHARED_FROM,
    WRITES,
    Abandoned,
    Flight,
    Scope,
    Task,
    Turn,
    owner_of,
    parent_of,
)

if TYPE_CHECKING:
    pass

from ._log import Log

_MOST_DEPTH: Final = 2_000
_MOST_IDLE: Final = 16
"""Greenlets kept for tasks to come: one more costs three switches, and as many to end it."""


class Switching(Log):
    """Tasks of a run, each in a greenlet, and what they wait for."""

    footprint: Callable[[Any, Task], None]
    """Notes what a task that is about to wait may still read and change; `leave`, that it has ended: see `_memory`."""

    leave: Callable[[Any, Task], None]

    reads_plainly: Callable[[Any, Any], bool]

    lowered_call: Callable[..., Any]
    """A call as lowered code makes it: see `_calls`."""

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
        _raise_as_it_is(error)

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

    def hold(self, held: Any) -> None:
        """Remember a container that the run made."""
        fresh = self.fresh
        fresh[id(held.object)] = held
        if len(fresh) > self._sweep_at:
            # Those that only this table still refers to can go (one reference each from: entry, argument of the call).
            for key in [key for key, one in fresh.items() if sys.getrefcount(one.object) <= 2]:
                del fresh[key]
            self._sweep_at = max(10_000, 2 * len(fresh))

    def wait(self, entry: Entry) -> None:
        """Let others go on until `entry` is done."""
        task = self.current
        if task.dead:
            raise Abandoned
        if self.over:
            raise _too_late()
        first = task.first
        if first is not None and first.error is not None:  # it failed while this task was on its way to go on
            error = first.error
            self._end_all(task)
            raise error
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
            if self.hub is None or self.hub.dead:  # an interruption may have come between its steps
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
            _raise_as_it_is(thrown)

    def drain(self) -> None:
        """Wait until everything in the running task's log has succeeded. Raises the earliest failure of it."""
        task = self.current
        while (first := task.first) is not None:
            if task.dead:
                raise Abandoned
            if first.error is not None:
                error = first.error
                self._end_all(task)
                _raise_as_it_is(error)
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
            while task is not None and scope.encloses(task.outer) and task.prev is None:
                task = parent_of(task)
            if task is None or not scope.encloses(task.outer):
                return
            self._wait_before(task)

    def drain_out_to(self, made: Scope) -> None:
        """Wait until a change of what was made in the scope `made` cannot show too early, should a scope in it fail."""
        scope = self.current.scope
        if scope is not self.outermost and not scope.encloses(made):
            self.drain_scope(scope.first_without(made))

    def _wait_before(self, task: Task) -> None:
        before = task.prev
        if before is None or before.error is not None or self.current.dead:
            raise Abandoned
        self.wait(before)
        if self.current.dead:
            raise Abandoned

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
        shallow: bool = False,
    ) -> Any:
        """Run `function` in a task of its own; if it has to wait, go on with its pending result.

        `inputs` are what it may read of the program's containers, those with a bit in `changed` what it may change,
        those with one in `gives` what its result may turn out to be, or be in; `outside`, whether that may also be
        something that is not the run's own. A `shallow` one changes inputs themselves, not what is in them.
        """
        parent = self.current
        if parent.dead:
            raise Abandoned
        child = Task(parent, parent.scope if scope is None else scope, what)
        if child.depth > _MOST_DEPTH:
            raise RecursionError("maximum recursion depth exceeded")
        child.writes, child.flags, child.changed, child.inputs = bool(flags & WRITES), flags, changed, inputs
        child.shared = SHARED[flags >> SHARED_FROM]
        child.gives, child.outside, child.shallow = gives, outside, shallow
        self.note(child, parent)
        if self.record is not None:
            self.record.spawned(child, parent)
        here = getcurrent()
        child.back, child.handled = here, sys.exc_info()[1]
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
            _raise_as_it_is(error)
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
        if self._mother is None or self._mother.dead:
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
                    if task.handled is not None:
                        value = _in_handler(task, function, args, kwargs or {})
                    else:
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
            if task.owner is not None and task.prev is None:
                self._earliest(task)
            self.set(result, None, error)
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

    def interrupt(self, error: BaseException) -> bool:
        """Have `error` raised where plain Python would stand: at the earliest of what has not ended.

        Returns False if that is the running task itself, whose affair it is then.
        """
        task = self.root
        self.interruption = error, (within := {task})
        while True:
            entry = task.first
            while isinstance(entry, Task) and entry.finished and entry.first is None:
                entry = entry.next
            if not isinstance(entry, Task):
                break
            task = entry
            within.add(task)
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
        try:
            self.drain()
        except BaseException as earlier:
            if earlier.__context__ is error:  # which was not there yet when that failed
                earlier.__context__ = error.__context__
            raise

    def _serve(self) -> None:
        """Resume what can go on; when nothing can, wait for calls to end. Runs in a greenlet of its own: see `_run`."""
        raise NotImplementedError


def _in_handler(
    task: Task, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a function where an exception is handled: it is the context of those that the function raises."""
    handled, task.handled = task.handled, None
    assert handled is not None
    trace = handled.__traceback__
    try:
        raise handled
    except BaseException:
        handled.__traceback__ = trace
        del handled, trace
        return function(*args, **kwargs)


def _raise_as_it_is(error: BaseException) -> NoReturn:
    """Raise `error`, which was raised elsewhere, with the context it has from there."""
    context = error.__context__
    try:
        raise error
    finally:
        if context is not None:
            error.__context__ = context
        del error, context


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
