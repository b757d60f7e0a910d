"""The same chat completion, made by Ember and by HTTP clients beside it: a name to a function of a base URL.

Each maker returns a function that makes one call and returns the answer's text. A rival that is not installed is left
out of a table, by name. SDKs and frameworks are in `outsiders`.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from http.client import HTTPConnection
from urllib.parse import urlsplit

MODEL = "gpt-4o"
PROMPT = "Say hello to the benchmark, please."
BODY = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]}
KEY = "sk-benchmark-0123456789abcdef"

Call = Callable[[], str]
AsyncCall = Callable[[], Awaitable[str]]


def use_server(url: str) -> None:
    """Point Ember and the SDKs at the local server."""
    os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"] = f"{url}/v1", KEY


def text_of(reply: bytes) -> str:
    return str(json.loads(reply)["choices"][0]["message"]["content"])


def http_client(url: str) -> Call:
    """The standard library, by hand: one kept-alive connection, the body encoded and the answer decoded."""
    connection = HTTPConnection(urlsplit(url).netloc)
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}

    def call() -> str:
        connection.request("POST", "/v1/chat/completions", json.dumps(BODY).encode(), headers)
        return text_of(connection.getresponse().read())

    return call


def ember(url: str) -> Call:
    from ember.api import models

    return lambda: models(f"openai/{MODEL}", PROMPT)


def ember_by_httpx(url: str) -> Call:
    import httpx2

    from ember.api import models

    client = httpx2.AsyncClient(limits=httpx2.Limits(max_connections=None))
    return lambda: models(f"openai/{MODEL}", PROMPT, http_client=client)


def ember_by_httpx_async(url: str) -> AsyncCall:
    import httpx2

    from ember.api import models

    client = httpx2.AsyncClient(limits=httpx2.Limits(max_connections=None))
    return lambda: models.acall(f"openai/{MODEL}", PROMPT, http_client=client)


def ember_async(url: str) -> AsyncCall:
    from ember.api import models

    return lambda: models.acall(f"openai/{MODEL}", PROMPT)


def aiohttp_async(url: str) -> AsyncCall:
    import aiohttp

    session: list[aiohttp.ClientSession] = []

    async def call() -> str:
        if not session:
            session.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
            _to_close.append(session[0].close)
        async with session[0].post(
            f"{url}/v1/chat/completions", json=BODY, headers={"authorization": f"Bearer {KEY}"}
        ) as reply:
            return text_of(await reply.read())

    return call


def httpx_sync(url: str) -> Call:
    import httpx2

    client = httpx2.Client()

    def call() -> str:
        reply = client.post(
            f"{url}/v1/chat/completions", json=BODY, headers={"authorization": f"Bearer {KEY}"}
        )
        return text_of(reply.content)

    return call


def httpx_async(url: str) -> AsyncCall:
    import httpx2

    client = httpx2.AsyncClient(limits=httpx2.Limits(max_connections=None), timeout=None)
    _to_close.append(client.aclose)

    async def call() -> str:
        reply = await client.post(
            f"{url}/v1/chat/completions", json=BODY, headers={"authorization": f"Bearer {KEY}"}
        )
        return text_of(reply.content)

    return call


SYNC: dict[str, Callable[[str], Call]] = {
    "http.client": http_client,
    "ember models()": ember,
    "ember, http_client=": ember_by_httpx,
    "httpx2": httpx_sync,
}
ASYNC: dict[str, Callable[[str], AsyncCall]] = {
    "aiohttp": aiohttp_async,
    "ember models.acall()": ember_async,
    "ember acall, httpx2": ember_by_httpx_async,
    "httpx2 async": httpx_async,
}


LOOP = asyncio.new_event_loop()
_to_close: list[Callable[[], Awaitable[object]]] = []


def run_async(call: AsyncCall, times: int) -> None:
    """Make `times` calls one after another."""

    async def several() -> None:
        for _ in range(times):
            await call()

    LOOP.run_until_complete(several())


def run_wide(call: AsyncCall, times: int, width: int, over: float = 0.0) -> list[float]:
    """Make `times` calls, `width` at a time, the first spread `over` seconds; return the seconds that each took."""
    seconds: list[float] = []

    async def worker(number: int, todo: list[None]) -> None:
        await asyncio.sleep(number / width * over)
        while todo:
            todo.pop()
            begun = time.perf_counter()
            await call()
            seconds.append(time.perf_counter() - begun)

    async def all_of_them() -> None:
        todo: list[None] = [None] * times
        await asyncio.gather(*(worker(number, todo) for number in range(width)))

    LOOP.run_until_complete(all_of_them())
    return seconds


def close() -> None:
    """Close what the asynchronous rivals have open."""
    for each in _to_close:
        LOOP.run_until_complete(_awaited(each))


async def _awaited(close: Callable[[], Awaitable[object]]) -> None:
    await close()
