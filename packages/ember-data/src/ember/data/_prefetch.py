"""Making rows ahead, in a thread: worth it where making one waits for something."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread, current_thread
from typing import Any

from ._cursor import Cursor, State, Through
from ._run import Run
from .errors import SharedIterator

_TICK = 0.1  # seconds between looks at whether anybody still wants rows
_PATIENCE = 1.0  # seconds to wait for a row that is being made when nobody wants it any more


@dataclass(frozen=True)
class Prefetch:
    """Up to `n` rows made ahead of the one that is asked for."""

    n: int

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Prefetching(upstream, self.n)

    def __repr__(self) -> str:
        return f"prefetch({self.n})"

    @property
    def signature(self) -> str:
        return "prefetch"


_ROW, _FAILED, _END = range(3)


class _Prefetching(Through):
    """Each row comes with the upstream's state after it, so that what was made ahead is not part of the place."""

    def __init__(self, upstream: Cursor, n: int) -> None:
        super().__init__(upstream)
        self._ready: Queue[tuple[int, Any, State]] = Queue(n)
        self._stop = Event()
        self._begun = False
        self._now: State = None
        self._before: State = None

    def rows(self) -> Iterator[Any]:
        self._now = self._before = self.upstream.state()
        self._begun = True
        pid = os.getpid()
        # The thread sees the context of whoever asks for rows: with_context() reaches what is called in it.
        thread = Thread(target=self._work, args=(copy_context(),), name="ember-prefetch", daemon=True)
        thread.start()
        try:
            while True:
                if os.getpid() != pid:
                    raise SharedIterator(
                        "This iterator makes rows in a thread, which did not follow into the forked process. "
                        "Begin it there: iter(stream), and load_state_dict() to go on."
                    )
                kind, row, state = self._get(thread)
                if kind == _END:
                    self._before = self._now = state
                    return
                if kind == _FAILED:
                    self._before = state
                    raise row
                self._before, self._now = self._now, state
                yield row
        finally:
            self._stop.set()
            # What it still puts aside is not to be written into a file that the next iterator has begun anew.
            if thread is not current_thread():
                thread.join(_PATIENCE)

    def _get(self, thread: Thread) -> tuple[int, Any, State]:
        return self._ready.get()

    def _work(self, context: Context) -> None:
        rows = self.upstream.rows()
        while True:
            try:
                row = context.run(next, rows)
            except StopIteration:
                self._put((_END, None, self.upstream.state()))
                return
            except BaseException as error:
                self._put((_FAILED, error, self.upstream.state(undo=True)))
                return
            if not self._put((_ROW, row, self.upstream.state())):
                return

    def _put(self, ready: tuple[int, Any, State]) -> bool:
        while not self._stop.is_set():
            try:
                self._ready.put(ready, timeout=_TICK)
                return True
            except Full:
                pass
        return False

    def state(self, undo: bool = False) -> State:
        if not self._begun:
            return self.upstream.state(undo)
        return self._before if undo else self._now

    def close(self) -> None:
        self._stop.set()
        while True:
            try:
                self._ready.get_nowait()
            except Empty:
                break
        super().close()
