"""One exchange without the engine: a request's bytes as a provider wrote them, sent by the standard library's client.

What a provider's own tests compare with the vendor's SDK.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from .._provider import Completion, HttpReply, HttpRequest, StreamDecoder
from .._sse import EventParser

Post: TypeAlias = Callable[[HttpRequest], HttpReply]
Streamed: TypeAlias = Callable[[StreamDecoder, HttpRequest], tuple[list[str], Completion]]


def post(request: HttpRequest) -> HttpReply:
    """Send `request` and return the whole reply."""
    status, headers, pieces = _exchanged(request)
    return HttpReply(status, headers, b"".join(pieces))


def streamed(decoder: StreamDecoder, request: HttpRequest) -> tuple[list[str], Completion]:
    """Send `request`, feed the server-sent events to `decoder` as they arrive; return what it told, and the answer."""
    parser = EventParser()
    told: list[str] = []
    for piece in _exchanged(request)[2]:
        for event in parser.feed(piece):
            if not decoder.done:
                told += [text for text in decoder.feed(event) if isinstance(text, str)]
    return told, decoder.finish()


def _exchanged(request: HttpRequest) -> tuple[int, dict[str, str], list[bytes]]:
    url = urlsplit(request.url)
    path = f"{url.path}?{url.query}" if url.query else url.path
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)
    try:
        connection.request(request.method, path, request.body or None, dict(request.headers))
        reply = connection.getresponse()
        pieces: list[bytes] = []
        while piece := reply.read1(65_536):
            pieces.append(piece)
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, pieces
    finally:
        connection.close()
