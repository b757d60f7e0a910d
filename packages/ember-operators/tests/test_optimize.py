"""`optimize.bootstrap`: examples made of an operator's own good answers, chosen by random search."""

# Lambdas for members are of no known type.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ember.operators import Chain, Judge, Operator, exact, optimize, prompt

asked: list[str] = []

TRAIN = [{"question": f"{n} + 1", "answer": str(n + 1)} for n in range(6)]
VALIDATE = [{"question": f"{n} + 1", "answer": str(n + 1)} for n in range(6, 12)]


class Adder(Operator):
    """Adds small numbers by itself, and larger ones once it was shown `2 + 1`."""

    instruction: str = prompt("Add.")
    shots: tuple[tuple[str, str], ...] = prompt(())

    def call(self, question: str) -> str:
        asked.append(question)
        left = int(question.split()[0])
        able = left < 4 or "Question: 2 + 1\nAnswer: 3" in self.instruction
        return str(left + 1) if able else "?"


def test_prompts_are_found_wherever_they_stand() -> None:
    nested = Chain((Judge([Adder(), len]), {"a": Adder()}.get))
    assert list(optimize.prompts(nested)) == [
        "ops[0].members[0].instruction",
        "ops[0].members[0].shots",
        "ops[0].instruction",
    ]


def test_examples_that_help_are_found_and_the_best_variant_is_returned() -> None:
    found = optimize.bootstrap(Adder(), TRAIN, VALIDATE, exact(), rounds=8, fields=["instruction"])
    assert found.trials[0].score == 0.0 and found.best.score == 1.0 and found.complete
    assert found.op("40 + 1") == "41"
    assert set(found.examples) == {(f"{n} + 1", str(n + 1)) for n in range(4)}  # only what was right
    assert "* " in str(found) and "4 examples" in str(found)


def test_where_nothing_helps_the_operator_stays_as_it_was() -> None:
    op = Adder()
    assert optimize.bootstrap(op, TRAIN, VALIDATE, exact(), fields=["shots"]).op is op
    assert optimize.bootstrap(op, [], VALIDATE, exact()).op is op  # no example, no variant


def test_a_list_of_examples_gets_pairs() -> None:
    found = optimize.bootstrap(Adder(), TRAIN, VALIDATE, exact(), fields=["shots"], examples=2, rounds=3)
    for trial in found.trials[1:]:
        assert 1 <= len(trial.prompts["shots"]) <= 2
        assert set(trial.prompts["shots"]) <= set(found.examples)


def test_the_same_seed_makes_the_same_variants() -> None:
    def variants(seed: int) -> list[Any]:
        found = optimize.bootstrap(Adder(), TRAIN, VALIDATE, exact(), rounds=4, seed=seed)
        return [trial.prompts for trial in found.trials]

    assert variants(1) == variants(1) != variants(2)


def test_a_search_that_was_broken_off_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole = optimize.bootstrap(Adder(), TRAIN, VALIDATE, exact(), rounds=4, path=tmp_path / "whole")
    calls: list[Any] = []

    def dying(answer: Any, item: Any) -> float:
        calls.append(item)
        if len(calls) == 15:
            raise KeyboardInterrupt
        return float(exact()(answer, item))

    with pytest.raises(KeyboardInterrupt):
        optimize.bootstrap(Adder(), TRAIN, VALIDATE, dying, rounds=4, limit=1, path=tmp_path / "part")
    asked.clear()
    again = optimize.bootstrap(Adder(), TRAIN, VALIDATE, exact(), rounds=4, path=tmp_path / "part")
    assert len(asked) == 6 + 6 * 5 - 14
    assert [trial.prompts for trial in again.trials] == [trial.prompts for trial in whole.trials]
    assert [trial.score for trial in again.trials] == [trial.score for trial in whole.trials]


def test_an_operator_without_prompts_is_refused() -> None:
    class Plain(Operator):
        def call(self, question: str) -> str:
            return question

    with pytest.raises(ValueError, match=r"no field that is declared prompt\(\)"):
        optimize.bootstrap(Plain(), TRAIN, VALIDATE, exact())
