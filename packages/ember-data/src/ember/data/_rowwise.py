"""Stages that make at most one row of one row: filter, transform, select."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

from ember.core.suggest import nearest

from ._cursor import Cursor, State, Through
from ._decode import picked
from ._run import Run
from ._source import Source
from ._stage import Rowwise, named
from .errors import UnknownColumn

# A column that none of so many rows has is a misspelling, or not worth waiting for.
_PATIENCE = 1_000


def require_plain(function: Callable[..., Any], stage: str) -> None:
    """Raise TypeError if `function` is no function, or one to be awaited, which `stage` would not do."""
    if not callable(function):
        raise TypeError(f"{stage}() takes a function of a row, and was given {type(function).__name__}.")
    if iscoroutinefunction(function):
        raise TypeError(
            f"{stage}() calls {named(function)} and does not await it. map_concurrent() takes async functions."
        )


# Generators, and as fast as filter() and map(), which take a StopIteration out of the function, the slip of a next() in
# it, for the end of the rows. A generator makes a RuntimeError of it.
def kept(keep: Callable[[Any], object], rows: Iterator[Any]) -> Iterator[Any]:
    """Yield the rows of which `keep` is true."""
    for row in rows:
        if keep(row):
            yield row


def _made(function: Callable[[Any], Any], rows: Iterator[Any]) -> Iterator[Any]:
    for row in rows:
        yield function(row)


@dataclass(frozen=True)
class Filter:
    """Keep the rows of which `keep` is true."""

    keep: Callable[[Any], object]
    orderless = True
    signature = "filter"

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return Rowwise(upstream, partial(kept, self.keep))

    def __repr__(self) -> str:
        return f"filter({named(self.keep)})"


@dataclass(frozen=True)
class Transform:
    """Make a new row of each."""

    function: Callable[[Any], Any]
    orderless = True
    signature = "transform"

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return Rowwise(upstream, partial(_made, self.function))

    def __repr__(self) -> str:
        return f"transform({named(self.function)})"


@dataclass(frozen=True)
class Select:
    """Keep some columns of each row, in the order given. A column that a row lacks is left out of that row."""

    columns: tuple[str, ...]
    orderless = True

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Selecting(upstream, self.columns)

    def pushed(self, source: Source) -> Source | None:
        """Return `source` reading these columns alone, if it can."""
        narrowed = getattr(source, "narrowed", None)
        return None if narrowed is None else narrowed(self.columns)

    def __repr__(self) -> str:
        return f"select({', '.join(map(repr, self.columns))})"


class _Selecting(Through):
    """Counts rows only until it has seen every column, so that a misspelt one is not silently left out of all."""

    def __init__(self, upstream: Cursor, columns: tuple[str, ...]) -> None:
        super().__init__(upstream)
        self._columns = columns
        self._unseen: list[str] = list(columns)
        self._rows = 0

    def rows(self) -> Iterator[Any]:
        columns, rows = self._columns, self.upstream.rows()
        known: dict[str, None] = {}
        while self._unseen:
            row = next(rows, None)
            if row is None or self._rows >= _PATIENCE:
                if self._rows:
                    raise UnknownColumn(
                        self._unseen[0], nearest(self._unseen[0], known), f"of the first {self._rows:,}"
                    )
                return
            self._rows += 1
            known.update(dict.fromkeys(row))
            self._unseen = [column for column in self._unseen if column not in row]
            yield picked(columns, row)
        for row in rows:
            yield picked(columns, row)

    def state(self, undo: bool = False) -> State:
        return {"unseen": self._unseen, "rows": self._rows, "up": self.upstream.state(undo)}

    def load(self, state: State) -> None:
        self._unseen, self._rows = list(state["unseen"]), state["rows"]
        self.upstream.load(state["up"])
