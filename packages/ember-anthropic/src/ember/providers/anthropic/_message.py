"""The `message` object that answers a call: its blocks, why it stopped, and what it used."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from ember.models import Call, Completion, ToolCall, Usage
from ember.models.wire import Fields, malformed, mapping, sequence, stream_error, text, text_or_none, tokens

FORMAT: Final = "anthropic"
"""The name of this format in `Message.opaque`."""

_REASONS: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def completion(call: Call, message: Fields, request_id: str | None) -> Completion:
    """Return the answer that a `message` object holds. Raises `InvalidResponse` if it is not one."""
    raise_error_in(message)
    blocks = sequence(message, "content")
    return Completion(
        text=said_in(blocks),
        model=text_or_none(message, "model") or call.model,
        finish_reason=finish_reason(text_or_none(message, "stop_reason")),
        usage=usage_of(message.get("usage")),
        request_id=request_id,
        tool_calls=tool_calls_in(blocks),
        raw=message,
        reasoning=thinking_in(blocks),
        opaque=kept(blocks),
    )


def said_in(blocks: Sequence[Fields]) -> str:
    """Return the text of an answer's blocks. Others are thinking, and tools that Anthropic runs itself."""
    return "".join(text(block, "text") for block in blocks if text(block, "type") == "text")


def thinking_in(blocks: Sequence[Fields]) -> str | None:
    """Return what the blocks tell of the model's thinking, None if nothing."""
    told = (text(block, "thinking") for block in blocks if block["type"] == "thinking")
    return "\n\n".join(filter(None, told)) or None


def tool_calls_in(blocks: Sequence[Fields]) -> tuple[ToolCall, ...]:
    """Return the calls of tools in an answer's blocks."""
    return tuple(
        ToolCall(text(block, "id"), text(block, "name"), _arguments(block))
        for block in blocks
        if block["type"] == "tool_use"
    )


def kept(blocks: Sequence[Fields]) -> Mapping[str, Any] | None:
    """Return what is to be sent back with the turn: thinking is signed, in its place, and the API checks it."""
    thought = any(block["type"] in ("thinking", "redacted_thinking") for block in blocks)
    return {FORMAT: list(blocks)} if thought else None


def finish_reason(stop_reason: str | None) -> str | None:
    """Return a stop reason in the words that all providers share, or as it is if there is none.

    >>> finish_reason("end_turn"), finish_reason("pause_turn"), finish_reason(None)
    ('stop', 'pause_turn', None)
    """
    return None if stop_reason is None else _REASONS.get(stop_reason, stop_reason)


def usage_of(usage: object) -> Usage:
    """Return the tokens in a `usage` object.

    Anthropic counts what was read from its cache and what was written to it beside `input_tokens`; Ember's
    `input_tokens` is all of the input.

    >>> usage_of({"input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 7}).input_tokens
    105
    """
    fields: Fields = cast("Fields", usage) if isinstance(usage, dict) else {}
    cached, written = "cache_read_input_tokens", "cache_creation_input_tokens"
    parts = [
        0 if name != "input_tokens" and fields.get(name) is None else tokens(fields, name)
        for name in ("input_tokens", cached, written)
    ]
    known = [part for part in parts if part is not None]
    made = tokens(fields, "output_tokens")
    return Usage(
        input_tokens=sum(known) if len(known) == len(parts) else None,
        output_tokens=made,
        cached_input_tokens=tokens(fields, cached),
        cache_write_tokens=tokens(fields, written),
        reasoning_tokens=tokens(fields.get("output_tokens_details"), "thinking_tokens", of=made),
    )


def raise_error_in(body: Fields) -> None:
    """Raise the error that a body or an event reports under status 200."""
    if body.get("type") == "error" or "error" in body:
        error = mapping(body, "error")
        failure = stream_error(
            text_or_none(error, "message") or "the server gave no reason", text_or_none(error, "type") or ""
        )
        failure.request_id = text_or_none(body, "request_id")
        raise failure


def _arguments(block: Fields) -> str:
    """Return a tool's input as JSON text: the API sends it parsed."""
    if not isinstance(block.get("input"), dict):
        raise malformed(block, "input", "an object")
    return json.dumps(block["input"], ensure_ascii=False, separators=(",", ":"))
