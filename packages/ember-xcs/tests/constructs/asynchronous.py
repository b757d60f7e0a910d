"""Coroutine functions: awaits of independent calls overlap, and mean what they meant."""

# These are programs as users write them, with what strict checkers would have told them.
# pyright: reportPossiblyUnboundVariable=false, reportConstantRedefinition=false, reportUnnecessaryIsInstance=false
# pyright: reportUnknownLambdaType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportMatchNotExhaustive=false, reportUnnecessaryComparison=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from .world import Other, Refused, ask, count, effect, program


async def helper(word: str, then: str) -> str:
    first = await ask.aio(word)
    return await ask.aio(f"{then} {first}")


@program("a b", "c")
async def awaits() -> object:
    a = await ask.aio("a")
    b = await ask.aio("b")
    return a, b, await ask.aio(f"c {a}{b}")


@program("a b", "c d")
async def own_coroutines() -> object:
    return [await helper("a", "c"), await helper("b", "d")]


@program("a b c")
async def loops_and_comprehensions() -> object:
    out: list[Any] = []
    for word in "abc":
        out.append(await ask.aio(word))
    return out


@program("a b", "c d", together=True)
async def gathered() -> object:
    first = await asyncio.gather(ask.aio("a"), ask.aio("b"))
    return first, await asyncio.gather(*(ask.aio(word) for word in "cd"), return_exceptions=True)


@program("b s")
async def decisions() -> object:
    if await count.aio("a") == 1:
        found = await ask.aio("b")
    else:
        found = "none"
    return found, await ask.aio("s")


@program("a b")
async def errors() -> object:
    out: list[Any] = []
    for word in "ab":
        try:
            out.append(await ask.aio(word))
        except Refused as error:
            out.append(str(error))
        finally:
            effect(f"end {word}")
    return out


@program("a b", raises=True, together=True)
async def groups_of_tasks() -> object:
    async with asyncio.TaskGroup() as group:
        one, two = group.create_task(ask.aio("a")), group.create_task(helper("b", "c"))
    return one.result(), two.result()


async def words() -> AsyncIterator[str]:
    for word in "ab":
        effect(f"give {word}")
        yield word


@program()
async def asynchronous_iteration() -> object:
    out: list[Any] = []
    async for word in words():
        out.append(await ask.aio(word))
    return out


class Door:
    async def __aenter__(self) -> str:
        effect("open")
        return "door"

    async def __aexit__(self, *error: object) -> None:
        effect(f"shut {error[1]}")


@program("a b", raises=True)
async def asynchronous_with() -> object:
    async with Door() as name:
        a, b = await ask.aio(f"a {name}"), await ask.aio("b")
        if a == "x":
            raise Other(b)
    await asyncio.sleep(0)
    return a, b


@program("a b", "c d")
async def variables_of_an_async_with() -> object:
    room = asyncio.Semaphore(2)
    async with asyncio.timeout(60):
        a = await ask.aio("a")
        b = await ask.aio("b")
    async with room:
        c = await ask.aio(f"c {a}")
        d = await ask.aio(f"d {b}")
    return a, b, c, d
