"""A hint to Python's garbage collector, for those who hold all rows.

The collector looks through young objects each time some hundreds more have been made than let go. Where rows pass by,
that is rare and cheap. Where they stay, it looks through all of them again and again and finds nothing: reading 200,000
nested rows into a list takes a third of the time if it looks less often (ADR 36).
"""

from __future__ import annotations

import gc
import os
import threading
from typing import Final

_SELDOM: Final = (100_000, 50, 1_000)


class _Unhurried:
    """Has the collector look less often while any thread is inside; its thresholds are the process's."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._usual: tuple[int, int, int] | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            usual = gc.get_threshold()
            # Who has switched it off, or made it less frequent, has reasons.
            if self._inside == 1 and gc.isenabled() and 0 < usual[0] < _SELDOM[0]:
                self._usual = usual
                gc.set_threshold(*_SELDOM)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._usual is not None:
                if gc.get_threshold() == _SELDOM:  # nobody else has set it meanwhile
                    gc.set_threshold(*self._usual)
                self._usual = None

    def in_child(self) -> None:
        """Begin anew in a forked child, whose other threads are gone."""
        usual, inside = self._usual, self._inside
        self._reset()
        if inside and usual is not None:
            gc.set_threshold(*usual)


unhurried: Final = _Unhurried()
os.register_at_fork(after_in_child=unhurried.in_child)
