"""Retrieval with re-ranking: several queries, documents scored by the model, an answer with its sources."""

from __future__ import annotations

from asyncio import gather
from typing import Any, NamedTuple

from simulated import answered, ask, number, search


class Answer(NamedTuple):
    text: str
    sources: list[str]


class Retriever:
    def __init__(self, top: int = 3) -> None:
        self.top = top

    def relevance(self, question: str, document: dict[str, Any]) -> float:
        score = ask(f"Rate 0-10 how {document['text']!r} helps with {question!r}")
        try:
            return float(score)
        except ValueError:
            return 0.0

    def retrieve(self, question: str) -> list[dict[str, Any]]:
        queries = [question, *ask(f"Rephrase twice: {question}").split("|")]
        seen: dict[str, dict[str, Any]] = {}
        for query in queries:
            for document in search(query.strip(), limit=2):
                seen.setdefault(document["id"], document)
        ranked = sorted(seen.values(), key=lambda document: self.relevance(question, document), reverse=True)
        return ranked[: self.top]


def program(questions: list[str]) -> list[Answer]:
    retriever = Retriever()
    answers: list[Answer] = []
    for question in questions:
        documents = retriever.retrieve(question)
        context = "\n".join(f"[{i}] {document['text']}" for i, document in enumerate(documents, 1))
        text = ask(f"Context:\n{context}\n\nQuestion: {question}\nAnswer:")
        answers.append(Answer(text.strip(), [document["id"] for document in documents]))
    return answers


ARGUMENTS = (["Who built Rome?", "Why is the sky blue?"],)


def reply(prompt: str) -> Any:
    if prompt.startswith("search"):
        ids = [number(prompt + str(i), 9) for i in range(2)]
        return [{"id": f"d{i}", "text": f"Document {i} on things"} for i in ids]
    if prompt.startswith("Rephrase"):
        return f"{prompt[17:22]} again | {prompt[17:23]} anew"
    if prompt.startswith("Rate"):
        return "none" if number(prompt, 7) == 0 else f"{number(prompt, 1000) / 100}"
    return f" answer {number(prompt, 100)}\n"


async def by_hand(questions: list[str]) -> list[Answer]:
    async def relevance(question: str, document: dict[str, Any]) -> float:
        score = await answered(f"Rate 0-10 how {document['text']!r} helps with {question!r}")
        try:
            return float(score)
        except ValueError:
            return 0.0

    async def one(question: str) -> Answer:
        async def rephrased() -> list[list[dict[str, Any]]]:
            queries = (await answered(f"Rephrase twice: {question}")).split("|")
            return list(await gather(*(answered(f"search {query.strip()} 2") for query in queries)))

        first, others = await gather(answered(f"search {question} 2"), rephrased())
        seen: dict[str, dict[str, Any]] = {}
        for document in [*first, *(document for found in others for document in found)]:
            seen.setdefault(document["id"], document)
        scores = await gather(*(relevance(question, document) for document in seen.values()))
        order = sorted(zip(scores, seen.values()), key=lambda one: one[0], reverse=True)
        documents = [document for _, document in order[:3]]
        context = "\n".join(f"[{i}] {document['text']}" for i, document in enumerate(documents, 1))
        text = await answered(f"Context:\n{context}\n\nQuestion: {question}\nAnswer:")
        return Answer(text.strip(), [document["id"] for document in documents])

    return await gather(*map(one, questions))
