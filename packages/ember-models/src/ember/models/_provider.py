"""What a provider is: how a call becomes a request, and a reply an answer. Pure functions; the engine does the rest.

A provider opens no socket, reads no clock and no environment. The engine gives it an `Endpoint` (where, with which
key), sends what `encode` returns over the provider's `transport` (HTTP, unless it brings its own), and hands the reply
to `decode`, `decoder` or `explain`. Deadlines, limits, retries, cost and events are the engine's, once, for everybody.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal, Protocol, cast

from ember.core.events import Usage
from ember.core.secrets import Secret, scrub

from . import errors
from ._call import Call, EmbedCall, ToolCall, nothing
from ._deltas import Piece
from ._likelihood import TokenLogprob
from ._sse import ServerEvent


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider's requests go: base URL without a trailing slash, key, and its `providers.<name>` settings."""

    base_url: str
    key: Secret | None = None
    options: Mapping[str, Any] = field(default_factory=nothing)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to be made. Neither headers nor body is shown: one holds the key, the other the prompt."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: Literal["POST", "GET"] = "POST"


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A whole reply. Header names are lower case; the body is decompressed and within the cap."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """Return the body as JSON. Raises `InvalidResponse` if it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            pass  # raised from here, the error would bring the decoder's along, and that has the whole body
        kind = self.headers.get("content-type", "no content type")
        raise errors.InvalidResponse(
            f"the answer is not JSON ({kind}): {excerpt(self.body)}", status=self.status
        )


def clipped(text: str, length: int = 200) -> str:
    """Return at most `length` characters of `text`, with known secrets masked.

    In this order: a key cut in two would no longer be recognised. What is looked through is much more than is shown,
    so that a key cut off where the looking ends stays out of sight.
    """
    return scrub(text[:65_536])[:length]


def excerpt(body: bytes) -> str:
    """Return at most 200 characters of `body` for an error message, with known secrets masked."""
    return repr(clipped(body[:65_536].decode("utf-8", "replace")))


