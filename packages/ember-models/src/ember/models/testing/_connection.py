"""One client's connection: reads requests, sends frames, notices who hung up."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import Protocol, cast

from ._frames import Frames
from ._record import Request

_LONGEST_HEAD = 131_072
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Host(Protocol):
    """What a connection needs of its server."""

    scratch: memoryview

    def opened(self, connection: Connection) -> int: ...
    def closed(self, connection: Connection) -> None: ...
    def begin(self, request: Request) -> Frames: ...
    def book(self, request: Request, plan: Frames) -> None: ...
    def finish(self, request: Request, *, aborted: bool) -> None: ...


class Connection(asyncio.BufferedProtocol):
    """Requests are answered one after another, in the order they came."""

    __slots__ = (
        "_host",
        "_loop",
        "_number",
        "_request",
        "_rest",
        "_roomy",
        "_task",
        "_timer",
        "_transport",
    )

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self._host, self._loop = host, loop
        self._number = 0
        self._rest = bytearray()
        self._request: Request | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._roomy: asyncio.Event | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._number = self._host.opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        # All connections share it: what arrives is copied out before anything else is read.
        return self._host.scratch

    def buffer_updated(self, nbytes: int) -> None:
        self._rest += self._host.scratch[:nbytes]
        if self._request is None:
            self._read()

    def _read(self) -> None:
        """Start on the next request, if it has arrived whole."""
        end = self._rest.find(b"\r\n\r\n")
        if end < 0:
            if len(self._rest) > _LONGEST_HEAD:
                self._refuse(b"431 Request Header Fields Too Large")
            return
        first, _, lines = self._rest[:end].decode("latin-1").partition("\r\n")
        headers: dict[str, str] = {}
        for line in lines.split("\r\n") if lines else ():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        method, _, target = first.partition(" ")
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdigit():
            self._refuse(b"411 Length Required")
            return
        total = end + 4 + int(length)
        if len(self._rest) < total:
            if headers.get("expect") == "100-continue" and len(self._rest) == end + 4:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        path, _, query = target.rpartition(" ")[0].partition("?")
        body = bytes(self._rest[end + 4 : total])
        del self._rest[:total]
        request = Request(method, path, query, headers, body, time.monotonic(), self._number)
        self._request = request
        plan = self._host.begin(request)
        if not plan.at_once:
            self._task = self._loop.create_task(self._play(request, plan))
        elif plan.latency:
            self._timer = self._loop.call_later(plan.latency, self._send, request, plan)
        else:
            self._send(request, plan)

    def _send(self, request: Request, plan: Frames) -> None:
        self._end(request, plan, plan.head)

    async def _play(self, request: Request, plan: Frames) -> None:
        """Send the frames piece by piece, then end as they say."""
        await asyncio.sleep(plan.latency)
        pieces = iter(plan.pieces)
        piece = plan.head + next(pieces, b"")
        for following in pieces:
            await self._write(piece)
            await asyncio.sleep(plan.delay)
            piece = following
        if plan.ending in ("keep", "drop"):
            await self._room()
            self._end(request, plan, piece)
            return
        await self._write(piece)
        if plan.ending == "hang":
            await asyncio.Event().wait()
        # RST throws away what the other side has not read yet: give it the time to.
        await asyncio.sleep(0.05 if piece else 0)
        sock: socket.socket | None = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._over(request)
        self._transport.abort()

    def _end(self, request: Request, plan: Frames, last: bytes) -> None:
        """Send the last bytes of a reply, and take the next request unless the connection is to close."""
        # The books are closed before the last byte goes out: who has the whole answer finds it in them.
        self._host.book(request, plan)
        self._over(request)
        if last:
            self._transport.write(last)
        if plan.ending == "drop" or request.headers.get("connection", "").lower() == "close":
            self._transport.close()
        elif self._rest:
            self._loop.call_soon(self._resume)

    def _over(self, request: Request) -> None:
        self._request = self._timer = self._task = None
        self._host.finish(request, aborted=False)

    def _resume(self) -> None:
        if self._request is None and not self._transport.is_closing():
            self._read()

    async def _write(self, piece: bytes) -> None:
        await self._room()
        if piece:
            self._transport.write(piece)

    async def _room(self) -> None:
        """Return when the other side has read enough for more to be sent."""
        if self._roomy is not None:
            await self._roomy.wait()

    def pause_writing(self) -> None:
        self._roomy = asyncio.Event()

    def resume_writing(self) -> None:
        if self._roomy is not None:
            self._roomy.set()
            self._roomy = None

    def _refuse(self, status: bytes) -> None:
        self._transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        if self._request is not None:
            self._host.finish(self._request, aborted=True)
            self._request = None
        self._host.closed(self)

    def abort(self) -> None:
        """Let go of the connection at once."""
        self._transport.abort()
