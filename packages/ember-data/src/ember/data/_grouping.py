"""Stages that make several rows one, or one row several: batch, unbatch, flat_map, window."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from ._cursor import Cursor, State, Through
from ._run import Run
from ._stage import named


@dataclass(frozen=True)
class Batch:
    """Lists of `n` rows; the last may be shorter."""

    n: int

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Batching(upstream, self.n)

    def __repr__(self) -> str:
        return f"batch({self.n})"


class _Batching(Through):
    def __init__(self, upstream: Cursor, n: int) -> None:
        super().__init__(upstream)
        self._n = n
        self._before: State = None

    def rows(self) -> Iterator[Any]:
        n, rows, upstream = self._n, self.upstream.rows(), self.upstream
        while True:
            self._before = upstream.state()
            batch = list(islice(rows, n))
            if not batch:
                return
            yield batch

    def state(self, undo: bool = False) -> State:
        return self.upstream.state() if self._before is None or not undo else self._before


@dataclass(frozen=True)
class FlatMap:
    """All that `function` returns for a row, one after the other."""

    function: Callable[[Any], Iterable[Any]]
    orderless = True
    signature = "flat_map"

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Flattening(upstream, self.function)

    def __repr__(self) -> str:
        return f"flat_map({named(self.function)})"


@dataclass(frozen=True)
class Unbatch:
    """The rows of each list, one after the other."""

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Flattening(upstream, _members)

    def __repr__(self) -> str:
        return "unbatch()"


def _members(batch: object) -> Iterable[Any]:
    if isinstance(batch, (list, tuple)):
        return cast("Iterable[Any]", batch)
    raise TypeError(f"unbatch() takes lists of rows, as batch() makes them, and met {type(batch).__name__}.")


class _Flattening(Through):
    def __init__(self, upstream: Cursor, function: Callable[[Any], Iterable[Any]]) -> None:
        super().__init__(upstream)
        self._function = function
        self._given = 0  # of the row in hand
        self._in_hand = self._failed = False

    def rows(self) -> Iterator[Any]:
        function, rows, passed = self._function, self.upstream.rows(), self._given
        for row in rows:
            made = iter(function(row))
            if passed:
                next(islice(made, passed, passed), None)
            self._given, self._in_hand, passed = passed, True, 0
            try:
                for one in made:
                    self._given += 1
                    yield one
            except GeneratorExit:
                raise
            except BaseException:
                self._failed = True
                raise
            self._given, self._in_hand = 0, False

    def state(self, undo: bool = False) -> State:
        if not self._in_hand:
            return {"given": self._given, "up": self.upstream.state(undo)}
        return {"given": self._given - (undo and not self._failed), "up": self.upstream.state(undo=True)}

    def load(self, state: State) -> None:
        self._given = state["given"]
        self.upstream.load(state["up"])


@dataclass(frozen=True)
class Window:
    """Lists of `size` rows in a row, each beginning `step` rows after the one before. Only full ones."""

    size: int
    step: int

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Windowing(upstream, self.size, self.step)

    def __repr__(self) -> str:
        return f"window({self.size}, step={self.step})"


class _Windowing(Through):
    def __init__(self, upstream: Cursor, size: int, step: int) -> None:
        super().__init__(upstream)
        self._size, self._step = size, step
        self._gap = 0  # rows between this window and the next
        self._starts: deque[State] = deque()  # the upstream's states before the first rows of windows begun
        self._full = False

    def rows(self) -> Iterator[Any]:
        rows, size, step = self.upstream.rows(), self._size, self._step
        held: list[Any] = []
        at = 0  # rows since the beginning of the first window in hand
        while True:
            self._full = False
            try:
                while self._gap:
                    next(rows)
                    self._gap -= 1
                while at < size:
                    if at % step == 0:
                        self._starts.append(self.upstream.state())
                    held.append(next(rows))
                    at += 1
            except StopIteration:
                return
            self._full = True
            yield list(held)
            self._starts.popleft()
            del held[:step]
            at = len(held)
            self._gap = max(0, step - size)

    def state(self, undo: bool = False) -> State:
        if not self._full:  # not begun, or its making failed
            if self._gap or not self._starts:
                return {"gap": self._gap, "up": self.upstream.state(undo)}
            return {"gap": 0, "up": self._starts[0]}
        if undo:
            return {"gap": 0, "up": self._starts[0]}
        if len(self._starts) > 1:
            return {"gap": 0, "up": self._starts[1]}
        return {"gap": max(0, self._step - self._size), "up": self.upstream.state()}

    def load(self, state: State) -> None:
        self._gap = state["gap"]
        self.upstream.load(state["up"])
