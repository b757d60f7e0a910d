"""Run callables together: threads by default, whatever the handler in force makes of it otherwise."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import Any, Final, TypeVar, overload

from .crew import Crew, crew
from .externals import handler, refuse_io_loop

_T = TypeVar("_T")

MOST_THREADS: Final = 256
"""How many threads one `gather` starts at the most when no `limit` is given. They mostly wait, at 20 KB each."""


@overload
def gather(thunks: Iterable[Callable[[], _T]], limit: int | None = None) -> list[_T]: ...
@overload
def gather(
    thunks: Iterable[Callable[[], _T]], limit: int | None = None, *, return_exceptions: bool
) -> list[_T | Exception]: ...
def gather(
    thunks: Iterable[Callable[[], Any]], limit: int | None = None, *, return_exceptions: bool = False
) -> list[Any]:
    """Call all of `thunks` together and return their results in order.

    At most `limit` run at once (256 if not given). Each sees the caller's context. They run on threads of their own, so
    gathers nest to any depth without waiting for each other; a handler in force (XCS) makes tasks of them instead.

    When one raises, no further one is started, those waiting for external calls are cancelled, and once all have ended
    the exception earliest in order is raised. With `return_exceptions` nobody is cancelled, and exceptions stand in the
    places of the results. Raises `BlockedLoop` on Ember's I/O loop.

    >>> gather([lambda: 1, lambda: 2, lambda: 3], limit=2)
    [1, 2, 3]
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit is how many run at once, at least 1; got {limit!r}.")
    active = handler()
    if active is not None:
        return active.gather(thunks, limit, return_exceptions)
    refuse_io_loop("gather", "await asyncio.gather(...)")
    return _Gathering(thunks, return_exceptions).results(limit or MOST_THREADS)


def one_by_one(thunks: Iterable[Callable[[], Any]], return_exceptions: bool) -> list[Any]:
    """What `gather` gives, one thunk after the other: for handlers that make neither threads nor tasks of them."""
    results: list[Any] = []
    for thunk in thunks:
        try:
            results.append(thunk())
        except Exception as error:
            if not return_exceptions:
                raise
            results.append(error)
    return results


class _Gathering:
    """One `gather`: workers that take the next thunk until none is left or one has failed."""

    def __init__(self, thunks: Iterable[Callable[[], Any]], return_exceptions: bool) -> None:
        self._thunks, self._return_exceptions = iter(thunks), return_exceptions
        self._lock = threading.Lock()
        self._results: list[Any] = []  # grows as thunks are taken, so that nothing else does
        self._errors: dict[int, BaseException] = {}
        self._crew, self._outer = Crew(), crew.get()
        # Every thunk runs in a copy: what one sets, no other sees, and no context is entered by two threads. The
        # iterable has this one, in which threads take turns.
        self._context = copy_context()
        self._context.run(crew.set, self._crew)

    def results(self, limit: int) -> list[Any]:
        workers: list[threading.Thread] = []
        if self._outer is not None:
            self._outer.join(self._crew)
        try:
            while len(workers) < limit and (first := self._next()) is not None:
                worker = threading.Thread(target=self._work, args=first, name="ember-gather", daemon=True)
                workers.append(worker)
                worker.start()
            for worker in workers:
                worker.join()
        except BaseException:
            # Ctrl-C: leave nothing running behind, but do not wait for what cannot be cancelled.
            self._crew.cancel()
            patience = time.monotonic() + 1.0
            for worker in workers:
                if worker.ident is not None:
                    worker.join(timeout=max(0.0, patience - time.monotonic()))
            raise
        finally:
            if self._outer is not None:
                self._outer.leave(self._crew)
        if self._errors:
            error = self._errors[min(self._errors)]
            try:
                raise error
            finally:  # an error that can be reached from its own traceback stays in memory
                self._errors.clear()
                del error
        if self._crew.cancelled:  # by the gather around this one
            raise _cancelled()
        return self._results

    def _next(self) -> tuple[int, Callable[[], Any]] | None:
        with self._lock:
            try:
                if not self._crew.cancelled:
                    thunk = self._context.run(next, self._thunks)
                    self._results.append(None)
                    return len(self._results) - 1, thunk
            except StopIteration:
                pass
            except Exception as error:  # the iterable's own, which comes after all it has given
                self._failed(len(self._results), error)
        return None

    def _work(self, index: int, thunk: Callable[[], Any]) -> None:
        following: tuple[int, Callable[[], Any]] | None = (index, thunk)
        try:
            while following is not None:
                index, thunk = following
                try:
                    self._results[index] = self._context.copy().run(thunk)
                except Exception as error:
                    if not self._return_exceptions:
                        raise
                    self._results[index] = error
                following = self._next()
        except BaseException as error:
            self._failed(index, error)

    def _failed(self, index: int, error: BaseException) -> None:
        # Being cancelled is how the others end, not why.
        if not self._crew.cancelled or not isinstance(error, type(_cancelled())):
            self._errors[index] = error
        self._crew.cancel()


def _cancelled() -> BaseException:
    from asyncio import CancelledError  # not before something was cancelled

    return CancelledError()
