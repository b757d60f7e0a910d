"""Shuffling in constant memory with a place to go on from.

Rows are shuffled a buffer at a time, each buffer by a generator of its own, made of the seed and the buffer's
number. So the place is two numbers and the upstream's state from before the buffer: nothing of the buffer is kept,
it is read again. A buffer that is kept and not saved is lost on resuming, as other libraries' is (ADR 32).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from operator import length_hint
from random import Random
from typing import Any

from ._cursor import Cursor, State, Through
from ._run import Run
from ._source import Source


@dataclass(frozen=True)
class Shuffle:
    """The rows in another order: the same for the same seed and epoch."""

    buffer: int
    seed: int
    epoch: int

    def reorders(self, source: Source) -> Source:
        """Return `source` with its blocks in another order, if it can."""
        reordered = getattr(source, "reordered", None)
        return source if reordered is None else reordered(self.seed, self.epoch)

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Shuffling(upstream, self.buffer, f"{self.seed}/{self.epoch}")

    def __repr__(self) -> str:
        epoch = f", epoch={self.epoch}" if self.epoch else ""
        return f"shuffle(buffer={self.buffer}, seed={self.seed}{epoch})"


class _Shuffling(Through):
    def __init__(self, upstream: Cursor, buffer: int, seed: str) -> None:
        super().__init__(upstream)
        self._buffer, self._seed = buffer, seed
        self._number = self._given = 0
        self._start: State = None
        self._held: list[Any] | None = None
        self._at: Iterator[Any] = iter(())

    def rows(self) -> Iterator[Any]:
        return chain.from_iterable(self._buffers())

    def _buffers(self) -> Iterator[Iterable[Any]]:
        rows = self.upstream.rows()
        held: list[Any]
        at: Any
        while True:
            self._held, self._at, held = None, iter(()), []  # before the next buffer is filled
            self._start = self.upstream.state()
            held = list(islice(rows, self._buffer))
            if not held:
                return
            Random(f"{self._seed}/{self._number}").shuffle(held)
            at = iter(held)
            at.__setstate__(self._given)
            self._held, self._at = held, at
            yield at
            at = None
            self._number, self._given = self._number + 1, 0

    def state(self, undo: bool = False) -> State:
        if self._held is None:
            start = self.upstream.state() if self._start is None else self._start
            return {"buffer": self._number, "given": self._given, "up": start}
        given = len(self._held) - length_hint(self._at)
        return {"buffer": self._number, "given": given - undo, "up": self._start}

    def load(self, state: State) -> None:
        self._number, self._given = state["buffer"], state["given"]
        self.upstream.load(state["up"])
