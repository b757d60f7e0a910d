"""OpenAI's dialects: chat completions, Responses, embeddings."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Mapping
from typing import Any

from ._attached import tokens_of
from ._dialect import (
    SIGNATURE,
    THOUGHTS,
    Answer,
    Dialect,
    Say,
    as_json,
    calls_in,
    count,
    cut,
    last_user_text,
    likelihoods,
    required,
    words,
)
from ._reply import Event

_CREATED = 1_700_000_000


def chat_completions(asked: Mapping[str, Any], say: Say) -> Answer:
    """Answer `POST .../chat/completions`."""
    model, messages = required(asked, "model"), required(asked, "messages")
    limit = asked.get("max_completion_tokens") or asked.get("max_tokens")
    said = say(last_user_text(messages))
    pieces, short = cut(said, limit)
    calls: list[dict[str, Any]] = [
        {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": as_json(arguments)}}
        for n, (name, arguments) in enumerate(calls_in(said))
    ]
    thoughts = words(THOUGHTS) if asked.get("reasoning_effort") not in (None, "none") else []
    read = sum(tokens_of(message.get("content")) for message in messages)
    wrote = len(pieces) + len(calls) + len(thoughts)
    several: int = asked.get("n") or 1
    wrote *= several
    usage: dict[str, Any] = {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote}
    if thoughts:
        usage["completion_tokens_details"] = {"reasoning_tokens": len(thoughts)}
    finish = "length" if short else "tool_calls" if calls else "stop"
    top: int = asked.get("top_logprobs") or 0
    whole = {"id": "chatcmpl-local", "object": "chat.completion", "created": _CREATED, "model": model}
    if not asked.get("stream"):
        text = "".join(pieces)
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if thoughts:
            message["reasoning_content"] = THOUGHTS
        if calls:
            message |= {"content": text or None, "tool_calls": calls}
        likely = {"content": likelihoods(pieces, top), "refusal": None} if asked.get("logprobs") else None
        choices = [
            {"index": index, "message": message, "logprobs": likely, "finish_reason": finish}
            for index in range(several)
        ]
        return Answer({**whole, "choices": choices, "usage": usage}, read, wrote)
    part = {**whole, "object": "chat.completion.chunk"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += ({"reasoning_content": thought} for thought in thoughts)
    deltas += ({"content": piece} for piece in pieces)
    for n, call in enumerate(calls):
        function = call["function"]
        begun = {**call, "index": n, "function": {**function, "arguments": ""}}
        written = {"index": n, "function": {"arguments": function["arguments"]}}
        deltas += ({"tool_calls": [part]} for part in (begun, written))
    deltas.append({})
    ends = [None] * (len(deltas) - 1) + [finish]
    events: list[Event] = []
    for delta, end in zip(deltas, ends):
        said_now = [delta["content"]] if delta.get("content") else []
        likely = {"content": likelihoods(said_now, top)} if asked.get("logprobs") and said_now else None
        events.append(
            {**part, "choices": [{"index": 0, "delta": delta, "logprobs": likely, "finish_reason": end}]}
        )
    options: Mapping[str, Any] = asked.get("stream_options") or {}
    if options.get("include_usage"):
        events.append({**part, "choices": [], "usage": usage})
    return Answer([*events, "[DONE]"], read, wrote)


def responses(asked: Mapping[str, Any], say: Say) -> Answer:
    """Answer `POST .../responses`."""
    model, given = required(asked, "model"), required(asked, "input")
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else given
    said = say(last_user_text(messages))
    pieces, short = cut(said, asked.get("max_output_tokens"))
    read = sum(tokens_of(message.get("content")) for message in messages) + count(
        asked.get("instructions") or ""
    )
    settings: Mapping[str, Any] = asked.get("reasoning") or {}
    thoughts = words(THOUGHTS) if settings.get("effort") not in (None, "none") else []
    calls: list[dict[str, Any]] = [
        {
            "id": f"fc_{n}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{n}",
            "name": name,
            "arguments": as_json(arguments),
        }
        for n, (name, arguments) in enumerate(calls_in(said))
    ]
    wrote, text = len(pieces) + len(calls) + len(thoughts), "".join(pieces)
    usage = {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": wrote,
        "output_tokens_details": {"reasoning_tokens": len(thoughts)},
        "total_tokens": read + wrote,
    }
    empty: dict[str, Any] = {
        "id": "resp_local",
        "object": "response",
        "created_at": _CREATED,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "metadata": {},
        "temperature": asked.get("temperature", 1.0),
        "top_p": asked.get("top_p", 1.0),
        "usage": None,
    }
    status = "incomplete" if short else "completed"
    told = "message.output_text.logprobs" in (asked.get("include") or ())
    likely = likelihoods(pieces, asked.get("top_logprobs") or 0) if told else []
    part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": [], "logprobs": likely}
    item: dict[str, Any] = {
        "id": "msg_local",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [part],
    }
    summary = [{"type": "summary_text", "text": THOUGHTS}] if settings.get("summary") else []
    thinking: dict[str, Any] = {
        "id": "rs_local",
        "type": "reasoning",
        "summary": summary,
        "encrypted_content": SIGNATURE,
    }
    why = {"reason": "max_output_tokens"} if short else None
    whole: dict[str, Any] = {
        **empty,
        "status": status,
        "incomplete_details": why,
        "output": [thinking, item, *calls] if thoughts else [item, *calls],
        "usage": usage,
    }
    if not asked.get("stream"):
        return Answer(whole, read, wrote)
    place = 1 if thoughts else 0
    at: dict[str, Any] = {"item_id": "msg_local", "output_index": place, "content_index": 0}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": empty}),
        ("response.in_progress", {"response": empty}),
        *(_reasoned(thinking) if thoughts else ()),
        (
            "response.output_item.added",
            {"output_index": place, "item": {**item, "status": "in_progress", "content": []}},
        ),
        ("response.content_part.added", {**at, "part": {**part, "text": ""}}),
        *(("response.output_text.delta", {**at, "delta": piece, "logprobs": []}) for piece in pieces),
        ("response.output_text.done", {**at, "text": text, "logprobs": []}),
        ("response.content_part.done", {**at, "part": part}),
        ("response.output_item.done", {"output_index": place, "item": item}),
        *(step for n, call in enumerate(calls, place + 1) for step in _called(n, call)),
        (f"response.{status}", {"response": whole}),
    ]
    events: list[Event] = [
        (name, {"type": name, "sequence_number": number, **data}) for number, (name, data) in enumerate(steps)
    ]
    return Answer(events, read, wrote)


def _reasoned(item: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the events of an item of reasoning, with its summary if it has one."""
    steps: list[tuple[str, dict[str, Any]]] = [
        ("response.output_item.added", {"output_index": 0, "item": {**item, "summary": []}})
    ]
    at: dict[str, Any] = {"item_id": item["id"], "output_index": 0, "summary_index": 0}
    for part in item["summary"]:
        name = "response.reasoning_summary"
        steps += [
            (f"{name}_part.added", {**at, "part": {**part, "text": ""}}),
            *((f"{name}_text.delta", {**at, "delta": piece}) for piece in words(part["text"])),
            (f"{name}_text.done", {**at, "text": part["text"]}),
            (f"{name}_part.done", {**at, "part": part}),
        ]
    return [*steps, ("response.output_item.done", {"output_index": 0, "item": item})]


