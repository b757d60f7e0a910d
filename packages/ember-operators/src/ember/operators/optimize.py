"""Find better prompts: few-shot examples that an operator makes of its own good answers, chosen by random search.

    from ember.operators import exact, optimize
    found = optimize.bootstrap(op, train, validate, exact(), rounds=8, seed=0, path="search")
    better = found.op

It is BootstrapFewShot with random search (Khattab et al., "DSPy", 2023), over the fields that are declared `prompt()`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from ember.context import create_context

from ._evaluate import evaluate
from ._evaluation import Evaluation, Item
from ._fields import HasFields, roles, values_of
from ._metrics import Metric
from ._operator import Operator
from ._steps import Budget

_O = TypeVar("_O", bound=Operator)
Ask = str | Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Trial:
    """One candidate: what its prompt fields are, by path, and how it did on the data for validation."""

    prompts: Mapping[str, Any]
    evaluation: Evaluation

    @property
    def score(self) -> float:
        """The mean of the metric, an item without a score counting as 0."""
        [*scores] = self.evaluation.scores("score").values()
        return sum(scores) / len(self.evaluation.items) if self.evaluation.items else 0.0


@dataclass(frozen=True)
class Found(Generic[_O]):
    """What a search found: the best `op` (the one that was given, if nothing was better), and all `trials` in order.

    `examples` are the good answers that it chose from. `complete` is False where the budget ended it.
    """

    op: _O
    trials: tuple[Trial, ...]
    examples: tuple[tuple[str, str], ...]
    complete: bool

    @property
    def best(self) -> Trial:
        """The trial with the highest score; of equals, the first."""
        return max(self.trials, key=lambda trial: trial.score)

    def __str__(self) -> str:
        best = self.best
        lines = [
            f"{'*' if trial is best else ' '} {number}: {trial.score:.3f}, {trial.evaluation.errors} errors"
            for number, trial in enumerate(self.trials)
        ]
        ended = "" if self.complete else "; the budget ended the search"
        return "\n".join([f"{len(self.trials)} trials, {len(self.examples)} examples{ended}", *lines])


def prompts(op: Operator) -> dict[str, Any]:
    """Return the fields of `op`, and of what it is made of, that are declared `prompt()`, by their paths.

    >>> from ember.operators import Judge
    >>> list(prompts(Judge([len, str]) >> str.upper))
    ['ops[0].instruction']
    """
    return dict(_prompts(op, ""))


def bootstrap(
    op: _O,
    train: Iterable[Mapping[str, Any]],
    validate: Iterable[Mapping[str, Any]],
    metric: Metric,
    *,
    ask: Ask = "question",
    fields: Sequence[str] | None = None,
    rounds: int = 8,
    examples: int = 4,
    good: float = 1.0,
    seed: int = 0,
    limit: int = 16,
    budget: Budget | None = None,
    path: str | PathLike[str] | None = None,
) -> Found[_O]:
    """Return the best of `rounds` + 1 variants of `op` on `validate`: itself, and those with examples in their prompts.

    First `op` answers the questions of `train`; answers with a score of at least `good` become examples. Each variant
    has up to `examples` of them, drawn at random with `seed`, in each of `fields` (paths, as `prompts(op)` has them;
    all, if not given): added to a text, or put into a list or tuple as pairs. Equal inputs make equal variants.

    `budget` is for the whole search, which ends when it is used up. With `path`, a folder, every answer is written
    down, and a search that was broken off goes on where it stopped. The score of the best is that of the best of many:
    look at data that the search has not seen before you believe it.
    """
    paths = list(prompts(op)) if fields is None else list(fields)
    if not paths:
        raise ValueError(f"{type(op).__name__} has no field that is declared prompt(), and none was named.")
    before = {place: op.at[place].get() for place in paths}
    folder = None if path is None else Path(path)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    held_out = tuple(validate)

    def run(candidate: _O, data: Iterable[Mapping[str, Any]], name: str) -> Evaluation:
        file = None if folder is None else folder / f"{name}.jsonl"
        return evaluate(candidate, data, {"score": metric}, ask=ask, limit=limit, path=file)

    chance = random.Random(seed)
    with create_context(**({} if budget is None else {"models": {"budget": budget}})):
        taught = run(op, train, "train")
        shown = tuple(_example(item, ask) for item in taught.items if item.scores.get("score", -1.0) >= good)
        trials = [Trial(before, run(op, held_out, "trial-0"))]
        complete = not (_ended(taught) or _ended(trials[0].evaluation))
        made: list[_O] = [op]
        for number in range(1, rounds + 1):
            if not complete or not shown:
                break
            new = {
                place: _with_examples(old, _drawn(shown, examples, chance)) for place, old in before.items()
            }
            candidate = op
            for place, value in new.items():
                candidate = candidate.at[place].set(value)
            trial = Trial(new, run(candidate, held_out, f"trial-{number}"))
            if _ended(trial.evaluation):  # what it would have come to is not known
                complete = False
                break
            trials.append(trial)
            made.append(candidate)
    scores = [trial.score for trial in trials]
    return Found(made[scores.index(max(scores))], tuple(trials), shown, complete)


def _drawn(shown: Sequence[tuple[str, str]], most: int, chance: random.Random) -> list[tuple[str, str]]:
    return chance.sample(shown, chance.randint(1, min(most, len(shown))))


def _with_examples(old: Any, drawn: list[tuple[str, str]]) -> Any:
    if isinstance(old, list | tuple):
        return type(cast("list[Any]", old))([*cast("list[Any]", old), *drawn])
    listed = "\n\n".join(f"Question: {question}\nAnswer: {answer}" for question, answer in drawn)
    return f"{'' if old is None else old}\n\nExamples:\n\n{listed}".strip()


def _example(item: Item, ask: Ask) -> tuple[str, str]:
    asked = item.question[ask] if isinstance(ask, str) else ask(item.question)
    return str(asked), str(item.answer)


def _ended(evaluation: Evaluation) -> bool:
    """Whether a budget refused a call: an error of the models' distribution, known by its name."""
    return any(
        item.error is not None and item.error.startswith("BudgetExceeded") for item in evaluation.items
    )


def _prompts(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, HasFields):
        own = roles(type(tree))
        for name, part in values_of(tree).items():
            place = f"{path}.{name}" if path else name
            if own.get(name) == "prompt":
                yield place, part
            else:
                yield from _prompts(part, place)
    elif isinstance(tree, list | tuple):
        for index, part in enumerate(cast("list[object]", tree)):
            yield from _prompts(part, f"{path}[{index}]")
    elif isinstance(tree, dict):
        for key, part in cast("dict[str, Any]", tree).items():
            yield from _prompts(part, f"{path}[{key!r}]")
