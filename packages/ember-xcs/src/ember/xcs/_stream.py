"""A stream of results: elements are tasks of one run, on a thread of its own, a bounded number ahead of who asks.

A thread, so that elements go on while whoever takes the results is busy, and so that these may be taken from anywhere:
by the threads of a web server, or by an event loop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, Final

from ._elements import Call, begin_element
from ._jit import perform_as_lowered
from ._run import Run, local
from ._tasks import Turn
from ._values import PENDING
from ._vmap_run import MOST_AHEAD, Finished

_AT_ONCE: Final = 256
"""How many elements are under way if no limit is given."""


def finished_elements(
    one: Callable[..., Any], function: Any, calls: Iterable[Call], limit: int | None
) -> Iterator[Finished[Any]]:
    """Give what came of `one(index, args, kwargs)` for each of `calls`, as they finish."""
    stream = _Stream(one, function, calls, limit)
    context = copy_context()  # of whoever asked for the stream, and not of who takes the first result
    return stream.results(
        threading.Thread(target=context.run, args=(stream.play,), name="ember-stream", daemon=True)
    )


class _Closed(BaseException):
    """Nobody wants any more results."""


class _Stream:
    def __init__(
        self, one: Callable[..., Any], function: Any, calls: Iterable[Call], limit: int | None
    ) -> None:
        self._one, self._function, self._calls = one, function, iter(calls)
        self._window = limit or _AT_ONCE
        self._finished: SimpleQueue[Finished[Any]] = SimpleQueue()
        self._lock = threading.Lock()
        self._run: Run | None = None
        # With the lock: how many are held, under way or finished and not taken; and what rings when that changes.
        self._held = 0
        self._bell: Turn | None = None
        self._closed = False
        # On the run's thread alone.
        self._active = self._due = 0
        self._early: set[int] = set()

    # Who takes the results -----------------------------------------------------------------------

    def results(self, thread: threading.Thread) -> Iterator[Finished[Any]]:
        thread.start()
        try:
            while (each := self._finished.get()).index >= 0:
                yield each
        finally:
            with self._lock:
                self._closed = True
            self._ring()
            thread.join(timeout=1.0)

    def _taken(self) -> None:
        with self._lock:
            self._held -= 1
        self._ring()

    def _ring(self) -> None:
        with self._lock:
            bell, self._bell = self._bell, None
        if bell is not None and self._run is not None:
            self._run.arrive(bell)

    # The run ---------------------------------------------------------------------------------------

    def play(self) -> None:
        """Run it all, on the stream's thread."""
        try:
            perform_as_lowered(self._program, (), {})
        except _Closed:
            pass
        except BaseException as error:  # all elements before it have succeeded
            self._finished.put(Finished(self._due, error=error))
        self._finished.put(Finished(-1))

    def _program(self) -> None:
        run = self._run = local.run
        index = 0
        failure: Exception | None = None
        while True:
            while self._must_wait(run):
                pass
            try:
                args, kwargs = next(self._calls)
            except StopIteration:
                break
            except Exception as error:  # the batch's own: it comes after all the elements it has given
                failure = error
                break
            with self._lock:
                self._held += 1
            self._active += 1
            result = begin_element(run, self._one, self._function, index, args, kwargs)
            if type(result) in PENDING and not result.done:
                run.then(result, partial(self._ended, run, index, result))
            else:
                self._put(index, run.force(result))
            index += 1
        while self._active:
            self._wait(run)
        if failure is not None:
            raise failure

    def _ended(self, run: Run, index: int, result: Any) -> None:
        if result.error is None:
            self._put(index, result.value)
            with self._lock:
                bell, self._bell = self._bell, None
            if bell is not None:
                run.turns -= 1
                run.set(bell, None)

    def _put(self, index: int, value: Any) -> None:
        self._active -= 1
        self._early.add(index)
        while self._due in self._early:
            self._early.discard(self._due)
            self._due += 1
        self._finished.put(Finished(index, value, taken=self._taken))

    def _must_wait(self, run: Run) -> bool:
        """Wait if no further element may begin now; return whether to ask again."""
        if self._closed:
            raise _Closed
        if self._active < self._window and self._held < self._window * MOST_AHEAD:
            return False
        self._wait(run, ahead=self._active < self._window)
        return True

    def _wait(self, run: Run, *, ahead: bool = False) -> None:
        """Wait until something has ended or been taken, unless that (for `ahead`, the latter) has happened already."""
        first = run.current.first
        if first is not None and first.error is not None:
            run.drain()  # the earliest failure: it came while we were about to go on
        bell = Turn(run, lambda error: run.set(bell, None, error))
        with self._lock:
            if self._closed:
                raise _Closed
            if ahead and self._held < self._window * MOST_AHEAD:
                return
            self._bell = bell
        run.turns += 1
        try:
            run.wait(bell)
        finally:
            with self._lock:
                if self._bell is bell:  # something else has ended the waiting
                    self._bell = None
                    run.turns -= 1
        if self._closed:
            raise _Closed
