"""Formats: told by what a file holds, read into plain dicts, typed where asked."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from ember.data import BadRecord, SourceError, UnknownColumn, UnknownFormat, stream

ROWS: list[dict[str, Any]] = [
    {"id": n, "text": f"row {n}", "tags": ["a", "b"], "level": n % 5} for n in range(500)
]
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
WHOLE = json.dumps(ROWS).encode()


def _zst(data: bytes) -> bytes:
    return bytes(pytest.importorskip("zstandard").ZstdCompressor().compress(data))


def _gz_of_two_members(data: bytes) -> bytes:
    return gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :])


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "gz of two members": _gz_of_two_members,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": _zst,
}


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.dat", "rows", "rows.gz"])
@pytest.mark.parametrize(
    "data", [LINES, WHOLE, json.dumps(ROWS, indent=2).encode()], ids=["lines", "list", "indented"]
)
@pytest.mark.parametrize("packer", PACKERS)
def test_json_is_told_by_its_content_whatever_it_is_called(
    tmp_path: Path, packer: str, data: bytes, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(PACKERS[packer](data))
    chain = stream(path)
    assert chain.to_list() == ROWS
    rows = iter(chain)
    for _ in range(123):
        next(rows)
    again = iter(chain)
    again.load_state_dict(json.loads(json.dumps(rows.state_dict())))
    assert list(again) == ROWS[123:]


def test_one_json_object_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"a": 1, "b": [1, 2]}, indent=1))
    assert stream(path).to_list() == [{"a": 1, "b": [1, 2]}]


def test_a_broken_json_document_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"a": 1},\n {"a": }]')
    with pytest.raises(SourceError, match="no whole JSON document"):
        stream(path).to_list()


def test_a_member_that_does_not_fit_is_a_bad_record_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"a": 1},\n {"a": "x"},\n {"a": 3}]')
    found = stream(path, columns={"a": int}, on_error="skip").collect()
    assert found == [{"a": 1}, {"a": 3}]
    bad = found.summary.first_bad[0]
    assert (bad.line, bad.content) == (2, b'{"a": "x"}')
    assert path.read_bytes()[bad.offset :].startswith(bad.content)


# CSV

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=150,
)
@given(
    st.lists(st.tuples(texts, texts), max_size=30),
    st.sampled_from([",", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_csv_writes_comes_back(
    tmp_path: Path, values: list[tuple[str, str]], delimiter: str, end: str
) -> None:
    path = tmp_path / ("a.csv" if delimiter == "," else "a.tsv")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerow(["a", "b c"])
        writer.writerows(values)
    chain = stream(path)
    whole = chain.to_list()
    assert whole == [{"a": a, "b c": b} for a, b in values]
    rows = iter(chain)
    for at in range(len(whole)):
        again = iter(chain)
        again.load_state_dict(rows.state_dict())
        assert list(again) == whole[at:]
        next(rows)


def test_csv_is_read_on_exactly_over_many_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    lines = "".join(f'{n},"two\nlines, {n}"\n' for n in range(40_000))
    path.write_bytes(gzip.compress(("id,text\n" + lines).encode()))
    chain = stream(path).transform(lambda row: int(row["id"]))
    rows = iter(chain)
    for at in (0, 1, 511, 512, 513, 30_000):
        rows = iter(chain)
        assert [next(rows) for _ in range(at)] == list(range(at))
        again = iter(chain)
        again.load_state_dict(rows.state_dict())
        assert list(again) == list(range(at, 40_000))


def test_other_separators_are_told_by_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("name;price\ntea;1,50\n")
    assert stream(path).to_list() == [{"name": "tea", "price": "1,50"}]


def test_csv_values_become_what_the_schema_says(tmp_path: Path) -> None:
    class Price(msgspec.Struct):
        name: str
        price: float
        n: int

    path = tmp_path / "a.csv"
    path.write_text("name,price,n,more\ntea,1.5,3,x\nmilk,none,4,x\nsalt,2,5,x\n")
    found = stream(path, schema=Price, on_error="skip").collect()
    assert found == [Price("tea", 1.5, 3), Price("salt", 2.0, 5)]
    assert (found.summary.first_bad[0].line, found.summary.first_bad[0].content) == (3, b"milk,none,4,x")
    assert stream(path, columns=["n", "name"]).first() == {"n": "3", "name": "tea"}
    with pytest.raises(UnknownColumn, match="'price'"):
        stream(path, columns=["prize"]).first()


def test_records_of_another_length_and_open_quotes_are_bad_records_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'a,b\n1,2\n3\n4,"5\n6"\n7,8,9\n"x"y,1\n10,11\n12,"open\n')
    found = stream(path, on_error="skip").collect()
    assert found == [{"a": "1", "b": "2"}, {"a": "4", "b": "5\n6"}, {"a": "10", "b": "11"}]
    places = [(bad.line, bad.content.split(b"\n")[0]) for bad in found.summary.first_bad]
    assert places == [(3, b"3"), (6, b"7,8,9"), (7, b'"x"y,1'), (9, b'12,"open')]
    for bad in found.summary.first_bad:
        assert path.read_bytes()[bad.offset :].startswith(bad.content)
    with pytest.raises(BadRecord, match="1 values, where the first line names 2"):
        stream(path).to_list()


def test_duplicate_columns_are_an_error_that_names_them(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b,a\n1,2,3\n")
    with pytest.raises(SourceError, match="more than one column named 'a'"):
        stream(path).to_list()


def test_a_value_longer_than_the_csv_modules_own_limit_is_a_value(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n" + "x" * 500_000 + "\n")
    assert stream(path).transform(lambda row: len(row["a"])).to_list() == [500_000]


# Text, and what cannot be told


def test_lines_of_text_are_rows_of_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("první\r\n\r\ndruhý\nthe last".encode())
    assert [row["text"] for row in stream(path)] == ["první", "", "druhý", "the last"]


def test_a_file_nobody_can_tell_the_format_of_asks_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"\x01\x02\x03hello\n")
    with pytest.raises(UnknownFormat, match="format='jsonl'"):
        stream(path).to_list()
    assert stream(path, format="text").count() == 1


def test_a_file_called_parquet_that_is_none_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"hello")
    with pytest.raises(UnknownFormat, match="is not"):
        stream(path).to_list()


# Schemas


@dataclass
class AsDataclass:
    id: int
    text: str


class AsStruct(msgspec.Struct):
    id: int
    text: str


class AsTypedDict(TypedDict):
    id: int
    text: str


@pytest.mark.parametrize("schema", [AsDataclass, AsStruct])
def test_a_schema_makes_its_instances(tmp_path: Path, schema: type[Any]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES)
    assert stream(path, schema=schema).to_list() == [schema(id=row["id"], text=row["text"]) for row in ROWS]


def test_a_typed_dict_makes_dicts_of_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES)
    assert stream(path, schema=AsTypedDict).first() == {"id": 0, "text": "row 0"}


def test_a_pydantic_model_makes_its_instances(tmp_path: Path) -> None:
    pydantic = pytest.importorskip("pydantic")
    model: Any = pydantic.create_model("Row", id=(int, pydantic.Field(lt=499)), text=str)
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES)
    found = stream(path, schema=model, on_error="skip").collect()
    assert found == [model(id=row["id"], text=row["text"]) for row in ROWS[:-1]]
    assert "less than 499 at id" in found.summary.first_bad[0].reason


def test_selected_columns_are_all_that_is_read_and_the_plan_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES)
    chain = stream(path).select("level", "id").filter(lambda row: row["level"] > 3)
    assert chain.first() == {"level": 4, "id": 4}
    plan = chain.explain().splitlines()
    assert plan[0].endswith("reads 1 file as jsonl, level, id")
    assert plan[1].endswith("by the reader")
    assert plan[2].strip() == ".filter(<lambda>)"
    later = stream(path).filter(lambda row: row["id"]).select("level")
    assert "by the reader" not in later.explain()
