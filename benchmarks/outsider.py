"""One rival in the environment made for it: makes the calls it is told to, and says what they took.

Run by `outsiders`, with the rival's own Python: nothing of Ember can be imported. Orders and answers are lines of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module, metadata
from typing import Any

MODEL, PROMPT = "gpt-4o", "Say hello to the benchmark, please."
KEY = "sk-benchmark-0123456789abcdef"
MESSAGES = [{"role": "user", "content": PROMPT}]

Calls = tuple[Callable[[], str], Callable[[], Awaitable[str]]]


def openai(url: str) -> Calls:
    sdk: Any = import_module("openai")
    given: Any = {"api_key": KEY, "base_url": url, "max_retries": 0}
    blocking, awaited = sdk.OpenAI(**given), sdk.AsyncOpenAI(**given)

    async def acall() -> str:
        reply = await awaited.chat.completions.create(model=MODEL, messages=MESSAGES)
        return str(reply.choices[0].message.content)

    def call() -> str:
        return str(
            blocking.chat.completions.create(model=MODEL, messages=MESSAGES).choices[0].message.content
        )

    return call, acall


def litellm(url: str) -> Calls:
    library: Any = import_module("litellm")
    given: Any = {"model": f"openai/{MODEL}", "messages": MESSAGES, "api_base": url, "api_key": KEY}

    async def acall() -> str:
        return str((await library.acompletion(**given, num_retries=0)).choices[0].message.content)

    return lambda: str(library.completion(**given, num_retries=0).choices[0].message.content), acall


def pydantic_ai(url: str) -> Calls:
    agents: Any = import_module("pydantic_ai")
    model = import_module("pydantic_ai.models.openai").OpenAIChatModel
    provider = import_module("pydantic_ai.providers.openai").OpenAIProvider
    agent = agents.Agent(model(MODEL, provider=provider(base_url=url, api_key=KEY)), retries=0)

    async def acall() -> str:
        return str((await agent.run(PROMPT)).output)

    return lambda: str(agent.run_sync(PROMPT).output), acall


MAKERS: dict[str, Callable[[str], Calls]] = {
    "openai": openai,
    "litellm": litellm,
    "pydantic-ai-slim": pydantic_ai,
}


def main(name: str, url: str) -> None:
    call, acall = MAKERS[name](url)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pool = ThreadPoolExecutor(64)
    seconds: list[float] = []

    def one() -> None:
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)

    async def worker(wait: float, todo: list[None]) -> None:
        await asyncio.sleep(wait)
        while todo:
            todo.pop()
            begun = time.perf_counter()
            await acall()
            seconds.append(time.perf_counter() - begun)

    async def wide(calls: int, width: int, over: float) -> None:
        todo: list[None] = [None] * calls
        await asyncio.gather(*(worker(number / width * over, todo) for number in range(width)))

    print(json.dumps({"version": metadata.version(name)}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        calls, width = order["calls"], order["width"]
        seconds.clear()
        cpu, begun = time.process_time(), time.perf_counter()
        if order["form"] == "async":
            loop.run_until_complete(wide(calls, width, order["over"]))
        elif width > 1:
            for done in [pool.submit(one) for _ in range(calls)]:
                done.result()
        else:
            for _ in range(calls):
                one()
        took = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - begun}
        print(json.dumps({**took, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
