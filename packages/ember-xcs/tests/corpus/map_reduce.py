"""Map-reduce: summarise the chunks of each document, then the summaries in pairs until one is left."""

from __future__ import annotations

import textwrap
from asyncio import gather

from simulated import answered, ask, number


def chunks(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width)


def summarise(text: str) -> str:
    summary = ask(f"Summarise: {text}")
    return summary.removeprefix("Summary:").strip()


def reduce_pairs(summaries: list[str]) -> str:
    level = 0
    while len(summaries) > 1:
        level += 1
        paired: list[str] = []
        for i in range(0, len(summaries), 2):
            pair = summaries[i : i + 2]
            if len(pair) == 1:
                paired.append(pair[0])
            else:
                paired.append(summarise(f"({level}) " + " + ".join(pair)))
        summaries = paired
    return summaries[0]


def program(documents: dict[str, str]) -> dict[str, dict[str, str | int]]:
    report: dict[str, dict[str, str | int]] = {}
    for name, text in documents.items():
        summary = reduce_pairs([summarise(chunk) for chunk in chunks(text, 30)])
        title = ask(f"A title for: {summary}").title()
        print("{:<8} {}".format(name, title))  # noqa: UP032
        report[name] = {"summary": summary, "title": title, "length": len(summary)}
    return report


ARGUMENTS = (
    {
        "fox": "The quick brown fox jumps over the lazy dog. " * 3,
        "sea": "It was the best of seas, it was the worst of seas, and nobody sailed. " * 3,
    },
)


def reply(prompt: str) -> str:
    if prompt.startswith("A title"):
        return f"on number {number(prompt, 100)}"
    return f"Summary: short {number(prompt, 1000)} "


async def by_hand(documents: dict[str, str]) -> dict[str, dict[str, str | int]]:
    async def short(text: str) -> str:
        return str((await answered(f"Summarise: {text}")).removeprefix("Summary:").strip())

    async def tree(parts: list[str], level: int) -> str:
        """The summary of `parts`, as soon as both halves of it are there."""
        if len(parts) == 1:
            return await short(parts[0])
        half = 1 << (level - 1)
        if len(parts) <= half:
            return await tree(parts, level - 1)
        left, right = await gather(tree(parts[:half], level - 1), tree(parts[half:], level - 1))
        return await short(f"({level}) {left} + {right}")

    async def one(text: str) -> dict[str, str | int]:
        parts = chunks(text, 30)
        summary = await tree(parts, (len(parts) - 1).bit_length())
        title = (await answered(f"A title for: {summary}")).title()
        return {"summary": summary, "title": title, "length": len(summary)}

    return dict(zip(documents, await gather(*map(one, documents.values()))))
