"""Stages that take rows from several streams: zip, interleave, mix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from ._cursor import Cursor, State
from ._run import Run
from ._sample import LOT


class Beside(Protocol):
    """Another stream, as these stages see it."""

    def beside(self, run: Run) -> Cursor:
        """Return a new cursor over it, for one run together with others."""
        ...


@dataclass(frozen=True)
class Zip:
    """Tuples of one row of each stream, until one of them ends."""

    others: tuple[Beside, ...]

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Zipping((upstream, *(other.beside(run) for other in self.others)))

    def __repr__(self) -> str:
        return f"zip({', '.join(map(repr, self.others))})"


class _Together(Cursor):
    """Several cursors, of which some were asked for the row in hand."""

    def __init__(self, cursors: tuple[Cursor, ...]) -> None:
        self.cursors = cursors
        self.asked: range = range(0)

    def states(self, undo: bool) -> list[State]:
        return [cursor.state(undo and number in self.asked) for number, cursor in enumerate(self.cursors)]

    def load_all(self, states: list[State]) -> None:
        for cursor, state in zip(self.cursors, states, strict=True):
            cursor.load(state)

    def fraction(self) -> float | None:
        known = [fraction for cursor in self.cursors if (fraction := cursor.fraction()) is not None]
        return sum(known) / len(known) if len(known) == len(self.cursors) else None

    def close(self) -> None:
        for cursor in self.cursors:
            cursor.close()


class _Zipping(_Together):
    def rows(self) -> Iterator[Any]:
        all_rows = [cursor.rows() for cursor in self.cursors]
        while True:
            row: list[Any] = []
            for number, rows in enumerate(all_rows):
                self.asked = range(number + 1)
                try:
                    row.append(next(rows))
                except StopIteration:
                    return
            yield tuple(row)

    def state(self, undo: bool = False) -> State:
        return self.states(undo)

    def load(self, state: State) -> None:
        self.load_all(state)


@dataclass(frozen=True)
class Interleave:
    """One row of each stream in turn, until all have ended."""

    others: tuple[Beside, ...]

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Taking((upstream, *(other.beside(run) for other in self.others)), _in_turn)

    def __repr__(self) -> str:
        return f"interleave({', '.join(map(repr, self.others))})"


@dataclass(frozen=True)
class Mix:
    """Rows of all streams, each from one drawn by weight, until all have ended."""

    others: tuple[Beside, ...]
    weights: tuple[float, ...]
    seed: int

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        cursors = (upstream, *(other.beside(run) for other in self.others))
        return _Taking(cursors, _by_weight(self.weights, self.seed))

    def __repr__(self) -> str:
        return f"mix({', '.join(map(repr, self.others))}, weights={list(self.weights)}, seed={self.seed})"


# Yields whose turn it is, from the given draw on; how many there are comes second.
_Turns = Callable[[int, int], Iterator[int]]


def _in_turn(first: int, n: int) -> Iterator[int]:
    while True:
        yield first % n
        first += 1


def _by_weight(weights: tuple[float, ...], seed: int) -> _Turns:
    def turns(first: int, n: int) -> Iterator[int]:
        lot, passed = divmod(first, LOT)
        while True:
            yield from Random(f"{seed}/{lot}").choices(range(n), weights, k=LOT)[passed:]
            lot, passed = lot + 1, 0

    return turns


class _Taking(_Together):
    """A turn of one that has ended is passed over."""

    def __init__(self, cursors: tuple[Cursor, ...], turns: _Turns) -> None:
        super().__init__(cursors)
        self._turns = turns
        self._drawn = 0
        self._ended: list[int] = []

    def rows(self) -> Iterator[Any]:
        all_rows = [cursor.rows() for cursor in self.cursors]
        turns = self._turns(self._drawn, len(all_rows))
        while len(self._ended) < len(all_rows):
            turn = next(turns)
            self._drawn += 1
            if turn in self._ended:
                continue
            self.asked = range(turn, turn + 1)
            try:
                row = next(all_rows[turn])
            except StopIteration:
                self._ended.append(turn)
                continue
            yield row

    def state(self, undo: bool = False) -> State:
        back = undo and self._drawn > 0
        return {"drawn": self._drawn - back, "ended": list(self._ended), "of": self.states(undo)}

    def load(self, state: State) -> None:
        self._drawn, self._ended = state["drawn"], list(state["ended"])
        self.load_all(state["of"])