@dataclass(frozen=True, slots=True)
class Completion:
    """A decoded answer.

    `text` is what the model wrote: of choices, a label itself or the JSON that `wanted_schema` asks for. `model` is the
    id the provider says answered. `finish_reason` is "stop", "length", "tool_calls", "content_filter", or the vendor's
    own word. `probabilities` gives a number in [0, 1] per choice, where `choices` were scored. `raw` is the vendor's
    reply as parsed, `opaque` what the vendor wants to see again when the conversation goes on (see `Message.opaque`).
    Where several answers were asked for, `candidates` are all of them and this is the first; `usage` is that of all.
    """

    text: str
    model: str
    finish_reason: str | None
    usage: Usage
    request_id: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    probabilities: Mapping[str, float] | None = None
    raw: Any = field(default=None, repr=False)
    reasoning: str | None = field(default=None, repr=False)
    opaque: Mapping[str, Any] | None = field(default=None, repr=False)
    logprobs: tuple[TokenLogprob, ...] | None = field(default=None, repr=False)
    candidates: tuple[Completion, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Vectors:
    """Decoded embeddings: one vector per text, in the order of the texts. A `Matrix` takes the least memory."""

    vectors: Sequence[Sequence[float]] = field(repr=False)
    model: str
    usage: Usage
    request_id: str | None = None


class StreamDecoder(Protocol):
    """Turns one stream's events into pieces of the answer. Made anew for each stream; still pure."""

    done: bool
    """Whether the provider's own end mark has come; nothing more is read then."""

    def feed(self, event: ServerEvent) -> tuple[Piece, ...]:
        """Take one event and return what it adds, () for nothing: text as `str`, reasoning and tool calls as deltas.

        Raises `ModelError` for an event that says so.
        """
        ...

    def finish(self) -> Completion:
        """Return the whole answer. Raises `StreamIncomplete` if the stream ended before its end mark."""
        ...


class Exchange(Protocol):
    """A reply whose head has arrived. Header names are lower case."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """Return the whole body, decompressed. Raises `ResponseTooLarge` beyond the cap, `ConnectionFailed`."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, decompressed. Raises `ConnectionFailed` if it breaks off."""
        ...

    async def close(self) -> None:
        """Let go of the exchange. What was not read is abandoned and the other side sees that."""
        ...


class Transport(Protocol):
    """Sends requests. Called on Ember's I/O loop only, so it needs no locks; it must never block that loop."""

    async def send(self, request: HttpRequest) -> Exchange:
        """Send `request` and return when the reply's head is there. Raises `ConnectionFailed`.

        Cancellation must end the exchange at once: the engine's deadline works by cancelling.
        """
        ...


class BaseProvider(ABC):
    """A source of models. Subclass it, implement `encode` and `decode`, and register it or publish an entry point.

    `name` is the prefix users write ("openai" in "openai/gpt-4o"). `model_patterns` are shell patterns of the bare ids
    it answers for, `known_models` the ids `models.list()` shows. The base URL comes from `<NAME>_BASE_URL` if that is
    set, else from the first of `url_variables` that is; a key from `<NAME>_API_KEY` or the further variables in
    `key_variables`. Without `needs_key`, a key is used only where `key_variables` names a variable, and if one is set.
    `supports` names the optional parts: "stream", "schema", "choices", "tools", "images", "files", "reasoning", "n",
    "logprobs", "embed", "dimensions" (of embeddings). `stream_type` is the content type of streams:
    "text/event-stream", or "application/x-ndjson" for an event on each line. `prices` is the provider's name in
    genai-prices (None: not known there); `free` says that calls cost nothing.
    """

    name: ClassVar[str]
    base_url: ClassVar[str]
    needs_key: ClassVar[bool] = True
    key_variables: ClassVar[tuple[str, ...]] = ()
    url_variables: ClassVar[tuple[str, ...]] = ()
    model_patterns: ClassVar[tuple[str, ...]] = ()
    known_models: ClassVar[tuple[str, ...]] = ()
    supports: ClassVar[frozenset[str]] = frozenset()
    stream_type: ClassVar[Literal["text/event-stream", "application/x-ndjson"]] = "text/event-stream"
    prices: ClassVar[str | None] = None
    free: ClassVar[bool] = False

    embed_texts: ClassVar[int] = 100
    """The most texts that one request for embeddings may have; a call with more makes several requests."""
    embed_bytes: ClassVar[int | None] = None
    """The most bytes of text (UTF-8) that one may have, None if there is no such limit; a limit of tokens is kept by as
    many bytes, since no token is shorter than one."""

    transport: Transport | None = None
    """How requests travel; None means HTTP."""

    def serves(self, model: str) -> bool:
        """Whether a bare model id is this provider's."""
        return any(fnmatchcase(model, pattern) for pattern in self.model_patterns)

    def scores(self, model: str) -> bool:
        """Whether `choices` are scored by log probabilities unless the call says otherwise: "logprobs" is supported."""
        return False

    def address(self, given: str) -> str:
        """Return the base URL that a configured one means: itself, unless the vendor's users write shorter forms."""
        return given

    @abstractmethod
    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        """Return the request that asks for `call`. Raises `UnsupportedError` for what the vendor cannot do."""

    @abstractmethod
    def decode(self, call: Call, reply: HttpReply) -> Completion:
        """Return the answer in a reply of status 2xx. Raises `InvalidResponse` for anything that is not one."""

    def decoder(self, call: Call) -> StreamDecoder:
        """Return a decoder for one stream of events, framed as `stream_type` says."""
        raise errors.UnsupportedError("this provider does not stream.", provider=self.name, model=call.model)

    def encode_embed(self, call: EmbedCall, endpoint: Endpoint) -> HttpRequest:
        """Return the request that asks for embeddings."""
        raise errors.UnsupportedError(
            "this provider has no embeddings.", provider=self.name, model=call.model
        )

    def decode_embed(self, call: EmbedCall, reply: HttpReply) -> Vectors:
        """Return the vectors in a reply of status 2xx, in the order of the texts."""
        raise errors.UnsupportedError(
            "this provider has no embeddings.", provider=self.name, model=call.model
        )

    def encode_discover(self, endpoint: Endpoint) -> HttpRequest:
        """Return the request that asks which models are served."""
        raise errors.UnsupportedError("this provider cannot be asked for its models.", provider=self.name)

    def decode_discover(self, reply: HttpReply) -> tuple[str, ...]:
        """Return the vendor's own ids of the models in a reply of status 2xx."""
        raise errors.UnsupportedError("this provider cannot be asked for its models.", provider=self.name)

    def client(self, endpoint: Endpoint, *, asynchronous: bool) -> Any:
        """Return a new client of the vendor's own SDK, with the endpoint's key and base URL and no other.

        The SDK is imported here and nowhere else (`ember.models.sdk.vendor_sdk`).
        """
        raise errors.UnsupportedError("this provider has no SDK of its vendor's.", provider=self.name)

    def explain(self, reply: HttpReply) -> errors.ModelError:
        """Return the error that a reply outside 2xx stands for.

        The rule here fits every API that answers `{"error": {"message", "type", "code"}}`; override it for others.
        """
        message, kind = _error_fields(reply)
        return error_for(reply.status, message, kind, reply.headers)


def _error_fields(reply: HttpReply) -> tuple[str, str]:
    """Return the message and the type or code of an error body; an excerpt and "" if it has another shape."""
    try:
        body = json.loads(reply.body)
    except (ValueError, RecursionError):
        body = None
    fields = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    error: Any = fields.get("error", fields)
    if isinstance(error, dict):
        said = cast("dict[str, Any]", error)
        if isinstance(message := said.get("message"), str):
            return message, f"{said.get('type') or ''} {said.get('code') or ''}"
    if isinstance(error, str):
        return error, ""
    return f"the provider answered {excerpt(reply.body)}", ""


def error_for(status: int, message: str, kind: str, headers: Mapping[str, str]) -> errors.ModelError:
    """Return the typed error for an HTTP status, a vendor's message and its error type or code.

    >>> error_for(429, "You exceeded your current quota.", "insufficient_quota", {})
    QuotaError('You exceeded your current quota.')
    """
    request_id = headers.get("x-request-id") or headers.get("request-id")
    message = clipped(message, 500) + (" [...]" if len(message) > 500 else "")
    if "content_filter" in kind or "content_policy" in kind:
        cls: type[errors.ModelError] = errors.ContentFilterError
    elif status == 429:
        exhausted = "insufficient_quota" in kind or "billing" in kind
        cls = errors.QuotaError if exhausted else errors.RateLimitError
    elif status in (401, 403):
        cls = errors.AuthenticationError
    elif status == 404:
        cls = errors.ModelNotFound
    elif status in (408, 409) or status >= 500:
        cls = errors.ProviderUnavailable
    elif 400 <= status < 500:
        cls = errors.InvalidRequestError
    else:
        # 1xx and 3xx: a redirect is never followed, since the prompt and the key would go where it points.
        cls, message = errors.InvalidResponse, f"a reply of status {status} is not an answer: {message}"
    return cls(message, status=status, request_id=request_id, retry_after=_retry_after(headers))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds the server asks to wait, if it says so in seconds."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
