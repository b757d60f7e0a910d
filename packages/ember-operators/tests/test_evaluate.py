"""`evaluate`: how good, how dear and how slow an operator is, item by item, and whether it is better than another."""

# Lambdas for members are of no known type.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import html.parser
import json
import math
import random
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ember.operators import (
    Evaluation,
    aevaluate,
    contains,
    difference,
    evaluate,
    exact,
    graded,
    interval,
    number,
    token_f1,
)

DATA = [{"question": f"q{n}", "answer": f"A{n}"} for n in range(20)]


def right(question: str) -> str:
    return question.replace("q", "A")


def often_right(question: str) -> str:
    return right(question) if int(question[1:]) % 4 else "?"


def now(*args: Any, **kwargs: Any) -> Evaluation:
    return evaluate(*args, **kwargs)


def awaited(*args: Any, **kwargs: Any) -> Evaluation:
    return asyncio.run(aevaluate(*args, **kwargs))


both = pytest.mark.parametrize("way", [now, awaited])
Way = Callable[..., Evaluation]


@both
def test_items_are_scored_in_order_whatever_ends_first(way: Way) -> None:
    def slowest_first(question: str) -> str:
        threading.Event().wait(0.02 - int(question[1:]) / 1000)
        return often_right(question)

    found = way(slowest_first, iter(DATA), exact())
    assert [item.index for item in found.items] == list(range(20))
    assert [item.answer for item in found.items] == [often_right(str(item["question"])) for item in DATA]
    assert found.metrics["exact_match"].mean == 0.75


@both
def test_items_are_asked_at_once(way: Way) -> None:
    meeting = threading.Barrier(4, timeout=20)

    def meet(question: str) -> str:
        meeting.wait()
        return question

    assert way(meet, DATA[:4], exact(), limit=4).errors == 0


@both
def test_an_item_that_fails_is_kept_with_its_error_and_the_others_go_on(way: Way) -> None:
    def sometimes(question: str) -> str:
        if question == "q3":
            raise ValueError("not this one")
        return right(question)

    found = way(sometimes, [*DATA[:5], {"answer": "no question"}], exact())
    assert found.errors == 2
    assert found.items[3].error == "ValueError: not this one" and "no field 'question'" in str(
        found.items[5].error
    )
    assert found.metrics["exact_match"].n == 4
    failing = way(right, DATA[:3], lambda answer, item: 1 / 0)
    assert failing.errors == 3 and failing.items[0].answer == "A0" and failing.metrics == {}


class Asked:
    """Answers as `often_right` does, and keeps what it was asked; fails at `q7` while `broken`."""

    def __init__(self) -> None:
        self.questions, self.broken = list[str](), False

    def __call__(self, question: str) -> str:
        self.questions.append(question)
        if self.broken and question == "q7":
            raise ValueError("no")
        return often_right(question)

    def __repr__(self) -> str:
        return "Asked()"


@both
def test_a_run_that_was_broken_off_goes_on_where_it_stopped(way: Way, tmp_path: Path) -> None:
    op, path = Asked(), tmp_path / "run.jsonl"
    op.broken = True
    assert way(op, DATA[:10], exact(), path=path).errors == 1
    op.questions.clear()
    op.broken = False
    found = way(op, DATA, exact(), path=path)
    assert sorted(op.questions) == sorted(
        ["q7", *(f"q{n}" for n in range(10, 20))]
    )  # what failed is asked again
    assert found.metrics["exact_match"].n == 20 and found.errors == 0
    op.questions.clear()
    again = way(op, DATA, exact(), path=path)
    assert op.questions == [] and str(again.metrics) == str(found.metrics)


