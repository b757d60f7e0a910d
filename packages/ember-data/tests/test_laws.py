"""The laws: a chain on a stream is the chain on a list, and a run that goes on is the run that was not left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chains import EACH, THEN, Step, any_chains, chained, lawful_chains, on_lists, weight
from hypothesis import HealthCheck, given, settings, strategies as st

from ember.data import Stream, stream

rows_of_any_kind = st.lists(st.integers(0, 999), max_size=60)
within_a_test = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def generated(rows: list[Any]) -> Any:
    """A function that makes the rows anew."""

    def make() -> Iterator[Any]:
        yield from rows

    return make


def sources(rows: list[Any]) -> list[Stream[Any]]:
    return [stream(rows), stream(generated(rows)), stream(tuple(rows))]


@within_a_test
@given(rows_of_any_kind, lawful_chains)
def test_any_chain_of_stages_is_the_same_chain_on_lists(rows: list[int], steps: list[Step]) -> None:
    for source in sources(rows):
        assert chained(source, steps).to_list() == on_lists(rows, steps)


@within_a_test
@given(rows_of_any_kind, any_chains, st.data())
def test_going_on_at_any_point_is_not_having_stopped(
    rows: list[int], steps: list[Step], data: st.DataObject
) -> None:
    for source in sources(rows):
        chain = chained(source, steps)
        whole = chain.to_list()
        assert whole == chain.to_list()
        before = iter(chain)
        at = data.draw(st.integers(0, len(whole)))
        assert [next(before) for _ in range(at)] == whole[:at]
        again = iter(chain)
        again.load_state_dict(json.loads(json.dumps(before.state_dict())))
        assert json.loads(json.dumps(again.state_dict())) == json.loads(json.dumps(before.state_dict()))
        further = data.draw(st.integers(0, len(whole) - at))
        assert [next(again) for _ in range(further)] == whole[at : at + further]
        # ... and once more, from what was itself gone on with.
        third = iter(chain)
        third.load_state_dict(json.loads(json.dumps(again.state_dict())))
        assert list(third) == whole[at + further :]
        assert list(before) == whole[at:]


class Fails:
    """A function that fails the first time it is given each of some numbers."""

    def __init__(self, on: set[int]) -> None:
        self.on = set(on)

    def __call__(self, row: int) -> int:
        self.once(self.on, row)
        return row

    @staticmethod
    def once(on: set[int], row: int) -> None:
        if row in on:
            on.discard(row)
            raise ConnectionError(row)


@within_a_test
@given(st.lists(st.integers(0, 30), max_size=40), any_chains, st.sets(st.integers(0, 30), max_size=6))
def test_a_row_whose_making_failed_is_the_next_one_again(
    rows: list[int], steps: list[Step], bad: set[int]
) -> None:
    whole = chained(stream(rows).transform(Fails(set())), steps).to_list()
    chain = chained(stream(rows).transform(Fails(bad)), steps)
    had: list[Any] = []
    run = iter(chain)
    while True:
        try:
            had.append(next(run))
        except ConnectionError:
            # From the state after the failure, or with the same iterator: both lose and repeat nothing.
            if len(had) % 2:
                state = json.loads(json.dumps(run.state_dict()))
                run = iter(chain)
                run.load_state_dict(state)
        except StopIteration:
            break
    assert had == whole


@within_a_test
@given(st.lists(st.integers(0, 99)), st.integers(1, 9), st.integers(0, 3), st.integers(0, 3))
def test_a_shuffle_loses_and_repeats_nothing_and_is_the_same_for_its_seed(
    rows: list[int], buffer: int, seed: int, epoch: int
) -> None:
    chain = stream(rows).shuffle(buffer, seed=seed, epoch=epoch)
    assert sorted(chain) == sorted(rows)
    assert chain.to_list() == chain.to_list()


def test_another_seed_and_another_epoch_give_another_order() -> None:
    rows = stream(range(1000))
    orders = {tuple(rows.shuffle(seed=seed, epoch=epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


@within_a_test
@given(st.lists(st.integers(0, 99), max_size=40), st.integers(1, 5))
def test_shards_are_all_rows_once(rows: list[int], n: int) -> None:
    shards = [stream(rows).shard(i, n).to_list() for i in range(n)]
    assert sorted(row for shard in shards for row in shard) == sorted(rows)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@within_a_test
@given(st.lists(st.text(max_size=8), unique=True), st.lists(st.text(max_size=8), unique=True), st.randoms())
def test_a_rows_part_is_the_same_in_any_order_and_after_rows_are_added(
    rows: list[str], more: list[str], random: Any
) -> None:
    fractions = {"train": 0.7, "test": 0.2, "rest": 0.1}
    first = {name: set(part) for name, part in stream(rows).split(fractions).items()}
    assert {row for part in first.values() for row in part} == set(rows)
    assert sum(map(len, first.values())) == len(rows)
    grown = rows + [row for row in more if row not in rows]
    random.shuffle(grown)
    second = {name: set(part) for name, part in stream(grown).split(fractions).items()}
    assert all(first[name] <= second[name] for name in fractions)


def test_a_split_gives_about_the_fractions_asked_for() -> None:
    parts = stream({"id": n} for n in range(10_000)).split({"train": 0.9, "test": 0.1}, by="id")
    assert set(parts) == {"train", "test"}
    parts = stream([{"id": n} for n in range(10_000)]).split({"train": 0.9, "test": 0.1}, by="id")
    assert 8_800 < parts["train"].count() < 9_200
    assert parts["train"].count() + parts["test"].count() == 10_000


@pytest.mark.parametrize("ending", ["", "\n"])
def test_files_go_on_exactly_at_every_row(tmp_path: Path, ending: str) -> None:
    paths = [tmp_path / f"{n}.jsonl" for n in range(3)]
    for number, path in enumerate(paths):
        lines = [json.dumps({"n": number * 100 + n}) for n in range(40)]
        path.write_text("\n".join(lines) + ending)
    chain = (
        stream(tmp_path / "*.jsonl")
        .filter(lambda row: row["n"] % 7)
        .flat_map(lambda row: [row["n"], -row["n"]])
    )
    whole = chain.to_list()
    assert len(whole) == 2 * sum(1 for number in range(3) for n in range(40) if (number * 100 + n) % 7)
    for at in range(len(whole) + 1):
        before = iter(chain)
        for _ in range(at):
            next(before)
        again = iter(chain)
        again.load_state_dict(before.state_dict())
        assert list(again) == whole[at:]


@pytest.mark.parametrize("then", THEN)
@pytest.mark.parametrize("stage", EACH)
def test_each_stage_goes_on_exactly_at_every_row(stage: str, then: str) -> None:
    chain = THEN[then](EACH[stage](stream(range(40)).transform(int)))
    whole = chain.to_list()
    run = iter(chain)
    for at in range(len(whole) + 1):
        again = iter(chain)
        again.load_state_dict(json.loads(json.dumps(run.state_dict())))
        assert list(again) == whole[at:]
        assert next(run, None) == (whole[at] if at < len(whole) else None)


@pytest.mark.parametrize("then", THEN)
@pytest.mark.parametrize("stage", EACH)
def test_each_stage_gives_the_row_whose_making_failed_again(stage: str, then: str) -> None:
    def chain(bad: set[int], worse: set[int]) -> Stream[Any]:
        whole = THEN[then](EACH[stage](stream(range(40)).transform(Fails(bad))))
        # ... and where what fails stands behind.
        return whole.transform(lambda row: (Fails.once(worse, weight(row)), row)[1])

    whole = chain(set(), set()).to_list()
    weights = [weight(row) for row in whole]
    stubborn = chain({3, 8, 21, 39}, set(weights[1::5]))
    run, had = iter(stubborn), list[Any]()
    for _ in range(1_000):
        try:
            had.append(next(run))
        except ConnectionError:
            state = json.loads(json.dumps(run.state_dict()))
            if len(had) % 2:
                run = iter(stubborn)
                run.load_state_dict(state)
        except StopIteration:
            break
    assert had == whole
