"""Best of n: drafts sorted by model scores, with closures, nested functions, `functools.partial` and `map`."""

from __future__ import annotations

import functools
from asyncio import gather
from collections.abc import Callable

from simulated import answered, ask, number


def grader(rubric: str, weight: float) -> Callable[[str], float]:
    def grade(text: str) -> float:
        points = ask(f"By {rubric}, rate: {text}")
        return weight * float(points)

    return grade


def best(topic: str, count: int) -> tuple[str, str]:
    clarity, truth = grader("clarity", 1.0), grader("truth", 2.0)

    def total(text: str) -> float:
        return clarity(text) + truth(text)

    write = functools.partial(draft, topic)
    drafts = list(map(write, range(count)))
    drafts.sort(key=total, reverse=True)
    shortest = min(drafts, key=len)
    return drafts[0], shortest


def draft(topic: str, variant: int) -> str:
    return ask(f"Draft {variant} on {topic}").strip().capitalize()


def program(topics: list[str]) -> dict[str, tuple[str, str]]:
    return {topic: best(topic, 4) for topic in topics}


ARGUMENTS = (["sun", "moon"],)


def reply(prompt: str) -> str:
    if prompt.startswith("By"):
        return f" {number(prompt, 100) / 10}"
    return f" text {number(prompt, 10 ** (1 + number(prompt, 4)))} "


async def by_hand(topics: list[str]) -> dict[str, tuple[str, str]]:
    async def drafted(topic: str, variant: int) -> tuple[float, str]:
        text = (await answered(f"Draft {variant} on {topic}")).strip().capitalize()
        clear, true = await gather(answered(f"By clarity, rate: {text}"), answered(f"By truth, rate: {text}"))
        return float(clear) + 2.0 * float(true), text

    async def one(topic: str) -> tuple[str, str]:
        drafts = await gather(*(drafted(topic, variant) for variant in range(4)))
        ranked = sorted(drafts, key=lambda one: one[0], reverse=True)
        return ranked[0][1], min((text for _, text in ranked), key=len)

    return dict(zip(topics, await gather(*map(one, topics))))
