"""Stages that leave rows out by where they stand: take, skip, shard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

from ._cursor import Cursor, State, Through
from ._run import Run
from ._source import Source


@dataclass(frozen=True)
class Take:
    """The first `n` rows."""

    n: int

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Taking(upstream, self.n)

    def __repr__(self) -> str:
        return f"take({self.n})"


class _Taking(Through):
    def __init__(self, upstream: Cursor, n: int) -> None:
        super().__init__(upstream)
        self._n, self._asked = n, 0

    def rows(self) -> Iterator[Any]:
        rows = self.upstream.rows()
        while self._asked < self._n:
            self._asked += 1
            try:
                row = next(rows)
            except StopIteration:
                return
            yield row

    def state(self, undo: bool = False) -> State:
        return {"asked": self._asked - (undo and self._asked > 0), "up": self.upstream.state(undo)}

    def load(self, state: State) -> None:
        self._asked = state["asked"]
        self.upstream.load(state["up"])

    def fraction(self) -> float | None:
        return self._asked / self._n if self._n else None


@dataclass(frozen=True)
class Skip:
    """All rows but the first `n`."""

    n: int

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Skipping(upstream, self.n)

    def __repr__(self) -> str:
        return f"skip({self.n})"


class _Skipping(Through):
    def __init__(self, upstream: Cursor, n: int) -> None:
        super().__init__(upstream)
        self._left = n

    def rows(self) -> Iterator[Any]:
        return chain.from_iterable(self._rest())

    def _rest(self) -> Iterator[Iterable[Any]]:
        rows = self.upstream.rows()
        while self._left:
            try:
                next(rows)
            except StopIteration:
                return
            self._left -= 1
        yield rows

    def state(self, undo: bool = False) -> State:
        return {"left": self._left, "up": self.upstream.state(undo)}

    def load(self, state: State) -> None:
        self._left = state["left"]
        self.upstream.load(state["up"])


@dataclass(frozen=True)
class Shard:
    """Every `n`-th row, from row `i` on: `n` workers, each with its own `i`, have every row once."""

    i: int
    n: int

    def pushed(self, source: Source) -> Source | None:
        """Return `source` with these rows alone, if it can leave out the others itself."""
        sharded = getattr(source, "sharded", None)
        return None if sharded is None else cast("Source | None", sharded(self.i, self.n))

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Sharding(upstream, self.i, self.n)

    def __repr__(self) -> str:
        return f"shard({self.i}, {self.n})"


class _Sharding(Through):
    def __init__(self, upstream: Cursor, i: int, n: int) -> None:
        super().__init__(upstream)
        self._ahead, self._n = i, n  # rows of others before the next of ours
        self._given = False

    def rows(self) -> Iterator[Any]:
        rows = self.upstream.rows()
        while True:
            self._given = False
            try:
                while self._ahead:
                    next(rows)
                    self._ahead -= 1
                row = next(rows)
            except StopIteration:
                return
            self._ahead, self._given = self._n - 1, True
            yield row

    def state(self, undo: bool = False) -> State:
        ahead = 0 if undo and self._given else self._ahead
        return {"ahead": ahead, "up": self.upstream.state(undo)}

    def load(self, state: State) -> None:
        self._ahead = state["ahead"]
        self.upstream.load(state["up"])
