"""Guard and answer: early returns, a retry loop, nested dict comprehensions."""

from __future__ import annotations

from asyncio import gather

from simulated import answered, ask, number

LANGUAGES = ("de", "fr")


def checked(question: str) -> str | None:
    if ask(f"Is this safe? {question}").startswith("no"):
        return None
    for attempt in range(3):
        answer = ask(f"({attempt}) {question}")
        if answer and "unsure" not in answer:
            return answer
    return "nobody knows"


def answer(question: str) -> str:
    found = checked(question)
    if found is None:
        return f"refused: {question}"
    return found


def program(questions: list[str]) -> dict[str, dict[str, str]]:
    answers = [answer(question) for question in questions]
    return {
        question: {language: ask(f"To {language}: {text}").strip() for language in LANGUAGES}
        for question, text in zip(questions, answers)
        if not text.startswith("refused")
    }


ARGUMENTS = ([f"why {i}?" for i in range(6)],)


def reply(prompt: str) -> str:
    if prompt.startswith("Is this"):
        return "yes" if number(prompt, 4) else "no, it is not"
    if prompt.startswith("("):
        return "unsure" if number(prompt, 2) else f"because {number(prompt, 100)}"
    return f" {prompt[3:5]} {number(prompt, 100)} "


async def by_hand(questions: list[str]) -> dict[str, dict[str, str]]:
    async def one(question: str) -> dict[str, str] | None:
        if (await answered(f"Is this safe? {question}")).startswith("no"):
            return None
        text = "nobody knows"
        for attempt in range(3):
            found = await answered(f"({attempt}) {question}")
            if found and "unsure" not in found:
                text = found
                break
        translated = await gather(*(answered(f"To {language}: {text}") for language in LANGUAGES))
        return {language: other.strip() for language, other in zip(LANGUAGES, translated)}

    found = await gather(*map(one, questions))
    return {question: texts for question, texts in zip(questions, found) if texts is not None}
