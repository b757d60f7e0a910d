"""Tree of thoughts: expand, let the model score, keep the best, go deeper from each of them."""

from __future__ import annotations

from asyncio import gather
from dataclasses import dataclass, field

from simulated import answered, ask, number


@dataclass
class Thought:
    text: str
    score: float = 0.0
    children: list[Thought] = field(default_factory=list["Thought"])

    def best(self) -> Thought:
        if not self.children:
            return self
        return max((child.best() for child in self.children), key=lambda thought: thought.score)


def expand(thought: Thought, width: int) -> list[Thought]:
    lines = ask(f"List {width} next steps after: {thought.text}").splitlines()
    made: list[Thought] = []
    for line in lines:
        text = line.strip("- ").strip()
        if not text:
            continue
        score = float(ask(f"Score from 0 to 10: {text}"))
        made.append(Thought(text, score))
    return made


def grow(thought: Thought, depth: int, width: int = 3, keep: int = 2) -> Thought:
    if depth == 0:
        return thought
    ranked = sorted(expand(thought, width), key=lambda one: one.score, reverse=True)
    for child in ranked[:keep]:
        thought.children.append(grow(child, depth - 1, width, keep))
    return thought


def program(question: str) -> tuple[str, float]:
    root = grow(Thought(question), 2)
    best = root.best()
    print(f"best of the tree: {best.text} ({best.score:.1f})")
    return ask(f"Answer {question!r} by {best.text}"), best.score


ARGUMENTS = ("How to cross the river?",)


def reply(prompt: str) -> str:
    if prompt.startswith("List"):
        return "\n".join(f"- step {number(prompt + str(i), 1000)}" for i in range(3)) + "\n"
    if prompt.startswith("Score"):
        return f"{number(prompt, 100) / 10}"
    return f"so {number(prompt, 100)}"


async def by_hand(question: str) -> tuple[str, float]:
    async def deeper(text: str, score: float, depth: int) -> tuple[str, float]:
        if depth == 0:
            return text, score
        lines = (await answered(f"List 3 next steps after: {text}")).splitlines()
        texts = [line.strip("- ").strip() for line in lines]
        scores = [
            float(one) for one in await gather(*(answered(f"Score from 0 to 10: {one}") for one in texts))
        ]
        ranked = sorted(zip(scores, texts), key=lambda one: one[0], reverse=True)[:2]
        ends = await gather(*(deeper(one, score, depth - 1) for score, one in ranked))
        return max(ends, key=lambda one: one[1])

    text, score = await deeper(question, 0.0, 2)
    return await answered(f"Answer {question!r} by {text}"), score
