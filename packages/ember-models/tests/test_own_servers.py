"""What servers of one's own need: to be asked what they have, addresses in the vendor's form, optional keys, lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import pytest
from acme import Acme
from hypothesis import given, strategies as st

from ember.context import create_context, get_context
from ember.core import events
from ember.core.errors import ConfigError, CredentialError, NotRegistered
from ember.core.events import Event
from ember.models import (
    BaseProvider,
    Call,
    Completion,
    Endpoint,
    HttpReply,
    HttpRequest,
    LineParser,
    ModelRegistry,
    Piece,
    ServerEvent,
    StreamDecoder,
    Usage,
    models,
)
from ember.models.chat_completions import ChatCompletions
from ember.models.errors import (
    ConnectionFailed,
    InvalidResponse,
    ModelNotFound,
    ModelTimeout,
    StreamIncomplete,
    UnsupportedError,
)
from ember.models.testing import LocalServer
from ember.models.wire import event_fields, incomplete, json_request, text

CHAT: Final = ChatCompletions()


class Words:
    """The decoder of a stream of `{"word": ...}` lines, the last of which is `{"end": true}`."""

    def __init__(self, call: Call) -> None:
        self.done, self._call, self._words = False, call, list[str]()

    def feed(self, event: ServerEvent) -> tuple[Piece, ...]:
        fields = event_fields(event)
        self.done = "end" in fields
        self._words.append("" if self.done else text(fields, "word"))
        return (self._words[-1],)

    def finish(self) -> Completion:
        if not self.done:
            raise incomplete("".join(self._words))
        return Completion("".join(self._words), self._call.model, "stop", Usage(1, len(self._words) - 1))


class Shed(BaseProvider):
    """A server in somebody's shed: its address comes from SHED_AT, a port will do, and a key is optional."""

    name = "shed"
    base_url = "http://127.0.0.1:9/v1"
    needs_key = False
    key_variables = ("SHED_TOKEN",)
    url_variables = ("SHED_ADDRESS", "SHED_AT")
    supports = frozenset({"stream"})
    stream_type = "application/x-ndjson"

    def address(self, given: str) -> str:
        return f"http://127.0.0.1:{given}/v1" if given.isdigit() else given

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        if call.stream:
            return json_request(f"{endpoint.base_url}/words", endpoint, {"model": call.model})
        return CHAT.encode(call, endpoint)

    def decode(self, call: Call, reply: HttpReply) -> Completion:
        return CHAT.decode(call, reply)

    def decoder(self, call: Call) -> StreamDecoder:
        return Words(call)

    def encode_discover(self, endpoint: Endpoint) -> HttpRequest:
        return CHAT.encode_discover(endpoint)

    def decode_discover(self, reply: HttpReply) -> tuple[str, ...]:
        return CHAT.decode_discover(reply)


@pytest.fixture
def shed(acme: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    monkeypatch.setenv("SHED_AT", str(acme.port))
    ModelRegistry.register(Shed())
    yield acme
    ModelRegistry.unregister("shed")


# Discovery


def test_a_server_is_asked_what_it_has(shed: LocalServer) -> None:
    assert models.discover("shed") == ("shed/local-small", "shed/local-large")
    assert asyncio.run(models.discover.aio("shed")) == models.discover("shed")
    asked = shed.requests[0]
    assert (asked.method, asked.path, asked.body) == ("GET", "/v1/models", b"")
    assert "content-type" not in asked.headers
    assert "shed/local-small" not in models.list("shed")


def test_asking_is_no_call_and_costs_nothing(shed: LocalServer) -> None:
    told: list[Event] = []
    unsubscribe = events.subscribe(told.append)
    try:
        with create_context() as block:
            models.discover("shed")
    finally:
        unsubscribe()
    assert models.usage(block).calls == models.usage(block).requests == 0
    assert not told


def test_a_provider_that_cannot_be_asked_says_so(shed: LocalServer) -> None:
    with pytest.raises(UnsupportedError, match=r"acme: .*cannot be asked"):
        models.discover("acme")
    with pytest.raises(NotRegistered):
        models.discover("shad")
    assert not shed.requests


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"[]", b"{}", b'{"data": {}}', b'{"data": [{"id": 7}]}']
)
def test_what_is_no_list_of_models_is_invalid(body: bytes, shed: LocalServer) -> None:
    shed.replies(200, body=body)
    with pytest.raises(InvalidResponse) as raised:
        models.discover("shed")
    assert (raised.value.provider, raised.value.status) == ("shed", 200)


def test_failures_are_those_of_a_call(shed: LocalServer) -> None:
    shed.replies(404)
    with pytest.raises(ModelNotFound, match="shed"):
        models.discover("shed")
    shed.replies(fault="hang")
    with pytest.raises(ModelTimeout):
        models.discover("shed", timeout=0.2)
    shed.wait_for(lambda: shed.requests[-1].aborted)
    shed.stop()
    with pytest.raises(ConnectionFailed, match="refused"):
        asyncio.run(models.discover.aio("shed"))


