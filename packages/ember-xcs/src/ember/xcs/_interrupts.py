"""Ctrl-C while a run is switching: noted, and raised as soon as the program's own code runs, or waits.

Python raises KeyboardInterrupt between any two steps of the main thread. In the middle of taking a task that can go on,
or of striking a call that has ended from its log, it would lose that task or that call, and the program would wait for
ever. So while a run is going on, SIGINT comes here first. In the program's code, in libraries and where the run waits,
it goes on to whoever had it before, at once; in the bookkeeping it is sent again a moment later.
"""

from __future__ import annotations

import signal
import threading
import time
from _thread import allocate_lock, start_new_thread
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, Final, TypeVar

_T = TypeVar("_T")
_AGAIN: Final = 0.001
_LONGEST: Final = 1.0
"""Seconds after which it is raised wherever that is: bookkeeping takes microseconds, and this is a fault of ours."""
_BLOCKING: Final = (True,)
_SLICE: Final = (0.2,)
_BOOKS: Final = frozenset(
    str(Path(__file__).with_name(name)) for name in ("_log.py", "_switching.py", "_run.py", "_drive.py")
)
_CALLING: Final = frozenset({"_fiber"})
"""Functions in these files that the program's code runs below."""


class Guard:
    """SIGINT during one run on the main thread, or one stretch of it."""

    __slots__ = ("_before", "_ghosts", "_lock", "_since", "_trying", "noted", "waits")

    def __init__(self, before: Callable[[int, FrameType | None], Any]) -> None:
        self._before = before
        self._lock = allocate_lock()
        self._ghosts = 0
        self._since = 0.0
        self._trying = False
        self.noted = self.waits = False

    def enter(self) -> None:
        """Have SIGINT come here, until `leave`."""
        signal.signal(signal.SIGINT, self.handle)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Take the signal that came while `frame` was running."""
        if self._ghosts:
            self._ghosts -= 1
            if not self.noted:  # it has been raised meanwhile
                return
        late = self.noted and time.monotonic() - self._since > _LONGEST
        if self.waits or late or not _keeps_books(frame):
            self.noted = False
            self._before(number, frame)
            return
        if not self.noted:
            self.noted, self._since = True, time.monotonic()
        if not self._trying:
            self._trying = True
            start_new_thread(self._again, ())

    def _again(self) -> None:
        time.sleep(_AGAIN)
        self._trying = False
        with self._lock:
            if self.noted:
                self._ghosts += 1
                main = threading.main_thread().ident
                assert main is not None
                _send(main)

    def wait(self, source: SimpleQueue[_T], into: deque[_T]) -> None:
        """Wait for something to come from `source` and put it `into`. An interruption is raised here."""
        self.waits = True
        try:
            if self.noted:
                self.noted = False
                self._before(signal.SIGINT, None)
            while not into:
                # A signal that comes between Python's last look and the system's wait is seen after the wait only.
                with suppress(Empty):
                    # One step of C: what has come is not lost, whenever it is interrupted.
                    into.extend(map(source.get, _BLOCKING, _SLICE))
        finally:
            self.waits = False

    def leave(self) -> None:
        """Give SIGINT back. Raises what was noted and could not be raised before."""
        self._lock.acquire(timeout=0.1)  # in a forked child, nobody would release it
        noted, self.noted = self.noted, False
        self._lock.release()
        if signal.getsignal(signal.SIGINT) == self.handle:
            end = time.monotonic() + _LONGEST
            while (
                self._ghosts and time.monotonic() < end
            ):  # what was sent again is on its way, and for nobody else
                time.sleep(0)
            signal.signal(signal.SIGINT, self._before)
        if noted:
            self._before(signal.SIGINT, None)


def guard() -> Guard | None:
    """Return what can take over SIGINT; None where that can raise nothing: off the main thread, or if it is ignored."""
    if threading.get_ident() != threading.main_thread().ident:
        return None
    before = signal.getsignal(signal.SIGINT)
    return Guard(before) if callable(before) else None


def _keeps_books(frame: FrameType | None) -> bool:
    """Whether the bookkeeping of a run is under way: below `frame`, as far as its own greenlet goes."""
    first = True
    while frame is not None:
        code = frame.f_code
        if code.co_filename in _BOOKS:
            return first or code.co_name not in _CALLING
        first = False
        frame = frame.f_back
    return False


def _send(thread: int) -> None:
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(thread, signal.SIGINT)  # which also ends a wait of the system's
    else:
        signal.raise_signal(signal.SIGINT)
