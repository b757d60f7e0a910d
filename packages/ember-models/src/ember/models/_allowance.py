"""How many requests a server lets through in what time, learned from its refusals and its rate-limit headers.

Nothing is assumed before a server has spoken. A refusal that names a time closes the gate until then. The first one
also ends a cycle: the next, as long as this one, admits as many as this one had accepted, one after the other at even
intervals, so that it does not matter whether the server counts by the window, by a sliding one, or with a bucket. Each
cycle in which somebody was refused measures anew. Where a cycle is used up and nobody was refused, the next admits a
little more, and ever more of it; but no more than one request in forty is such a try.

Where headers say what is left and when all of it is there again, that is believed instead, and nobody needs be refused.
"""

from __future__ import annotations

from typing import Final

from ._limits import Left

_ANSWERS_PER_TRY: Final = 40
_LONGEST_CYCLE: Final = 60.0
"""Seconds. What vendors limit is a minute; what lies longer back says nothing of now."""
_PAUSE: Final = 10.0
"""Seconds without a request, after which a first cycle begins anew."""
_FEW: Final = 10
"""A first refusal after fewer requests than these says little: it closes, and what follows is measured."""
_SPREAD: Final = 0.9
"""The part of a cycle over which its requests are spread; the rest makes up for late ones."""


class Allowance:
    """The requests that may be admitted to one model, as its server has let us know. On the I/O loop only.

    Requests are numbered in the order of their admission.
    """

    __slots__ = (
        "_admitted",
        "_calm",
        "_closed_until",
        "_first",
        "_heard",
        "_last",
        "_left",
        "_length",
        "_met",
        "_most",
        "_paced",
        "_refused",
        "_refused_at",
        "_renews",
        "_size",
        "_start",
        "_step",
        "_told",
    )

    def __init__(self) -> None:
        self._size: int | None = (
            None  # how many a cycle may have; None as long as the server has said nothing
        )
        self._told = False  # by headers
        self._start = self._last = self._renews = self._closed_until = self._refused_at = 0.0
        self._length = _LONGEST_CYCLE
        self._left = self._admitted = self._refused = 0
        self._first = self._most = self._heard = 0
        self._calm, self._step = 0, 1
        self._paced = self._met = False

    def wait(self, now: float) -> float:
        """Return the seconds until another may be admitted."""
        if now >= self._renews:
            self._renew(now)
        if self._size is None:
            return 0.0
        if self._left <= 0:
            return self._renews - now
        until = self._closed_until
        if self._paced:
            until = max(until, self._start + self._length * _SPREAD * self._admitted / self._size)
        return max(0.0, until - now)

    def admit(self, number: int, now: float) -> None:
        """Count a request."""
        if self._size is None and now - self._last > _PAUSE:
            self._admitted = 0
        if not self._admitted:
            self._first = number
            if self._size is None:
                self._start = now
        self._admitted += 1
        self._left -= 1
        self._most, self._last = number, now

    def refused(self, number: int, seconds: float, now: float) -> None:
        """Take note of a refusal that says to come again after so many seconds."""
        self._closed_until = max(self._closed_until, now + seconds)
        self._refused_at = now
        self._calm, self._step = 0, 1
        if self._size is None:  # the first word the server says of limits
            self._size, self._renews, self._left = 1, 0.0, 0
        elif number >= self._first and not self._told and self._left >= 0:
            self._left += 1  # it was not used up
        self._renews = max(self._renews, self._closed_until)
        if number >= self._first:
            self._refused += 1

    def heard(self, number: int, left: Left, now: float) -> None:
        """Take note of what the reply to a request says is left."""
        if number < self._heard:
            return  # a later one's reply was here before
        self._heard = number
        self._length = max(left.reset, 1e-3)
        self._renews = max(now + left.reset, self._closed_until)
        self._size, self._told, self._paced = max(left.limit, 1), True, False
        self._left = left.remaining - (
            self._most - number
        )  # those admitted since are not in the server's count

    def unheard(self) -> None:
        """Take note of an answer that says nothing of limits: where others did, that does not hold any more."""
        if self._told:
            self._size, self._told, self._closed_until = None, False, 0.0

    def _renew(self, now: float) -> None:
        """Begin a cycle."""
        if self._size is not None:
            if self._told:
                self._left = max(1, self._size - (self._most - self._heard))
            else:
                self._measure(now)
                self._left = self._size or 0
        self._start, self._renews = now, now + self._length
        self._admitted = self._refused = 0

    def _measure(self, now: float) -> None:
        size = self._size or 1
        if self._refused and not self._met and self._admitted - self._refused < _FEW:
            self._size, self._met = None, True
            return
        if self._refused:
            self._met = True
            size = max(1, self._admitted - self._refused)
            self._length = max(self._renews - self._start, 1e-3)
        elif self._left <= 0:
            self._calm += self._admitted
            if self._calm >= _ANSWERS_PER_TRY or now - self._refused_at > _LONGEST_CYCLE:
                size += max(1, size * self._step // _ANSWERS_PER_TRY)
                self._step *= 2
        self._size, self._paced = size, True