# Addresses and keys


def test_the_vendors_variables_are_read_in_order_after_embers_own(
    shed: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def path() -> str:
        models("shed/m", "Hi")
        return shed.requests[-1].path

    assert path() == "/v1/chat/completions"
    monkeypatch.setenv("SHED_ADDRESS", f"{shed.url}/first/")
    assert path() == "/first/chat/completions"
    monkeypatch.setenv("SHED_BASE_URL", f"{shed.url}/own")
    assert path() == "/own/chat/completions"
    monkeypatch.setenv("SHED_BASE_URL", "")
    monkeypatch.setenv("SHED_ADDRESS", "  ")
    assert path() == "/v1/chat/completions"
    with create_context(providers={"shed": {"base_url": str(shed.port)}}):
        assert path() == "/v1/chat/completions"


def test_a_variable_that_holds_no_address_is_named(
    shed: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHED_AT", "http://me:secret-word@127.0.0.1")
    with pytest.raises(ConfigError, match="SHED_AT") as raised:
        models("shed/m", "Hi")
    assert "secret-word" not in str(raised.value)


def test_a_provider_without_a_default_address_says_that_none_is_set(acme: LocalServer) -> None:
    class Nowhere(Acme):
        name, base_url = "nowhere", ""

    ModelRegistry.register(Nowhere())
    try:
        with pytest.raises(ConfigError, match=r"providers\.nowhere\.base_url is not set"):
            models("nowhere/m", "Hi")
    finally:
        ModelRegistry.unregister("nowhere")


@pytest.mark.parametrize("variable", ["SHED_TOKEN", "SHED_API_KEY"])
def test_an_optional_key_is_sent_if_there_is_one(
    variable: str, shed: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    models("shed/m", "Hi")
    assert shed.requests[-1].key == ""
    monkeypatch.setenv(variable, "shed-0123456789")
    models("shed/m", "Hi")
    assert shed.requests[-1].key == "shed-0123456789"


def test_a_key_is_not_sent_where_a_vendors_variable_alone_points(
    shed: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_context().set_config("credentials.shed_api_key", "shed-of-the-home-012345")
    for ask in (lambda: models("shed/m", "Hi"), lambda: models.discover("shed")):
        with pytest.raises(CredentialError, match="SHED_AT"):
            ask()
    assert not shed.requests
    monkeypatch.setenv("SHED_TOKEN", "shed-0123456789")
    models("shed/m", "Hi")
    assert shed.requests[-1].key == "shed-0123456789"


def test_an_address_over_the_network_in_clear_is_refused_until_it_is_allowed(
    shed: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHED_AT", "http://192.0.2.1:8000/v1")
    with pytest.raises(ConfigError, match=r"SHED_AT.*providers\.shed\.allow_http"):
        models.discover("shed")


# Streams of lines

NDJSON: Final = {"content-type": "application/x-ndjson; charset=utf-8"}
WHOLE: Final = '{"word": "Grüße, "}\n\r\n{"word": "世界 🙂"}\r\n{"end": true}\n'.encode()


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_stream_of_lines_is_read_in_whatever_pieces_it_comes(chunk: int, shed: LocalServer) -> None:
    shed.replies(200, NDJSON, body=WHOLE, chunk=chunk)
    stream = models.stream("shed/m", "Hi")
    assert list(stream) == ["Grüße, ", "世界 🙂"]
    assert (stream.response, stream.response.usage.output_tokens) == ("Grüße, 世界 🙂", 2)


def test_a_last_line_without_its_end_is_no_line(shed: LocalServer) -> None:
    shed.replies(200, NDJSON, body=WHOLE[:-1])
    with pytest.raises(StreamIncomplete) as raised:
        list(models.stream("shed/m", "Hi"))
    assert raised.value.partial_text == "Grüße, 世界 🙂"


@pytest.mark.parametrize("body", [b'{"word": "\xff"}\n', b"<html>\n", b"7\n"])
def test_lines_that_are_none_are_invalid(body: bytes, shed: LocalServer) -> None:
    shed.replies(200, NDJSON, body=body)
    with pytest.raises(InvalidResponse):
        list(models.stream("shed/m", "Hi"))


def test_a_stream_of_another_type_is_not_taken_for_lines(shed: LocalServer) -> None:
    shed.replies(200, {"content-type": "text/event-stream"}, body=WHOLE)
    with pytest.raises(InvalidResponse, match="text/event-stream"):
        list(models.stream("shed/m", "Hi"))


@given(st.lists(st.integers(0, len(WHOLE)), max_size=20))
def test_lines_do_not_depend_on_where_the_bytes_are_split(cuts: list[int]) -> None:
    parser, told = LineParser(), list[Any]()
    for start, end in pairwise([0, *sorted(cuts), len(WHOLE)]):
        told += [json.loads(event.data) for event in parser.feed(WHOLE[start:end])]
    assert told == [{"word": "Grüße, "}, {"word": "世界 🙂"}, {"end": True}]
