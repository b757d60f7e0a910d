"""The stream: a source and what is done to its rows. Immutable; every method returns a new one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TextIO, TypeVar

from ember.core.collector import Unhurried

from ._cache import DEFAULT_SIZE, Cache
from ._concurrent import MapConcurrent, OnItemError
from ._cursor import Cursor
from ._describe import Description, describe
from ._explain import explain
from ._expressions import Condition, require_condition
from ._extent import Shard, Skip, Take
from ._grouping import Batch, FlatMap, Unbatch, Window
from ._iterator import AsyncStreamIterator, KeptIterator, StreamIterator
from ._prefetch import Prefetch
from ._rowwise import Filter, Select, Transform, require_plain
from ._run import Policy, Run, Summary
from ._sample import By, Drawn, Fraction, Reservoir, Sampler, Stratified, drawn, shown
from ._several import Interleave, Mix, Zip
from ._shuffle import Shuffle
from ._source import Source
from ._split import parts
from ._stage import Stage, signature
from ._to_parquet import write_parquet
from ._watch import Progress, Tee
from ._where import Where
from ._write import write_jsonl

if TYPE_CHECKING:
    from ember.core.journal import Journal

T = TypeVar("T")
U = TypeVar("U")

_unhurried: Final = Unhurried(100_000, 50, 1_000)
"""While all rows are read into memory, and for no longer than that: ADR 36."""


class Collected(list[T]):
    """All rows of a stream, and in `summary` the account of the run that read them."""

    summary: Summary


class Stream(Generic[T]):
    """Rows, and what is done to them, done when they are asked for. Made by `stream(...)`.

    A stream can be gone through as often as its source can; each `iter()` begins anew. `async for` works too, and
    makes the rows in a thread, so that the event loop is not held up.
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

    def where(self, condition: Condition) -> Stream[T]:
        """Keep the rows of which `condition` is true, as `col("level") >= 3`.

        What is not there, or None, meets no comparison. Right behind files the reader does it, and reads no other
        columns than that and what is kept by `select`; `explain()` says so.

        >>> from ember.data import col, stream
        >>> stream([{"n": 1}, {"n": 5}, {}]).where(col("n") > 2).to_list()
        [{'n': 5}]
        """
        return self.through(Where(require_condition(condition)))

    def map_concurrent(
        self,
        function: Callable[[T], Any],
        concurrency: int = 16,
        *,
        ordered: bool = True,
        on_error: OnItemError = "raise",
        retries: int = 0,
        journal: Journal | str | os.PathLike[str] | None = None,
    ) -> Stream[Any]:
        """Make `function(row)` of each row, `concurrency` of them at the same time: for calls of models and the like.

        `function` may be plain, `async`, a model or an operator; each call sees the context of whoever asks for the
        rows. Rows come in order, or with `ordered=False` as they are done. No more than four times `concurrency` are
        taken ahead of who asks.

        What `function` raises is raised when that row is due. With `on_error="skip"` the row is left out and counted,
        with "quarantine" also put where the stream's bad records go, and with "return" the exception stands in its
        place. What would meet every row alike (no key, no budget) is raised all the same. A row is tried `retries`
        times again, except after Ember's own errors: transport errors, 429 and 5xx are the engine's to retry.

        With `journal` (a file, or a `Journal`) results are on disk before they are handed on, and what is there is not
        called again, whatever became of the process meanwhile.

        >>> from ember.data import stream
        >>> stream(["a", "b"]).map_concurrent(str.upper, concurrency=2).to_list()
        ['A', 'B']
        """
        if not callable(function):
            raise TypeError(
                f"map_concurrent() takes a function of a row, and was given {type(function).__name__}."
            )
        if on_error not in ("raise", "skip", "return", "quarantine"):
            raise ValueError(f'on_error is "raise", "skip", "return" or "quarantine", and was {on_error!r}.')
        if on_error == "quarantine" and self._policy.quarantine is None:
            raise ValueError(
                'on_error="quarantine" puts rows where stream(..., quarantine=) says, which it does not.'
            )
        if isinstance(journal, (str, os.PathLike)):
            from ember.core.journal import Journal  # SQLite: not before somebody wants one

            journal = Journal(journal)
        _count(concurrency, "map_concurrent", 1)
        _count(retries, "map_concurrent", 0)
        return self.through(MapConcurrent(function, concurrency, ordered, on_error, retries, journal))

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

    # In another order, or some of them

    def shuffle(self, buffer: int = 4096, *, seed: int = 0, epoch: int = 0) -> Stream[T]:
        """Put the rows in another order: the same for the same `seed` and `epoch`.

        `buffer` rows at a time are in memory, and exchange places.
        """
        return self.through(Shuffle(_count(buffer, "shuffle", 1), seed, epoch))

    def sample(
        self, n: int | Sampler | None = None, *, fraction: float | None = None, seed: int = 0
    ) -> Stream[T]:
        """Keep `n` rows drawn at random, or what a sampler chooses, or each row with the probability `fraction`.

        The first two go through all rows before they give the first; all keep the order. The same seed draws the
        same rows.
        """
        if (n is None) == (fraction is None):
            raise ValueError("sample() takes one of n and fraction=.")
        if fraction is not None:
            if not 0 <= fraction <= 1:
                raise ValueError(f"fraction= is from 0 to 1, and was {fraction!r}.")
            return self.through(Fraction(fraction, seed))
        if callable(n):
            return self.through(drawn(n, seed))
        return self.through(Drawn(Reservoir(_count(n or 0, "sample", 0)), seed, f"sample({n}, seed={seed})"))

    def stratify(self, by: By, n: int, *, seed: int = 0) -> Stream[T]:
        """Keep up to `n` rows, drawn at random, of each group: rows alike in the column `by`, or in what it returns."""
        sampler = Stratified(by, _count(n, "stratify", 1))
        return self.through(Drawn(sampler, seed, f"stratify({shown(by)}, {n}, seed={seed})"))

    def split(
        self, fractions: Mapping[str, float], *, by: By | None = None, seed: int = 0
    ) -> dict[str, Stream[T]]:
        """Return a stream for each name, with about that fraction of the rows.

        A row's part follows from the hash of its key (the column `by`, or what it returns; the whole row without), so
        that it stays there when rows are added, removed or come in another order.
        """
        return {part.name: self.through(part) for part in parts(fractions, by, seed)}

    # With other streams

    def zip(self, *others: Stream[Any]) -> Stream[tuple[Any, ...]]:
        """Make tuples of one row of this and of each other stream, until one ends."""
        return self.through(Zip(others))

    def interleave(self, *others: Stream[Any]) -> Stream[Any]:
        """Take one row of this and of each other stream in turn, until all have ended."""
        return self.through(Interleave(others))

    def mix(self, *others: Stream[Any], weights: Sequence[float] | None = None, seed: int = 0) -> Stream[Any]:
        """Take rows of this and the other streams, the likelier the greater a stream's weight, until all have ended.

        The weights are in the order of the streams, this one first; without, all are alike.
        """
        heavy = (1.0,) * (1 + len(others)) if weights is None else tuple(weights)
        if len(heavy) != 1 + len(others) or min(heavy) <= 0:
            raise ValueError(
                f"mix() takes a weight above 0 for each of the {1 + len(others)} streams, this one first, and was "
                f"given {list(heavy)}."
            )
        return self.through(Mix(others, heavy, seed))

    # On the way

    def prefetch(self, n: int = 16) -> Stream[T]:
        """Make up to `n` rows ahead, in a thread: worth it where making one waits for a disk or a network."""
        return self.through(Prefetch(_count(n, "prefetch", 1)))

    def tee(self, to: Callable[[T], object] | str | os.PathLike[str]) -> Stream[T]:
        """Hand each row to a function, or write it to the JSONL file of that name, on its way."""
        if isinstance(to, (str, os.PathLike)):
            return self.through(Tee(os.fspath(to)))
        require_plain(to, "tee")
        return self.through(Tee(to))

    def progress(self, label: str = "rows", *, every: float = 0.5, file: TextIO | None = None) -> Stream[T]:
        """Say on stderr, `every` so many seconds, how far the rows are, how fast they come, how many were bad, and
        what the calls made meanwhile cost. Where that is no terminal, at most every ten seconds.
        """
        return self.through(Progress(label, every, file))

    def cache(
        self,
        where: str | os.PathLike[str] | None = None,
        *,
        size: int = DEFAULT_SIZE,
        key: str | None = None,
    ) -> Stream[T]:
        """Keep the rows that come here on disk, and read them from there the next time.

        They are found by what goes into them: the files with their sizes and times, and the stages with their
        functions' code. Where that cannot be told, `key` stands for the stages. They are in the folder `where`, or in
        Ember's home, and take up to `size` bytes there: beyond that, what was not used the longest goes. A run that was
        interrupted is gone on with. Where the disk is full, or another process writes the same, rows go on without
        being kept.
        """
        folder = None if where is None else os.fspath(where)
        return self.through(Cache(self._source, self._stages, folder, _count(size, "cache", 1), key))

    # Going through

    def planned(self) -> tuple[Source, tuple[Stage, ...]]:
        """Return the source with what it does itself of the stages behind it, and the stages that are left."""
        source, stages = self._source, self._stages
        while stages:
            push: Callable[[Source], Source | None] | None = getattr(stages[0], "pushed", None)
            pushed = None if push is None else push(source)
            if pushed is None:
                break
            source, stages = pushed, stages[1:]
        for stage in stages:
            if isinstance(stage, Shuffle):
                source = stage.reorders(source)
            if not getattr(stage, "orderless", False):
                break
        return source, stages

    def open(self, run: Run) -> Cursor:
        """Return a new cursor over all of it."""
        source, stages = self.planned()
        cursor = source.open(run)
        for stage in stages:
            cursor = stage.open(cursor, run)
        return cursor

    def beside(self, run: Run) -> Cursor:
        """Return a new cursor that takes part in another stream's run."""
        return self.open(run.beside(self._policy))

    def _fresh(self) -> StreamIterator[T]:
        return StreamIterator(self.open, [signature(stage) for stage in self._stages], Run(self._policy))

    def __iter__(self) -> StreamIterator[T]:
        where = self._policy.checkpoint
        if where is None:
            return self._fresh()
        return KeptIterator(self.open, [signature(stage) for stage in self._stages], Run(self._policy), where)

    def __aiter__(self) -> AsyncStreamIterator[T]:
        return AsyncStreamIterator(self._fresh(), self._policy.checkpoint)

    # The end of it

    def to_list(self) -> list[T]:
        """Return all rows, in memory."""
        with _unhurried:
            return list(self)

    def collect(self) -> Collected[T]:
        """Return all rows, in memory, with the account of the run in `.summary`."""
        rows = iter(self)
        with _unhurried:
            found = Collected(rows)
        found.summary = rows.summary
        return found

    def count(self) -> int:
        """Return how many rows there are, holding none of them. A reader of columns counts without making any."""
        source, stages = self.planned()
        counted = None if stages or self._policy.checkpoint else getattr(source, "counted", None)
        if counted is not None and (known := counted()) is not None:
            return int(known)
        return sum(1 for _ in self)

    def first(self) -> T:
        """Return the first row. Raises LookupError where there is none."""
        for row in self:
            return row
        raise LookupError(f"{self!r} has no rows.")

    def to_jsonl(self, path: str | os.PathLike[str]) -> Summary:
        """Write each row as a line of JSON; return the account of the run.

        The file takes its name when it is whole. With a checkpoint, a run that was killed goes on where it was, and no
        row is missing or twice in the file. NaN and the infinities, which JSON lacks, are written as null.
        """
        return write_jsonl(self._fresh(), os.fspath(path), self._policy.checkpoint)

    def to_parquet(self, path: str | os.PathLike[str]) -> Summary:
        """Write the rows, which are dicts, to a parquet file; return the account of the run.

        The first 10,000 say which columns there are and of what types. The file takes its name when it is whole.
        """
        rows = self._fresh()
        write_parquet(rows, os.fspath(path))
        return rows.summary

    def describe(self) -> Description:
        """Go through all rows and return what columns they have: types, extent, values. It prints as a table."""
        return describe(self)

    def explain(self) -> str:
        """Return the plan, one stage a line, with what is done by the reader itself."""
        return explain(self._source, self._stages, *self.planned())

    def __repr__(self) -> str:
        return ".".join((f"stream({self._source!r})", *map(repr, self._stages)))


def _count(n: int, stage: str, least: int) -> int:
    if type(n) is not int:
        raise TypeError(f"{stage}() takes a whole number, and was given {n!r}.")
    if n < least:
        raise ValueError(f"{stage}() takes a number from {least} on, and was given {n}.")
    return n
