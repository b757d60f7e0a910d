"""Evaluation over a data set: predict, judge, count by category, report as it goes, survive single failures."""

from __future__ import annotations

from asyncio import gather
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from simulated import answered, ask, note, number


@dataclass
class Metrics:
    total: int = 0
    correct: int = 0
    failed: list[int] = field(default_factory=list[int])

    def add(self, correct: bool) -> None:
        self.total += 1
        if correct:
            self.correct += 1

    @property
    def accuracy(self) -> float:
        return self.correct / self.total if self.total else 0.0


def predict(example: dict[str, Any]) -> str:
    answer = ask(f"Q: {example['question']}\nA:")
    return answer.split("\n")[0].strip()


def is_right(example: dict[str, Any], prediction: str) -> bool:
    if prediction == example["gold"]:
        return True
    verdict = ask(f"Is {prediction!r} the same as {example['gold']!r}? yes/no")
    return verdict.lower().startswith("y")


def program(examples: list[dict[str, Any]]) -> dict[str, Any]:
    metrics = Metrics()
    by_kind: defaultdict[str, list[bool]] = defaultdict(list)
    for number_of, example in enumerate(examples):
        try:
            prediction = predict(example)
            right = is_right(example, prediction)
        except TimeoutError as error:
            metrics.failed.append(number_of)
            note(f"example {number_of}: {error}")
            continue
        metrics.add(right)
        by_kind[example["kind"]].append(right)
        print(f"{number_of:>3} {'ok ' if right else 'bad'} {prediction}")
    shares = {kind: sum(rights) / len(rights) for kind, rights in sorted(by_kind.items())}
    return {"accuracy": round(metrics.accuracy, 3), "failed": metrics.failed, "shares": shares}


ARGUMENTS = ([{"question": f"question {i}", "gold": f"g{i % 4}", "kind": "abc"[i % 3]} for i in range(12)],)


def reply(prompt: str) -> str:
    if prompt.startswith("Q:"):
        if number(prompt, 9) == 0:
            raise TimeoutError(f"no answer to {prompt[3:14]}")
        return f" g{number(prompt, 4)}\nbecause"
    return ["Yes", "no", "No."][number(prompt, 3)]


async def by_hand(examples: list[dict[str, Any]]) -> dict[str, Any]:
    async def one(example: dict[str, Any]) -> bool | None:
        try:
            prediction = (await answered(f"Q: {example['question']}\nA:")).split("\n")[0].strip()
        except TimeoutError:
            return None
        if prediction == example["gold"]:
            return True
        verdict = await answered(f"Is {prediction!r} the same as {example['gold']!r}? yes/no")
        return bool(verdict.lower().startswith("y"))

    found = await gather(*map(one, examples))
    rights = [right for right in found if right is not None]
    by_kind: dict[str, list[bool]] = {}
    for example, right in zip(examples, found):
        if right is not None:
            by_kind.setdefault(example["kind"], []).append(right)
    return {
        "accuracy": round(sum(rights) / len(rights), 3),
        "failed": [i for i, right in enumerate(found) if right is None],
        "shares": {kind: sum(ones) / len(ones) for kind, ones in sorted(by_kind.items())},
    }
