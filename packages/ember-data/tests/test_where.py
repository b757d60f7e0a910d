"""Conditions: the same rows whoever evaluates them, and what they ask for is all that is read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ember.data import Condition, Expression, SourceError, UnknownColumn, col, stream

pl = pytest.importorskip("polars")

NUMBERS = st.none() | st.integers(-5, 5)
FLOATS = st.none() | st.sampled_from([0.0, -1.5, 2.5, math.nan, math.inf, -math.inf])
TEXTS = st.none() | st.sampled_from(["", "a", "ab", "ba", "b.a", "é"])
ROWS = st.lists(
    st.fixed_dictionaries({"n": NUMBERS, "m": NUMBERS, "x": FLOATS, "t": TEXTS}), min_size=1, max_size=12
)


def ordered(row: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(row.items())


def compared(left: Expression, sign: str, right: Any) -> Condition:
    return getattr(left, sign)(right)  # type: ignore[no-any-return]


def about_text(how: str, text: str) -> Condition:
    return getattr(col("t"), how)(text)  # type: ignore[no-any-return]


def among(values: list[int | None]) -> Condition:
    return col("n").is_in(values)


def among_reals(values: list[float | None]) -> Condition:
    return col("x").is_in(values)


def longer(length: int) -> Condition:
    return col("t").length() > length


def both(left: Condition, right: Condition) -> Condition:
    return left & right


def either(left: Condition, right: Condition) -> Condition:
    return left | right


def opposite(inner: Condition) -> Condition:
    return ~inner


def combined(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    return st.builds(both, inner, inner) | st.builds(either, inner, inner) | st.builds(opposite, inner)


SIGNS = st.sampled_from(["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"])
WHOLE = st.sampled_from(
    [col("n"), col("m"), col("n") + col("m"), col("n") * 2 - 1, col("m") % 3, col("n") % col("m")]
)
REAL = st.sampled_from(
    [col("x"), col("x") + 1, col("x") * col("n"), col("x") - col("x"), col("n") * math.inf]
)
COMPARISONS: st.SearchStrategy[Condition] = (
    st.builds(compared, WHOLE, SIGNS, st.integers(-4, 4) | WHOLE)
    | st.builds(
        compared, REAL, SIGNS, st.sampled_from([0.0, -0.0, 2.5, -2, math.nan, math.inf]) | REAL | WHOLE
    )
    | st.builds(compared, WHOLE, SIGNS, st.sampled_from([2.5, math.nan, -math.inf]) | REAL)
    | st.builds(among_reals, st.lists(FLOATS, max_size=3))
    | st.builds(among, st.lists(NUMBERS, max_size=3))
    | st.sampled_from([col("n").is_null(), col("t").is_not_null(), col("t") == "ab", col("t") < "b"])
    | st.builds(
        about_text,
        st.sampled_from(["contains", "starts_with", "ends_with"]),
        st.sampled_from(["", "a", ".", "é"]),
    )
    | st.builds(longer, st.integers(0, 3))
)
CONDITIONS = st.recursive(COMPARISONS, combined, max_leaves=5)
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


def test_nan_is_equal_to_nothing_and_neither_less_nor_more(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    rows = [{"x": x} for x in (1.0, math.nan, None, math.inf)]
    pl.DataFrame(rows, schema={"x": pl.Float64}).write_parquet(path)
    for source in (stream(rows), stream(path)):
        for nothing in (
            col("x") == math.nan,
            col("x") < math.nan,
            col("x") >= math.nan,
            col("x").is_in([math.nan, rows[1]["x"]]),
        ):
            assert source.where(nothing).to_list() == []
            assert source.where(~nothing).count() == 3
        assert source.where(col("x") != math.nan).count() == 3
        assert source.where(col("x") == col("x")).to_list() == [{"x": 1.0}, {"x": math.inf}]
        assert source.where(col("x") > 0.0).to_list() == [{"x": 1.0}, {"x": math.inf}]


def test_a_division_by_zero_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    rows = [{"n": 5, "m": 0}, {"n": 5, "m": 3}]
    pl.DataFrame(rows).write_parquet(path)
    for source in (stream(rows), stream(path)):
        assert source.where(col("n") % col("m") == 2).to_list() == rows[1:]
        assert source.where(~(col("n") % col("m") == 2)).to_list() == []
        assert source.where((col("n") % col("m")).is_null()).to_list() == rows[:1]
    assert stream(rows).where(col("n") % 1.5 == 0.5).count() == 2
    with pytest.raises(SourceError, match=r"remainder of a fraction.*filter\(\)"):
        stream(path).where(col("n") % 1.5 == 0.5).count()


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
