"""Anthropic's dialect: the Messages API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._attached import tokens_of
from ._dialect import (
    Answer,
    Dialect,
    Say,
    as_json,
    calls_in,
    count,
    cut,
    last_user_text,
    required,
    text_of,
)
from ._reply import Event


def messages(asked: Mapping[str, Any], say: Say) -> Answer:
    """Answer `POST .../messages`."""
    model, turns, limit = required(asked, "model"), required(asked, "messages"), required(asked, "max_tokens")
    said = say(last_user_text(turns))
    pieces, short = cut(said, limit)
    uses: list[dict[str, Any]] = [
        {"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": dict(arguments)}
        for n, (name, arguments) in enumerate(calls_in(said))
    ]
    read = sum(tokens_of(turn.get("content")) for turn in turns) + count(text_of(asked.get("system")))
    wrote = len(pieces) + len(uses)
    stop = "max_tokens" if short else "tool_use" if uses else "end_turn"
    whole: dict[str, Any] = {
        "id": "msg_local",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": "".join(pieces)}, *uses],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": read, "output_tokens": wrote},
    }
    if not asked.get("stream"):
        return Answer(whole, read, wrote)
    # The first event's output_tokens is a small number that the last one replaces, as with the real service.
    begun: dict[str, Any] = {
        **whole,
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": read, "output_tokens": 1},
    }
    steps: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
            for piece in pieces
        ),
        {"type": "content_block_stop", "index": 0},
        *(step for n, use in enumerate(uses, 1) for step in _used(n, use)),
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop, "stop_sequence": None},
            "usage": {"output_tokens": wrote},
        },
        {"type": "message_stop"},
    ]
    events: list[Event] = [(step["type"], step) for step in steps]
    return Answer(events, read, wrote)


def _used(index: int, use: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events that tell of one tool's call."""
    delta = {"type": "input_json_delta", "partial_json": as_json(use["input"])}
    return [
        {"type": "content_block_start", "index": index, "content_block": {**use, "input": {}}},
        {"type": "content_block_delta", "index": index, "delta": delta},
        {"type": "content_block_stop", "index": index},
    ]


_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def error(status: int, message: str) -> dict[str, Any]:
    """Return the body of an error, as Anthropic words it."""
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": None}


MESSAGES = Dialect(messages, error, "request-id")
