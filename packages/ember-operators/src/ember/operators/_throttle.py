"""Calls spread over time."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from ._fields import static
from ._retry import pause
from ._steps import Budget, Do, Member, Stepped, Steps

if TYPE_CHECKING:
    from ._race import Signal


class Throttle(Stepped, kw_only=False):
    """Call `op`, but at most `at_once` times at once and `per_minute` times a minute; who is too early waits.

    The turn is first come, first served, across threads, tasks and copies of this operator. For models there is
    `max_concurrency=` and `rpm=`, which know of all their callers.

    >>> Throttle(str.upper, at_once=1, per_minute=600)("the sea")
    'THE SEA'
    """

    op: Member
    at_once: int | None = None
    per_minute: float | None = None
    budget: Budget | None = None
    _gate: Gate = static(default_factory=lambda: Gate())

    def __post_init__(self) -> None:
        if (self.at_once is not None and self.at_once < 1) or (
            self.per_minute is not None and self.per_minute <= 0
        ):
            raise ValueError(
                f"at_once is at least 1 and per_minute more than 0; got {self.at_once}, {self.per_minute}."
            )

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        ticket = self._gate.enter(self.at_once)
        try:
            if ticket.turn is not None:
                yield Do(ticket.turn)
            if self.per_minute is not None and (wait := self._gate.wait(60.0 / self.per_minute)) > 0:
                yield pause(wait)
            return (yield Do(self.op, args, kwargs))
        finally:
            self._gate.leave(ticket)


class _Ticket:
    """A place in the queue: `turn` is what to wait for, None for who may go in at once."""

    def __init__(self, turn: Signal | None) -> None:
        self.turn = turn


class Gate:
    """Who is in, and who waits. A copy of it made by pickle or deepcopy begins empty."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._queue: deque[_Ticket] = deque()
        self._next = 0.0

    def enter(self, at_once: int | None) -> _Ticket:
        """Go in, or join the queue."""
        with self._lock:
            if at_once is None or self._inside < at_once:
                self._inside += 1
                return _Ticket(None)
            from ._race import Signal

            ticket = _Ticket(Signal())
            self._queue.append(ticket)
            return ticket

    def leave(self, ticket: _Ticket) -> None:
        """Go out, and let the next in; or leave the queue."""
        with self._lock:
            if ticket in self._queue:  # its waiting was cancelled
                self._queue.remove(ticket)
                return
            if not self._queue:
                self._inside -= 1
                return
            following = self._queue.popleft()  # whose place this is now
        assert following.turn is not None
        following.turn.set()

    def wait(self, apart: float) -> float:
        """Take the next time at which a call may be made, `apart` seconds after the last; return how far off it is."""
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next)
            self._next = at + apart
            return at - now

    def __reduce__(self) -> Any:
        return Gate, ()

    def __repr__(self) -> str:
        return "Gate()"
