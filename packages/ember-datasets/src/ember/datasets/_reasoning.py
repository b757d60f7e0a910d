"""Reasoning Gym: tasks without end, made by program from a seed, each with its answer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ember.data import Bad, Card, Dataset, Piece, Reader, SourceNotFound, State

_PIECE = 256


@dataclass(frozen=True)
class Tasks(Reader):
    """`n` tasks of one kind. Each follows from the seed and its number, so going on makes none of those before."""

    task: str
    n: int
    seed: int
    options: tuple[tuple[str, Any], ...] = ()

    def pieces(self, start: State) -> Iterator[Piece | Bad]:
        made = _gym().create_dataset(self.task, size=self.n, seed=self.seed, **dict(self.options))
        for first in range(0 if start is None else start, self.n, _PIECE):
            yield Piece([made[number] for number in range(first, min(first + _PIECE, self.n))], first)

    def __repr__(self) -> str:
        return repr(f"reasoning_gym:{self.task}")


def _gym() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of packages that it imports, about their own code
            return import_module("reasoning_gym")
    except ModuleNotFoundError as error:
        if error.name != "reasoning_gym":
            raise
        raise SourceNotFound("reasoning_gym", (), 'pip install "ember-datasets[reasoning-gym]"') from error


def score(task: str, answer: str, row: dict[str, Any]) -> float:
    """Return how right an answer to a row of this task is, from 0 to 1, as the task's own verifier says.

    >>> score("chain_sum", "4", {"question": "2 + 2 =", "answer": "4", "metadata": {}})  # doctest: +SKIP
    1.0
    """
    return float(_gym().get_score_answer_fn(task)(answer, row))


def _load(*, subset: str = "", n: int = 1_000, seed: int = 0, **options: Any) -> Tasks:
    known = import_module(f"{_gym().__name__}.factory").DATASETS
    if subset not in known:
        what = f"no task {subset!r}" if subset else "many tasks"
        raise ValueError(
            f"reasoning_gym has {what}; name one, as reasoning_gym:chain_sum. There are: {', '.join(sorted(known))}."
        )
    return Tasks(subset, n, seed, tuple(sorted(options.items())))


reasoning_gym = Dataset(
    _load,
    Card(
        "Tasks of a hundred kinds, made by program from a seed, with answers that a program verifies.",
        "Apache-2.0",
        "https://pypi.org/project/reasoning-gym",
        {},
        ("question", "answer", "metadata"),
    ),
)
"""`stream("reasoning_gym:chain_sum", n=1_000, seed=0)`; further options are the task's own."""
