"""Chains of stages, each with what it is on lists: the oracle of the laws."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import StringIO
from itertools import zip_longest
from typing import Any, cast

from hypothesis import strategies as st

from ember.data import Stream, stream

Rows = list[Any]


@dataclass(frozen=True)
class Step:
    """One stage, on streams and on lists."""

    name: str
    on_stream: Callable[[Stream[Any]], Stream[Any]]
    on_list: Callable[[Rows], Rows] | None  # None: the order or the choice is the stage's own

    def __repr__(self) -> str:
        return self.name


def weight(row: Any) -> int:
    """Return a number for any row that these chains make."""
    if isinstance(row, int):
        return row
    inner: Iterable[Any] = cast("dict[str, Any]", row).values() if isinstance(row, dict) else row
    return sum(map(weight, inner))


def odd(row: Any) -> bool:
    return weight(row) % 2 == 1


def twice(row: Any) -> Any:
    return [row, row]


def some(row: Any) -> Rows:
    return [row] * (weight(row) % 4)


def flat(row: Any) -> int:
    return weight(row) % 1000


def windows(rows: Rows, size: int, step: int) -> Rows:
    return [rows[at : at + size] for at in range(0, len(rows) - size + 1, step)]


def in_turn(*all_rows: Rows) -> Rows:
    nothing = object()
    return [row for rows in zip_longest(*all_rows, fillvalue=nothing) for row in rows if row is not nothing]


def batches(rows: Rows, n: int) -> Rows:
    return [rows[at : at + n] for at in range(0, len(rows), n)]


def _others(n: int) -> Stream[int]:
    return stream(range(100, 100 + n)).filter(lambda row: row % 3)


def _others_list(n: int) -> Rows:
    return [row for row in range(100, 100 + n) if row % 3]


def _step(
    name: str, on_stream: Callable[[Stream[Any]], Stream[Any]], on_list: Callable[[Rows], Rows] | None
) -> st.SearchStrategy[Step]:
    return st.just(Step(name, on_stream, on_list))


small = st.integers(1, 7)
LAWFUL: st.SearchStrategy[Step] = st.one_of(
    _step("filter", lambda s: s.filter(odd), lambda rows: list(filter(odd, rows))),
    _step("transform", lambda s: s.transform(twice), lambda rows: list(map(twice, rows))),
    _step("flatten", lambda s: s.transform(flat), lambda rows: list(map(flat, rows))),
    _step("flat_map", lambda s: s.flat_map(some), lambda rows: [one for row in rows for one in some(row)]),
    small.map(lambda n: Step(f"batch({n})", lambda s: s.batch(n), lambda rows: batches(rows, n))),
    small.map(lambda n: Step(f"batch({n}).unbatch()", lambda s: s.batch(n).unbatch(), lambda rows: rows)),
    st.integers(0, 20).map(lambda n: Step(f"take({n})", lambda s: s.take(n), lambda rows: rows[:n])),
    st.integers(0, 9).map(lambda n: Step(f"skip({n})", lambda s: s.skip(n), lambda rows: rows[n:])),
    st.tuples(st.integers(0, 3), st.integers(0, 3)).map(
        lambda t: Step(
            f"shard({t[0]}, {t[0] + t[1] + 1})",
            lambda s: s.shard(t[0], t[0] + t[1] + 1),
            lambda rows: rows[t[0] :: t[0] + t[1] + 1],
        )
    ),
    st.tuples(small, small).map(
        lambda t: Step(f"window{t}", lambda s: s.window(*t), lambda rows: windows(rows, *t))
    ),
    small.map(lambda n: Step(f"prefetch({n})", lambda s: s.prefetch(n), lambda rows: rows)),
    small.map(
        lambda n: Step(
            f"map_concurrent({n})", lambda s: s.map_concurrent(twice, n), lambda rows: list(map(twice, rows))
        )
    ),
    st.integers(0, 15).map(
        lambda n: Step(
            f"zip({n})", lambda s: s.zip(_others(n)), lambda rows: list(zip(rows, _others_list(n)))
        )
    ),
    st.integers(0, 15).map(
        lambda n: Step(
            f"interleave({n})",
            lambda s: s.interleave(_others(n)),
            lambda rows: in_turn(rows, _others_list(n)),
        )
    ),
)
# Chosen by a seed: the same in each run, and so under the law of resuming, but no law of lists.
SEEDED: st.SearchStrategy[Step] = st.one_of(
    small.map(lambda n: Step(f"shuffle({n})", lambda s: s.shuffle(n, seed=n), None)),
    st.integers(0, 9).map(lambda n: Step(f"sample({n})", lambda s: s.sample(n, seed=n), None)),
    _step("sample(.5)", lambda s: s.sample(fraction=0.5, seed=3), None),
    small.map(lambda n: Step(f"stratify({n})", lambda s: s.stratify(odd, n), None)),
    st.integers(0, 15).map(
        lambda n: Step(f"mix({n})", lambda s: s.mix(_others(n), weights=[1, n + 1], seed=n), None)
    ),
    _step("split", lambda s: s.split({"a": 0.6, "b": 0.4})["a"], None),
)
lawful_chains = st.lists(LAWFUL, max_size=5)
any_chains = st.lists(st.one_of(LAWFUL, SEEDED), max_size=5)


def chained(source: Stream[Any], steps: list[Step]) -> Stream[Any]:
    for step in steps:
        source = step.on_stream(source)
    return source


def on_lists(rows: Rows, steps: list[Step]) -> Rows:
    for step in steps:
        assert step.on_list is not None
        rows = step.on_list(rows)
    return rows


# Every stage at least once, for what is tried on each of them at every row.
EACH: dict[str, Callable[[Stream[Any]], Stream[Any]]] = {
    "filter": lambda s: s.filter(odd),
    "transform": lambda s: s.transform(twice),
    "flat_map": lambda s: s.flat_map(some),
    "batch": lambda s: s.batch(4),
    "unbatch": lambda s: s.batch(4).unbatch(),
    "take": lambda s: s.take(17),
    "skip": lambda s: s.skip(5),
    "shard": lambda s: s.shard(1, 3),
    "window, overlapping": lambda s: s.window(4, 2),
    "window, apart": lambda s: s.window(2, 5),
    "window, touching": lambda s: s.window(3, 3),
    "shuffle": lambda s: s.shuffle(7, seed=1),
    "sample of n": lambda s: s.sample(9),
    "sample of a fraction": lambda s: s.sample(fraction=0.5),
    "stratify": lambda s: s.stratify(odd, 4),
    "split": lambda s: s.split({"a": 0.5, "b": 0.5})["b"],
    "zip": lambda s: s.zip(_others(40)),
    "interleave": lambda s: s.interleave(_others(9), _others(20)),
    "mix": lambda s: s.mix(_others(9), weights=[1, 3]),
    "prefetch": lambda s: s.prefetch(3),
    "map_concurrent": lambda s: s.map_concurrent(twice, 3),
    "tee": lambda s: s.tee(weight),
    "progress": lambda s: s.progress(file=StringIO()),
    "select": lambda s: s.transform(lambda row: {"n": row, "m": 1}).select("n"),
}
THEN: dict[str, Callable[[Stream[Any]], Stream[Any]]] = {
    "nothing": lambda s: s,
    "flat_map": lambda s: s.flat_map(twice),
    "batch": lambda s: s.batch(3),
    "zip": lambda s: s.zip(_others(20)),
    "shuffle": lambda s: s.shuffle(5),
}