def _called(index: int, call: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the events that tell of one tool's call."""
    at = {"item_id": call["id"], "output_index": index}
    begun = {**call, "status": "in_progress", "arguments": ""}
    return [
        ("response.output_item.added", {"output_index": index, "item": begun}),
        ("response.function_call_arguments.delta", {**at, "delta": call["arguments"]}),
        ("response.function_call_arguments.done", {**at, "arguments": call["arguments"]}),
        ("response.output_item.done", {"output_index": index, "item": call}),
    ]


def embeddings(asked: Mapping[str, Any], say: Say) -> Answer:
    """Answer `POST .../embeddings`: the same text always has the same vector, of length 1."""
    model, given = required(asked, "model"), required(asked, "input")
    texts = [given] if isinstance(given, str) else given
    width, packed = asked.get("dimensions") or 8, asked.get("encoding_format") == "base64"
    data: list[dict[str, Any]] = []
    for index, text in enumerate(texts):
        found: Any = vector(str(text), width)
        if packed:
            found = base64.b64encode(struct.pack(f"<{width}f", *found)).decode()
        data.append({"object": "embedding", "index": index, "embedding": found})
    read = sum(count(str(text)) for text in texts)
    usage = {"prompt_tokens": read, "total_tokens": read}
    return Answer({"object": "list", "data": data, "model": model, "usage": usage}, read, 0)


def vector(text: str, width: int = 8) -> list[float]:
    """Return the vector this server gives `text`: `width` numbers, of length 1.

    >>> vector("cat") == vector("cat") != vector("dog")
    True
    """
    raw = hashlib.shake_128(text.encode()).digest(2 * width)
    numbers = [value / 32_768 for value in struct.unpack(f"<{width}h", raw)]
    length = sum(number * number for number in numbers) ** 0.5 or 1.0
    return [number / length for number in numbers]


_TYPES = {400: "invalid_request_error", 401: "invalid_request_error", 429: "rate_limit_error"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


def error(status: int, message: str) -> dict[str, Any]:
    """Return the body of an error, as OpenAI words it."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": _CODES.get(status)}}


def models(asked: Mapping[str, Any], say: Say) -> Answer:
    """Answer `GET .../models`."""
    served = [{"id": name, "object": "model", "created": _CREATED, "owned_by": "local"} for name in MODELS]
    return Answer({"object": "list", "data": served}, 0, 0)


MODELS = ("local-small", "local-large")
"""What the server says that it serves."""

CHAT_COMPLETIONS = Dialect(chat_completions, error, "x-request-id")
RESPONSES = Dialect(responses, error, "x-request-id")
EMBEDDINGS = Dialect(embeddings, error, "x-request-id")
MODELS_LIST = Dialect(models, error, "x-request-id")
