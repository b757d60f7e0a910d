"""The provider: how a call is written for the Messages API, and what its errors mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Final

from ember.models import (
    BaseProvider,
    Call,
    Completion,
    Endpoint,
    HttpReply,
    HttpRequest,
    StreamDecoder,
    errors,
)
from ember.models.schemas import wanted_schema
from ember.models.sdk import sdk_key, vendor_sdk
from ember.models.wire import get_request, json_request, refuse, reply_fields, sequence, text

from ._message import completion
from ._schema import accepted_schema
from ._stream import MessageStream
from ._thinking import thinking_fields
from ._turns import CACHED, tool_fields, turns

_VERSION: Final = "2026-10-21"
# The current version refuses these on every model; the one before still has them, for the models that use them.
_SAMPLING: Final = ("temperature", "top_p", "top_k")
_SAMPLING_VERSION: Final = "2023-06-01"

# The API requires a limit. This one is within what every current model may write, and small enough that an answer
# which is not streamed arrives before Anthropic's ten minutes for one are over.
_MAX_TOKENS: Final = 16_384


class Anthropic(BaseProvider):
    """Claude, by Anthropic's Messages API.

    Where a call does not set `max_tokens`, which the API requires, the limit is 16,384 tokens; an answer cut there says
    so in its finish reason, "length". Calls with `temperature` or `top_p` travel under API version 2023-06-01, the last
    that has them: models released since may refuse them, and then the call fails rather than ignore what was asked.

    >>> Anthropic().serves("claude-sonnet-5-5")
    True
    """

    name: ClassVar[str] = "anthropic"
    base_url: ClassVar[str] = "https://api.anthropic.com"
    model_patterns: ClassVar[tuple[str, ...]] = ("claude-*",)
    known_models: ClassVar[tuple[str, ...]] = (
        "claude-fable-5-2",
        "claude-mythos-5-2",
        "claude-opus-5-5",
        "claude-sonnet-5-5",
        "claude-haiku-5-5",
        "claude-opus-5",
        "claude-sonnet-5",
        "claude-fable-5",
        "claude-opus-4-8",
        "claude-opus-4-7",
        "claude-opus-4-6",
        "claude-sonnet-4-6",
        "claude-opus-4-5",
        "claude-haiku-4-5",
    )
    supports: ClassVar[frozenset[str]] = frozenset(
        {"stream", "schema", "choices", "tools", "images", "files", "reasoning"}
    )
    prices: ClassVar[str | None] = "anthropic"

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        refuse(
            call,
            "Anthropic",
            "Leave it out for Claude.",
            seed=call.seed,
            frequency_penalty=call.frequency_penalty,
            presence_penalty=call.presence_penalty,
        )
        schema = wanted_schema(call)
        system, tools = _beginning(call)
        thinking, effort = thinking_fields(call)
        # In the order of the official SDK, so that the bytes are the same as well.
        body: dict[str, Any] = {
            "max_tokens": _MAX_TOKENS if call.max_tokens is None else call.max_tokens,
            "messages": turns(call),
            "model": call.model,
            "cache_control": CACHED if call.cache_prompt else None,
            "output_config": _output_config(call, schema, effort),
            "stop_sequences": list(call.stop) or None,
            "stream": call.stream or None,
            "system": system,
            "thinking": thinking,
            "tools": tools or None,
            "temperature": call.temperature,
            "top_p": call.top_p,
        }
        body = {name: value for name, value in body.items() if value is not None} | dict(call.extra)
        sampled = any(name in body for name in _SAMPLING)
        headers = {"anthropic-version": _SAMPLING_VERSION if sampled else _VERSION}
        return json_request(f"{endpoint.base_url}/v1/messages", endpoint, body, headers)

    def decode(self, call: Call, reply: HttpReply) -> Completion:
        return completion(call, reply_fields(reply), reply.headers.get("request-id"))

    def decoder(self, call: Call) -> StreamDecoder:
        return MessageStream(call)

    def encode_discover(self, endpoint: Endpoint) -> HttpRequest:
        """Return the GET of the models this key may use, as many as one page holds."""
        asked = get_request(f"{endpoint.base_url}/v1/models?limit=1000", endpoint)
        return replace(asked, headers={**asked.headers, "anthropic-version": _VERSION})

    def decode_discover(self, reply: HttpReply) -> tuple[str, ...]:
        return tuple(text(model, "id") for model in sequence(reply_fields(reply), "data"))

    def client(self, endpoint: Endpoint, *, asynchronous: bool) -> Any:
        """Return an `anthropic.Anthropic`, or an `anthropic.AsyncAnthropic`."""
        anthropic = vendor_sdk("anthropic", "ember-anthropic[sdk]")
        make = anthropic.AsyncAnthropic if asynchronous else anthropic.Anthropic
        return make(api_key=sdk_key(endpoint), base_url=endpoint.base_url)

    def explain(self, reply: HttpReply) -> errors.ModelError:
        """Return the error a reply stands for; an account out of credit is a `QuotaError` here as everywhere."""
        error = super().explain(reply)
        if reply.status == 402 or (
            isinstance(error, errors.InvalidRequestError) and _CREDIT in error.problem
        ):
            return errors.QuotaError(error.problem, status=reply.status, request_id=error.request_id)
        return error


# Sent with status 400 and the type of every other malformed request, so that only the text tells it.
_CREDIT: Final = "credit balance is too low"


_MOST_POINTS: Final = 4


def _beginning(call: Call) -> tuple[Any, list[dict[str, Any]]]:
    """Return the system prompt and the tools, with a cache point after them if the first message begins with one."""
    points = sum(len(message.cache_points) for message in call.messages) + bool(call.cache_prompt)
    if points > _MOST_POINTS:
        raise errors.UnsupportedError(
            f"Anthropic keeps a prompt at {_MOST_POINTS} points at most; this one has {points}, cache_prompt included.",
            provider="anthropic",
            model=call.model,
        )
    system: Any = call.system
    tools = [tool_fields(tool) for tool in call.tools]
    if points and call.messages and 0 in call.messages[0].cache_points:
        if system:  # which comes after the tools, so that they are kept with it
            system = [{"type": "text", "text": system, "cache_control": CACHED}]
        elif tools:
            tools[-1]["cache_control"] = CACHED
    return system, tools


def _output_config(call: Call, schema: Any, effort: str | None) -> dict[str, Any] | None:
    config: dict[str, Any] = {} if effort is None else {"effort": effort}
    if schema is not None:
        config["format"] = {"schema": accepted_schema(schema, model=call.model), "type": "json_schema"}
    return config or None
