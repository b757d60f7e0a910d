"""Calls that are counted while they are under way, and held until as many are as a test expects."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

PATIENCE: Final = 5.0
"""How many seconds a call is held at most. Only a failing test comes to the end of it."""


class Crowd:
    """How many calls are under way now, and how many were at most.

    Calls that merely take a while are not under way together on a machine that is slow to begin them.
    """

    def __init__(self) -> None:
        self.now = self.most = self._expected = 0
        self._lock = threading.Lock()

    def expect(self, count: int = 0) -> None:
        """Count anew, and hold calls until so many are under way."""
        self.most, self._expected = self.now, count

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Be one of them."""
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            end = time.monotonic() + PATIENCE
            while self.most < self._expected and time.monotonic() < end:  # noqa: ASYNC110  # runs have loops of their own
                await asyncio.sleep(0.001)
            if self.most < self._expected:
                self._expected = 0  # one wait in vain is enough
            yield
        finally:
            with self._lock:
                self.now -= 1
