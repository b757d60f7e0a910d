"""What is done with input that is not as it should be: each has a behaviour one can name."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ember.data import (
    BadRecord,
    SourceChanged,
    SourceDenied,
    SourceError,
    SourceNotFound,
    Stream,
    UnknownColumn,
    UnknownFormat,
    stream,
)

LINES = b'{"n": 0}\n{"n": 1}\n{"n": \n{"n": 3}\nnot json\n{"n": 5}'


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# Bad records


def test_a_bad_record_is_raised_with_its_place_after_the_rows_before_it(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", LINES)
    rows = iter(stream(path))
    assert [next(rows), next(rows)] == [{"n": 0}, {"n": 1}]
    with pytest.raises(BadRecord) as caught:
        next(rows)
    bad = caught.value
    assert (bad.file, bad.line, bad.offset, bad.content) == (str(path), 3, 18, b'{"n": ')
    assert "cut off" in bad.reason
    # It does not go away by asking again.
    with pytest.raises(BadRecord, match="line 3"):
        next(rows)


def test_bad_records_that_are_passed_over_are_counted(tmp_path: Path) -> None:
    found = stream(written(tmp_path / "a.jsonl", LINES), on_error="skip").collect()
    assert found == [{"n": 0}, {"n": 1}, {"n": 3}, {"n": 5}]
    assert found.summary.bad == 2
    assert [bad.line for bad in found.summary.first_bad] == [3, 5]
    assert "2 bad records" in str(found.summary)


def test_bad_records_are_put_aside_with_all_that_is_needed_to_mend_them(tmp_path: Path) -> None:
    path, aside = written(tmp_path / "a.jsonl", LINES), tmp_path / "aside.jsonl"
    found = stream(path, on_error="quarantine", quarantine=aside).collect()
    kept = [json.loads(line) for line in aside.read_text().splitlines()]
    assert [(bad["file"], bad["line"], bad["offset"], bad["content"]) for bad in kept] == [
        (str(path), 3, 18, '{"n": '),
        (str(path), 5, 34, "not json"),
    ]
    assert found.summary.quarantine == str(aside)
    for bad in kept:
        assert path.read_bytes()[bad["offset"] :].startswith(bad["content"].encode())


def test_bad_records_can_be_handed_to_a_function(tmp_path: Path) -> None:
    had: list[BadRecord] = []
    stream(written(tmp_path / "a.jsonl", LINES), on_error="quarantine", quarantine=had.append).count()
    assert [bad.line for bad in had] == [3, 5]


def test_going_on_counts_and_puts_aside_each_bad_record_once(tmp_path: Path) -> None:
    lines = [b"{" if n % 5 == 3 else b'{"n": %d}' % n for n in range(50)]
    path, aside = written(tmp_path / "a.jsonl", b"\n".join(lines)), tmp_path / "aside.jsonl"
    chain = stream(path, on_error="quarantine", quarantine=aside)
    whole = [row["n"] for row in chain]
    for at in range(len(whole) + 1):
        before = iter(chain)
        for _ in range(at):
            next(before)
        state = before.state_dict()
        next(before, None)  # what was put aside after the state is taken back
        again = iter(chain)
        again.load_state_dict(state)
        assert [row["n"] for row in again] == whole[at:]
        assert again.summary.bad == 10
        assert [json.loads(line)["line"] for line in aside.read_text().splitlines()] == list(range(4, 51, 5))


def test_bad_records_are_counted_once_where_rows_are_read_again(tmp_path: Path) -> None:
    lines = [b"{" if n % 5 == 3 else b'{"n": %d}' % n for n in range(60)]
    path, aside = written(tmp_path / "a.jsonl", b"\n".join(lines)), tmp_path / "aside.jsonl"
    failing = {11, 40}

    def fails_once(row: dict[str, int]) -> int:
        if row["n"] in failing:
            failing.discard(row["n"])
            raise ConnectionError
        return row["n"]

    stages: list[Callable[[Stream[Any]], Stream[Any]]] = [
        lambda s: s.shuffle(7),
        lambda s: s.window(4, 2),
        lambda s: s.prefetch(3),
        lambda s: s.sample(20),
    ]
    for stage in stages:
        chain = (
            stage(stream(path, on_error="quarantine", quarantine=aside))
            .batch(1)
            .zip(stage(stream(path, on_error="skip").transform(fails_once)))
        )
        whole = stage(stream(path, on_error="skip")).count()
        failing = {11, 40}
        run, had = iter(chain), 0
        for _ in range(1_000):
            try:
                next(run)
                had += 1
            except ConnectionError:
                continue
            except StopIteration:
                break
            if had % 3 == 0:
                state = run.state_dict()
                run = iter(chain)
                run.load_state_dict(state)
        assert had == whole
        assert run.summary.bad == 24
        assert [json.loads(line)["line"] for line in aside.read_text().splitlines()] == list(range(4, 60, 5))


def test_a_row_that_does_not_fit_its_schema_is_a_bad_record(tmp_path: Path) -> None:
    @dataclass
    class Row:
        n: int

    path = written(tmp_path / "a.jsonl", b'{"n": 1}\n{"n": "two"}\n{"m": 3}\n{"n": 4, "more": 0}\n')
    found = stream(path, schema=Row, on_error="skip").collect()
    assert found == [Row(1), Row(4)]
    assert ["int" in bad.reason or "missing" in bad.reason for bad in found.summary.first_bad] == [True, True]


def test_bad_records_of_a_stream_beside_this_one_go_by_its_own_rule(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", LINES)
    found = stream([1, 2, 3, 4, 5]).zip(stream(path, on_error="skip")).collect()
    assert [row[1]["n"] for row in found] == [0, 1, 3, 5]
    assert found.summary.bad == 2


# What lines may hold


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b"\n  \n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_byte_order_marks_carriage_returns_and_blank_lines_are_no_rows(
    tmp_path: Path, mark: bytes, end: bytes
) -> None:
    path = written(tmp_path / "a.jsonl", mark + end.join(b'{"n": %d}' % n for n in range(5)) + end)
    assert [row["n"] for row in stream(path)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read_as_text(tmp_path: Path, encoding: str) -> None:
    text = "".join(json.dumps({"text": f"žluťoučký 🐎 {n}"}, ensure_ascii=False) + "\r\n" for n in range(500))
    path = written(tmp_path / "a.jsonl", text.encode(encoding))
    chain = stream(path)
    whole = [row["text"] for row in chain]
    assert whole == [f"žluťoučký 🐎 {n}" for n in range(500)]
    rows = iter(chain)
    next(rows)
    again = iter(chain)
    again.load_state_dict(rows.state_dict())
    assert [row["text"] for row in again] == whole[1:]


def test_nan_and_infinity_as_python_writes_them_are_read_as_python_does(tmp_path: Path) -> None:
    rows = [{"x": 1.0}, {"x": math.nan}, {"x": math.inf}, {"x": -math.inf}, {"x": 2.0}]
    path = written(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    found = [row["x"] for row in stream(path)]
    assert math.isnan(found[1])
    assert [found[0], *found[2:]] == [1.0, math.inf, -math.inf, 2.0]


def test_rows_of_different_columns_come_as_they_are(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'{"a": 1}\n{"b": [2]}\n{"a": "x", "b": null}\n[1, 2]\n"text"\n')
    assert stream(path).to_list() == [{"a": 1}, {"b": [2]}, {"a": "x", "b": None}, [1, 2], "text"]
    assert stream(path).take(3).select("a").to_list() == [{"a": 1}, {}, {"a": "x"}]
    assert stream(path, columns=["a"], on_error="skip").to_list() == [{"a": 1}, {}, {"a": "x"}]


def test_a_misspelt_column_is_an_error_with_the_nearest_name(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'{"question": 1, "level": 2}\n' * 10)
    for chain in (
        stream(path, columns=["levle"]),
        stream(path).select("levle"),
        stream(path).take(5).select("levle"),
    ):
        with pytest.raises(UnknownColumn, match="'level'"):
            chain.to_list()


def test_a_line_of_100_megabytes_is_a_row_and_a_longer_one_a_bad_record(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        for size in (100, 130):
            file.write(b'{"text": "')
            for _ in range(size):
                file.write(b"x" * 1024 * 1024)
            file.write(b'"}\n{"n": 1}\n')
    found = stream(path, on_error="skip").transform(lambda row: len(row.get("text", ""))).collect()
    assert found == [100 * 1024 * 1024, 0, 0]
    assert [(bad.line, "longer than" in bad.reason) for bad in found.summary.first_bad] == [(3, True)]


def test_what_is_not_utf_8_is_a_bad_record(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'{"a": "\xff"}\n{"a": "b"}\n')
    found = stream(path, on_error="skip").collect()
    assert found == [{"a": "b"}]
    assert "not UTF-8" in found.summary.first_bad[0].reason


def test_nesting_without_end_is_a_bad_record(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b"[" * 100_000 + b'\n{"a": 1}\n')
    found = stream(path, format="jsonl", on_error="skip").collect()
    assert found == [{"a": 1}]
    assert found.summary.bad == 1


# Files


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.json", "a.csv", "a.txt", "a.unheard-of"):
        assert stream(written(tmp_path / name, b"")).to_list() == []
        assert stream(written(tmp_path / f"{name}.gz", gzip.compress(b""))).to_list() == []


def test_a_folder_is_an_error_that_says_how_to_read_what_is_in_it(tmp_path: Path) -> None:
    written(tmp_path / "a.csv", b"a\n1\n")
    with pytest.raises(SourceError, match=r"is a folder.*\*\.csv"):
        stream(tmp_path)


def test_a_missing_file_is_an_error_at_once_with_the_nearest_name(tmp_path: Path) -> None:
    written(tmp_path / "questions.jsonl", b"")
    with pytest.raises(SourceNotFound, match=r"Did you mean '.*questions\.jsonl'"):
        stream(tmp_path / "question.jsonl")
    with pytest.raises(FileNotFoundError):
        stream(tmp_path / "*.parquet")


@pytest.mark.skipif(os.name != "posix", reason="permissions of another kind")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b"{}\n")
    rows = stream(path)
    path.chmod(0)
    root = os.geteuid() == 0
    if root:  # who may read everything
        os.seteuid(65534)
    try:
        with pytest.raises(SourceDenied, match=r"a\.jsonl may not be read"):
            rows.to_list()
    finally:
        if root:
            os.seteuid(0)


def test_a_link_to_itself_is_named_and_links_to_folders_are_not_gone_round(tmp_path: Path) -> None:
    written(tmp_path / "a.jsonl", b'{"n": 1}\n')
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "again.jsonl").symlink_to(tmp_path / "a.jsonl")
    assert stream(tmp_path / "**" / "*.jsonl").to_list() == [{"n": 1}]
    (tmp_path / "self.jsonl").symlink_to(tmp_path / "self.jsonl")
    with pytest.raises(SourceError, match="back to itself"):
        stream(tmp_path / "self.jsonl").to_list()


def test_a_file_that_was_cut_off_gives_its_whole_lines_and_then_says_so(tmp_path: Path) -> None:
    lines = b"".join(b'{"n": %d, "text": "%s"}\n' % (n, os.urandom(20).hex().encode()) for n in range(20_000))
    for name, packed, least in (
        ("a.gz", gzip.compress(lines), 8_000),
        ("a.bz2", bz2.compress(lines), 0),  # made of blocks of 900 kB: the first is not whole
        ("a.xz", lzma.compress(lines), 8_000),
    ):
        path = written(tmp_path / name, packed[: len(packed) * 2 // 3])
        rows = iter(stream(path, format="jsonl"))
        had: list[int] = []
        with pytest.raises(SourceError, match="cut off"):
            had.extend(row["n"] for row in rows)
        had = []
        rows = iter(stream(path, format="jsonl"))
        with pytest.raises(SourceError, match="cut off"):
            for row in rows:
                had.append(row["n"])
        assert had == list(range(len(had)))
        assert len(had) >= least
        with pytest.raises(SourceError, match="cut off"):
            next(rows)


def test_damaged_compressed_data_is_named(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(os.urandom(100_000)))
    packed[50_000] ^= 255
    with pytest.raises(SourceError, match="damaged"):
        stream(written(tmp_path / "a.txt.gz", bytes(packed)), format="text", on_error="skip").count()


INFLATING = """
import re, sys
from ember.data import stream
def resident(what):  # in kB
    with open("/proc/self/status") as file:
        return int(re.search(what + r":\\s+(\\d+)", file.read())[1])
