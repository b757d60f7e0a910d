"""Parquet and Arrow files: reading, going on, writing."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from ember.data import SourceChanged, SourceError, UnknownFormat, col, stream
from ember.data.errors import DataError

pl = pytest.importorskip("polars")
N = 5_000


def row(n: int) -> dict[str, Any]:
    return {"n": n, "level": n % 7, "text": f"row {n} é", "tags": [n, n + 1], "meta": {"a": n, "b": None}}


@pytest.fixture(scope="module", params=["parquet", "arrow"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / f"rows.{request.param}"
    frame = pl.DataFrame([row(n) for n in range(N)])
    if request.param == "parquet":
        frame.write_parquet(path, row_group_size=700)
    else:
        frame.write_ipc(path)
    return path


def test_rows_are_plain_dicts_with_what_was_written(path: Path) -> None:
    assert stream(path).to_list() == [row(n) for n in range(N)]


def test_columns_come_in_the_order_asked_for(path: Path) -> None:
    rows = stream(path, columns=["text", "n"])
    assert rows.first() == {"text": "row 0 é", "n": 0}
    assert list(rows.first()) == ["text", "n"]
    assert stream(path).select("level").take(8).to_list() == [{"level": n % 7} for n in range(8)]


def test_a_schema_makes_instances(path: Path) -> None:
    @dataclass
    class Plain:
        n: int
        text: str

    class Typed(TypedDict):
        n: int

    class Compact(msgspec.Struct):
        level: int
        n: float

    assert stream(path, schema=Plain).first() == Plain(0, "row 0 é")
    assert stream(path, schema=Typed).first() == {"n": 0}
    assert stream(path, schema=Compact).first() == Compact(0, 0.0)
    assert stream(path, schema=Plain).where(col("n") > 4_998).to_list() == [Plain(4_999, "row 4999 é")]


@given(cut=st.integers(0, N // 2), level=st.integers(0, 6), batch=st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_going_on_at_any_row_is_exact_whatever_the_reader_leaves_out(
    path: Path, cut: int, level: int, batch: int
) -> None:
    chain = stream(path).where(col("level") >= level).select("n").batch(batch)
    whole = chain.to_list()
    first = iter(chain)
    had = [rows for _, rows in zip(range(min(cut, len(whole))), first, strict=False)]
    state = json.loads(json.dumps(first.state_dict()))
    second = iter(chain)
    second.load_state_dict(state)
    assert had + list(second) == whole


def test_a_file_that_has_changed_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"n": range(3_000)}).write_parquet(path)
    rows = iter(stream(path))
    for _ in range(2_000):
        next(rows)
    state = rows.state_dict()
    pl.DataFrame({"n": range(2_500)}).write_parquet(path)
    again = iter(stream(path))
    again.load_state_dict(state)
    with pytest.raises(SourceChanged, match="2,500 rows, and had 3,000"):
        next(again)
    pl.DataFrame({"n": range(1, 3_001)}).write_parquet(path)
    again = iter(stream(path))
    again.load_state_dict(state)
    with pytest.raises(SourceChanged, match="another file of 3,000 rows"):
        next(again)


def test_what_is_no_parquet_is_said(tmp_path: Path) -> None:
    called = tmp_path / "called.parquet"
    called.write_text("a,b\n1,2\n")
    with pytest.raises(UnknownFormat, match=r"is called \.parquet and is not"):
        stream(called).to_list()
    cut = tmp_path / "cut.parquet"
    pl.DataFrame({"n": range(3_000)}).write_parquet(cut)
    cut.write_bytes(cut.read_bytes()[:-200])
    with pytest.raises(SourceError, match="cannot be read as parquet"):
        stream(cut).to_list()


def test_empty_files_and_names_with_brackets_are_read(tmp_path: Path) -> None:
    path = tmp_path / "part[0]*.parquet"
    pl.DataFrame({"n": []}).write_parquet(path)
    assert stream(path).to_list() == []
    pl.DataFrame({"n": [1]}).write_parquet(path)
    (tmp_path / "part0x.parquet").write_bytes(path.read_bytes())
    assert stream(path).to_list() == [{"n": 1}]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    rows = [row(n) for n in range(25_000)]
    summary = stream(rows).to_parquet(path)
    assert summary.bad == 0
    assert stream(path).to_list() == rows
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.parquet"]


def test_rows_that_do_not_fit_into_a_table_leave_no_file(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    path.write_bytes(b"as it was")
    wrong: list[tuple[list[Any], str]] = [
        ([{"a": 1}, 3], "row 1 is int"),
        ([{"a": 1}] * 10_000 + [{"a": 1, "b": 2}], "Row 10000 has the column 'b'"),
        ([{"a": 1}] * 10_000 + [{"a": "x"}], "does not fit into one table"),
        ([{"a": 1}, {"a": "x"}], "does not fit into one table"),
        ([], "no rows to write"),
    ]
    for rows, why in wrong:
        with pytest.raises(DataError, match=why):
            stream(rows).to_parquet(path)
    assert path.read_bytes() == b"as it was"
    assert len(list(tmp_path.iterdir())) == 1


def test_whole_numbers_among_fractions_are_fractions(tmp_path: Path) -> None:
    rows = [{"x": 1}, {"x": 2.5}, {"x": None}, *[{"x": 3}] * 10_000]
    stream(rows).to_parquet(tmp_path / "out.parquet")
    assert stream(tmp_path / "out.parquet").to_list() == rows


def test_what_a_stage_raises_while_writing_comes_through(tmp_path: Path) -> None:
    def fail(n: int) -> dict[str, int]:
        if n == 20_000:
            raise KeyError("here")
        return {"n": n}

    with pytest.raises(KeyError, match="here"):
        stream(range(30_000)).transform(fail).to_parquet(tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == []


def test_polars_is_not_imported_by_those_who_read_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n')
    program = f"""
import sys
from ember.data import col, stream
stream({str(path)!r}).where(col('a') > 0).to_list()
print('polars' in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
def test_a_large_parquet_file_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.parquet"
    stream({"n": n, "text": f"{n} " * 60} for n in range(1_500_000)).to_parquet(path)
    program = f"""
import re, polars
from ember.data import stream
def resident(what):  # in kB; what getrusage() says of the peak is also of the process that this one was forked from
    with open("/proc/self/status") as file:
        return int(re.search(what + r":\\s+(\\d+)", file.read())[1])
before = resident("VmRSS")
assert sum(1 for row in stream({str(path)!r})) == 1_500_000
print((resident("VmHWM") - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 10 < int(done.stdout) < 150


def test_counting_makes_no_rows(path: Path) -> None:
    chain = stream(path).where(col("level") >= 3)
    assert chain.count() == sum(1 for _ in chain) == sum(n % 7 >= 3 for n in range(N))
    assert stream(path).count() == N
    assert chain.take(5).count() == 5
