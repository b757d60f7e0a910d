"""A hint to Python's garbage collector, for those who hold much for a while.

The collector looks through young objects each time some hundreds more have been made than let go. Where they pass by,
that is rare and cheap. Where they stay, it looks through all of them again and again and finds nothing: reading 200,000
nested rows into a list takes a third of the time if it looks less often (ADR 36), ten thousand tasks of a jitted
function two thirds (ADR 40).
"""

from __future__ import annotations

import gc
import os
import threading
from typing import Final, TypeAlias

_Thresholds: TypeAlias = tuple[int, int, int]


class Unhurried:
    """Has the collector look as seldom as `thresholds` say while any thread is inside: they are the process's.

    Who has switched it off, or has it look less often, has reasons, and is not overruled.
    """

    def __init__(self, *thresholds: int) -> None:
        one, two, three = thresholds
        self._thresholds: Final = one, two, three

    def __enter__(self) -> None:
        self.enter()

    def __exit__(self, *_: object) -> None:
        self.leave()

    def enter(self) -> None:
        with _state.lock:
            _state.inside.append(self._thresholds)
            _state.follow()

    def leave(self) -> None:
        with _state.lock:
            if self._thresholds in _state.inside:  # not in a forked child
                _state.inside.remove(self._thresholds)
                _state.follow()


class _State:
    """Who is inside, with what; what was set for them, and what was there before."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.lock = threading.Lock()
        self.inside: list[_Thresholds] = []
        self.usual: _Thresholds | None = None
        self.ours: _Thresholds | None = None

    def follow(self) -> None:
        """Set the most patient of what those inside ask for; without any, what was there before."""
        now, wanted = gc.get_threshold(), max(self.inside, default=None)
        if now != self.ours:  # nothing is set, or somebody else has set it meanwhile
            self.usual = self.ours = None
        if wanted is None:
            if self.usual is not None:
                gc.set_threshold(*self.usual)
            self.usual = self.ours = None
        elif self.ours is not None or (gc.isenabled() and 0 < now[0] < wanted[0]):
            self.usual = self.usual or now
            self.ours = wanted
            gc.set_threshold(*wanted)

    def in_child(self) -> None:
        """Begin anew in a forked child, whose other threads are gone."""
        usual, ours = self.usual, self.ours
        self.begin()
        if usual is not None and gc.get_threshold() == ours:
            gc.set_threshold(*usual)


_state: Final = _State()
os.register_at_fork(after_in_child=_state.in_child)
