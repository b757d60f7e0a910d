"""Call a function of many rows at the same time: `map_concurrent`.

Rows are taken from the upstream by whoever asks for a row, and only as far ahead as the window is; the calls are made
by threads or, where the function is `async`, by Ember's I/O loop. What a row's upstream state was stands beside the row
until its result was handed over: that is all that resuming needs.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from ember.core.concurrency import gather
from ember.core.crew import Crew, crew
from ember.core.errors import EmberError
from ember.core.externals import handler, inside
from ember.core.fingerprint import is_async
from ember.core.secrets import scrub

from ._cursor import Cursor, State, Through
from ._run import Run
from ._stage import named
from .errors import BadRecord

if TYPE_CHECKING:
    from ember.core.journal import Journal
    from ember.core.loop import Started

OnItemError = Literal["raise", "skip", "return", "quarantine"]

_NONE: Final[Any] = object()
_SHOWN: Final = 2_000
_AHEAD: Final = 4
"""How many windows of rows may be on their way for the one that is due."""


@dataclass(frozen=True)
class MapConcurrent:
    """Make a new row of each, `concurrency` of them at the same time."""

    function: Callable[[Any], Any]
    concurrency: int = 16
    ordered: bool = True
    on_error: OnItemError = "raise"
    retries: int = 0
    journal: Journal | None = None

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Mapping(upstream, self, run)

    def __fingerprint__(self) -> object:
        """Say what rows come of it, for `cache()`."""
        return self.function, self.on_error

    def __repr__(self) -> str:
        said = [named(self.function), f"concurrency={self.concurrency}"]
        said += [] if self.ordered else ["ordered=False"]
        said += [] if self.on_error == "raise" else [f"on_error={self.on_error!r}"]
        said += [f"retries={self.retries}"] if self.retries else []
        said += ["journal=..."] if self.journal is not None else []
        return f"map_concurrent({', '.join(said)})"

    @property
    def signature(self) -> str:
        return "map_concurrent" if self.ordered else "map_concurrent(ordered=False)"


class _Item:
    """A row on its way: where the upstream stood before it, and what came of it."""

    __slots__ = ("before", "done", "error", "handed", "job", "row", "value")

    def __init__(self, before: State, row: Any) -> None:
        self.before, self.row = before, row
        self.value: Any = None
        self.error: BaseException | None = None
        self.done = self.handed = False
        self.job: Started | None = None


class _Mapping(Through):
    def __init__(self, upstream: Cursor, stage: MapConcurrent, run: Run) -> None:
        super().__init__(upstream)
        self._stage, self._run = stage, run
        self._window: deque[_Item] = deque()
        self._last: _Item | None = None  # handed over, and still in the window: the next to ask moves it on
        self._skip: set[int] = set()
        self._calls: _Calls | None = None

    def rows(self) -> Iterator[Any]:
        stage, window = self._stage, self._window
        calls = self._calls = _Calls(stage, self._run)
        rows: Iterator[Any] | None = self.upstream.rows()
        most, read = stage.concurrency * _AHEAD, 0
        failed = True
        try:
            while True:
                self._trim()
                # A row for the one that went, and as many more as there is time for while none is due.
                while rows is not None and len(window) < most:
                    item = _Item(self.upstream.state(), _NONE)
                    try:
                        item.row = next(rows)
                    except StopIteration:
                        rows = None
                        break
                    except Exception as error:  # the upstream's own: it comes after all the rows before it
                        item.error, item.done, rows = error, True, None
                    window.append(item)
                    if read in self._skip:  # handed over before the state was taken that this goes on from
                        item.done = item.handed = True
                    elif not item.done:
                        calls.start(item)
                    read += 1
                    if self._due() is not None:
                        break
                item_due = self._due() or calls.wait(self._due)
                if item_due is None:
                    if rows is None and not any(not item.handed for item in window):
                        failed = False
                        return
                    continue
                if item_due.error is not None and not self._forgiven(item_due):
                    raise item_due.error
                item_due.handed = True
                if item_due.error is None:
                    self._last = item_due
                    yield item_due.value
                elif stage.on_error == "return":
                    self._last = item_due
                    yield item_due.error
        except GeneratorExit:
            failed = False
            raise
        finally:
            calls.end(wait=failed and stage.journal is not None)

    def _trim(self) -> None:
        self._last = None
        while self._window and self._window[0].handed:
            self._window.popleft()

    def _due(self) -> _Item | None:
        """Return the item whose result is the next to be handed over, if it is there."""
        for item in self._window:
            if not item.handed:
                if item.done:
                    return item
                if self._stage.ordered:
                    return None
        return None

    def _forgiven(self, item: _Item) -> bool:
        """Whether the rows go on without this one; it is counted, and put aside if that is asked for."""
        error, policy = item.error, self._stage.on_error
        if policy == "raise" or item.row is _NONE or not isinstance(error, Exception):
            return False
        # What would happen to every other row too (no key, no budget left, a full disk) is no row's own fault: a run
        # that passed over it would end with nothing, and look well.
        if getattr(error, "systemic", False):
            return False
        reason = scrub(f"{type(error).__name__}: {error}")
        content = repr(item.row).encode("utf-8", "backslashreplace")[:_SHOWN]
        record = BadRecord(
            repr(self._stage), 0, 0, reason, scrub(content.decode("utf-8", "replace")).encode()
        )
        self._run.fail(record, aside=policy == "quarantine")
        return True

    def state(self, undo: bool = False) -> State:
        window, last = self._window, self._last if undo else None
        missing = [n for n, item in enumerate(window) if not item.handed or item is last]
        if not missing:
            return {"up": self.upstream.state(undo and not window), "done": []}
        first = missing[0]
        done = [n - first for n in range(first, len(window)) if n not in set(missing)]
        return {"up": window[first].before, "done": done}

    def load(self, state: State) -> None:
        self._skip = set(state["done"])
        self.upstream.load(state["up"])

    def close(self) -> None:
        if self._calls is not None:
            self._calls.end(wait=False)
        super().close()


class _Calls:
    """The calls of one run, `concurrency` at once: on threads, or on the I/O loop where they are to be awaited."""

    def __init__(self, stage: MapConcurrent, run: Run) -> None:
        self._stage, self._function = stage, _prepared(stage)
        self._is_async = is_async(stage.function)
        self._changed = threading.Condition(threading.Lock())
        self._crew, self._spending = Crew(), run.spending()
        self._todo: SimpleQueue[tuple[Context, _Item] | None] = SimpleQueue()
        self._later: deque[tuple[Context, _Item]] = deque()
        self._threads: list[threading.Thread] = []
        self._open = self._running = 0
        self._ended = False
        # A program of XCS that is being watched has its own ways of doing things at once.
        self._gathered: list[_Item] | None = None if handler() is None else []

    def start(self, item: _Item) -> None:
        """Have the function called with the item's row as soon as one of those at work is free."""
        if self._gathered is not None:
            self._gathered.append(item)
            return
        context = copy_context()  # the asker's: what `with_context` says there holds for this call
        context.run(crew.set, self._crew)
        with self._changed:
            self._open += 1
        if self._is_async:
            self._start_async(context, item)
            return
        self._todo.put((context, item))
        if len(self._threads) < min(self._stage.concurrency, self._open):
            thread = threading.Thread(target=self._work, name="ember-map", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (each := self._todo.get()) is not None:
            context, item = each
            if not self._ended:
                context.run(self._run, item)
            self._finish(item)

    def _run(self, item: _Item) -> None:
        try:
            with inside(self._spending.number):
                made = self._function(item.row)
                item.value = loop_run(made) if self._is_async or isawaitable(made) else made
        except BaseException as error:
            item.error = error

    def _finish(self, item: _Item) -> None:
        with self._changed:
            item.done = True
            self._open -= 1
            self._changed.notify_all()

    def _start_async(self, context: Context, item: _Item) -> None:
        with self._changed:
            if self._running >= self._stage.concurrency:
                self._later.append((context, item))
                return
            self._running += 1
        context.run(self._launch, item)

    def _launch(self, item: _Item) -> None:
        from asyncio import CancelledError  # not before something is to be awaited

        from ember.core.loop import io_loop

        item.error = CancelledError()  # which it stays if it is never begun

        async def await_it() -> None:
            try:
                with inside(self._spending.number):
                    item.value = await self._function(item.row)
                item.error = None
            except BaseException as error:
                item.error = error

        item.job = io_loop().start(await_it(), partial(self._landed, item))
        self._crew.join(item.job)
        if item.done:
            self._crew.leave(item.job)

    def _landed(self, item: _Item) -> None:
        with self._changed:
            following = self._later.popleft() if self._later and not self._ended else None
            self._running -= following is None
        self._finish(item)
        if item.job is not None:
            self._crew.leave(item.job)
        if following is not None:
            following[0].run(self._launch, following[1])

    def wait(self, due: Callable[[], _Item | None]) -> _Item | None:
        """Return what is due as soon as it is; None if nothing is on its way."""
        if self._gathered:
            items, self._gathered = self._gathered, []
            gather([partial(self._run, item) for item in items], self._stage.concurrency)
            for item in items:
                item.done = True
        with self._changed:
            while (found := due()) is None and self._open:
                self._changed.wait()
            return found

    def end(self, wait: bool) -> None:
        """Start no more. Those on their way end, waited for if so said, where a journal takes them down; else they are
        cancelled.
        """
        if self._ended:
            return
        self._ended = True
        for _ in self._threads:
            self._todo.put(None)
        if self._stage.journal is None:
            self._crew.cancel()
        elif wait:
            for thread in self._threads:
                thread.join()
            with self._changed:
                while self._running:
                    self._changed.wait()
        self._spending.close()


def loop_run(awaitable: Any) -> Any:
    """Await on Ember's I/O loop what a plain function returned."""
    from ember.core import loop

    return loop.run(cast("Coroutine[Any, Any, Any]", awaitable), "map_concurrent")


def _prepared(stage: MapConcurrent) -> Callable[[Any], Any]:
    """Return the function with retries and journal."""
    function = stage.function
    kept = None if stage.journal is None else stage.journal.of(function)
    retrying = _retrying_async if is_async(function) else _retrying
    return retrying(function if kept is None else kept, stage.retries)


def _retrying(function: Callable[[Any], Any], retries: int) -> Callable[[Any], Any]:
    def call(row: Any) -> Any:
        for _ in range(retries):
            try:
                return function(row)
            except (
                EmberError
            ):  # what may be retried of a model call was, by the engine; the rest is no better for asking
                raise
            except Exception:
                continue
        return function(row)

    return call


def _retrying_async(function: Callable[[Any], Any], retries: int) -> Callable[[Any], Any]:
    async def call(row: Any) -> Any:
        for _ in range(retries):
            try:
                return await function(row)
            except EmberError:
                raise
            except Exception:
                continue
        return await function(row)

    return call
