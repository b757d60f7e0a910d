"""A `GenerateContentResponse`: the parts of its first candidate, why the model stopped, and what it used."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from ember.models import Call, Completion, Message, TokenLogprob, ToolCall, Usage, errors
from ember.models.turns import made_id, parsed_arguments
from ember.models.wire import Fields, malformed, mapping, number, sequence, text, text_or_none, tokens

from ._faults import raise_error_in

FORMAT: Final = "google"
"""The name of this format in `Message.opaque`."""

_REASONS: Final[Mapping[str, str]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "ESCALATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}
# What an enumeration says that has not been set.
_UNSET: Final = ("", "FINISH_REASON_UNSPECIFIED")


def completion(call: Call, body: Fields) -> Completion:
    """Return the answer in a whole response. Raises `InvalidResponse` if it is none, `ContentFilterError` if barred."""
    candidate = candidate_in(body)
    if candidate is None:
        raise malformed(body, "candidates", "a list with an answer in it")
    if call.n is None:
        return _answer(call, body, candidate)
    several = tuple(_answer(call, body, each) for each in sequence(body, "candidates"))
    return replace(_answer(call, body, candidate), candidates=several)


def _answer(call: Call, body: Fields, candidate: Fields) -> Completion:
    parts = parts_of(candidate)
    said, calls = said_in(parts), tool_calls_in(call, parts)
    reason = finish_reason(stop_word(candidate), bool(calls))
    # No content at all is an answer only where something else explains it.
    if reason is None and not said and not calls:
        raise malformed(candidate, "content", "an answer")
    return Completion(
        text=said,
        model=text_or_none(body, "modelVersion") or call.model,
        finish_reason=reason,
        usage=usage_of(body.get("usageMetadata")),
        request_id=text_or_none(body, "responseId"),
        tool_calls=calls,
        raw=body,
        reasoning=thoughts_in(parts) or None,
        opaque=kept(parts),
        logprobs=None if call.logprobs is None else logprobs_of(candidate),
    )


def candidate_in(body: Fields) -> Fields | None:
    """Return the first candidate, None if there is none. Raises the error that stands in its place."""
    raise_error_in(body)
    candidates: Sequence[Fields] = () if body.get("candidates") is None else sequence(body, "candidates")
    # Where several were asked for by `extra`, a stream tells them in turn; those after the first are only in `raw`.
    for candidate in candidates:
        if candidate.get("index", 0) == 0:
            return candidate
    if not candidates and body.get("promptFeedback") is not None:
        feedback = mapping(body, "promptFeedback")
        if (why := text_or_none(feedback, "blockReason")) is not None:
            failure = errors.ContentFilterError(f"the prompt was blocked: {why[:200]}.")
            failure.request_id = text_or_none(body, "responseId")
            if body.get("usageMetadata") is not None:
                failure.usage = usage_of(body["usageMetadata"])
            raise failure
    return None


def logprobs_of(candidate: Fields) -> tuple[TokenLogprob, ...] | None:
    """Return how likely the tokens of a candidate were, None if the server does not say."""
    if candidate.get("logprobsResult") is None:
        return None
    told = mapping(candidate, "logprobsResult")
    chosen: Sequence[Fields] = (
        () if told.get("chosenCandidates") is None else sequence(told, "chosenCandidates")
    )
    top: Sequence[Fields] = () if told.get("topCandidates") is None else sequence(told, "topCandidates")
    likeliest = [
        tuple(map(_token, sequence(each, "candidates"))) if each.get("candidates") else () for each in top
    ]
    return tuple(
        replace(_token(each), top=likeliest[place] if place < len(likeliest) else ())
        for place, each in enumerate(chosen)
    )


def _token(fields: Fields) -> TokenLogprob:
    # Protocol buffers leave a zero out.
    likely = number(fields, "logProbability") if fields.get("logProbability") is not None else 0.0
    return TokenLogprob(text_or_none(fields, "token") or "", likely)


def parts_of(candidate: Fields) -> Sequence[Fields]:
    """Return a candidate's parts: text, thoughts, calls of functions; others are code that Google ran, and media."""
    content: Fields = {} if candidate.get("content") is None else mapping(candidate, "content")
    return () if content.get("parts") is None else sequence(content, "parts")


