"""Run the elements of a vmapped call together: all at once, or a window of them at a time.

`run_all` is the one place that decides how. Outside of any program of ours these are threads (`ember.core.gather`);
where a handler is in force, they are its tasks. An element is a thunk of its own, however cheap: sixteen of them in one
would save 2 µs each, and make each wait for the calls of the fifteen others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from itertools import islice
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeVar, cast

from ember.core.concurrency import MOST_THREADS, gather
from ember.core.crew import Crew, crew
from ember.core.externals import handler

T = TypeVar("T")
Thunk = Callable[[], T]

MOST_AHEAD: Final = 4
"""How many windows of results may wait for the one that is due."""


def run_all(thunks: Iterable[Thunk[T]], limit: int | None) -> list[T]:
    """Return what `thunks` return, in order, running at most `limit` at once.

    When some raise, the exception raised is that of the earliest in order: those before it end, those after it are
    cancelled or not started.
    """
    if handler() is not None:
        return gather(thunks, limit)
    if limit == 1:
        return [copy_context().run(thunk) for thunk in thunks]
    run = _Run()
    results = gather(run.through(thunks), limit)
    if run.error is not None:
        try:
            raise run.error
        finally:  # an error that can be reached from its own traceback stays in memory
            run.error = None
    return results


class _Run:
    """Elements running together, and the earliest that has failed."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._failed_at: int | None = None
        self._crews: dict[int, Crew] = {}
        self._lock = threading.Lock()

    def through(self, thunks: Iterable[Thunk[T]]) -> Iterator[Thunk[T]]:
        """Give the thunks as they are to be run, until one has failed."""
        index = -1
        try:
            for index, thunk in enumerate(thunks):
                if self._failed_at is not None:
                    return
                yield partial(self._one, index, thunk)
        except Exception as error:  # the batch's own: it comes after all the elements it has given
            self._fail(index + 1, error)

    def _one(self, index: int, thunk: Thunk[Any]) -> Any:
        mine, outer = Crew(), crew.get()
        crew.set(mine)  # in the copy of the context that is this element's
        if outer is not None:
            outer.join(mine)
        with self._lock:
            self._crews[index] = mine
            late = self._failed_at is not None and index > self._failed_at
        if late:
            mine.cancel()
        try:
            return None if late else thunk()
        except BaseException as error:
            self._fail(index, error)
        finally:
            with self._lock:
                del self._crews[index]
            if outer is not None:
                outer.leave(mine)

    def _fail(self, index: int, error: BaseException) -> None:
        with self._lock:
            if self._failed_at is not None and self._failed_at < index:
                return
            self._failed_at, self.error = index, error
            after = [each for at, each in self._crews.items() if at > index]
        for each in after:
            each.cancel()


class Finished(Generic[T]):
    """What came of the element `index`; index -1 is the end."""

    __slots__ = ("_result", "_taken", "error", "index")

    def __init__(
        self,
        index: int,
        result: T | None = None,
        error: BaseException | None = None,
        taken: Callable[[], None] | None = None,
    ) -> None:
        self.index, self._result, self.error, self._taken = index, result, error, taken

    def get(self) -> T:
        """Return the result, or raise the error. Another element may begin for it."""
        if self._taken is not None:
            self._taken()
        if self.error is not None:
            raise self.error
        return cast(T, self._result)


def as_finished(thunks: Iterable[Thunk[T]], limit: int | None) -> Iterator[Finished[T]]:
    """Give what came of each of `thunks` as they finish, no more than a few windows ahead of who asks.

    Once one has failed no further one is started. Those in flight are cancelled when the iterator is closed.
    """
    return _windows(thunks, limit) if handler() is not None else _as_finished(thunks, limit)


def in_order(finished: Iterator[Finished[T]]) -> Generator[T, None, None]:
    """Give the results in the order of their elements, up to the earliest error."""
    waiting: dict[int, Finished[T]] = {}
    due = 0
    for each in finished:
        waiting[each.index] = each
        while due in waiting:
            yield waiting.pop(due).get()
            due += 1


def _windows(thunks: Iterable[Thunk[T]], limit: int | None) -> Iterator[Finished[T]]:
    """Do a window after the other, within the program whose handler is in force: it has one thread."""
    source, done = iter(thunks), 0
    while window := list(islice(source, limit or MOST_THREADS)):
        for result in run_all(window, limit):
            yield Finished(done, result)
            done += 1


def _as_finished(thunks: Iterable[Thunk[T]], limit: int | None) -> Iterator[Finished[T]]:
    window = limit or MOST_THREADS
    finished: SimpleQueue[Finished[T]] = SimpleQueue()
    # One slot per element that is running, or finished and not taken: what bounds memory.
    slots = threading.Semaphore(window * MOST_AHEAD)
    source, lock, group = enumerate(thunks), threading.Lock(), Crew()
    context = copy_context()
    context.run(crew.set, group)
    taken, over = 0, False

    def take() -> tuple[int, Thunk[T]] | None:
        nonlocal taken, over
        slots.acquire()
        with lock:
            try:
                item = None if over or group.cancelled else context.run(next, source, None)
            except Exception as error:  # the batch's own: it comes after all the elements it has given
                finished.put(Finished(taken, error=error))
                item = None
            over = over or item is None
            taken += item is not None
        return item

    def work() -> None:
        nonlocal over
        while (item := take()) is not None:
            try:
                result = context.copy().run(item[1])
                finished.put(Finished(item[0], result, taken=slots.release))
            except BaseException as error:
                over = True
                finished.put(Finished(item[0], error=error))
        slots.release()

    def workers() -> Iterator[Thunk[None]]:
        for _ in range(window):
            if over:
                return
            yield work

    def run() -> None:
        # What ends it is in the queue already, but for being cancelled: then nobody asks any more.
        with suppress(BaseException):
            run_all(workers(), window)
        finished.put(Finished(-1))

    runner = threading.Thread(target=partial(context.copy().run, run), name="ember-stream", daemon=True)
    runner.start()
    try:
        while (each := finished.get()).index >= 0:
            yield each
    finally:
        group.cancel()
        over = True
        for _ in range(window):
            slots.release()
        runner.join(timeout=1.0)
