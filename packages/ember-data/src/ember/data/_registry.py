"""Data sets by name: registered here, offered by installed distributions, or known to be at the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Final, cast

from ember.core.errors import NotRegistered
from ember.core.registry import Registry
from ember.core.suggest import nearest

from ._hub import Hub
from ._source import Loaded, Loader

_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})

OFFERED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fanoutqa": "pip install ember-datasets, and pip install --no-deps fanoutqa",
        "humaneval": 'pip install "ember-datasets[humaneval]"',
        "mmlu_dev": "pip install ember-datasets, and pip install --no-deps lm_eval",
        "reasoning_gym": 'pip install "ember-datasets[reasoning-gym]"',
    }
)
"""Data sets that a distribution of Ember's own brings, and how to install each."""


@dataclass(frozen=True)
class Card:
    """What one should know of a data set: whose it is, and what is in it.

    `splits` are names with numbers of rows, `size` is bytes to be read (None: not known), `source` where it comes from,
    `licence` what its makers say, "" where they say nothing.
    """

    description: str
    licence: str = ""
    source: str = ""
    splits: Mapping[str, int] = field(default_factory=lambda: _NOTHING)
    columns: tuple[str, ...] = ()
    size: int | None = None

    def __str__(self) -> str:
        splits = ", ".join(f"{name} ({rows:,})" for name, rows in self.splits.items())
        lines = [self.description]
        for name, said in (
            ("licence", self.licence or "not said: ask its makers"),
            ("source", self.source),
            ("splits", splits),
            ("columns", ", ".join(self.columns)),
            ("size", "" if self.size is None else f"{self.size / 1e6:,.1f} MB"),
        ):
            if said:
                lines.append(f"  {name:8} {said}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Dataset:
    """A loader with its card: what the registry keeps, and what an entry point of `ember.datasets` names."""

    load: Loader
    card: Card | None = None

    def __call__(self, **options: Any) -> Loaded:
        return self.load(**options)


def _dataset(found: Any) -> Dataset:
    """Return the data set that a plugin names: a `Dataset`, or a loader alone."""
    if isinstance(found, Dataset):
        return found
    if not callable(found):
        raise TypeError(f"{found!r} is no loader: a function that returns rows, a path or a source")
    card = getattr(found, "card", None)
    return Dataset(cast("Loader", found), card if isinstance(card, Card) else None)


class DataRegistry:
    """The data sets of this process: those registered here, and those that installed distributions offer.

    A loader is a function of options that returns rows, a path, or a source; streaming, resuming and all stages follow:

    >>> from ember.data import stream
    >>> def squares(n: int = 3):
    ...     return [{"n": k, "square": k * k} for k in range(n)]
    >>> DataRegistry.register("squares", squares)
    >>> stream("squares", n=2).to_list()
    [{'n': 0, 'square': 0}, {'n': 1, 'square': 1}]
    >>> DataRegistry.unregister("squares")
    """

    _sets: ClassVar[Registry[Dataset]] = Registry("data set", group="ember.datasets", make=_dataset)

    @classmethod
    def register(
        cls, name: str, loader: Loader | Dataset, card: Card | None = None, *, replace: bool = False
    ) -> None:
        """Add `loader` under `name`. Raises `AlreadyRegistered` if that is taken, by a plugin too."""
        made = _dataset(loader)
        cls._sets.register(name, made if card is None else Dataset(made.load, card), replace=replace)

    @classmethod
    def unregister(cls, name: str) -> None:
        """Take out a data set that was registered. Raises `NotRegistered` if there is none."""
        cls._sets.unregister(name)

    @classmethod
    def get(cls, name: str) -> Dataset:
        """Return the data set called `name`.

        Raises `NotRegistered`, with the nearest names and what to install, and `PluginError` if it cannot be loaded.
        """
        if name in cls._sets:
            return cls._sets.get(name)
        if name in BENCHMARKS:
            return BENCHMARKS[name]
        if name in OFFERED:
            raise NotRegistered("data set", name, (), f"Install it: {OFFERED[name]}.")
        raise NotRegistered("data set", name, nearest(name, cls.names()), "DataRegistry.names() lists all.")

    @classmethod
    def has(cls, name: str) -> bool:
        """Whether there is a data set called `name`: registered, installed, or known to be at the hub."""
        return name in cls._sets or name in BENCHMARKS

    @classmethod
    def card(cls, name: str) -> Card | None:
        """Return what is known of a data set, None if its loader says nothing. Reads none of it."""
        return cls.get(name).card

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return all names, sorted: registered, installed, at the hub. Loads none of them."""
        return tuple(sorted({*cls._sets.names(), *BENCHMARKS}))


def _at_hub(
    id: str, config: str, split: str, description: str, licence: str, splits: Mapping[str, int], columns: str
) -> Dataset:
    def load(*, split: str = split, subset: str = config, **options: Any) -> Hub:
        return Hub(id, subset, split, **options)

    source = f"https://huggingface.co/datasets/{id}"
    return Dataset(load, Card(description, licence, source, splits, tuple(columns.split())))


BENCHMARKS: Final[Mapping[str, Dataset]] = MappingProxyType(
    {
        "gsm8k": _at_hub(
            "openai/gsm8k", "main", "test", "Grade school mathematics in words, worked out.", "MIT",
            {"train": 7_473, "test": 1_319}, "question answer",
        ),
        "mmlu": _at_hub(
            "cais/mmlu", "all", "test", "Multiple choice over 57 subjects.", "MIT",
            {"test": 14_042, "validation": 1_531, "dev": 285}, "question subject choices answer",
        ),
        "mmlu_pro": _at_hub(
            "TIGER-Lab/MMLU-Pro", "default", "test", "MMLU made harder: ten choices, more reasoning.", "MIT",
            {"test": 12_032, "validation": 70}, "question_id question options answer answer_index "
            "cot_content category src",
        ),
        "arc_challenge": _at_hub(
            "allenai/ai2_arc", "ARC-Challenge", "test", "Science questions of grade school, hard ones.", "CC-BY-SA-4.0",
            {"train": 1_119, "validation": 299, "test": 1_172}, "id question choices answerKey",
        ),
        "hellaswag": _at_hub(
            "Rowan/hellaswag", "default", "validation", "How everyday events go on.", "",
            {"train": 39_905, "validation": 10_042, "test": 10_003},
            "ind activity_label ctx_a ctx_b ctx endings source_id split split_type label",
        ),
        "truthfulqa": _at_hub(
            "truthfulqa/truthful_qa", "multiple_choice", "validation", "Questions many answer falsely.", "Apache-2.0",
            {"validation": 817}, "question mc1_targets mc2_targets",
        ),
        "boolq": _at_hub(
            "google/boolq", "default", "validation", "Yes or no questions about a passage.", "CC-BY-SA-3.0",
            {"train": 9_427, "validation": 3_270}, "question answer passage",
        ),
        "squad": _at_hub(
            "rajpurkar/squad", "plain_text", "validation", "Questions with answers in a passage.", "CC-BY-SA-4.0",
            {"train": 87_599, "validation": 10_570}, "id title context question answers",
        ),
        "commonsense_qa": _at_hub(
            "tau/commonsense_qa", "default", "validation", "Multiple choice of common sense.", "MIT",
            {"train": 9_741, "validation": 1_221, "test": 1_140}, "id question question_concept choices answerKey",
        ),
        "mbpp": _at_hub(
            "google-research-datasets/mbpp", "full", "test", "Python for beginners, with tests.", "CC-BY-4.0",
            {"train": 374, "test": 500, "validation": 90, "prompt": 10},
            "task_id text code test_list test_setup_code challenge_test_list",
        ),
        "humaneval": _at_hub(
            "openai/openai_humaneval", "openai_humaneval", "test", "Python functions, with tests.", "MIT",
            {"test": 164}, "task_id prompt canonical_solution test entry_point",
        ),
        "ifeval": _at_hub(
            "google/IFEval", "default", "train", "Instructions that a program can check.", "Apache-2.0",
            {"train": 541}, "key prompt instruction_id_list kwargs",
        ),
    }
)  # fmt: skip
"""The usual benchmarks, by their ids at the hub, with the split that is evaluated on."""
