"""A circuit breaker: an endpoint that only fails is left alone for a while (M. Nygard, "Release It!", 2007)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

FAILURES: Final = 20
REST: Final = 5.0
"""Seconds an endpoint is left alone after 20 failures in a row, before one request may try it again."""


class Breaker:
    """Opens after 20 failures in a row to connect or with HTTP 5xx; any other reply closes it. On the I/O loop only."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._opened_at: float | None = None
        self._probing = False
        self.failures = 0

    @property
    def state(self) -> Literal["closed", "open", "half-open"]:
        """ "closed" lets all through, "open" none, "half-open" one probe."""
        if self._opened_at is None:
            return "closed"
        return "open" if self._clock() - self._opened_at < REST else "half-open"

    def refuses(self) -> float | None:
        """Return the seconds until a request may be made, or None if one may now; it then counts as the probe."""
        if self._opened_at is None:
            return None
        rest = self._opened_at + REST - self._clock()
        if rest > 0:
            return rest
        if self._probing:
            return REST
        self._probing = True
        return None

    def failed(self) -> None:
        """Count a failure."""
        self.failures += 1
        self._probing = False
        if self.failures >= FAILURES:
            self._opened_at = self._clock()

    def answered(self) -> None:
        """Forget the failures: the endpoint lives."""
        self.failures, self._opened_at, self._probing = 0, None, False

    def undecided(self) -> None:
        """A request ended without showing anything, cancelled or out of time: the next may probe instead."""
        self._probing = False