before = resident("VmRSS")
found = stream(sys.argv[1], format="jsonl", on_error="skip").count()
print(found, round((resident("VmHWM") - before) / 1024))
"""


def inflated(path: Path) -> tuple[int, int]:
    """Return how many rows a file has, and the MB that going through it took at most."""
    done = subprocess.run(
        [sys.executable, "-c", INFLATING, path], capture_output=True, text=True, timeout=100
    )
    assert done.stderr == ""
    found, grown = map(int, done.stdout.split())
    return found, grown


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
def test_what_inflates_a_thousandfold_is_read_a_piece_at_a_time(tmp_path: Path) -> None:
    line = b'{"a": "' + b" " * 100_000 + b'"}\n'
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(3_000):
            file.write(line)
    assert path.stat().st_size < 1_000_000
    found, grown = inflated(path)
    assert found == 3_000
    assert grown < 64  # of 300


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
def test_one_endless_line_of_zeros_in_a_bomb_is_a_bad_record_that_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    # A gz file may be of several members; these are all alike.
    member = gzip.compress(bytes(64 * 1024 * 1024), 1)
    path.write_bytes(member * 5 + gzip.compress(b'\n{"n": 1}\n'))
    found, grown = inflated(path)
    assert found == 1
    assert grown < 220  # of 320
    bad = stream(path, on_error="skip").collect().summary.first_bad[0]
    assert "longer than" in bad.reason


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_an_archive_is_not_unpacked_and_says_so(tmp_path: Path, name: str) -> None:
    import tarfile
    import zipfile

    path = tmp_path / name
    if name.endswith("zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("../../evil.jsonl", "{}\n")
    else:
        member = written(tmp_path / "in.jsonl", b"{}\n")
        with tarfile.open(path, "w") as tar:
            tar.add(member, "../../evil.jsonl")
    with pytest.raises(UnknownFormat, match=r"archive\. Unpack it"):
        stream(path).to_list()
    assert not (tmp_path.parent.parent / "evil.jsonl").exists()


def test_a_file_that_changed_under_a_state_is_an_error_and_one_that_grew_is_not(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b"".join(b'{"n": %06d}\n' % (n + 10**5) for n in range(60_000)))
    chain = stream(path)
    rows = iter(chain)
    for _ in range(50_000):
        next(rows)
    state = rows.state_dict()
    with path.open("ab") as file:
        file.write(b'{"n": 7}\n')
    again = iter(chain)
    again.load_state_dict(state)
    assert [row["n"] for row in again] == [*range(150_000, 160_000), 7]
    data = path.read_bytes()
    for other in (data[:100_000], b'{"n": 1}\n' + data):
        path.write_bytes(other)
        again = iter(chain)
        again.load_state_dict(state)
        with pytest.raises(SourceChanged, match="not what it was"):
            next(again)


def test_a_document_that_changed_under_a_state_is_an_error_and_one_that_grew_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.json"

    def write(rows: list[int]) -> None:
        path.write_text(json.dumps([{"n": n} for n in rows], indent=1))

    write(list(range(2_000)))
    rows = iter(stream(path))
    for _ in range(1_500):
        next(rows)
    state = rows.state_dict()
    write(list(range(2_001)))
    again = iter(stream(path))
    again.load_state_dict(state)
    assert [row["n"] for row in again] == list(range(1_500, 2_001))
    for other in (list(range(5)), list(range(1, 2_001))):
        write(other)
        again = iter(stream(path))
        again.load_state_dict(state)
        with pytest.raises(SourceChanged, match="not what it was"):
            next(again)


def test_of_a_key_that_comes_twice_in_an_object_the_last_counts(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'{"a": 1, "a": 2}\n')
    assert stream(path).to_list() == [{"a": 2}] == [json.loads(path.read_bytes())]
    assert stream(path, columns=["a"]).to_list() == [{"a": 2}]


def test_files_that_came_before_the_place_are_an_error_and_later_ones_are_read(tmp_path: Path) -> None:
    for name in "bc":
        written(tmp_path / f"{name}.jsonl", b'{"n": 1}\n{"n": 2}\n')
    rows = iter(stream(tmp_path / "*.jsonl"))
    for _ in range(3):
        next(rows)
    state = rows.state_dict()
    written(tmp_path / "d.jsonl", b'{"n": 3}\n')
    again = iter(stream(tmp_path / "*.jsonl"))
    again.load_state_dict(state)
    assert [row["n"] for row in again] == [2, 3]
    written(tmp_path / "a.jsonl", b'{"n": 0}\n')
    again = iter(stream(tmp_path / "*.jsonl"))
    again.load_state_dict(state)
    with pytest.raises(SourceChanged, match="files before"):
        next(again)


# What a call may say


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"on_error": "ignore"}, ValueError),
        ({"on_error": "quarantine"}, ValueError),
        ({"quarantine": "x.jsonl"}, ValueError),
        ({"columns": "level"}, TypeError),
        ({"columns": ["a"], "schema": dict}, ValueError),
        ({"format": "xlsx"}, UnknownFormat),
    ],
)
def test_options_that_make_no_sense_are_refused_at_once(
    tmp_path: Path, options: dict[str, Any], error: type[Exception]
) -> None:
    path = written(tmp_path / "a.jsonl", b"{}\n")
    with pytest.raises(error):
        stream(path, **options)


@pytest.mark.parametrize("source", [3, None, {"a": 1}, b"rows"])
def test_what_cannot_be_a_source_is_refused_at_once(source: Any) -> None:
    with pytest.raises(TypeError, match=r"stream\(\) takes"):
        stream(source)


def test_stages_refuse_what_they_cannot_do() -> None:
    async def later(row: int) -> int:
        return row

    rows = stream([1])
    with pytest.raises(TypeError, match="map_concurrent"):
        rows.transform(later)
    with pytest.raises(ValueError, match="batch"):
        rows.batch(0)
    with pytest.raises(ValueError, match="shard"):
        rows.shard(2, 2)
    with pytest.raises(ValueError, match="sum to 1"):
        rows.split({"a": 0.5})
    with pytest.raises(ValueError, match="weight above 0"):
        rows.mix(rows, weights=[1])
    with pytest.raises(TypeError, match="unbatch"):
        rows.unbatch().to_list()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
