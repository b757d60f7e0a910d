"""Who may send, and when: concurrency that adapts, requests and tokens a minute, in order of arrival.

Everything here runs on the I/O loop, where blocking and awaited callers meet, so nothing needs a lock.

Concurrency is unlimited until the server shows that it is too much (HTTP 429 or 529). From then on it is additive
increase, multiplicative decrease (D. Chiu and R. Jain, 1989): halved by such a sign, once for all requests that were
under way together, and raised by one for each limit's worth of answers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from ._call import Limits

MINUTE: Final = 60.0


class Pass:
    """One admitted request. `tokens` is what it is thought to use, until its usage is known."""

    __slots__ = ("at", "number", "tokens")

    def __init__(self, number: int, at: float, tokens: int) -> None:
        self.number, self.at, self.tokens = number, at, tokens


class Gate:
    """Admission to one model at one endpoint with one key."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._queue: deque[tuple[asyncio.Future[Pass], Limits, int]] = deque()
        self._minute: deque[Pass] = deque()
        self._numbers = 0
        self._halved_after = 0
        self._closed_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.in_flight = 0
        self.limit: float | None = None
        """How many may be under way at once, as overload has taught; None before any."""

    @property
    def waiting(self) -> int:
        """How many wait to be admitted."""
        return len(self._queue)

    async def enter(self, limits: Limits, tokens: int, *, first: bool = False) -> Pass:
        """Wait to be admitted; whoever is calls `leave` once. `first` goes before those who wait already."""
        if not self._queue and self._wait(limits, tokens) == 0:
            return self._admit(limits, tokens)
        turn: asyncio.Future[Pass] = asyncio.get_running_loop().create_future()
        entry = (turn, limits, tokens)
        if first:
            self._queue.appendleft(entry)
        else:
            self._queue.append(entry)
        self._let_in()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(turn.result())  # admitted and cancelled in the same moment: the place goes on
            else:
                with suppress(ValueError):
                    self._queue.remove(entry)
                self._let_in()
            raise

    def leave(self, admitted: Pass, *, overloaded: bool = False, answered: bool = False) -> None:
        """Give the place back, and say how it went."""
        self.in_flight -= 1
        if overloaded and admitted.number > self._halved_after:
            self.limit = max(1.0, min(self.limit or self.in_flight + 1, self.in_flight + 1) / 2)
            self._halved_after = self._numbers
        elif answered and self.limit is not None:
            self.limit += 1 / self.limit
        self._let_in()

    def close_for(self, seconds: float) -> None:
        """Admit nobody for that long: the server has said so."""
        self._closed_until = max(self._closed_until, self._clock() + seconds)

    def _admit(self, limits: Limits, tokens: int) -> Pass:
        self.in_flight += 1
        self._numbers += 1
        admitted = Pass(self._numbers, self._clock(), tokens)
        if limits.rpm is not None or limits.tpm is not None:
            self._minute.append(admitted)
        return admitted

    def _wait(self, limits: Limits, tokens: int) -> float | None:
        """Return the seconds until a request may be admitted: 0 for now, None until another has left."""
        now = self._clock()
        if now < self._closed_until:
            return self._closed_until - now
        for most in (limits.max_concurrency, self.limit):
            if most is not None and self.in_flight >= int(most):
                return None
        while self._minute and self._minute[0].at <= now - MINUTE:
            self._minute.popleft()
        wait = 0.0
        if limits.rpm is not None and len(self._minute) >= limits.rpm:
            wait = self._minute[len(self._minute) - max(1, int(limits.rpm))].at + MINUTE - now
        if limits.tpm is not None:
            # A request larger than a whole minute's tokens is let through alone: waiting would not make it smaller.
            excess = sum(request.tokens for request in self._minute) + tokens - limits.tpm
            for request in self._minute:
                if excess <= 0:
                    break
                excess -= request.tokens
                wait = max(wait, request.at + MINUTE - now)
        return max(0.0, wait)

    def _let_in(self) -> None:
        """Admit from the front of the queue for as long as that is allowed, and come back when it may be again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queue:
            turn, limits, tokens = self._queue[0]
            if turn.done():  # cancelled while it waited
                self._queue.popleft()
                continue
            wait = self._wait(limits, tokens)
            if wait is None:
                return
            if wait > 0:
                self._timer = asyncio.get_running_loop().call_later(wait, self._let_in)
                return
            self._queue.popleft()
            turn.set_result(self._admit(limits, tokens))
