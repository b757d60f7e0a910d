"""What a stream is: lazy, immutable, begun anew by each loop."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ember.data import DataError, SourceNotFound, StateMismatch, Stream, stream


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.jsonl"
    path.write_text("".join(json.dumps({"n": n, "text": "x" * 40}) + "\n" for n in range(20_000)))
    return path


def test_a_file_is_gone_through_anew_by_each_loop(numbers: Path) -> None:
    rows = stream(numbers)
    assert [row["n"] for row in rows] == [row["n"] for row in rows] == list(range(20_000))


def test_a_stage_returns_a_new_stream_and_leaves_the_old_as_it_was() -> None:
    whole = stream([1, 2, 3])
    part = whole.filter(lambda n: n > 1)
    assert whole.to_list() == [1, 2, 3]
    assert part.to_list() == [2, 3]


def test_nothing_is_read_before_a_row_is_asked_for() -> None:
    asked: list[int] = []

    def source() -> Iterator[int]:
        for n in range(10):
            asked.append(n)
            yield n

    rows = iter(stream(source).filter(lambda n: n % 2).transform(str))
    assert asked == []
    assert next(rows) == "1"
    assert asked == [0, 1]


def test_an_iterator_can_be_gone_through_once_and_says_so_the_second_time() -> None:
    rows = stream(iter([1, 2]))
    assert rows.to_list() == [1, 2]
    with pytest.raises(DataError, match="only once"):
        rows.to_list()


def test_a_missing_file_is_named_at_once_with_the_nearest_names(numbers: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"Did you mean '.*numbers.jsonl'"):
        stream(numbers.with_name("numbrs.jsonl"))


def test_a_stop_iteration_in_a_function_does_not_pass_for_the_end() -> None:
    nothing: Iterator[int] = iter(())

    def slip(n: int) -> int:
        return n if n < 3 else next(nothing)

    stages: list[Callable[[Stream[int]], Stream[Any]]] = [
        lambda rows: rows.transform(slip),
        lambda rows: rows.filter(slip),
        lambda rows: rows.flat_map(lambda n: [slip(n)]),
        lambda rows: rows.tee(slip),
        lambda rows: rows.stratify(slip, 2),
        lambda rows: rows.split({"all": 1.0}, by=slip)["all"],
        lambda rows: rows.transform(slip).prefetch(2),
    ]
    for stage in stages:
        for chain in (stage(stream([1, 2, 3])), stage(stream([1, 2, 3])).batch(2)):
            with pytest.raises(RuntimeError, match="StopIteration"):
                chain.to_list()


def test_a_plan_reads_as_it_was_written(numbers: Path) -> None:
    plan = stream([1, 2]).filter(bool).transform(str).batch(3).take(2)
    assert repr(plan) == "stream(<list of 2>).filter(bool).transform(str).batch(3).take(2)"


def test_a_state_is_small_json_and_goes_on_exactly(numbers: Path) -> None:
    chain = stream(numbers).filter(lambda row: row["n"] % 3).transform(lambda row: row["n"]).batch(7)
    rows = iter(chain)
    for _ in range(1_234):
        next(rows)
    state = json.dumps(rows.state_dict())
    assert len(state) < 500
    again = iter(chain)
    again.load_state_dict(json.loads(state))
    assert list(again) == list(rows)


def test_a_state_of_another_chain_is_refused() -> None:
    state = iter(stream([1, 2]).take(1)).state_dict()
    with pytest.raises(StateMismatch, match=r"take\(1\)"):
        iter(stream([1, 2]).take(2)).load_state_dict(state)


def test_a_state_comes_before_the_first_row() -> None:
    rows = iter(stream([1, 2]))
    state = rows.state_dict()
    next(rows)
    with pytest.raises(StateMismatch, match="new one"):
        rows.load_state_dict(state)
