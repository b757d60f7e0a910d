"""Self-consistency: several answers to one question, the most frequent one wins and is checked."""

from __future__ import annotations

import re
from asyncio import gather
from collections import Counter

from simulated import answered, ask, number

PATTERN = re.compile(r"answer is (-?\d+)")


def extract(text: str) -> int | None:
    found = PATTERN.search(text)
    if found is None:
        return None
    return int(found.group(1))


def solve(question: str, samples: int) -> dict[str, object]:
    votes: Counter[int] = Counter()
    unreadable = 0
    for sample in range(samples):
        reasoning = ask(f"[{sample}] {question} Think step by step.")
        value = extract(reasoning)
        if value is None:
            unreadable += 1
            continue
        votes[value] += 1
    winner, count = votes.most_common(1)[0]
    verdict = ask(f"Is {winner} right for: {question} yes or no?").strip().lower()
    return {
        "answer": winner,
        "share": round(count / samples, 2),
        "unreadable": unreadable,
        "sure": verdict == "yes",
    }


def program(questions: list[str]) -> list[dict[str, object]]:
    results: list[dict[str, object]] = []
    for question in questions:
        result = solve(question, 5)
        print(question, "->", result["answer"], "of share", result["share"])
        results.append(result)
    return results


ARGUMENTS = (["What is 6 times 7?", "How many legs have 3 cats?", "What is 10 - 12?"],)


def reply(prompt: str) -> str:
    if prompt.startswith("Is "):
        return "Yes " if number(prompt, 3) else "no"
    if number(prompt, 5) == 0:
        return "I am not sure."
    return f"First, then. The answer is {number(prompt, 3) - 1}."


async def by_hand(questions: list[str]) -> list[dict[str, object]]:
    async def one(question: str) -> dict[str, object]:
        texts = await gather(*(answered(f"[{i}] {question} Think step by step.") for i in range(5)))
        values = [extract(text) for text in texts]
        votes = Counter(value for value in values if value is not None)
        winner, count = votes.most_common(1)[0]
        verdict = (await answered(f"Is {winner} right for: {question} yes or no?")).strip().lower()
        return {
            "answer": winner, "share": round(count / 5, 2), "unreadable": values.count(None), "sure": verdict == "yes",
        }  # fmt: skip

    return await gather(*map(one, questions))
