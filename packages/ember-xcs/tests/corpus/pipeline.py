"""A pipeline with state: steps are methods that store attributes, a base class, properties, a cache per object."""

from __future__ import annotations

from asyncio import gather

from simulated import answered, ask, note, number


class Step:
    name = "step"

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.done: list[str] = []

    def ask(self, what: str) -> str:
        answer = ask(f"{self.name}: {what} of {self.subject}")
        self.done.append(what)
        return answer.strip()


class Research(Step):
    name = "research"

    def __init__(self, subject: str) -> None:
        super().__init__(subject)
        self.facts: dict[str, str] = {}
        self.summary = ""

    @property
    def size(self) -> int:
        return sum(len(fact) for fact in self.facts.values())

    def collect(self, kinds: tuple[str, ...]) -> Research:
        for kind in kinds:
            self.facts[kind] = self.ask(kind)
        return self

    def conclude(self) -> str:
        self.summary = ask(f"Conclude {self.subject}: {', '.join(self.facts.values())}")
        if self.size > 30:
            self.summary = ask(f"Shorten {self.summary}")
        return self.summary


def program(subjects: list[str]) -> list[tuple[str, int, int]]:
    results: list[tuple[str, int, int]] = []
    for subject in subjects:
        research = Research(subject).collect(("history", "numbers", "people"))
        conclusion = research.conclude()
        results.append((conclusion.upper(), research.size, len(research.done)))
    note(f"{len(results)} subjects")
    return results


ARGUMENTS = (["rome", "venice", "ghent", "york"],)


def reply(prompt: str) -> str:
    return f" fact {number(prompt, 10 ** (3 + number(prompt, 6)))} "


async def by_hand(subjects: list[str]) -> list[tuple[str, int, int]]:
    async def one(subject: str) -> tuple[str, int, int]:
        kinds = ("history", "numbers", "people")
        facts = await gather(*(answered(f"research: {kind} of {subject}") for kind in kinds))
        stripped = [fact.strip() for fact in facts]
        size = sum(map(len, stripped))
        summary = await answered(f"Conclude {subject}: {', '.join(stripped)}")
        if size > 30:
            summary = await answered(f"Shorten {summary}")
        return summary.upper(), size, len(kinds)

    return await gather(*map(one, subjects))
