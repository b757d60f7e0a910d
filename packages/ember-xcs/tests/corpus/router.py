"""Router and fallback: classify, send each query to a specialist, fall back when the first one fails."""

from __future__ import annotations

import logging
from asyncio import gather

from simulated import answered, ask, note, number

log = logging.getLogger("router")


class Overloaded(Exception):
    pass


def specialist(kind: str, query: str) -> str:
    match kind:
        case "math":
            return ask(f"math: compute {query}")
        case "code" | "program":
            draft = ask(f"code: write {query}")
            return ask(f"code: review {draft}")
        case _:
            return ask(f"talk: {query}")


def answer(query: str) -> str:
    kind = ask(f"Classify: {query}").strip().lower().rstrip(".")
    try:
        found = specialist(kind, query)
    except Overloaded as error:
        log.warning("%s: %s", kind, error)
        note(f"fallback for {query}")
        found = ask(f"fallback: {query}")
    else:
        note(f"{kind} for {query}")
    return f"{kind}: {found}"


def program(queries: list[str]) -> list[str]:
    return [answer(query) for query in queries]


ARGUMENTS = (["2 + 2", "a web server", "how are you", "integrals", "a parser", "the weather"],)


def reply(prompt: str) -> str:
    if prompt.startswith("Classify"):
        return ["Math.", "code", "chat", " Program "][number(prompt, 4)]
    if prompt.startswith("math") or (prompt.startswith("code: write") and number(prompt, 2)):
        raise Overloaded(f"too many for {prompt[:12]}")
    return f"reply {number(prompt, 1000)}"


async def by_hand(queries: list[str]) -> list[str]:
    async def one(query: str) -> str:
        kind = (await answered(f"Classify: {query}")).strip().lower().rstrip(".")
        try:
            if kind == "math":
                found = await answered(f"math: compute {query}")
            elif kind in ("code", "program"):
                found = await answered(f"code: review {await answered(f'code: write {query}')}")
            else:
                found = await answered(f"talk: {query}")
        except Overloaded:
            found = await answered(f"fallback: {query}")
        return f"{kind}: {found}"

    return await gather(*map(one, queries))
