"""A real server on this machine, the official SDK talking to it, and the same bytes read by our codecs."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest

from ember.models import Completion, EventParser, HttpReply, HttpRequest, StreamDecoder
from ember.models.testing import LocalServer
from ember.models.testing.plugin import ember_home, no_network, server

if TYPE_CHECKING:
    import anthropic

__all__ = ["client", "ember_home", "no_network", "post", "server", "streamed"]

KEY: Final = "sk-local-0123456789abcdef"

Post = Callable[[HttpRequest], HttpReply]
Streamed = Callable[[StreamDecoder, HttpRequest], tuple[list[str], Completion]]


@pytest.fixture
def client(server: LocalServer) -> Iterator[anthropic.Anthropic]:
    """The official SDK, pointed at the server. Tests that need it are skipped where it is not installed."""
    sdk = pytest.importorskip("anthropic", reason="the oracle is the extra [sdk]")
    with sdk.Anthropic(api_key=KEY, base_url=server.url, max_retries=0) as made:
        yield made


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
            for event in parser.feed(piece):
                if not decoder.done:
                    told += [piece for piece in decoder.feed(event) if isinstance(piece, str)]
        return told, decoder.finish()

    return send


def _exchange(request: HttpRequest) -> tuple[int, dict[str, str], list[bytes]]:
    url = urlsplit(request.url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)
    try:
        connection.request("POST", url.path, request.body, dict(request.headers))
        reply = connection.getresponse()
        pieces: list[bytes] = []
        while piece := reply.read1(65_536):
            pieces.append(piece)
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, pieces
    finally:
        connection.close()
