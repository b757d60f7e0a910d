"""The provider: which of OpenAI's two formats a call is written in, and which one an answer is in."""

from __future__ import annotations

from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from ember.models import (
    BaseProvider,
    Call,
    Completion,
    EmbedCall,
    Endpoint,
    HttpReply,
    HttpRequest,
    Piece,
    ServerEvent,
    StreamDecoder,
    Vectors,
    errors,
)
from ember.models.chat_completions import ChatCompletions
from ember.models.sdk import sdk_key, vendor_sdk
from ember.models.wire import event_fields, incomplete, reply_fields, shown

from ._responses import Responses
from ._stream import ResponsesStream

_HOST: Final = "api.openai.com"

_responses: Final = Responses()
# OpenAI's own models all take the newer name of the limit, and the reasoning ones nothing else.
_hosted_chat: Final = ChatCompletions("max_completion_tokens", has_cache_key=True)
_compatible_chat: Final = ChatCompletions("max_tokens")


class OpenAI(BaseProvider):
    """OpenAI, or a compatible server.

    Calls go to the Responses API on api.openai.com, and as chat completions to every other base URL, since that is what
    compatible servers speak. `providers.openai.api` ("responses" or "chat") overrides that.

    >>> OpenAI().serves("gpt-4o"), OpenAI().serves("gpt-oss-20b")
    (True, False)
    """

    name: ClassVar[str] = "openai"
    base_url: ClassVar[str] = "https://api.openai.com/v1"
    # Digits after "gpt-": the open-weights gpt-oss models are served by others, under that name.
    model_patterns: ClassVar[tuple[str, ...]] = (
        "gpt-[0-9]*",
        "o[1-9]",
        "o[1-9]-*",
        "chatgpt-*",
        "codex-*",
        "text-embedding-3-*",
        "text-embedding-ada-002",
    )
    known_models: ClassVar[tuple[str, ...]] = (
        "gpt-6.2-astra",
        "gpt-6.2-sol",
        "gpt-6.1-terra",
        "gpt-6-luna",
        "gpt-5.5",
        "gpt-5.4",
        "gpt-5.4-mini",
        "gpt-5.4-nano",
        "gpt-5.2",
        "gpt-5.1",
        "gpt-5",
        "gpt-5-mini",
        "gpt-5-nano",
        "gpt-4.1",
        "gpt-4.1-mini",
        "gpt-4.1-nano",
        "gpt-4o",
        "gpt-4o-mini",
        "gpt-4-turbo",
        "gpt-4",
        "gpt-3.5-turbo",
        "o4-mini",
        "o3",
        "o3-mini",
        "o1",
        "text-embedding-3-large",
        "text-embedding-3-small",
        "text-embedding-ada-002",
    )
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
    prices: ClassVar[str | None] = "openai"
    # It takes 2,048 texts of 300,000 tokens; as many vectors of 3,072 numbers would be more than a body may have.
    embed_texts: ClassVar[int] = 1_024
    embed_bytes: ClassVar[int | None] = 300_000

    def scores(self, model: str) -> bool:
        """Whether the model has log probabilities: those that reason have none."""
        return model.removeprefix("ft:").startswith(("gpt-4", "gpt-3.5", "chatgpt-4o"))

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        # The Responses API gives one answer; the older one as many as are wanted, for one reading of the prompt.
        if _speaks_responses(endpoint) and (call.n is None or call.n == 1):
            return _responses.encode(call, endpoint)
        chat = _hosted_chat if _is_hosted(endpoint) else _compatible_chat
        return chat.encode(call, endpoint)

    def decode(self, call: Call, reply: HttpReply) -> Completion:
        # The two formats cannot be mistaken for one another, so the reply says which it is.
        body = reply_fields(reply)
        if "output" in body:
            return _responses.decode(call, reply)
        if "choices" in body or "error" in body:
            return _compatible_chat.decode(call, reply)
        raise errors.InvalidResponse(
            f"the answer is neither a response nor a chat completion: {shown(dict(body))}",
            status=reply.status,
        )

    def decoder(self, call: Call) -> StreamDecoder:
        return _EitherStream(call)

    def encode_embed(self, call: EmbedCall, endpoint: Endpoint) -> HttpRequest:
        return _compatible_chat.encode_embed(call, endpoint)

    def decode_embed(self, call: EmbedCall, reply: HttpReply) -> Vectors:
        return _compatible_chat.decode_embed(call, reply)

    def encode_discover(self, endpoint: Endpoint) -> HttpRequest:
        return _compatible_chat.encode_discover(endpoint)

    def decode_discover(self, reply: HttpReply) -> tuple[str, ...]:
        return _compatible_chat.decode_discover(reply)

    def client(self, endpoint: Endpoint, *, asynchronous: bool) -> Any:
        """Return an `openai.OpenAI`, or an `openai.AsyncOpenAI`."""
        openai = vendor_sdk("openai", "ember-openai[sdk]")
        make = openai.AsyncOpenAI if asynchronous else openai.OpenAI
        return make(api_key=sdk_key(endpoint), base_url=endpoint.base_url)


def _is_hosted(endpoint: Endpoint) -> bool:
    host = urlsplit(endpoint.base_url).hostname or ""
    return host == _HOST or host.endswith("." + _HOST)  # regions: eu.api.openai.com


def _speaks_responses(endpoint: Endpoint) -> bool:
    api = endpoint.options.get("api")
    if api is None:
        return _is_hosted(endpoint)
    if api not in ("responses", "chat"):
        raise errors.UnsupportedError(
            f'providers.openai.api is {api!r}; OpenAI has the APIs "responses" and "chat".', provider="openai"
        )
    return bool(api == "responses")


class _EitherStream:
    """A stream in either format: its first event tells which, and is the first of that format's decoder."""

    def __init__(self, call: Call) -> None:
        self.done = False
        self._call = call
        self._stream: StreamDecoder | None = None

    def feed(self, event: ServerEvent) -> tuple[Piece, ...]:
        if self._stream is None:
            self._stream = self._told_by(event)
        if self._stream is None:
            return ()
        added = self._stream.feed(event)
        self.done = self._stream.done
        return added

    def finish(self) -> Completion:
        if self._stream is None:
            raise incomplete("")
        return self._stream.finish()

    def _told_by(self, event: ServerEvent) -> StreamDecoder | None:
        """Return the decoder for the format `event` is of, or None for an event that is of neither."""
        if event.data.startswith("[DONE]"):
            return _compatible_chat.decoder(self._call)
        body = event_fields(event)
        if "choices" in body or "error" in body:
            return _compatible_chat.decoder(self._call)
        kind = body.get("type")
        return ResponsesStream(self._call) if str(kind).startswith("response.") or kind == "error" else None