def said_in(parts: Sequence[Fields]) -> str:
    """Return the text that the parts say."""
    return "".join(text(part, "text") for part in parts if "text" in part and not is_thought(part))


def thoughts_in(parts: Sequence[Fields]) -> str:
    """Return what the parts tell of the model's thinking."""
    return "".join(text(part, "text") for part in parts if "text" in part and is_thought(part))


def is_thought(part: Fields) -> bool:
    """Whether a part is the model's thinking, or a summary of it."""
    return part.get("thought") is True


def tool_calls_in(call: Call, parts: Sequence[Fields], before: int = 0) -> tuple[ToolCall, ...]:
    """Return the functions that the parts call, after `before` others."""
    found = (mapping(part, "functionCall") for part in parts if "functionCall" in part)
    return tuple(_tool_call(call, fields, number) for number, fields in enumerate(found, before))


def kept(parts: Sequence[Fields]) -> Mapping[str, Any] | None:
    """Return what is to be sent back with the turn: parts that are signed, each where it was."""
    return {FORMAT: list(parts)} if any("thoughtSignature" in part for part in parts) else None


def as_it_came(call: Call, message: Message) -> dict[str, Any] | None:
    """Return the content that a turn came as, if it still says the same; None if it is to be written anew."""
    parts: Any = (message.opaque or {}).get(FORMAT)
    if not parts or said_in(parts) != message.content:
        return None
    same = [(each.name, parsed_arguments(each)) for each in tool_calls_in(call, parts)] == [
        (each.name, parsed_arguments(each)) for each in message.tool_calls
    ]
    return {"parts": list(parts), "role": "model"} if same else None


def stop_word(candidate: Fields) -> str | None:
    """Return the API's word for why the model stopped, None if it has not."""
    word = text_or_none(candidate, "finishReason")
    return None if word in _UNSET else word


def finish_reason(word: str | None, calls: bool = False) -> str | None:
    """Return a finish reason in the words that all providers share, or as it is if there is none.

    A model that calls functions has simply stopped, in Google's words.

    >>> finish_reason("STOP"), finish_reason("STOP", calls=True), finish_reason("LANGUAGE"), finish_reason(None)
    ('stop', 'tool_calls', 'LANGUAGE', None)
    """
    if word == "STOP" and calls:
        return "tool_calls"
    return None if word is None else _REASONS.get(word, word)


def usage_of(usage: object) -> Usage:
    """Return the tokens in a `usageMetadata` object.

    Google counts the results of tools it ran beside the prompt, and thoughts beside the candidates; Ember's
    `input_tokens` and `output_tokens` are all of them. A count of zero is left out of the object: an absent one is
    zero where the total says so, and unknown elsewhere.

    >>> usage_of({"promptTokenCount": 5, "candidatesTokenCount": 7, "thoughtsTokenCount": 20}).output_tokens
    27
    """
    fields: Fields = cast("Fields", usage) if isinstance(usage, dict) else {}
    prompt, made = tokens(fields, "promptTokenCount"), tokens(fields, "candidatesTokenCount")
    tools, thoughts = _part(fields, "toolUsePromptTokenCount"), _part(fields, "thoughtsTokenCount")
    total = tokens(fields, "totalTokenCount")
    if fields.get("candidatesTokenCount") is None and None not in (prompt, tools, thoughts, total):
        made = 0 if total == (prompt or 0) + (tools or 0) + (thoughts or 0) else None
    read = None if prompt is None or tools is None else prompt + tools
    wrote = None if made is None or thoughts is None else made + thoughts
    return Usage(
        input_tokens=read,
        output_tokens=wrote,
        cached_input_tokens=tokens(fields, "cachedContentTokenCount", of=read),
        reasoning_tokens=tokens(fields, "thoughtsTokenCount", of=wrote),
    )


def _part(fields: Fields, name: str) -> int | None:
    """Return a count that is there only if it is not zero."""
    return 0 if fields.get(name) is None else tokens(fields, name)


def _tool_call(call: Call, fields: Fields, number: int) -> ToolCall:
    """Return the call of a function; its arguments as JSON text, since the API sends them parsed."""
    arguments: Any = fields.get("args")
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise malformed(fields, "args", "an object")
    told = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
    id = text_or_none(fields, "id") or made_id(call, number)
    return ToolCall(id, text(fields, "name"), told)
