"""Ollama's chat format: https://docs.ollama.com/api/chat. An answer is whole when it says `done`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

from ember.models import (
    Call,
    Completion,
    Endpoint,
    File,
    Image,
    Piece,
    ReasoningDelta,
    ServerEvent,
    TokenLogprob,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
    errors,
)
from ember.models.chat_completions import token_logprobs
from ember.models.schemas import wanted_schema
from ember.models.turns import given_id, made_id, parsed_arguments, tool_name
from ember.models.wire import (
    Fields,
    event_fields,
    incomplete,
    malformed,
    mapping,
    sequence,
    shown,
    stream_error,
    text,
    text_or_none,
    tokens,
)

_FORMAT: Final = "ollama"
"""The name of this format in `Message.opaque`."""


def asked(call: Call, endpoint: Endpoint) -> Fields:
    """Return the JSON that asks for `call`."""
    messages = [_turn(call, position) for position in range(len(call.messages))]
    if call.system is not None:
        messages.insert(0, {"role": "system", "content": call.system})
    sampling = {
        "temperature": call.temperature,
        "top_p": call.top_p,
        "num_predict": call.max_tokens,
        "stop": list(call.stop) or None,
        "seed": call.seed,
        "frequency_penalty": call.frequency_penalty,
        "presence_penalty": call.presence_penalty,
    }
    # In the order of the official client, so that the bytes are the same as well.
    body: dict[str, Any] = {"model": call.model, "stream": call.stream}
    settings = options(endpoint, sampling, call.extra)
    if "options" in settings:
        body["options"] = settings.pop("options")
    schema = wanted_schema(call)
    if schema is not None:
        body["format"] = schema
    if call.reasoning is not None:
        body["think"] = _think(call)
    if call.logprobs is not None:
        body |= {"logprobs": True} | ({"top_logprobs": call.logprobs} if call.logprobs else {})
    if "keep_alive" in settings:
        body["keep_alive"] = settings.pop("keep_alive")
    body["messages"] = messages
    if call.tools:
        body["tools"] = [_tool(tool) for tool in call.tools]
    return body | settings


def _think(call: Call) -> bool | str:
    """Return the request's `think`: gpt-oss takes an effort, and cannot be told not to think; others the reverse."""
    if isinstance(call.reasoning, int) and call.reasoning:
        raise errors.UnsupportedError(
            'Ollama takes reasoning= as an effort ("low", "medium", "high"), not as a number of tokens.',
            provider="ollama",
            model=call.model,
        )
    if call.reasoning in ("none", 0):
        return False
    return str(call.reasoning) if "gpt-oss" in call.model else True


def _turn(call: Call, position: int) -> dict[str, Any]:
    message = call.messages[position]
    turn: dict[str, Any] = {"role": message.role, "content": message.text}
    turn |= (message.opaque or {}).get(_FORMAT) or {}
    if not isinstance(message.content, str) and (
        images := [part for part in message.content if not isinstance(part, str)]
    ):
        turn["images"] = [_image(part) for part in images]
    if message.tool_calls:
        turn["tool_calls"] = [_called(each) for each in message.tool_calls]
    if message.role == "tool":
        turn["tool_name"] = tool_name(call, position)
        if (id := given_id(message.tool_call_id)) is not None:
            turn["tool_call_id"] = id
    return turn


def _called(call: ToolCall) -> dict[str, Any]:
    id = given_id(call.id)  # which older servers do not give
    known = {} if id is None else {"id": id}
    return {**known, "function": {"name": call.name, "arguments": parsed_arguments(call)}}


def _tool(tool: Tool) -> dict[str, Any]:
    said = {"description": tool.description} if tool.description else {}
    return {"type": "function", "function": {"name": tool.name, **said, "parameters": tool.schema}}


def _image(part: Image | File) -> str:
    if part.data is None:
        raise errors.UnsupportedError(
            "Ollama takes no URL of an image. Give its bytes or its path: Image(...) reads it."
        )
    return part.base64


def options(endpoint: Endpoint, sampling: Fields, extra: Fields) -> dict[str, Any]:
    """Return `extra` with the model options of configuration, parameters and `extra` in one; the last goes first."""
    merged: dict[str, Any] = {}
    for given in (endpoint.options.get("options"), sampling, extra.get("options")):
        if isinstance(given, Mapping):
            named = cast("Mapping[str, Any]", given)
            merged |= {name: value for name, value in named.items() if value is not None}
    settings: dict[str, Any] = {"options": merged} if merged else {}
    if (keep := endpoint.options.get("keep_alive")) is not None:
        settings["keep_alive"] = keep
    return settings | {name: value for name, value in extra.items() if name != "options"}


