"""Shards of files: the reader makes the rows of one worker, and all workers together have every row once."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ember.data import Stream, col, stream

# Lines that are rows, lines that are none, and bad ones.
LINES = st.lists(
    st.integers(0, 9).map(lambda n: json.dumps({"n": n, "text": "x" * (n * 40)}))
    | st.sampled_from(["", "  ", '{"n": 3}\r', '{"n": ', "no", '{"n": 1} {"n": 2}', "[1]", "7"]),
    max_size=40,
)
FILES = st.lists(st.tuples(LINES, st.sampled_from(["", "\n"])), min_size=1, max_size=3)


def written(folder: Path, files: list[tuple[list[str], str]], packed: bool) -> Path:
    for path in folder.glob("part*"):
        path.unlink()
    for number, (lines, end) in enumerate(files):
        data = ("\n".join(lines) + end).encode()
        path = folder / f"part{number}.jsonl{'.gz' * packed}"
        path.write_bytes(gzip.compress(data) if packed else data)
    return folder / "part*"


def is_one(line: str) -> bool:
    """Whether a line counts: as a row, or as a bad record, which only its own worker knows."""
    return bool(line.strip())


def is_row(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


@given(FILES, st.integers(1, 5), st.booleans())
@settings(max_examples=100, deadline=None)
def test_workers_have_every_row_and_every_bad_record_once_and_the_one_that_is_due(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[list[str], str]], n: int, packed: bool
) -> None:
    pattern = written(tmp_path_factory.getbasetemp(), files, packed)
    records = [line for lines, _ in files for line in lines if is_one(line)]
    bad = 0
    for i in range(n):
        chain = stream(pattern, format="jsonl", on_error="skip").shard(i, n)
        assert "by the reader" in chain.explain()
        found = chain.collect()
        assert found == [json.loads(line) for line in records[i::n] if is_row(line)]
        bad += found.summary.bad
    assert bad == sum(not is_row(line) for line in records)


@given(FILES, st.integers(1, 5), st.data())
@settings(max_examples=100, deadline=None)
def test_a_shard_goes_on_exactly_at_any_row(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[tuple[list[str], str]],
    n: int,
    data: st.DataObject,
) -> None:
    pattern = written(tmp_path_factory.getbasetemp(), files, packed=False)
    i = data.draw(st.integers(0, n - 1))
    chain = stream(pattern, format="jsonl", on_error="skip").shard(i, n)
    whole = chain.collect()
    rows = iter(chain)
    at = data.draw(st.integers(0, len(whole)))
    assert [next(rows) for _ in range(at)] == whole[:at]
    again = iter(chain)
    again.load_state_dict(json.loads(json.dumps(rows.state_dict())))
    assert list(again) == whole[at:]
    assert again.summary.bad == whole.summary.bad


@pytest.mark.parametrize("n", [1, 2, 5])
def test_bad_records_of_a_format_that_is_read_as_a_whole_are_met_by_one_worker_each(
    tmp_path: Path, n: int
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "".join(f"{k},x{',y' * (k % 7 == 3)}\n" for k in range(2_000)))
    bad = [k for k in range(2_000) if k % 7 == 3]
    met: list[int] = []
    for i in range(n):
        chain = stream(path, on_error="skip").shard(i, n)
        found = chain.collect()
        assert [int(row["a"]) for row in found] == [k for k in range(i, 2_000, n) if k not in bad]
        met.append(found.summary.bad)
        rows = iter(chain)
        had = [next(rows) for _ in range(len(found) // 2)]
        again = iter(chain)
        again.load_state_dict(json.loads(json.dumps(rows.state_dict())))
        assert had + list(again) == found
        assert again.summary.bad == found.summary.bad
    assert sum(met) == len(bad)


def rows_of(n: int) -> list[dict[str, Any]]:
    return [{"n": number, "level": number % 7, "text": f"row {number}"} for number in range(n)]


def as_lines(folder: Path) -> Path:
    for number in range(2):
        part = rows_of(9_000)[number * 5_000 : (number + 1) * 5_000]
        (folder / f"{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    return folder / "*.jsonl"


def as_parquet(folder: Path) -> Path:
    pl = pytest.importorskip("polars")
    for number in range(2):
        part = rows_of(9_000)[number * 5_000 : (number + 1) * 5_000]
        pl.DataFrame(part).write_parquet(folder / f"{number}.parquet", row_group_size=700)
    return folder / "*.parquet"


def as_document(folder: Path) -> Path:
    (folder / "a.json").write_text(json.dumps(rows_of(9_000), indent=1))
    return folder / "a.json"


def as_csv(folder: Path) -> Path:
    path = folder / "a.csv"
    path.write_text(
        "n,level,text\n" + "".join(f"{r['n']},{r['level']},{r['text']}\n" for r in rows_of(9_000))
    )
    return path


@pytest.mark.parametrize("make", [as_lines, as_parquet, as_document, as_csv])
@pytest.mark.parametrize(("i", "n"), [(0, 1), (0, 2), (3, 4), (7, 8), (4_999, 5_001)])
def test_a_shard_of_any_format_is_that_slice_and_goes_on(
    tmp_path: Path, make: Callable[[Path], Path], i: int, n: int
) -> None:
    path = make(tmp_path)
    columns = {"n": int, "level": int, "text": str} if make is as_csv else None

    def after(rows: Stream[Any]) -> Stream[Any]:
        return rows.where(col("level") >= 2).select("n")

    expected = [{"n": row["n"]} for row in rows_of(9_000)[i::n] if row["level"] >= 2]
    chain = after(stream(path, columns=columns).shard(i, n))
    assert chain.to_list() == expected
    assert chain.count() == len(expected)
    for cut in (0, 1, len(expected) // 3, len(expected) - 1):
        rows = iter(chain)
        had = [row for _, row in zip(range(cut), rows, strict=False)]
        again = iter(chain)
        again.load_state_dict(json.loads(json.dumps(rows.state_dict())))
        assert had + list(again) == expected
    # Behind a condition it is of the rows that are left.
    kept = [row for row in rows_of(9_000) if row["level"] >= 2]
    assert stream(path, columns=columns).where(col("level") >= 2).shard(i, n).to_list() == kept[i::n]
    assert stream(path, columns=columns).shard(i, n).shard(0, 2).to_list() == rows_of(9_000)[i::n][::2]
    shuffled = stream(path, columns=columns).shard(i, n).shuffle(50).to_list()
    assert sorted(row["n"] for row in shuffled) == [row["n"] for row in rows_of(9_000)[i::n]]
