"""A thread that writes behind the callers' backs, there only while there is something to write.

It is no daemon: the interpreter waits for it at exit, in forked workers too, so that what was handed over before is
written. Nothing has to be registered for that, and an idle program has no thread.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Final
from weakref import WeakSet

_log = logging.getLogger("ember.models")
_LINGER: Final = 0.05  # seconds without work after which the thread ends; the most that exit is delayed by


class Scribe:
    """Calls `write` on a thread of its own soon after each `wake`, and once for several that come meanwhile."""

    def __init__(self, name: str, write: Callable[[], object], forget: Callable[[], object]) -> None:
        self._name, self._write, self._forget = name, write, forget
        self._reset()
        _scribes.add(self)

    def _reset(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._wanted = self._writing = self._running = False

    def wake(self) -> None:
        """Have `write` called soon. Never blocks, except at interpreter exit, where it is called at once."""
        with self._changed:
            self._wanted = True
            if self._running:
                self._changed.notify_all()
                return
            self._running = True
        try:
            threading.Thread(target=self._work, name=self._name, daemon=False).start()
        except RuntimeError:  # the interpreter is exiting, or out of threads
            self._work()

    def finish(self, seconds: float) -> bool:
        """Wait until everything is written, `seconds` at most; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._wanted or self._writing), seconds)

    def _work(self) -> None:
        while self._more():
            try:
                self._write()
            except Exception:  # what is written here is never worth a thread, or an answer
                _log.exception("What %s was to write is lost", self._name)
            finally:
                with self._changed:
                    self._writing = False
                    self._changed.notify_all()

    def _more(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._wanted, _LINGER)
            self._running = self._writing = self._wanted
            self._wanted = False
            return self._running

    def in_child(self) -> None:
        """Begin anew in a forked child: the thread is the parent's, and so is what waits to be written."""
        self._reset()
        self._forget()


_scribes: WeakSet[Scribe] = WeakSet()


def _after_fork() -> None:
    for scribe in list(_scribes):
        scribe.in_child()


os.register_at_fork(after_in_child=_after_fork)
