"""Providers for these tests: chat completions over HTTP under made-up names, and one that uses no network at all.

Also imported by the child processes that some tests start.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from ember.models import (
    BaseProvider,
    Call,
    Completion,
    EmbedCall,
    Endpoint,
    HttpReply,
    HttpRequest,
    ModelRegistry,
    StreamDecoder,
    Usage,
    Vectors,
)
from ember.models.chat_completions import ChatCompletions

KEY = "sk-acme-0123456789abcdef"
"""What the tests put into ACME_API_KEY."""


class Acme(BaseProvider):
    """A vendor whose models are called acme-something; none of them has a public price."""

    name: ClassVar[str] = "acme"
    base_url: ClassVar[str] = "https://api.acme.invalid/v1"
    model_patterns: ClassVar[tuple[str, ...]] = ("acme-*",)
    known_models: ClassVar[tuple[str, ...]] = ("acme-small", "acme-large")
    supports: ClassVar[frozenset[str]] = frozenset(
        {
            "stream",
            "schema",
            "choices",
            "tools",
            "images",
            "files",
            "reasoning",
            "n",
            "logprobs",
            "embed",
            "dimensions",
        }
    )

    def __init__(self) -> None:
        self._chat = ChatCompletions()

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        return self._chat.encode(call, endpoint)

    def decode(self, call: Call, reply: HttpReply) -> Completion:
        return self._chat.decode(call, reply)

    def decoder(self, call: Call) -> StreamDecoder:
        return self._chat.decoder(call)

    def encode_embed(self, call: EmbedCall, endpoint: Endpoint) -> HttpRequest:
        return self._chat.encode_embed(call, endpoint)

    def decode_embed(self, call: EmbedCall, reply: HttpReply) -> Vectors:
        return self._chat.decode_embed(call, reply)


class Everything(Acme):
    """A vendor that answers to the names used in the architecture's examples, at OpenAI's prices."""

    name = "everything"
    model_patterns = ("gpt-*", "claude-*", "gemini-*", "o1-*", "text-embedding-*")
    known_models = ("gpt-4o",)
    key_variables = ("OPENAI_API_KEY",)
    prices = "openai"


class OpenAILike(Everything):
    """The same under OpenAI's own name, so that `openai_api_key` in a context is its key."""

    name = "openai"


class _Spoken:
    """An answer that no server gave: an exchange without a network."""

    status = 200
    headers: Mapping[str, str] = {"content-type": "text/event-stream"}

    def __init__(self, words: bytes) -> None:
        self._words = words

    async def read(self) -> bytes:
        return self._words

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._words

    async def close(self) -> None:
        pass


class InProcess:
    """A transport that answers by itself, in capitals."""

    def __init__(self) -> None:
        self.sent: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> _Spoken:
        self.sent.append(request)
        return _Spoken(request.body.upper())


class Parrot(BaseProvider):
    """A provider with a transport of its own: nothing leaves the process, no key is needed, nothing costs anything."""

    name = "parrot"
    base_url = "parrot://here"
    needs_key = False
    free = True
    model_patterns = ("parrot",)
    known_models = ("parrot",)

    def __init__(self) -> None:
        self.inside = self.transport = InProcess()

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        return HttpRequest(endpoint.base_url, {}, call.messages[-1].text.encode())

    def decode(self, call: Call, reply: HttpReply) -> Completion:
        return Completion(reply.body.decode(), call.model, "stop", Usage(1, 1))


def register(*providers: type[BaseProvider]) -> None:
    """Register these providers, `Acme` if none is named."""
    for provider in providers or (Acme,):
        ModelRegistry.register(provider(), replace=True)