def test_a_line_that_was_cut_by_a_crash_is_written_anew(tmp_path: Path) -> None:
    op, path = Asked(), tmp_path / "run.jsonl"
    evaluate(op, DATA, exact(), limit=1, path=path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    op.questions.clear()
    evaluate(op, DATA, exact(), path=path)
    assert op.questions == ["q19"]
    lines = [
        [json.loads(line).get("item") for line in text.splitlines()] for text in (whole, path.read_bytes())
    ]
    assert lines[0] == lines[1]


def test_a_file_of_another_evaluation_is_not_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    evaluate(right, DATA, exact(), path=path)
    with pytest.raises(ValueError, match="another op"):
        evaluate(often_right, DATA, exact(), path=path)
    with pytest.raises(ValueError, match="another metrics"):
        evaluate(right, DATA, contains(), path=path)
    path.write_text("something else\n")
    with pytest.raises(ValueError, match="line 1, was not written by an evaluation"):
        evaluate(right, DATA, exact(), path=path)


def test_a_killed_run_loses_only_what_was_under_way(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent("""
        import os, sys
        from ember.operators import evaluate, exact

        def op(question):
            print(question, flush=True)
            if question == "q12" and sys.argv[1] == "die":
                os._exit(9)
            return question

        data = [{"question": f"q{n}", "answer": f"q{n}"} for n in range(20)]
        found = evaluate(op, data, exact(), limit=1, path="run.jsonl")
        print(found.metrics["exact_match"].n)
        """)
    )
    runs = [
        subprocess.run(
            [sys.executable, str(script), how], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        for how in ("die", "live")
    ]
    assert runs[0].returncode == 9
    assert runs[1].stdout.split() == [*(f"q{n}" for n in range(12, 20)), "20"], runs[1].stderr


def test_equal_items_are_counted_each(tmp_path: Path) -> None:
    same = [{"question": "q1", "answer": "A1"}] * 3
    path = tmp_path / "run.jsonl"
    assert evaluate(right, same, exact(), path=path).metrics["exact_match"].n == 3
    assert len(path.read_text().splitlines()) == 4


@given(st.integers(1, 400), st.floats(0.05, 0.95))
def test_an_interval_holds_its_mean_and_shrinks(n: int, share: float) -> None:
    hits = round(n * share)
    found = interval([1.0] * hits + [0.0] * (n - hits))
    assert 0 <= found.low <= found.mean <= found.high <= 1
    wider = interval([1.0] * hits + [0.0] * (n - hits), confidence=0.99)
    assert wider.low <= found.low and wider.high >= found.high


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    chance = random.Random(1)
    held = 0
    for _ in range(400):
        found = interval([float(chance.random() < 0.3) for _ in range(60)])
        held += found.low <= 0.3 <= found.high
    assert 0.92 <= held / 400 <= 0.98
    held = 0
    for _ in range(60):
        found = interval([chance.expovariate(1.0) for _ in range(80)])
        held += found.low <= 1.0 <= found.high
    assert held / 60 >= 0.8


def test_wilson_agrees_with_the_published_figures() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I: 81/263, 15/148, 0/20, 1/29.
    for hits, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        found = interval([1] * hits + [0] * (n - hits))
        assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_two_evaluations_of_the_same_items_compare() -> None:
    good, bad = evaluate(right, DATA, exact()), evaluate(often_right, DATA, exact())
    found = good.compare(bad)
    assert (found.mean, found.wins, found.losses, found.n) == (0.25, 5, 0, 20)
    assert found.p == pytest.approx(2 / 2**5) and 0 < found.low <= 0.25 <= found.high
    assert good.compare(good).p == 1.0
    with pytest.raises(ValueError, match="another question"):
        good.compare(evaluate(right, list(reversed(DATA)), exact()))
    assert math.isnan(difference([], []).mean)


def test_metrics_say_how_good_an_answer_is() -> None:
    assert exact("right")("LUTETIA!", {"right": ["Paris", "Lutetia"]})
    assert not contains()("Parisian", {"answer": "Paris"}) and contains()(
        "So: Paris.", {"answer": ["Rome", "paris"]}
    )
    assert number()("First 3, then 1,042.50", {"answer": 1042.5}) and not number()("none", {"answer": 1})
    assert token_f1()("the blue sea", {"answer": "A deep blue sea"}) == pytest.approx(0.8)
    assert token_f1()("", {"answer": ""}) == 1.0 and token_f1()("x", {"answer": "y"}) == 0.0
    assert graded(lambda prompt, choices: "yes" if "Paris" in prompt else "no")(
        "The city of Paris", {"answer": "Paris"}
    )


def test_several_metrics_have_names() -> None:
    found = evaluate(right, DATA, {"same": exact(), "overlap": token_f1()})
    assert list(found.metrics) == ["same", "overlap"]
    assert set(evaluate(right, DATA, [exact(), token_f1()]).metrics) == {"exact_match", "f1"}
    with pytest.raises(ValueError, match="Two metrics"):
        evaluate(right, DATA, [exact(), exact("question")])


def test_the_table_tells_what_was_found() -> None:
    shown = str(evaluate(often_right, DATA, exact()))
    assert "0.750 [0.531, 0.888]" in shown and "20 items" in shown and "errors" in shown


def test_the_page_needs_nothing_else_and_escapes_what_was_said(tmp_path: Path) -> None:
    def hostile(question: str) -> str:
        return "<script>alert(1)</script>"

    page = evaluate(hostile, DATA[:3], exact()).save(tmp_path / "page.html").read_text()
    tags: list[str] = []
    outside: list[str] = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            outside.extend(name for name, _ in attrs if name in ("src", "href"))

    Reader().feed(page)
    assert "script" not in tags and not outside and "&lt;script&gt;" in page


def test_what_is_asked_can_be_made_of_the_item() -> None:
    data = [{"a": 1, "b": 2, "answer": 3}]
    found = evaluate(lambda pair: pair[0] + pair[1], data, exact(), ask=lambda item: (item["a"], item["b"]))
    assert found.metrics["exact_match"].mean == 1
