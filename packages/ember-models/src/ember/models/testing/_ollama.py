"""Ollama's dialect: chat and embeddings by its own API, and what it has pulled. Streams are lines of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._attached import images_of
from ._dialect import (
    THOUGHTS,
    Answer,
    Dialect,
    Say,
    calls_in,
    count,
    cut,
    last_user_text,
    likelihoods,
    required,
    words,
)
from ._frames import dumped
from ._openai import vector
from ._reply import Event

_CREATED = "2026-01-01T00:00:00Z"
_STREAM = "application/x-ndjson"
MODELS = ("local-small:latest", "local-large:7b")
"""What a server says that it serves."""


def chat(asked: Mapping[str, Any], say: Say) -> Answer:
    """Answer `POST .../api/chat`; streamed unless told not to, as Ollama does."""
    model, messages = required(asked, "model"), required(asked, "messages")
    options: Mapping[str, Any] = asked.get("options") or {}
    said = say(last_user_text(messages))
    pieces, short = cut(said, options.get("num_predict"))
    calls = [{"function": {"name": name, "arguments": dict(arguments)}} for name, arguments in calls_in(said)]
    thoughts = words(THOUGHTS) if asked.get("think") else []
    read = sum(count(message["content"]) + images_of(message) for message in messages)
    wrote = len(pieces) + len(calls) + len(thoughts)
    part = {"model": model, "created_at": _CREATED}
    end = {
        "done": True,
        "done_reason": "length" if short else "stop",
        "total_duration": 5_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": read,
        "prompt_eval_duration": 1_000_000,
        "eval_count": wrote,
        "eval_duration": 3_000_000,
    }
    if asked.get("stream") is False:
        thought = {"thinking": THOUGHTS} if thoughts else {}
        whole = {**part, "message": _said("".join(pieces), calls) | thought, **end}
        return Answer(whole | _likely(asked, pieces), read, wrote)
    messages = [_said("") | {"thinking": thought} for thought in thoughts]
    messages += [*map(_said, pieces), *([_said("", calls)] if calls else ())]
    lines = [
        {**part, "message": message, "done": False} | _likely(asked, [message["content"]])
        for message in messages
    ]
    events: list[Event] = [ndjson(line) for line in (*lines, {**part, "message": _said(""), **end})]
    return Answer(events, read, wrote)


def _likely(asked: Mapping[str, Any], pieces: list[str]) -> dict[str, Any]:
    if not asked.get("logprobs") or not "".join(pieces):
        return {}
    return {"logprobs": likelihoods(pieces, asked.get("top_logprobs") or 0)}


def _said(text: str, calls: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    return {**message, "tool_calls": calls} if calls else message


def ndjson(value: Mapping[str, Any]) -> bytes:
    """Return one line of a stream."""
    return dumped(value).encode() + b"\n"


def embed(asked: Mapping[str, Any], say: Say) -> Answer:
    """Answer `POST .../api/embed`: the same text has the same vector as in OpenAI's dialect."""
    model, given = required(asked, "model"), required(asked, "input")
    texts = [given] if isinstance(given, str) else given
    read = sum(count(str(text)) for text in texts)
    vectors = [vector(str(text), asked.get("dimensions") or 8) for text in texts]
    return Answer({"model": model, "embeddings": vectors, "prompt_eval_count": read}, read, 0)


def tags(asked: Mapping[str, Any], say: Say) -> Answer:
    """Answer `GET .../api/tags`."""
    return Answer({"models": [{"name": name, "model": name, "size": 1_000} for name in MODELS]}, 0, 0)


def error(status: int, message: str) -> dict[str, Any]:
    """Return the body of an error, as Ollama words it."""
    return {"error": message}


CHAT = Dialect(chat, error, "x-request-id", _STREAM)
EMBED = Dialect(embed, error, "x-request-id")
TAGS = Dialect(tags, error, "x-request-id")