def completion(call: Call, body: Fields) -> Completion:
    """Return the answer that `body` is. Raises `InvalidResponse` if it is none, or not a whole one."""
    message = mapping(body, "message")
    whole = text(message, "content")
    if body.get("done") is not True:
        raise malformed(body, "done", "true: the answer is not whole")
    thoughts = text_or_none(message, "thinking") or ""
    answer = _answer(call, body, whole, _tool_calls(call, message, 0), thoughts)
    return replace(answer, logprobs=_likely(call, body))


def _answer(call: Call, last: Fields, whole: str, calls: tuple[ToolCall, ...], thoughts: str) -> Completion:
    """Return the answer `whole`, with what the `last` object says of it."""
    reason = text_or_none(last, "done_reason")
    if calls and reason in (None, "stop"):
        reason = "tool_calls"  # Ollama has no word for it
    return Completion(
        text=whole,
        model=text_or_none(last, "model") or call.model,
        finish_reason=reason,
        usage=Usage(
            # A prompt that the server still had in memory is not counted by older versions: not known then.
            input_tokens=tokens(last, "prompt_eval_count"),
            output_tokens=tokens(last, "eval_count"),
        ),
        tool_calls=calls,
        raw=dict(last),
        reasoning=thoughts or None,
        # Models that call tools are to see again why they did.
        opaque={_FORMAT: {"thinking": thoughts}} if thoughts and calls else None,
    )


def _likely(call: Call, body: Fields) -> tuple[TokenLogprob, ...] | None:
    if call.logprobs is None or not body.get("logprobs"):
        return None
    return token_logprobs(sequence(body, "logprobs"))


class ChatStream:
    """One stream: an object for each piece, the last of which is `done` and has the counts."""

    def __init__(self, call: Call) -> None:
        self.done = False
        self._call = call
        self._text: list[str] = []
        self._thoughts: list[str] = []
        self._likely: tuple[TokenLogprob, ...] | None = None
        self._calls: tuple[ToolCall, ...] = ()
        self._last: Fields = {}

    def feed(self, event: ServerEvent) -> tuple[Piece, ...]:
        body = event_fields(event)
        raise_error_in(body)
        message = mapping(body, "message")
        added = text_or_none(message, "content") or ""
        self._text.append(added)
        if self._call.logprobs is not None and (likely := _likely(self._call, body)) is not None:
            self._likely = (self._likely or ()) + likely
        if body.get("done") is True:
            self.done, self._last = True, body
        pieces: tuple[Piece, ...] = (added,) if added else ()
        if thought := text_or_none(message, "thinking"):
            self._thoughts.append(thought)
            pieces = (ReasoningDelta(thought), *pieces)
        for call in _tool_calls(self._call, message, len(self._calls)):  # each comes whole
            pieces += (ToolCallDelta(len(self._calls), call.id, call.name, call.text),)
            self._calls += (call,)
        return pieces

    def finish(self) -> Completion:
        whole = "".join(self._text)
        if not self.done:
            raise incomplete(whole)
        answer = _answer(self._call, self._last, whole, self._calls, "".join(self._thoughts))
        return replace(answer, logprobs=self._likely)


def raise_error_in(body: Fields) -> None:
    """Raise the error that `body` reports: Ollama has told its status 200 by the time a model fails."""
    error = body.get("error")
    if error:
        raise stream_error(error if isinstance(error, str) else f"the server reported {shown(error)}", "")


def _tool_calls(call: Call, message: Fields, before: int) -> tuple[ToolCall, ...]:
    """Return the tools that a message calls, of which `before` were called already."""
    if message.get("tool_calls") is None:
        return ()
    called = sequence(message, "tool_calls")
    return tuple(_tool_call(call, fields, before + number) for number, fields in enumerate(called))


def _tool_call(call: Call, fields: Fields, number: int) -> ToolCall:
    function = mapping(fields, "function")
    # Arguments come parsed here; everywhere else they are the JSON text.
    arguments = json.dumps(mapping(function, "arguments"), ensure_ascii=False)
    id = text_or_none(fields, "id") or made_id(call, number)
    return ToolCall(id, text(function, "name"), arguments)
