"""MMLU's questions for development, as lm_eval has them: with choices, a worked answer, and the letter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ember.data import Card, Dataset

from ._package import file_of

_QUESTION = re.compile(r"^Q: (?P<asked>.*?)\nA: (?P<answer>.*?)(?=\n\nQ: |\Z)", re.MULTILINE | re.DOTALL)
_CHOICES = re.compile(r"\(A\)(?P<A>.*?)\(B\)(?P<B>.*?)\(C\)(?P<C>.*?)\(D\)(?P<D>.*)\Z", re.DOTALL)
_LETTER = re.compile(r"The answer is \(([A-D])\)")


def rows_of(subject: str, prompt: str) -> Iterator[dict[str, Any]]:
    """Yield the questions in a prompt that was made to show a model how: question, four choices, letter, reasoning."""
    for found in _QUESTION.finditer(prompt):
        choices = _CHOICES.search(found["asked"])
        letters = _LETTER.findall(found["answer"])
        if choices is None or not letters:
            continue
        yield {
            "subject": subject,
            "question": found["asked"][: choices.start()].strip(),
            "choices": [choices[letter].strip() for letter in "ABCD"],
            "answer": letters[-1],
            "reasoning": found["answer"].strip(),
        }


def _load(*, subset: str = "") -> list[dict[str, Any]]:
    # lm_eval itself needs a good deal, its data nothing.
    path = file_of(
        "lm_eval", "tasks/mmlu/flan_cot_fewshot/_cot_prompts.json", "pip install --no-deps lm_eval"
    )
    prompts: dict[str, str] = json.loads(path.read_text("utf-8"))
    if subset and subset not in prompts:
        raise ValueError(f"mmlu_dev has no subject {subset!r}. It has: {', '.join(sorted(prompts))}.")
    return [
        row
        for subject in ([subset] if subset else sorted(prompts))
        for row in rows_of(subject, prompts[subject])
    ]


mmlu_dev = Dataset(
    _load,
    Card(
        "The development questions of MMLU's 57 subjects, with worked answers. `mmlu_dev:anatomy` is one subject.",
        "MIT",
        "https://pypi.org/project/lm_eval",
        {"dev": 281},
        ("subject", "question", "choices", "answer", "reasoning"),
        180_000,
    ),
)
"""`stream("mmlu_dev")`, or `stream("mmlu_dev:anatomy")`."""
