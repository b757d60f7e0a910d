"""The iterator of a stream: its rows, and where it stands."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from inspect import GEN_CREATED, GEN_RUNNING, getgeneratorstate
from typing import Any, Generic, TypeVar

from ._checkpoint import Checkpoint
from ._cursor import Cursor
from ._run import Run, Summary
from .errors import SharedIterator, StateMismatch

T = TypeVar("T")
_VERSION = 1


def _rows(cursor: Cursor, run: Run) -> Generator[Any, None, None]:
    # A generator refuses to be entered by a second thread: that is what guards the C iterators below, which do not.
    # It does not know the iterator, so that the files of one that is given up are closed at once.
    run.begin()
    yield from cursor.rows()


class StreamIterator(Generic[T]):
    """The rows of one run through a stream.

    `state_dict()` says, as JSON of a size that does not grow, where the iterator stands; a new iterator over the same
    chain that is given it by `load_state_dict()`, before its first row, goes on exactly there. After an exception the
    row that failed is the next one again, here and from a state taken then: nothing ends quietly.

    It belongs to one thread at a time; asked by two at once it raises SharedIterator. It cannot be pickled: send the
    stream and the state.
    """

    def __init__(self, open: Callable[[Run], Cursor], plan: list[str], run: Run) -> None:
        self._open, self._plan, self._run = open, plan, run
        self._cursor = open(run)
        self._resumed = self._failed = False
        self._rows: Generator[T, None, None] = _rows(self._cursor, run)
        self._next: Callable[[], T] = self._rows.__next__

    def __iter__(self) -> StreamIterator[T]:
        return self

    def __next__(self) -> T:
        try:
            return self._next()
        except StopIteration:
            if self._failed:
                self._again()
                return next(self)
            raise
        except ValueError as error:
            if getgeneratorstate(self._rows) == GEN_RUNNING and "already executing" in str(error):
                raise SharedIterator(
                    "Another thread is asking this iterator for a row. Give each thread its own: iter(stream), or "
                    "iter(stream.shard(i, n)) for a part of the rows."
                ) from None
            self._failed = True
            raise
        except BaseException:
            self._failed = True
            raise

    def _again(self) -> None:
        """Begin anew before the row that failed."""
        state = self._cursor.state(undo=True)
        self._cursor.close()
        self._run.reopen()
        self._cursor = self._open(self._run)
        self._cursor.load(state)
        self._failed, self._resumed = False, True
        self._rows = _rows(self._cursor, self._run)
        self._next = self._rows.__next__

    def state_dict(self) -> dict[str, Any]:
        """Return where the next row comes from, as JSON. Ask between rows, in the thread that iterates."""
        return {
            "version": _VERSION,
            "plan": self._plan,
            "run": self._run.state(),
            "at": self._cursor.state(undo=self._failed),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken. Raises StateMismatch after the first row, or for another chain's state."""
        if self._resumed or getgeneratorstate(self._rows) != GEN_CREATED:
            raise StateMismatch(
                "This iterator has given rows already. Load the state into a new one: iter(stream)."
            )
        if state.get("version") != _VERSION:
            raise StateMismatch(
                f"The state is of version {state.get('version')!r}, and this reads version {_VERSION}."
            )
        if state["plan"] != self._plan:
            raise StateMismatch(
                f"The state is of another chain: {'.'.join(state['plan'])}; this one is {'.'.join(self._plan)}."
            )
        self._run.load(state["run"])
        self._cursor.load(state["at"])

    @property
    def summary(self) -> Summary:
        """The account of this run so far: bad records and time."""
        return self._run.account()

    def fraction(self) -> float | None:
        """Return how much of the source has been read, from 0 to 1, or None where nobody knows."""
        return self._cursor.fraction()

    def close(self) -> None:
        """Let go of files and threads. The rows end here."""
        if getgeneratorstate(self._rows) != GEN_RUNNING:
            self._rows.close()
        self._cursor.close()

    def __reduce__(self) -> Any:
        raise TypeError(
            "An iterator over a stream cannot be pickled. Send the stream and state_dict(), and load that into a new "
            "iterator there."
        )


class KeptIterator(StreamIterator[T]):
    """An iterator that keeps its place in a file, and begins at the place it finds there.

    A row counts as done when the next is asked for: after a crash the row in hand comes again, and no other.
    """

    def __init__(self, open: Callable[[Run], Cursor], plan: list[str], run: Run, where: str) -> None:
        super().__init__(open, plan, run)
        self._file = Checkpoint(where)
        self._given = False
        if self._file.state is not None:
            self.load_state_dict(self._file.state)

    def __next__(self) -> T:
        if self._given:
            self._given = False
            self._file.save(self.state_dict())
        row = super().__next__()
        self._given = True
        return row

    def close(self) -> None:
        self._file.close()
        super().close()


# Rows come from the thread so many, or for so long (seconds), at a time.
_CHUNK = 256
_SECONDS = 0.005


class AsyncStreamIterator(AsyncIterator[T]):
    """The rows of one run through a stream for `async for`; made in a thread, some at a time.

    Each comes with the state after it, so that `state_dict()` is exact.
    """

    def __init__(self, rows: StreamIterator[T], checkpoint: str | None) -> None:
        self._rows = rows
        self._ready: deque[tuple[T, dict[str, Any]]] = deque()
        self._fault: BaseException | None = None
        self._pulling: asyncio.Future[None] | None = None
        self._now: dict[str, Any] | None = None
        self._file = None if checkpoint is None else Checkpoint(checkpoint)
        self._given = False
        if self._file is not None and self._file.state is not None:
            rows.load_state_dict(self._file.state)

    def __aiter__(self) -> AsyncStreamIterator[T]:
        return self

    async def __anext__(self) -> T:
        if self._file is not None and self._given:
            self._file.save(self.state_dict())
        self._given = False
        if not self._ready:
            await self._refill()
        row, self._now = self._ready.popleft()
        self._given = True
        return row

    async def _refill(self) -> None:
        if self._fault is None:
            if self._pulling is None:
                self._pulling = asyncio.ensure_future(asyncio.to_thread(self._pull))
            # Who gives up waiting does not take the rows along: they are there for the next who asks.
            await asyncio.shield(self._pulling)
            self._pulling = None
        if not self._ready:
            fault, self._fault = self._fault, None
            assert fault is not None
            self._now = None
            raise StopAsyncIteration if isinstance(fault, StopIteration) else fault

    def _pull(self) -> None:
        until = time.monotonic() + _SECONDS
        try:
            while len(self._ready) < _CHUNK:
                row = next(self._rows)
                self._ready.append((row, self._rows.state_dict()))
                if time.monotonic() >= until:
                    return
        except BaseException as error:
            self._fault = error

    def state_dict(self) -> dict[str, Any]:
        """Return where the next row comes from, as JSON."""
        return self._rows.state_dict() if self._now is None else self._now

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken. Comes before the first row."""
        self._rows.load_state_dict(state)

    async def aclose(self) -> None:
        """Let go of files and threads. The rows end here."""
        if self._pulling is not None:
            await asyncio.wait([self._pulling])
        if self._file is not None:
            self._file.close()
        self._rows.close()

    @property
    def summary(self) -> Summary:
        """The account of this run so far."""
        return self._rows.summary
