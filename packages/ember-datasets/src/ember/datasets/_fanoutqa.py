"""FanOutQA: questions that fan out into several, over pages of Wikipedia."""

from __future__ import annotations

from pathlib import Path

from ember.data import Card, Dataset

from ._package import file_of


def _load(*, split: str = "dev") -> Path:
    if split not in _CARD.splits:
        raise ValueError(f"fanoutqa has the splits dev, with answers, and test, without; got {split!r}.")
    # The package itself needs spaCy, its data nothing.
    return file_of("fanoutqa", f"data/fanout-final-{split}.json", "pip install --no-deps fanoutqa")


_CARD = Card(
    "Questions that take several pages of Wikipedia, with their decomposition and, in dev, the answers.",
    "MIT (the package), CC-BY-SA-4.0 (what is from Wikipedia)",
    "https://pypi.org/project/fanoutqa",
    {"dev": 310, "test": 725},
    ("id", "question", "decomposition", "answer", "necessary_evidence", "categories"),
    2_200_000,
)
fanoutqa = Dataset(_load, _CARD)
"""`stream("fanoutqa")`, or `split="test"`."""
