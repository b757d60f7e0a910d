"""A reply that a worker thread writes and the I/O loop reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

_JSON = "application/json"
EVENTS = "text/event-stream"


class LocalExchange:
    """One call's reply: made on the I/O loop, written by one worker thread, in bytes like any other provider's."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.abandoned = False
        """Whether nobody waits for the rest any more. Read by the worker, which then ends the call."""
        self._on_abandon: Callable[[], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._head: asyncio.Future[None] = self._loop.create_future()
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    # The worker's side.

    def begin(self, status: int, content_type: str = _JSON) -> None:
        """Say that a reply of `status` follows. Only the first time counts."""
        self._post(self._begin, status, content_type)

    def write(self, piece: bytes) -> None:
        self._post(self._pieces.put_nowait, piece)

    def event(self, data: str) -> None:
        """Write one server-sent event."""
        self.write(b"data: " + data.encode() + b"\n\n")

    def end(self) -> None:
        """Say that the reply is whole."""
        self._post(self._pieces.put_nowait, None)

    def reply(self, status: int, body: Mapping[str, Any]) -> None:
        """Write the whole reply at once."""
        self.begin(status)
        self.write(json.dumps(body).encode())
        self.end()

    def fail(self, error: BaseException) -> None:
        """Have the caller see `error` in place of a reply that has not begun."""
        self._post(self._fail, error)

    def _post(self, function: Callable[..., object], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop is closed, and whoever waited is gone
            self.abandoned = True

    # The loop's side.

    def _begin(self, status: int, content_type: str) -> None:
        if not self._head.done():
            self.status, self.headers = status, {"content-type": content_type}
            self._head.set_result(None)

    def _fail(self, error: BaseException) -> None:
        if not self._head.done():
            self._head.set_exception(error)

    async def opened(self, on_abandon: Callable[[], None]) -> None:
        """Wait for the reply's head. Being cancelled here abandons the call."""
        self._on_abandon = on_abandon
        try:
            await self._head
        except asyncio.CancelledError:
            await self.close()
            raise

    async def read(self) -> bytes:
        """Return the whole body."""
        return b"".join([piece async for piece in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it is written."""
        while (piece := await self._pieces.get()) is not None:
            yield piece

    async def close(self) -> None:
        """Abandon what is not read yet: the model stops at its next token."""
        self.abandoned = True
        if self._on_abandon is not None:
            self._on_abandon()
