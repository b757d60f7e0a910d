"""A cursor is a source or a stage while it runs: an iterator of rows, and where it stands.

The rows go through C iterators where possible, and a position is worked out only when somebody asks for it. That is
what makes a stream as fast as a loop: there is no bookkeeping per row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from operator import length_hint
from typing import Any, NamedTuple

from ._run import Run
from .errors import BadRecord, SourceChanged

# A state is JSON: numbers, strings, lists and dicts of them, of a size that does not grow with the rows.
State = Any


class Cursor(ABC):
    """A source or a stage while it runs.

    `load`, if it is called, comes before `rows`, and `rows` is called once. `state(undo=False)` is where the next row
    comes from: a new cursor that loads it gives exactly what this one would give next. `state(undo=True)` steps back
    over the row that was last asked for, whether it was handed over or its making failed: a new cursor then gives that
    row again, and all that follow.
    """

    @abstractmethod
    def rows(self) -> Iterator[Any]: ...

    @abstractmethod
    def state(self, undo: bool = False) -> State: ...

    @abstractmethod
    def load(self, state: State) -> None: ...

    def fraction(self) -> float | None:
        """Return how much of the source has been read, from 0 to 1, or None where nobody knows."""
        return None

    def close(self) -> None:
        """Let go of what is held: threads, files. The rows end here."""
        return


class Piece(NamedTuple):
    """Some rows of a source (a block of a file, a row group), and the state from which reading begins with them."""

    rows: list[Any]
    start: State


class Bad(NamedTuple):
    """A record that cannot be read, and the state from which reading goes on after it."""

    record: BadRecord
    after: State


class PieceCursor(Cursor):
    """The rows of a source that is read in pieces."""

    def __init__(self, read: Any, run: Run) -> None:
        # read(start) yields Piece and Bad from `start` on, or from the beginning where it is None.
        self._read, self._run = read, run
        self._start: State = None
        self._skip = self._size = 0
        self._bad = 0  # records met so far
        self._at: Iterator[Any] = iter(())
        self._reading = False

    def rows(self) -> Iterator[Any]:
        return chain.from_iterable(self._pieces())

    def _pieces(self) -> Iterator[Iterable[Any]]:
        skip, self._skip = self._skip, 0
        self._reading = True
        # Until the first piece is there, the position is the loaded one.
        self._size, self._at = skip, iter(())
        for found in self._read(self._start):
            if isinstance(found, Bad):
                if not skip:
                    # Where rows are read again, as for a shuffle, what was bad has been met already.
                    if self._bad == self._run.met:
                        self._run.meet(found.record)
                    self._bad += 1
                    self._start, self._size, self._at = found.after, 0, iter(())
                continue
            rows, self._start = found.rows, found.start
            if skip > len(rows):
                raise SourceChanged(
                    f"Row {skip} of a piece that now has {len(rows)} was the next: the source has changed since the "
                    f"state was taken. Begin anew without it."
                )
            at: Any = iter(rows)
            at.__setstate__(skip)  # a list's iterator begins anywhere at no cost
            self._size, self._at, skip = len(rows), at, 0
            self._reading = False
            # Only their iterator holds the rows while they are gone through: their memory, which is in the
            # processor's cache, is free for the next.
            del found, rows, at
            yield self._at
            self._reading = True

    def state(self, undo: bool = False) -> State:
        # An iterator over a list knows how much is left of it: the position costs nothing until it is asked for.
        row = self._skip or self._size - length_hint(self._at)
        if undo and row and not self._reading:
            row -= 1
        return {"at": self._start, "row": row, "bad": self._bad}

    def load(self, state: State) -> None:
        self._start, self._skip, self._bad = state["at"], state["row"], state["bad"]


class CountingCursor(Cursor):
    """The rows of any iterable. Going on means to take it from the beginning and pass over what was had."""

    def __init__(self, start: Any) -> None:
        self._iterate = start
        self._had = 0
        self._failed = False

    def rows(self) -> Iterator[Any]:
        rows: Iterator[Any] = self._iterate()
        if self._had:
            next(islice(rows, self._had, self._had), None)
        try:
            for row in rows:
                self._had += 1
                yield row
        except GeneratorExit:
            raise
        except BaseException:
            self._failed = True
            raise

    def state(self, undo: bool = False) -> State:
        return {"row": self._had - (undo and self._had > 0 and not self._failed)}

    def load(self, state: State) -> None:
        self._had = state["row"]


class Through(Cursor):
    """A stage's cursor with one upstream: what it does not say itself, the upstream says.

    As it stands it is the cursor of a stage that makes at most one row of one row and remembers nothing: the position
    is the upstream's.
    """

    def __init__(self, upstream: Cursor) -> None:
        self.upstream = upstream

    def state(self, undo: bool = False) -> State:
        return self.upstream.state(undo)

    def load(self, state: State) -> None:
        self.upstream.load(state)

    def fraction(self) -> float | None:
        return self.upstream.fraction()

    def close(self) -> None:
        self.upstream.close()
