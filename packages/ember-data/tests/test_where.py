"""Conditions: the same rows whoever evaluates them, and what they ask for is all that is read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ember.data import SourceError, UnknownColumn, col, stream
from ember.data import Condition

pl = pytest.importorskip("polars")

NUMBERS = st.none() | st.integers(-5, 5)
FLOATS = st.none() | st.sampled_from([0.0, -1.5, 2.5, math.nan, math.inf, -math.inf])
TEXTS = st.none() | st.sampled_from(["", "a", "ab", "ba", "b.a", "é"])
ROWS = st.lists(
    st.fixed_dictionaries({"n": NUMBERS, "m": NUMBERS, "x": FLOATS, "t": TEXTS}), min_size=1, max_size=12
)


def ordered(row: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(row.items())


def comparisons() -> st.SearchStrategy[Condition]:
    number = st.sampled_from([col("n"), col("m"), col("n") + col("m"), col("n") * 2 - 1, col("m") % 3])
    real = st.sampled_from([col("x"), col("x") + 1, col("x") * col("n")])
    sides = st.integers(-4, 4) | number
    signs = st.sampled_from(["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"])
    made: st.SearchStrategy[Condition] = st.builds(lambda a, s, b: getattr(a, s)(b), number, signs, sides)
    made |= st.builds(lambda a, s, b: getattr(a, s)(b), real, signs, st.sampled_from([0.0, 2.5, -2]) | real | number)
    made |= st.builds(lambda v: col("n").is_in(v), st.lists(NUMBERS, max_size=3))
    made |= st.sampled_from([col("n").is_null(), col("t").is_not_null(), col("t") == "ab", col("t") < "b"])
    made |= st.builds(lambda how, t: getattr(col("t"), how)(t), st.sampled_from(["contains", "starts_with", "ends_with"]), st.sampled_from(["", "a", ".", "é"]))
    made |= st.builds(lambda k: col("t").length() > k, st.integers(0, 3))
    return made


CONDITIONS = st.recursive(
    comparisons(),
    lambda inner: st.builds(lambda a, b: a & b, inner, inner)
    | st.builds(lambda a, b: a | b, inner, inner)
    | st.builds(lambda a: ~a, inner),
    max_leaves=5,
)
TYPES = {"n": pl.Int64, "m": pl.Int64, "x": pl.Float64, "t": pl.String}


@given(ROWS, CONDITIONS)
@settings(max_examples=150, deadline=None)
def test_a_reader_of_columns_keeps_the_rows_that_a_function_would(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], condition: Condition
) -> None:
    path = tmp_path_factory.getbasetemp() / "rows.parquet"
    pl.DataFrame(rows, schema=TYPES).write_parquet(path)
    by_function = stream(rows).where(condition).to_list()
    by_reader = stream(path).where(condition)
    assert "by the reader" in by_reader.explain()
    assert list(map(repr, map(ordered, by_reader))) == list(map(repr, map(ordered, by_function)))


def test_a_condition_with_something_missing_is_neither_true_nor_false() -> None:
    rows = [{"a": 1, "b": 2}, {"a": 1}, {"b": None, "a": None}, {}]
    assert stream(rows).where(col("b") > 1).count() == 1
    assert stream(rows).where(~(col("b") > 1)).count() == 0
    assert stream(rows).where((col("b") > 1) | (col("a") == 1)).count() == 2
    assert stream(rows).where(col("b").is_null()).count() == 3


def test_objects_are_asked_for_their_attributes(tmp_path: Path) -> None:
    from dataclasses import dataclass

    @dataclass
    class Row:
        level: int

    assert stream([Row(1), Row(5)]).where(col("level") >= 3).to_list() == [Row(5)]


def test_only_the_columns_asked_for_are_read_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"a": n, "b": n % 3, "c": "x" * n}) + "\n" for n in range(10)))
    chain = stream(path).where(col("b") == 0).select("a")
    assert chain.to_list() == [{"a": n} for n in range(0, 10, 3)]
    assert "reads 1 file as jsonl, a, b, then where (col('b') == 0)" in chain.explain()
    assert chain.explain().count("by the reader") == 2
    assert stream(path).select("a", "b").where(col("b") == 0).where(col("a") > 3).to_list() == [
        {"a": 6, "b": 0},
        {"a": 9, "b": 0},
    ]
    assert stream(path).select("a").where(col("b") == 0).to_list() == []


def test_what_stands_between_keeps_a_condition_from_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}\n')
    chain = stream(path).take(1).where(col("a") == 2)
    assert chain.to_list() == []
    assert "by the reader" not in chain.explain()


def test_what_is_no_condition_is_said() -> None:
    rows = stream([{"a": 1}])
    with pytest.raises(TypeError, match=r"filter\(\) takes functions"):
        rows.where(lambda row: True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="Compare it with something"):
        rows.where(col("a"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"Combine conditions with &, \| and ~"):
        rows.where(col("a") > 1 and col("a") < 3)
    with pytest.raises(TypeError, match="in parentheses"):
        rows.where((col("a") > 1) & True)  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]


def test_a_column_that_is_not_there_is_said_with_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"level": [1]}).write_parquet(path)
    with pytest.raises(UnknownColumn, match="Did you mean 'level'"):
        stream(path).where(col("levle") > 1).to_list()
    with pytest.raises(UnknownColumn, match="Did you mean 'level'"):
        stream(path).select("levl").to_list()
    with pytest.raises(SourceError, match="cannot be read as parquet"):
        stream(path).where(col("level").contains("x")).to_list()
