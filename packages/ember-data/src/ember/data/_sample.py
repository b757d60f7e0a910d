"""Samplers, and the stages that draw by them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from random import Random
from typing import Any, Protocol, TypeAlias

from ._cursor import Cursor, State, Through
from ._run import Run
from ._stage import named

Numbered: TypeAlias = "tuple[int, Any]"
By: TypeAlias = "str | Callable[[Any], Any]"


class Sampler(Protocol):
    """Chooses some of all rows in one pass, holding no more than it will return.

    It is given the rows with their numbers, and the generator of the run; the same seed has to give the same rows.
    """

    def __call__(self, rows: Iterable[Numbered], random: Random, /) -> Iterable[Numbered]: ...


def key_of(by: By) -> Callable[[Any], Any]:
    """Return the function that reads a row's key: itself, or the column of that name."""
    return itemgetter(by) if isinstance(by, str) else by


def shown(by: By) -> str:
    return repr(by) if isinstance(by, str) else named(by)


@dataclass(frozen=True)
class Reservoir:
    """`n` rows, each set of `n` as likely as any other.

    Algorithm R: Vitter, "Random Sampling with a Reservoir", 1985.
    """

    n: int

    def __call__(self, rows: Iterable[Numbered], random: Random, /) -> list[Numbered]:
        rows = iter(rows)
        kept = list(islice(rows, self.n))
        for seen, row in enumerate(rows, self.n + 1):
            place = int(random.random() * seen)
            if place < self.n:
                kept[place] = row
        return kept


@dataclass(frozen=True)
class Stratified:
    """Up to `n` rows of each group, drawn as by Reservoir."""

    by: By
    n: int

    def __call__(self, rows: Iterable[Numbered], random: Random, /) -> list[Numbered]:
        return [row for kept in self._groups(rows, random).values() for row in kept]

    def _groups(self, rows: Iterable[Numbered], random: Random) -> dict[Hashable, list[Numbered]]:
        key, n = key_of(self.by), self.n
        groups: dict[Hashable, list[Numbered]] = {}
        sizes: dict[Hashable, int] = {}
        for row in rows:
            group = key(row[1])
            kept = groups.setdefault(group, [])
            seen = sizes[group] = sizes.get(group, 0) + 1
            if seen <= n:
                kept.append(row)
            elif (place := int(random.random() * seen)) < n:
                kept[place] = row
        return groups


@dataclass(frozen=True)
class Balanced(Stratified):
    """As many rows of each group as of the others: `n`, or what the smallest group has."""

    def __call__(self, rows: Iterable[Numbered], random: Random, /) -> list[Numbered]:
        groups = self._groups(rows, random)
        least = min(map(len, groups.values()), default=0)
        return [row for kept in groups.values() for row in random.sample(kept, least)]


@dataclass(frozen=True)
class Weighted:
    """`n` rows, drawn without replacement, the likelier the heavier; a row without weight is never drawn.

    Algorithm A-Res: Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006.
    """

    weight: By
    n: int

    def __call__(self, rows: Iterable[Numbered], random: Random, /) -> list[Numbered]:
        weight = key_of(self.weight)
        kept: list[tuple[float, int, Any]] = []
        for number, row in rows:
            heavy = weight(row)
            if heavy < 0:
                raise ValueError(f"A weight is 0 or more; row {number} has {heavy!r}.")
            drawn = random.random()
            if not heavy:
                continue
            entry = (drawn ** (1 / heavy), number, row)
            if len(kept) < self.n:
                heapq.heappush(kept, entry)
            elif entry[:2] > kept[0][:2]:
                heapq.heapreplace(kept, entry)
        return [(number, row) for _, number, row in kept]


@dataclass(frozen=True)
class Drawn:
    """What a sampler chooses of all rows, in the order in which they came."""

    sampler: Sampler
    seed: int
    shown: str

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Drawing(upstream, self.sampler, self.seed)

    def __repr__(self) -> str:
        return self.shown


def drawn(sampler: Sampler, seed: int) -> Drawn:
    """Return the stage that draws by `sampler`."""
    return Drawn(sampler, seed, f"sample({sampler!r}, seed={seed})")


class _Drawing(Through):
    """Holds what was drawn. Going on means to draw again: the place is the beginning, and how many were given."""

    def __init__(self, upstream: Cursor, sampler: Sampler, seed: int) -> None:
        super().__init__(upstream)
        self._sampler, self._seed = sampler, seed
        self._given = 0
        self._giving = False
        self._start: State = None

    def rows(self) -> Iterator[Any]:
        self._start = self.upstream.state()
        chosen = sorted(self._sampler(enumerate(self.upstream.rows()), Random(self._seed)), key=itemgetter(0))
        for _, row in chosen[self._given :]:
            self._given, self._giving = self._given + 1, True
            yield row

    def state(self, undo: bool = False) -> State:
        start = self.upstream.state() if self._start is None else self._start
        return {"given": self._given - (undo and self._giving), "up": start}

    def load(self, state: State) -> None:
        self._given = state["given"]
        self.upstream.load(state["up"])


@dataclass(frozen=True)
class Fraction:
    """Each row with the same probability, decided by the seed and the row's place."""

    fraction: float
    seed: int

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Deciding(upstream, self.fraction, self.seed)

    def __repr__(self) -> str:
        return f"sample(fraction={self.fraction}, seed={self.seed})"


# Draws come in lots, each from a generator made of the seed and the lot's number: any place is found again at once.
LOT = 1_024


class _Deciding(Through):
    def __init__(self, upstream: Cursor, fraction: float, seed: int) -> None:
        super().__init__(upstream)
        self._fraction, self._seed = fraction, seed
        self._asked = 0

    def rows(self) -> Iterator[Any]:
        rows, fraction = self.upstream.rows(), self._fraction
        while True:
            lot, first = divmod(self._asked, LOT)
            random = Random(f"{self._seed}/{lot}").random
            draws = [random() < fraction for _ in range(LOT)]
            for keep in draws[first:]:
                self._asked += 1
                try:
                    row = next(rows)
                except StopIteration:
                    return
                if keep:
                    yield row

    def state(self, undo: bool = False) -> State:
        return {"asked": self._asked - (undo and self._asked > 0), "up": self.upstream.state(undo)}

    def load(self, state: State) -> None:
        self._asked = state["asked"]
        self.upstream.load(state["up"])
