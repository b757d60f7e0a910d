"""The stream: a source and what is done to its rows. Immutable; every method returns a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os import PathLike
from typing import Any, Generic, TypeVar

from ember.core.journal import Journal

from ._concurrent import MapConcurrent, OnItemError
from ._cursor import Cursor
from ._extent import Shard, Skip, Take
from ._grouping import Batch, FlatMap, Unbatch, Window
from ._iterator import StreamIterator
from ._rowwise import Filter, Select, Transform, require_plain
from ._run import OnError, Run, Summary
from ._source import Source
from ._stage import Stage, signature
from .errors import BadRecord

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Policy:
    """What is done with bad records, and where the place is kept."""

    on_error: OnError = "raise"
    quarantine: str | Callable[[BadRecord], object] | None = None
    checkpoint: str | None = None


class Collected(list[T]):
    """All rows of a stream, and in `summary` the account of the run that read them."""

    summary: Summary


class Stream(Generic[T]):
    """Rows, and what is done to them, done when they are asked for. Made by `stream(...)`.

    A stream can be gone through as often as its source can; each `iter()` begins anew. `async for` works too.
    """

    __slots__ = ("_policy", "_source", "_stages")

    def __init__(self, source: Source, stages: tuple[Stage, ...], policy: Policy) -> None:
        self._source, self._stages, self._policy = source, stages, policy

    def through(self, stage: Stage) -> Stream[Any]:
        """Add a stage of one's own (see `Stage`)."""
        return Stream(self._source, (*self._stages, stage), self._policy)

    # One row of one row

    def filter(self, keep: Callable[[T], object]) -> Stream[T]:
        """Keep the rows of which `keep(row)` is true."""
        require_plain(keep, "filter")
        return self.through(Filter(keep))

    def transform(self, function: Callable[[T], U]) -> Stream[U]:
        """Make `function(row)` of each row."""
        require_plain(function, "transform")
        return self.through(Transform(function))

    def select(self, *columns: str) -> Stream[dict[str, Any]]:
        """Keep these columns of each row, which is a dict; a column that a row lacks is left out of it.

        Raises UnknownColumn, with the nearest names, for one that none of the first thousand rows has. Right behind a
        file, the columns are all that is read.
        """
        if not columns:
            raise ValueError("select() takes the names of columns, and was given none.")
        return self.through(Select(columns))

    def map_concurrent(
        self,
        function: Callable[[T], Any],
        concurrency: int = 16,
        *,
        ordered: bool = True,
        on_error: OnItemError = "raise",
        retries: int = 0,
        journal: Journal | str | PathLike[str] | None = None,
    ) -> Stream[Any]:
        """Make `function(row)` of each row, `concurrency` of them at the same time: for calls of models and the like.

        `function` may be plain, `async`, a model or an operator; each call sees the context of whoever asks for the
        rows. Rows come in order, or with `ordered=False` as they are done. No more than four times `concurrency` are
        taken ahead of who asks.

        What `function` raises is raised when that row is due. With `on_error="skip"` the row is left out and counted, with
        "quarantine" also put where the stream's bad records go, and with "return" the exception stands in its
        place. What would meet every row alike (no key, no budget) is raised all the same. A row is tried `retries` times again,
        except after Ember's own errors: transport errors, 429 and 5xx of model calls are the engine's to retry.

        With `journal` (a file, or a `Journal`) results are kept on disk before they are handed on, and what is there is
        not called again, whatever became of the process meanwhile.

        >>> stream(["a", "b"]).map_concurrent(str.upper, concurrency=2).to_list()
        ['A', 'B']
        """
        if not callable(function):
            raise TypeError(f"map_concurrent() takes a function of a row, and was given {type(function).__name__}.")
        if on_error not in ("raise", "skip", "return", "quarantine"):
            raise ValueError(f'on_error is "raise", "skip", "return" or "quarantine", and was {on_error!r}.')
        if on_error == "quarantine" and self._policy.quarantine is None:
            raise ValueError('on_error="quarantine" puts rows where stream(..., quarantine=...) says, which it does not.')
        kept = journal if isinstance(journal, Journal) or journal is None else Journal(journal)
        _count(concurrency, "map_concurrent", 1)
        _count(retries, "map_concurrent", 0)
        return self.through(MapConcurrent(function, concurrency, ordered, on_error, retries, kept))

    # By where a row stands

    def take(self, n: int) -> Stream[T]:
        """Keep the first `n` rows. What comes after them is not asked for."""
        return self.through(Take(_count(n, "take", 0)))

    def skip(self, n: int) -> Stream[T]:
        """Leave out the first `n` rows."""
        return self.through(Skip(_count(n, "skip", 0)))

    def shard(self, i: int, n: int) -> Stream[T]:
        """Keep every `n`-th row, beginning with row `i`: the part of worker `i` of `n`."""
        _count(n, "shard", 1)
        if not 0 <= i < n:
            raise ValueError(f"shard(i, n) takes i from 0 to n - 1, and was given i={i}, n={n}.")
        return self.through(Shard(i, n))

    # Several rows of one, one of several

    def batch(self, n: int) -> Stream[list[T]]:
        """Make lists of `n` rows; the last may be shorter."""
        return self.through(Batch(_count(n, "batch", 1)))

    def unbatch(self: Stream[list[U]]) -> Stream[U]:
        """Make rows of lists of rows again."""
        return self.through(Unbatch())

    def flat_map(self, function: Callable[[T], Iterable[U]]) -> Stream[U]:
        """Give all that `function(row)` returns, for each row."""
        require_plain(function, "flat_map")
        return self.through(FlatMap(function))

    def window(self, size: int, step: int = 1) -> Stream[list[T]]:
        """Make lists of `size` rows that follow each other, each beginning `step` rows after the one before.

        Only full ones: of five rows, `window(3)` makes three.
        """
        return self.through(Window(_count(size, "window", 1), _count(step, "window", 1)))

    # Going through

    def open(self, run: Run) -> Cursor:
        """Return a new cursor over all of it. (What `zip` and its like do with other streams.)"""
        cursor = self._source.open(run)
        for stage in self._stages:
            cursor = stage.open(cursor, run)
        return cursor

    def __iter__(self) -> StreamIterator[T]:
        return StreamIterator(
            self.open, [signature(stage) for stage in self._stages], Run(self._policy.on_error)
        )

    # The end of it

    def to_list(self) -> list[T]:
        """Return all rows, in memory."""
        return list(self)

    def collect(self) -> Collected[T]:
        """Return all rows, in memory, with the account of the run in `.summary`."""
        rows = iter(self)
        found = Collected(rows)
        found.summary = rows.summary
        return found

    def count(self) -> int:
        """Return how many rows there are, holding none of them."""
        return sum(1 for _ in self)

    def first(self) -> T:
        """Return the first row. Raises LookupError where there is none."""
        for row in self:
            return row
        raise LookupError(f"{self!r} has no rows.")

    def __repr__(self) -> str:
        return ".".join((f"stream({self._source!r})", *map(repr, self._stages)))


def _count(n: int, stage: str, least: int) -> int:
    if type(n) is not int:
        raise TypeError(f"{stage}() takes a whole number, and was given {n!r}.")
    if n < least:
        raise ValueError(f"{stage}() takes a number from {least} on, and was given {n}.")
    return n
