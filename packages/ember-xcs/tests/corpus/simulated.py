"""A model, a search and a table that are not there: each answers after a while, and remembers what it was asked.

The same question always has the same answer and takes the same time, three quarters to five quarters of `world.unit`
seconds. What a program's model says is the program's own `reply`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast
from zlib import crc32

from ember.xcs import external


@dataclass
class World:
    """What the program that runs now talks to."""

    reply: Callable[[str], Any] = str
    unit: float = 0.0
    asked: list[str] = field(default_factory=list[str])
    journal: list[str] = field(default_factory=list[str])
    under_way: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


world = World()


def begin(reply: Callable[[str], Any], unit: float) -> World:
    """Start afresh: `reply` gives the answers (or raises), `unit` is what a call takes on average, in seconds."""
    global world
    world = World(reply, unit)
    return world


def number(text: str, below: int) -> int:
    """Return a number that depends on `text` and on nothing else."""
    return crc32(text.encode()) % below


def seconds(question: str) -> float:
    """Return how long the answer to `question` takes."""
    return world.unit * (0.75 + number(f"{question}!", 1001) / 2000)


async def answered(question: str) -> Any:
    """Answer as the program's model does, for whoever writes asyncio by hand."""
    here = world
    with here.lock:
        here.asked.append(question)
        here.under_way += 1
        here.most = max(here.most, here.under_way)
    try:
        await asyncio.sleep(seconds(question))
        return here.reply(question)
    finally:
        with here.lock:
            here.under_way -= 1


@external(kind="model")
async def ask(prompt: str) -> str:
    """What a model answers."""
    answer: str = await answered(prompt)
    return answer


@external
async def search(query: str, limit: int = 4) -> list[dict[str, Any]]:
    """Documents about `query`."""
    found: list[dict[str, Any]] = await answered(f"search {query} {limit}")
    return found


@external
async def lookup(key):  # type: ignore[no-untyped-def]  # pyright: ignore[reportUnknownParameterType, reportMissingParameterType]
    """Whatever is known of `key`: an external as people write them, without types."""
    return await answered(f"lookup {key}")


@external
async def chat(messages: list[dict[str, str]]) -> str:
    """The next message of a conversation."""
    answer: str = await answered(as_text(messages))
    return answer


untyped: Any = cast(Any, lookup)  # pyright: ignore[reportUnknownArgumentType]


def as_text(messages: list[dict[str, str]]) -> str:
    """Return what a conversation is to `reply`."""
    return "chat " + json.dumps(messages)


def note(what: str) -> None:
    """An effect that others can see."""
    world.journal.append(what)
