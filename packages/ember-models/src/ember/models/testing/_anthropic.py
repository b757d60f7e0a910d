"""Anthropic's dialect: the Messages API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ._attached import tokens_of
from ._dialect import (
    SIGNATURE,
    THOUGHTS,
    Answer,
    BadRequest,
    Dialect,
    Say,
    as_json,
    calls_in,
    count,
    cut,
    last_user_text,
    required,
    text_of,
    words,
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
    for turn in turns:
        _check_thinking(turn.get("content"))
    thinking: Mapping[str, Any] = asked.get("thinking") or {}
    thoughts = words(THOUGHTS) if thinking.get("type") in ("enabled", "adaptive") else []
    wrote = len(pieces) + len(thoughts) + len(uses)
    stop = "max_tokens" if short else "tool_use" if uses else "end_turn"
    usage: dict[str, Any] = {"input_tokens": read, "output_tokens": wrote}
    blocks: list[dict[str, Any]] = []
    if thoughts:
        blocks.append({"type": "thinking", "thinking": THOUGHTS, "signature": SIGNATURE})
        usage["output_tokens_details"] = {"thinking_tokens": len(thoughts)}
    place = len(blocks)
    blocks += [{"type": "text", "text": "".join(pieces)}, *uses]
    whole: dict[str, Any] = {
        "id": "msg_local",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage,
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
        *(_thought(thoughts) if thoughts else ()),
        {
            "type": "content_block_start",
            "index": place,
            "content_block": {"type": "text", "text": ""},
        },
        {"type": "ping"},
        *(_delta(place, type="text_delta", text=piece) for piece in pieces),
        {"type": "content_block_stop", "index": place},
        *(step for n, use in enumerate(uses, place + 1) for step in _used(n, use)),
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop, "stop_sequence": None},
            "usage": {name: count for name, count in usage.items() if name != "input_tokens"},
        },
        {"type": "message_stop"},
    ]
    events: list[Event] = [(step["type"], step) for step in steps]
    return Answer(events, read, wrote)


def _delta(index: int, **delta: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _thought(thoughts: list[str]) -> list[dict[str, Any]]:
    """Return the events of the block of thinking: its signature comes last."""
    empty = {"type": "thinking", "thinking": "", "signature": ""}
    return [
        {"type": "content_block_start", "index": 0, "content_block": empty},
        *(_delta(0, type="thinking_delta", thinking=thought) for thought in thoughts),
        _delta(0, type="signature_delta", signature=SIGNATURE),
        {"type": "content_block_stop", "index": 0},
    ]


def _check_thinking(content: Any) -> None:
    """Refuse thinking that is sent back in another form than it came, as Anthropic does."""
    blocks = cast("list[Mapping[str, Any]]", content) if isinstance(content, list) else []
    for block in blocks:
        if block.get("type") == "thinking" and (block.get("thinking"), block.get("signature")) != (
            THOUGHTS,
            SIGNATURE,
        ):
            raise BadRequest("`thinking` blocks cannot be modified.")


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
