"""Triage: `match` on parsed JSON, early returns, a default dict of queues, logging."""

from __future__ import annotations

import json
import logging
from asyncio import gather
from collections import defaultdict
from typing import Any

from simulated import answered, ask, number

log = logging.getLogger("triage")


def parse(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (json.JSONDecodeError, ValueError):
        return {"kind": "unreadable"}


def handle(ticket: str) -> tuple[str, str]:
    match parse(ask(f"As JSON: {ticket}")):
        case {"kind": "bug", "severity": int(severity)} if severity > 2:
            owner = ask(f"Who owns {ticket}?").strip()
            return "urgent", f"{owner}: {ask(f'Reproduce {ticket}')}"
        case {"kind": "bug"}:
            return "bugs", ask(f"Shorten {ticket}")
        case {"kind": "question", "about": str(about)}:
            return "answers", ask(f"Explain {about}")
        case _:
            return "people", ticket


def program(tickets: list[str]) -> dict[str, list[str]]:
    queues: dict[str, list[str]] = defaultdict(list)
    for ticket in tickets:
        queue, text = handle(ticket)
        queues[queue].append(text)
        log.info("%s goes to %s", ticket, queue)
    return dict(sorted(queues.items()))


ARGUMENTS = ([f"ticket {i}" for i in range(9)],)


def reply(prompt: str) -> str:
    if prompt.startswith("As JSON"):
        bug = {"kind": "bug", "severity": number(prompt, 6)}
        return [json.dumps(bug), '{"kind": "question", "about": "it"}', "sorry", json.dumps(bug)][
            number(prompt, 4)
        ]
    return f" text {number(prompt, 1000)}"


async def by_hand(tickets: list[str]) -> dict[str, list[str]]:
    async def one(ticket: str) -> tuple[str, str]:
        match parse(await answered(f"As JSON: {ticket}")):
            case {"kind": "bug", "severity": int(severity)} if severity > 2:
                owner, how = await gather(answered(f"Who owns {ticket}?"), answered(f"Reproduce {ticket}"))
                return "urgent", f"{owner.strip()}: {how}"
            case {"kind": "bug"}:
                return "bugs", await answered(f"Shorten {ticket}")
            case {"kind": "question", "about": str(about)}:
                return "answers", await answered(f"Explain {about}")
            case _:
                return "people", ticket

    queues: dict[str, list[str]] = {}
    for queue, text in await gather(*map(one, tickets)):
        queues.setdefault(queue, []).append(text)
    return dict(sorted(queues.items()))
