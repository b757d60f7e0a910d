"""Shuffles of files: rows that stand far apart meet, none is lost or twice, and the place is still a few numbers."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from random import Random

import pytest

from ember.data import SourceChanged, stream


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files of lines of very different length, one of them compressed, and some bad lines."""
    draw = Random(5)
    number = 0
    for name, lines in (("a.jsonl", 6_000), ("b.jsonl", 500), ("c.jsonl.gz", 300)):
        written: list[str] = []
        for _ in range(lines):
            filler = "x" * draw.choice([0, 3, 40, 300, 300, 2_000])
            written.append(json.dumps({"n": number, "text": filler}))
            number += 1
        if name == "a.jsonl":
            written[4_321] = '{"n": '
            written[17] = ""
        data = "\r\n".join(written).encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    return tmp_path


EXPECTED = sorted(set(range(6_800)) - {17, 4_321})


def test_a_shuffle_of_files_has_every_row_once_and_is_the_same_for_its_seed(folder: Path) -> None:
    rows = stream(folder / "*", on_error="skip").transform(lambda row: row["n"])
    orders: set[tuple[int, ...]] = set()
    for seed in range(4):
        chain = rows.shuffle(100, seed=seed)
        order = chain.to_list()
        assert sorted(order) == EXPECTED
        assert chain.to_list() == order
        orders.add(tuple(order))
    assert len(orders) == 4


def test_rows_that_stand_far_apart_meet(folder: Path) -> None:
    rows = stream(folder / "a.jsonl", on_error="skip").transform(lambda row: row["n"])
    first = rows.shuffle(200, seed=1).take(400).to_list()
    # By the buffer alone, they would all be among the first 600.
    assert sum(n > 2_000 for n in first) > 100
    assert "blocks in another order" in rows.shuffle().explain()
    assert "blocks in another order" not in rows.batch(2).shuffle().explain()


def test_a_shuffle_of_files_goes_on_exactly(folder: Path) -> None:
    chain = stream(folder / "*", on_error="skip").filter(lambda row: row["n"] % 2).shuffle(300, seed=2)
    whole = [row["n"] for row in chain]
    run = iter(chain)
    for at in range(len(whole)):
        if at % 97 == 0:
            state = json.dumps(run.state_dict())
            assert len(state) < 600
            again = iter(chain)
            again.load_state_dict(json.loads(state))
            assert [row["n"] for row in again] == whole[at:]
            assert again.summary.bad == 1
        next(run)


def test_a_bad_record_has_its_own_line_in_whatever_order_it_comes(folder: Path) -> None:
    found = stream(folder / "a.jsonl", on_error="skip").shuffle(seed=3).collect()
    (bad,) = found.summary.first_bad
    assert (bad.line, bad.content) == (4_322, b'{"n": ')
    assert (folder / "a.jsonl").read_bytes()[bad.offset :].startswith(b'{"n": \r\n')


def test_files_that_grew_under_a_shuffle_are_an_error(folder: Path) -> None:
    chain = stream(folder / "b.jsonl").shuffle(10)
    run = iter(chain)
    for _ in range(20):
        next(run)
    state = run.state_dict()
    with (folder / "b.jsonl").open("a") as file:
        file.write("\n{}")
    again = iter(chain)
    again.load_state_dict(state)
    with pytest.raises(SourceChanged, match="another order"):
        next(again)


def test_shards_of_a_shuffle_are_all_rows_once(folder: Path) -> None:
    rows = stream(folder / "*", on_error="skip").transform(lambda row: row["n"]).shuffle(seed=9)
    assert sorted(n for i in range(3) for n in rows.shard(i, 3)) == EXPECTED
