"""Google's dialects: the Gemini API's content, whole and streamed, and embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ._attached import tokens_of
from ._dialect import (
    SIGNATURE,
    THOUGHTS,
    Answer,
    BadRequest,
    Dialect,
    Say,
    calls_in,
    count,
    cut,
    likelihoods,
    required,
    text_of,
    words,
)
from ._reply import Event


def generate(asked: Mapping[str, Any], say: Say) -> Answer:
    """Answer `POST .../models/NAME:generateContent`."""
    pieces, calls, short, read = _said(asked, say)
    thoughts = _thoughts(asked)
    parts = [_text_part("".join(pieces)), *calls] if pieces or not calls else calls
    if thoughts:
        signed = {**parts[0], "thoughtSignature": SIGNATURE}
        parts = [_thought_part(THOUGHTS), signed, *parts[1:]]
    config: Mapping[str, Any] = asked.get("generationConfig") or {}
    several: int = config.get("candidateCount") or 1
    made, thought = (len(pieces) + len(calls)) * several, len(thoughts) * several
    body = _response(parts, read, made, _why(short), thought)
    (first,) = body["candidates"]
    first |= _likely(config, pieces)
    body["candidates"] = [{**first, "index": index} for index in range(several)]
    return Answer(body, read, made + thought)


def stream(asked: Mapping[str, Any], say: Say) -> Answer:
    """Answer `POST .../models/NAME:streamGenerateContent?alt=sse`: the counts grow with every piece."""
    pieces, calls, short, read = _said(asked, say)
    thoughts = _thoughts(asked)
    parts = [*map(_text_part, pieces), *calls]
    last = len(parts)
    events: list[Event] = [
        _response([_thought_part(thought)], read, 0, None, made) for made, thought in enumerate(thoughts, 1)
    ]
    config: Mapping[str, Any] = asked.get("generationConfig") or {}
    for made, part in enumerate(parts, 1):
        body = _response([part], read, made, None, len(thoughts))
        body["candidates"][0] |= _likely(config, [part["text"]] if "text" in part else [])
        events.append(body)
    # The signature comes with the last part, which says nothing more.
    end = {"text": "", "thoughtSignature": SIGNATURE} if thoughts else _text_part("")
    return Answer(
        [*events, _response([end], read, last, _why(short), len(thoughts))], read, last + len(thoughts)
    )


def embed(asked: Mapping[str, Any], say: Say) -> Answer:
    """Answer `POST .../models/NAME:batchEmbedContents`: the same numbers for the same text, 8 or as many as asked."""
    requests: list[Mapping[str, Any]] = required(asked, "requests")
    texts = [_text(required(request, "content")) for request in requests]
    widths = [request.get("outputDimensionality") or 8 for request in requests]
    read = sum(map(count, texts))
    embeddings = [
        {"values": [byte / 255 for byte in hashlib.shake_128(text.encode()).digest(width)]}
        for text, width in zip(texts, widths)
    ]
    return Answer({"embeddings": embeddings, "usageMetadata": {"promptTokenCount": read}}, read, 0)


def models(asked: Mapping[str, Any], say: Say) -> Answer:
    """Answer `GET /v1beta/models`."""
    return Answer({"models": [{"name": f"models/{name}", "version": "1"} for name in MODELS]}, 0, 0)


def _said(asked: Mapping[str, Any], say: Say) -> tuple[list[str], list[dict[str, Any]], bool, int]:
    turns: list[Mapping[str, Any]] = required(asked, "contents")
    wanted: Mapping[str, Any] = asked.get("generationConfig") or {}
    texts = [_text(turn) for turn in turns]
    users = [text for text, turn in zip(texts, turns) if turn.get("role", "user") == "user"]
    said = say(users[-1] if users else "")
    pieces, short = cut(said, wanted.get("maxOutputTokens"))
    calls: list[dict[str, Any]] = [
        {"functionCall": {"name": name, "args": dict(arguments)}} for name, arguments in calls_in(said)
    ]
    read = sum(tokens_of(turn.get("parts")) for turn in turns) + count(
        _text(asked.get("systemInstruction") or {})
    )
    return pieces, calls, short, read


def _likely(config: Mapping[str, Any], pieces: list[str]) -> dict[str, Any]:
    if not config.get("responseLogprobs"):
        return {}
    told = likelihoods(pieces, config.get("logprobs") or 0)

    def token(each: Mapping[str, Any]) -> dict[str, Any]:
        return {"token": each["token"], "tokenId": 7, "logProbability": each["logprob"]}

    top = [{"candidates": [token(other) for other in each["top_logprobs"]]} for each in told]
    return {"logprobsResult": {"chosenCandidates": [token(each) for each in told], "topCandidates": top}}


def _thoughts(asked: Mapping[str, Any]) -> list[str]:
    config: Mapping[str, Any] = asked.get("generationConfig") or {}
    wanted: Mapping[str, Any] = config.get("thinkingConfig") or {}
    # The SDK writes these names with underscores; protocol buffers take both.
    shown = wanted.get("includeThoughts") or wanted.get("include_thoughts")
    return words(THOUGHTS) if shown and wanted.get("thinkingBudget") != 0 else []


def _text(content: Any) -> str:
    if not isinstance(content, Mapping):
        raise BadRequest("a content is an object with parts.")
    return text_of(content.get("parts"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


def _why(short: bool) -> str:
    return "MAX_TOKENS" if short else "STOP"


def _text_part(text: str) -> dict[str, Any]:
    return {"text": text}


def _thought_part(text: str) -> dict[str, Any]:
    return {"text": text, "thought": True}


def _response(
    parts: list[dict[str, Any]], read: int, made: int, why: str | None = None, thought: int = 0
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if why is not None:
        candidate["finishReason"] = why
    counts = {
        "promptTokenCount": read,
        "candidatesTokenCount": made,
        "thoughtsTokenCount": thought,
        "totalTokenCount": read + made + thought,
    }
    return {
        "candidates": [candidate],
        # Protocol buffers leave a zero out.
        "usageMetadata": {name: number for name, number in counts.items() if number},
        "responseId": "resp_local",
    }


_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def error(status: int, message: str) -> dict[str, Any]:
    """Return the body of an error, as Google words it."""
    return {"error": {"code": status, "message": message, "status": _STATUSES.get(status, "UNKNOWN")}}


GENERATE = Dialect(generate, error)
STREAM = Dialect(stream, error)
EMBED = Dialect(embed, error)
MODELS_LIST = Dialect(models, error)
MODELS = ("local-small", "local-large")
"""What the server says that it serves."""
