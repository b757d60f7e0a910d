"""How many requests a server bears at once, learned from its refusals.

Unlimited until the server shows that it is too much (HTTP 429, 503 or 529). From then on it is additive increase,
multiplicative decrease (D. Chiu and R. Jain, 1989): halved by such a sign, once for all requests that were under way
together and to no more than it let through of them; and raised by one for each limit's worth of answers, by two for the
next, and so on until the next sign. Where the last sign came, the limit stops short until fifty answers have come: so
the server refuses few.
"""

from __future__ import annotations

from math import inf
from typing import Final

_ANSWERS_PER_TRY: Final = 50
_LONGEST_PAUSE: Final = 5.0


class Concurrency:
    """The requests that may be under way to one model at once. On the I/O loop only.

    Requests are numbered in the order of their admission.
    """

    __slots__ = ("_alone", "_calm", "_ceiling", "_crowd", "_last_of_crowd", "_step", "limit")

    def __init__(self) -> None:
        self.limit: float | None = None
        self._ceiling = inf
        self._crowd = self._last_of_crowd = 0
        self._calm, self._step = 0, 1.0
        self._alone = 0  # refusals in a row of the only request under way

    def refused(self, number: int, last: int, others: int, *, gently: bool, waiting: bool) -> float:
        """Take note of the refusal of a request, with `others` under way and `last` the last one that was admitted.

        A refusal that names a time is one of too many in that time, rather than at once: it lowers the limit `gently`.
        Returns the seconds for which those who are `waiting` had better go on: where even a single request is refused,
        again and again, each of them would fail in turn.
        """
        if number > self._last_of_crowd:
            self._crowd, self._last_of_crowd = others + 1, last
            self._ceiling = self._crowd
            most = self._crowd if self.limit is None else min(self.limit, self._crowd)
            alone = waiting and self.limit == 1.0 and not gently
            self._alone = self._alone + 1 if alone else 0
            self.limit = max(1.0, min(most, others) if gently else most / 2)
        elif not gently:
            self.limit = max(1.0, min(self.limit or 1.0, self._crowd))
        self._crowd -= 1
        if self._crowd <= 0:  # nothing was let through: that says nothing of how many would be
            self._ceiling = inf
        self._calm, self._step = 0, 1.0
        return min(_LONGEST_PAUSE, 0.1 * 2.0**self._alone) if self._alone else 0.0

    def answered(self) -> None:
        """Take note of an answer."""
        if self.limit is None:
            return
        self._alone = 0
        self._calm += 1
        raised = self.limit + self._step / self.limit
        if raised >= self._ceiling and self._calm < _ANSWERS_PER_TRY:
            return
        if self.limit < self._ceiling <= raised:
            raised, self._step = self._ceiling, 1.0
        self._step += 1 / self.limit
        self.limit = raised
