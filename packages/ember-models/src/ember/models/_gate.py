"""Who may send, and when: concurrency that adapts, requests and tokens a minute, in order of arrival.

Everything here runs on the I/O loop, where blocking and awaited callers meet, so nothing needs a lock.

What the user allows a minute is kept in any minute, and spread over it: vendors enforce 1,200 a minute as 20 a second.
What the server allows is learned by `_allowance`, what it can bear by `_concurrency`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

from ._allowance import Allowance
from ._call import Limits
from ._concurrency import Concurrency
from ._limits import Left

MINUTE: Final = 60.5
SECOND: Final = 1.05
"""A little more than one, as a minute is: of two requests, the first may have travelled longer than the second."""
AT_ONCE: Final = 10
"""How many may always go in one second: spreading fewer would only make them late."""


class Pass:
    """One admitted request. `tokens` is what it is thought to use, until its usage is known."""

    __slots__ = ("at", "number", "tokens")

    def __init__(self, number: int, at: float, tokens: int) -> None:
        self.number, self.at, self.tokens = number, at, tokens


_Entry: TypeAlias = tuple["asyncio.Future[Pass]", Limits, int]


class Gate:
    """Admission to one model at one endpoint with one key."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._queue: deque[_Entry] = deque()
        self._again: deque[_Entry] = deque()  # attempts that are made again: they go first
        self._minute: deque[Pass] = deque()
        self._allowance = Allowance()
        self._concurrency = Concurrency()
        self._numbers = 0
        self._closed_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.in_flight = 0

    @property
    def waiting(self) -> int:
        """How many wait to be admitted."""
        return len(self._queue) + len(self._again)

    @property
    def limit(self) -> float | None:
        """How many may be under way at once, as overload has taught; None before any."""
        return self._concurrency.limit

    async def enter(self, limits: Limits, tokens: int, *, first: bool = False) -> Pass:
        """Wait to be admitted; whoever is calls `leave` once. `first` goes before all who wait for their first."""
        if not self._queue and not self._again and self._wait(limits, tokens) == 0:
            return self._admit(limits, tokens)
        turn: asyncio.Future[Pass] = asyncio.get_running_loop().create_future()
        entry = (turn, limits, tokens)
        queue = self._again if first else self._queue
        queue.append(entry)
        self._let_in()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(turn.result())  # admitted and cancelled in the same moment: the place goes on
            else:
                with suppress(ValueError):
                    queue.remove(entry)
                self._let_in()
            raise

    def leave(
        self, admitted: Pass, *, answered: bool = False, overloaded: bool = False, wait: float | None = None
    ) -> None:
        """Give the place back, and say how it went; `wait` are the seconds which a refusal asked for."""
        self.in_flight -= 1
        if overloaded:
            if wait is not None:
                self._allowance.refused(admitted.number, wait, self._clock())
            pause = self._concurrency.refused(
                admitted.number,
                self._numbers,
                self.in_flight,
                gently=wait is not None,
                waiting=self.waiting > 0,
            )
            if pause:
                self.close_for(pause)
        elif answered:
            self._concurrency.answered()
        self._let_in()

    def heard(self, admitted: Pass, left: Left) -> None:
        """Take note of what the reply to a request says is left of a limit."""
        self._allowance.heard(admitted.number, left, self._clock())

    def unheard(self) -> None:
        """Take note of an answer that says nothing of limits."""
        self._allowance.unheard()

    def close_for(self, seconds: float) -> None:
        """Admit nobody for that long: the server has said so."""
        self._closed_until = max(self._closed_until, self._clock() + seconds)

    def _admit(self, limits: Limits, tokens: int) -> Pass:
        self.in_flight += 1
        self._numbers += 1
        now = self._clock()
        self._allowance.admit(self._numbers, now)
        admitted = Pass(self._numbers, now, tokens)
        if limits.rpm is not None or limits.tpm is not None:
            self._minute.append(admitted)
        return admitted

    def _wait(self, limits: Limits, tokens: int) -> float | None:
        """Return the seconds until a request may be admitted: 0 for now, None until another has left."""
        now = self._clock()
        if now < self._closed_until:
            return self._closed_until - now
        for most in (limits.max_concurrency, self._concurrency.limit):
            if most is not None and self.in_flight >= int(most):
                return None
        wait = self._allowance.wait(now)
        while self._minute and self._minute[0].at <= now - MINUTE:
            self._minute.popleft()
        if limits.rpm is not None:
            for most, window in ((limits.rpm, MINUTE), (max(AT_ONCE, limits.rpm / 60), SECOND)):
                if len(self._minute) >= max(1, int(most)):
                    wait = max(wait, self._minute[-max(1, int(most))].at + window - now)
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
        while queue := self._again or self._queue:
            turn, limits, tokens = queue[0]
            if turn.done():  # cancelled while it waited
                queue.popleft()
                continue
            wait = self._wait(limits, tokens)
            if wait is None:
                return
            if wait > 0:
                self._timer = asyncio.get_running_loop().call_later(wait, self._let_in)
                return
            queue.popleft()
            turn.set_result(self._admit(limits, tokens))
