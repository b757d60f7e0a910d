"""A real server on this machine, the official SDK talking to it, and the same bytes read by our codecs."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from ember.models import Completion, EventParser, HttpReply, HttpRequest, StreamDecoder
from ember.models.testing import LocalServer
from ember.models.testing.plugin import ember_home, no_network, server

__all__ = ["ember_home", "no_network", "post", "sdk", "server", "streamed"]

KEY: Final = "AIza-local-0123456789abcdef"

Post = Callable[[HttpRequest], HttpReply]
Streamed = Callable[[StreamDecoder, HttpRequest], tuple[list[str], Completion]]


@pytest.fixture
def sdk(server: LocalServer) -> Iterator[Any]:
    """The official SDK's `client.models`, pointed at the server. Without the SDK, tests that need it are skipped.

    Its types are given up: they name those of an image library that is not installed here.
    """
    pytest.importorskip("google.genai", reason="the oracle is the extra [sdk]")
    from google.genai import Client
    from google.genai.types import HttpOptions

    with Client(api_key=KEY, http_options=HttpOptions(base_url=server.url)) as made:
        yield made.models


@pytest.fixture
def post() -> Post:
    """Sends a request as it is and returns the whole reply."""

    def send(request: HttpRequest) -> HttpReply:
        status, headers, pieces = _exchange(request)
        return HttpReply(status, headers, b"".join(pieces))

    return send


@pytest.fixture
def streamed() -> Streamed:
    """Sends a request and feeds the reply to a decoder as it arrives; returns the pieces of text and the answer."""

    def send(decoder: StreamDecoder, request: HttpRequest) -> tuple[list[str], Completion]:
        parser = EventParser()
        told: list[str] = []
        for piece in _exchange(request)[2]:
            pieces = [found for event in parser.feed(piece) for found in decoder.feed(event)]
            told += [found for found in pieces if isinstance(found, str)]
        return told, decoder.finish()

    return send


def _exchange(request: HttpRequest) -> tuple[int, dict[str, str], list[bytes]]:
    url = urlsplit(request.url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)
    try:
        path = f"{url.path}?{url.query}" if url.query else url.path
        connection.request("POST", path, request.body, dict(request.headers))
        reply = connection.getresponse()
        pieces: list[bytes] = []
        while piece := reply.read1(65_536):
            pieces.append(piece)
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, pieces
    finally:
        connection.close()
