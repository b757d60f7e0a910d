"""What the external calls of one run cost: those made inside its stages, and inside those calls."""

from __future__ import annotations

import threading
from decimal import Decimal

from ember.core.events import CallFailed, CallFinished, CallStarted, next_call, subscribe


class Spending:
    """Counts the calls made inside `number`, while it is open: how many, how many failed, and US dollars."""

    def __init__(self) -> None:
        self.number = next_call()
        self.calls = self.failed = self.unpriced = 0
        self.cost = Decimal(0)
        self._inside = {self.number}
        self._lock = threading.Lock()
        self._stop = subscribe(self._hear, CallStarted, CallFinished, CallFailed)  # type: ignore[arg-type]

    def _hear(self, event: CallStarted | CallFinished | CallFailed) -> None:
        with self._lock:
            if isinstance(event, CallStarted):
                if event.parent in self._inside:
                    self._inside.add(event.call)
                return
            if event.call not in self._inside:
                return
            self._inside.discard(event.call)
            if isinstance(event, CallFailed):
                self.failed += 1
            else:
                self.calls += 1
                self.unpriced += event.cost is None
            self.cost += event.cost or 0

    def close(self) -> None:
        """Hear no more."""
        self._stop()
