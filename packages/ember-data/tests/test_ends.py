"""What ends a chain: lists, counts, files, descriptions; and what looks on: tee, progress."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ember.data import Balanced, Reservoir, StateMismatch, Stratified, Weighted, stream


@pytest.mark.skipif(sys.platform == "win32", reason="limits of another kind")
def test_where_the_disk_is_full_no_half_file_takes_the_name_and_the_error_says_which(tmp_path: Path) -> None:
    program = """
import os, resource, signal, sys
from ember.data import DataError, stream
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
rows = stream(lambda: ({"n": n, "text": os.urandom(60).hex()} for n in range(30_000)))
for write in (rows.to_jsonl, rows.to_parquet):
    try:
        write(sys.argv[1])
    except (OSError, DataError) as error:
        print(sys.argv[1] in str(error), os.listdir(os.path.dirname(sys.argv[1])))
"""
    pytest.importorskip("polars")
    command = [sys.executable, "-c", program, str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "True []\n" * 2, done.stderr


def test_rows_are_collected_counted_and_the_first_one_taken() -> None:
    rows = stream([1, 2, 3]).filter(lambda n: n > 1)
    assert rows.collect() == rows.to_list() == [2, 3]
    assert str(rows.collect().summary).startswith("no bad records")
    assert (rows.count(), rows.first()) == (2, 2)
    with pytest.raises(LookupError, match=r"filter\(<lambda>\).* has no rows"):
        rows.filter(lambda n: n > 9).first()


def test_rows_are_written_as_json_lines_and_the_file_has_its_name_only_when_whole(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("before")

    def rows() -> list[dict[str, int]]:
        return [{"n": n} for n in range(3_000)]

    stream(rows).to_jsonl(out)
    assert stream(out).to_list() == rows()

    def broken(row: dict[str, int]) -> dict[str, int]:
        return {"n": 1 // (2_500 - row["n"])}

    with pytest.raises(ZeroDivisionError):
        stream(rows).transform(broken).to_jsonl(out)
    assert stream(out).to_list() == rows()
    assert os.listdir(tmp_path) == ["out.jsonl"]


def test_a_run_that_failed_goes_on_where_it_was_with_a_checkpoint(tmp_path: Path) -> None:
    out, keep = tmp_path / "out.jsonl", tmp_path / "place"
    made: list[int] = []
    broken = [700]

    def costly(n: int) -> dict[str, int]:
        if n in broken:
            raise ConnectionError
        made.append(n)
        return {"n": n}

    chain = stream(range(1_000), checkpoint=keep).transform(costly)
    with pytest.raises(ConnectionError):
        chain.to_jsonl(out)
    assert not out.exists()
    broken.clear()
    chain.to_jsonl(out)
    assert made == list(range(1_000))
    assert [row["n"] for row in stream(out)] == list(range(1_000))
    chain.to_jsonl(out)  # it is done: nothing is made again
    assert made == list(range(1_000))


def test_a_file_that_is_no_checkpoint_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious.jsonl"
    path.write_text('{"a": 1}\n')
    with pytest.raises(StateMismatch, match="no checkpoint"):
        iter(stream([1, 2], checkpoint=path))
    assert path.read_text() == '{"a": 1}\n'


def test_a_description_says_what_columns_there_are() -> None:
    rows = [{"level": n % 3, "text": "x" * n, "maybe": None if n % 2 else 1.5} for n in range(10)]
    found = stream(rows).describe()
    assert found.rows == 10
    level = found.columns["level"]
    assert (level.least, level.most, level.mean) == (0, 2, 0.9)
    assert found.columns["maybe"].types == {"NoneType": 5, "float": 5}
    assert found.columns["text"].most == 9
    assert "level" in str(found) and "10 rows" in str(found)
    assert stream([1, 2]).describe().columns["row"].mean == 1.5


def test_tee_hands_each_row_on_and_a_copy_goes_on_with_the_stream(tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    seen: list[int] = []
    chain = stream(range(10)).tee(seen.append).tee(copy)
    run = iter(chain)
    assert [next(run) for _ in range(4)] == seen == [0, 1, 2, 3]
    state = run.state_dict()
    assert [next(run), next(run)] == [4, 5]
    run.close()
    again = iter(chain)
    again.load_state_dict(state)
    assert list(again) == [4, 5, 6, 7, 8, 9]
    assert [json.loads(line) for line in copy.read_text().splitlines()] == list(range(10))


def test_progress_says_how_many_rows_came_and_how_fast() -> None:
    said = StringIO()
    assert stream(range(1_000)).progress("questions", file=said).count() == 1_000
    assert said.getvalue().startswith("questions: 1,000 rows · ")


def test_progress_says_how_much_is_done_and_left_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1}\n' * 200_000)
    said = StringIO()
    said.isatty = lambda: True  # type: ignore[method-assign]
    assert stream(path).progress(every=0.001, file=said).count() == 200_000
    assert "%" in said.getvalue() and " left" in said.getvalue()


# Samplers

ROWS: list[dict[str, Any]] = [{"id": n, "kind": "abc"[n % 10 // 4], "weight": n} for n in range(1_000)]


def test_samples_keep_the_order_and_are_the_same_for_their_seed() -> None:
    drawn = stream(ROWS).sample(50, seed=4).transform(lambda row: row["id"]).to_list()
    assert drawn == sorted(set(drawn)) and len(drawn) == 50
    assert drawn == stream(ROWS).sample(50, seed=4).transform(lambda row: row["id"]).to_list()
    assert drawn != stream(ROWS).sample(50, seed=5).transform(lambda row: row["id"]).to_list()
    assert stream(ROWS).sample(5_000).count() == 1_000
    assert 400 < stream(ROWS).sample(fraction=0.5).count() < 600


def test_each_row_is_as_likely_as_any_other_in_a_sample() -> None:
    times = [0] * 20
    for seed in range(2_000):
        for _, row in Reservoir(5)(enumerate(range(20)), Random(seed)):
            times[row] += 1
    assert all(400 < n < 600 for n in times)  # 500 each; six standard deviations


def test_strata_balance_and_weights_are_kept() -> None:
    kinds = [row["kind"] for row in stream(ROWS).stratify("kind", 30)]
    assert {kind: kinds.count(kind) for kind in "abc"} == {"a": 30, "b": 30, "c": 30}
    kinds = [row["kind"] for row in stream(ROWS).sample(Stratified(lambda row: row["kind"], 250))]
    assert {kind: kinds.count(kind) for kind in "abc"} == {"a": 250, "b": 250, "c": 200}
    kinds = [row["kind"] for row in stream(ROWS).sample(Balanced("kind", 250))]
    assert {kind: kinds.count(kind) for kind in "abc"} == {"a": 200, "b": 200, "c": 200}
    heavy = [row["weight"] for row in stream(ROWS).sample(Weighted("weight", 200))]
    assert len(heavy) == 200 and 0 not in heavy
    assert sum(heavy) / 200 > 560  # 667 is expected, 500 without weights
