"""The chat completions format: OpenAI's older API, and the one that every compatible server speaks.

`ChatCompletions` is pure: calls to requests, replies and stream events to answers. Providers of compatible servers hold
one and forward to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, cast

from ember.core.events import Usage

from . import errors
from ._call import Call, EmbedCall, Message, Tool, ToolCall
from ._deltas import Piece, ReasoningDelta, ToolCallDelta
from ._likelihood import TokenLogprob
from ._parts import Image, Part
from ._provider import Completion, Endpoint, HttpReply, HttpRequest, StreamDecoder, Vectors
from ._sse import ServerEvent
from ._vectors import vectors_in as vectors_in
from .schemas import schema_name, strict_schema, tool_schema, wanted_schema
from .turns import made_id
from .wire import (
    Fields,
    event_fields,
    get_request,
    incomplete,
    json_request,
    malformed,
    mapping,
    number,
    reply_fields,
    sequence,
    shown,
    stream_error,
    text,
    text_or_none,
    tokens,
)

_END: Final = "[DONE]"
_FORMAT: Final = "chat"
"""The name of this format in `Message.opaque`."""
_THOUGHTS: Final = ("reasoning_content", "reasoning")
_DETAILS: Final = "reasoning_details"
_PLAIN: Final = frozenset({"content", "role", "refusal"})
"""The fields of a delta that adds nothing but text."""


class ChatCompletions:
    """Encodes calls as chat completions and decodes what comes back.

    `max_tokens_field` is the name the server has for the limit: OpenAI's reasoning models accept only
    "max_completion_tokens", older servers only "max_tokens". `has_cache_key` says that the server knows OpenAI's
    "prompt_cache_key".

    A refusal is the answer's text, with finish reason "content_filter". Reasoning is read from the fields that servers
    put it in, `reasoning_content` and `reasoning`, and sent back with the turns that need it.

    >>> from ember.models import Call, Endpoint, HttpReply, Message
    >>> chat, call = ChatCompletions(), Call("m", (Message("user", "Hi"),), temperature=0.5)
    >>> chat.encode(call, Endpoint("http://127.0.0.1:8080/v1")).body
    b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"temperature":0.5}'
    >>> reply = b'{"model":"m-1","choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}'
    >>> chat.decode(call, HttpReply(200, {}, reply)).text
    'Hello'
    """

    def __init__(
        self,
        max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        *,
        has_cache_key: bool = False,
    ) -> None:
        self._max_tokens_field = max_tokens_field
        self._has_cache_key = has_cache_key

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        """Return the POST to `{base_url}/chat/completions` that asks for `call`."""
        messages = [_message(message) for message in call.messages]
        if call.system is not None:
            messages.insert(0, {"role": "system", "content": call.system})
        key = isinstance(call.cache_prompt, str)
        # In the order of the official SDK, so that the bytes are the same as well.
        body: dict[str, Any] = {
            "model": call.model,
            "stream": call.stream or None,
            "messages": messages,
            "frequency_penalty": call.frequency_penalty,
            "logprobs": None if call.logprobs is None else True,
            self._max_tokens_field: call.max_tokens,
            "n": call.n if call.n is not None and call.n > 1 else None,
            "presence_penalty": call.presence_penalty,
            "prompt_cache_key": call.cache_prompt if self._has_cache_key and key else None,
            "reasoning_effort": effort(call, "Chat completions"),
            "response_format": _response_format(call),
            "seed": call.seed,
            "stop": list(call.stop) or None,
            # Without this a stream ends without saying what it used.
            "stream_options": {"include_usage": True} if call.stream else None,
            "temperature": call.temperature,
            "tools": [_tool(tool) for tool in call.tools] or None,
            "top_logprobs": call.logprobs or None,
            "top_p": call.top_p,
        }
        given = {name: value for name, value in body.items() if value is not None}
        return json_request(f"{endpoint.base_url}/chat/completions", endpoint, given | dict(call.extra))

    def decode(self, call: Call, reply: HttpReply) -> Completion:
        """Return the answer in a whole reply. Raises `InvalidResponse` for anything that is not one."""
        body = reply_fields(reply)
        _raise_error_in(body)
        choices = sequence(body, "choices")
        if not choices:
            raise malformed(body, "choices", "a list with an answer in it")
        if call.n is None:
            return _completion(call, reply, body, choices[0])
        several = tuple(_completion(call, reply, body, choice) for choice in choices)
        return replace(several[0], candidates=several)

    def decoder(self, call: Call) -> StreamDecoder:
        """Return a decoder for one stream of `call`."""
        return _ChatStream(call)

    def encode_embed(self, call: EmbedCall, endpoint: Endpoint) -> HttpRequest:
        """Return the POST to `{base_url}/embeddings`. Vectors travel in base64: a quarter of the size."""
        body: dict[str, Any] = {"model": call.model, "input": list(call.texts)}
        if call.dimensions is not None:
            body["dimensions"] = call.dimensions
        body["encoding_format"] = "base64"
        return json_request(f"{endpoint.base_url}/embeddings", endpoint, body | dict(call.extra))

    def decode_embed(self, call: EmbedCall, reply: HttpReply) -> Vectors:
        """Return the vectors, in base64 or as lists of numbers. Raises `InvalidResponse` if not one for each text."""
        body = reply_fields(reply)
        _raise_error_in(body)
        usage = body.get("usage")
        used = tokens(usage, "prompt_tokens")
        return Vectors(
            vectors=vectors_in(sequence(body, "data"), len(call.texts)),
            model=text_or_none(body, "model") or call.model,
            # Embeddings have no output: with the input known, nothing is unknown.
            usage=Usage(input_tokens=used, output_tokens=None if used is None else 0),
            request_id=reply.headers.get("x-request-id"),
        )

    def encode_discover(self, endpoint: Endpoint) -> HttpRequest:
        """Return the GET of `{base_url}/models`."""
        return get_request(f"{endpoint.base_url}/models", endpoint)

    def decode_discover(self, reply: HttpReply) -> tuple[str, ...]:
        """Return the ids of the models in a reply. Raises `InvalidResponse` for anything that is not a list of them."""
        body = reply_fields(reply)
        _raise_error_in(body)
        return tuple(text(model, "id") for model in sequence(body, "data"))


def _completion(call: Call, reply: HttpReply, body: Fields, choice: Fields) -> Completion:
    """Return one of the answers in a reply."""
    message = mapping(choice, "message")
    thoughts = _thoughts(message)
    called = enumerate(_tool_fields(message))
    calls = tuple(_tool_call(call, fields, number) for number, fields in called)
    refusal = text_or_none(message, "refusal")
    reason = text_or_none(choice, "finish_reason")
    if refusal:
        reason = "content_filter"
    content = text_or_none(message, "content")
    # No text at all is an answer only where something else explains it.
    if content is None and not calls and reason not in ("content_filter", "length"):
        raise malformed(message, "content", "text")
    return Completion(
        text=(content or "") + (refusal or ""),
        model=text_or_none(body, "model") or call.model,
        finish_reason=reason,
        usage=chat_usage(body.get("usage")),
        request_id=reply.headers.get("x-request-id"),
        tool_calls=calls,
        raw=body,
        reasoning=thoughts.get(_field_of(thoughts)),
        opaque=_opaque(thoughts, message.get(_DETAILS), bool(calls)),
        logprobs=_logprobs_of(call, choice),
    )


def _logprobs_of(call: Call, choice: Fields) -> tuple[TokenLogprob, ...] | None:
    """Return how likely the tokens of an answer, or of a piece of one, were; None if that was not asked for or told."""
    if call.logprobs is None or choice.get("logprobs") is None:
        return None
    told = mapping(choice, "logprobs")
    return token_logprobs(sequence(told, "content")) if told.get("content") is not None else None


def token_logprobs(entries: Sequence[Fields]) -> tuple[TokenLogprob, ...]:
    """Return tokens as OpenAI's formats and Ollama's tell them. Raises `InvalidResponse` for what is no probability.

    >>> token_logprobs([{"token": "Hi", "logprob": -0.5, "top_logprobs": []}])
    (TokenLogprob(token='Hi', logprob=-0.5, top=()),)
    """
    return tuple(
        TokenLogprob(
            text(entry, "token"),
            number(entry, "logprob"),
            token_logprobs(sequence(entry, "top_logprobs")) if entry.get("top_logprobs") else (),
        )
        for entry in entries
    )


def chat_usage(usage: object) -> Usage:
    """Return the tokens in a chat completions `usage` object; None for every count that is absent or impossible."""
    fields: Fields = cast("Fields", usage) if isinstance(usage, dict) else {}
    used, made = tokens(fields, "prompt_tokens"), tokens(fields, "completion_tokens")
    inputs, outputs = fields.get("prompt_tokens_details"), fields.get("completion_tokens_details")
    return Usage(
        input_tokens=used,
        output_tokens=made,
        cached_input_tokens=tokens(inputs, "cached_tokens", of=used),
        cache_write_tokens=tokens(inputs, "cache_write_tokens", of=used),
        reasoning_tokens=tokens(outputs, "reasoning_tokens", of=made),
    )


class _ChatStream:
    """One stream: chunks of `choices[0].delta`, a chunk with the usage, then the end mark.

    The answer is whole once a finish reason came. The end mark alone proves nothing: proxies send it after an upstream
    that broke off.
    """

    def __init__(self, call: Call) -> None:
        self.done = False
        self._call = call
        self._model = call.model
        self._text: list[str] = []
        self._refused = False
        self._reason: str | None = None
        self._usage: object = None
        self._calls: dict[int, dict[str, str]] = {}
        self._thoughts: dict[str, list[str]] = {}
        self._likely: tuple[TokenLogprob, ...] | None = None
        self._details: list[Fields] = []

    def feed(self, event: ServerEvent) -> tuple[Piece, ...]:
        if event.data.startswith(_END):
            self.done = True
            return ()
        body = event_fields(event)
        _raise_error_in(body)
        if event.name == "error":
            raise stream_error(f"the stream failed: {shown(event.data)}", "")
        self._usage = body.get("usage") or self._usage
        self._model = text_or_none(body, "model") or self._model
        choices = sequence(body, "choices") if "choices" in body else ()
        for choice in choices:
            if choice.get("index", 0) == 0:
                return self._choice(choice)
        return ()

    def finish(self) -> Completion:
        whole = "".join(self._text)
        if self._reason is None:
            raise incomplete(whole)
        thoughts = {name: "".join(parts) for name, parts in self._thoughts.items()}
        return Completion(
            text=whole,
            model=self._model,
            finish_reason="content_filter" if self._refused else self._reason,
            usage=chat_usage(self._usage),
            tool_calls=tuple(
                ToolCall(call["id"] or made_id(self._call, number), call["name"], call["text"])
                for number, (_, call) in enumerate(sorted(self._calls.items()))
            ),
            reasoning=thoughts.get(_field_of(thoughts)),
            opaque=_opaque(thoughts, self._details, bool(self._calls)),
            logprobs=self._likely,
        )

    def _choice(self, choice: Fields) -> tuple[Piece, ...]:
        self._reason = text_or_none(choice, "finish_reason") or self._reason
        if self._call.logprobs is not None and (likely := _logprobs_of(self._call, choice)) is not None:
            self._likely = (self._likely or ()) + likely
        if choice.get("delta") is None:
            return ()
        delta = mapping(choice, "delta")
        refusal = text_or_none(delta, "refusal") or ""
        self._refused = self._refused or bool(refusal)
        added = (text_or_none(delta, "content") or "") + refusal
        if added:
            self._text.append(added)
        if delta.keys() <= _PLAIN:
            return (added,) if added else ()
        pieces: list[Piece] = []
        thoughts = _thoughts(delta)
        for name, words in thoughts.items():
            self._thoughts.setdefault(name, []).append(words)
        if thoughts:
            pieces.append(ReasoningDelta(thoughts[_field_of(thoughts)]))
        if isinstance(details := delta.get(_DETAILS), list):
            self._details += cast("list[Fields]", details)
        if added:
            pieces.append(added)
        pieces += [self._add_to_tool_call(part) for part in _tool_fields(delta)]
        return tuple(pieces)

    def _add_to_tool_call(self, part: Fields) -> ToolCallDelta:
        place = part.get("index", 0)
        if not isinstance(place, int):
            raise malformed(part, "index", "a number")
        call = self._calls.setdefault(place, {"id": "", "name": "", "text": ""})
        call["id"] = text_or_none(part, "id") or call["id"]
        added = ""
        if part.get("function") is not None:
            function = mapping(part, "function")
            call["name"] += text_or_none(function, "name") or ""
            added = text_or_none(function, "arguments") or ""
            call["text"] += added
        return ToolCallDelta(place, call["id"], call["name"], added)


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool" and message.tool_call_id is not None:
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.text}
    kept: Fields = (message.opaque or {}).get(_FORMAT) or {}
    if not message.tool_calls:
        content = message.content
        said = content if isinstance(content, str) else [_part(part) for part in content]
        return {"role": message.role, "content": said, **kept}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}
        for call in message.tool_calls
    ]
    return {"role": message.role, "content": message.text or None, "tool_calls": calls, **kept}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": {"url": part.data_url}}
    if part.data is None:
        raise errors.UnsupportedError(
            "chat completions take no URL of a file. Give its bytes or its path: File(...) reads it."
        )
    return {"type": "file", "file": {"filename": part.title, "file_data": part.data_url}}


def effort(call: Call, vendor: str) -> str | None:
    """Return the effort a call asks for. Raises `UnsupportedError` for a number of tokens."""
    if isinstance(call.reasoning, int):
        raise errors.UnsupportedError(
            f'{vendor} takes reasoning= as an effort ("low", "medium", "high"), not as a number of tokens.',
            model=call.model,
        )
    return call.reasoning


def _thoughts(message: Fields) -> dict[str, str]:
    """Return the reasoning in a message or a delta, by the name of its field."""
    found = ((name, message.get(name)) for name in _THOUGHTS)
    return {name: words for name, words in found if isinstance(words, str) and words}


def _field_of(thoughts: Mapping[str, str]) -> str:
    """Return the field to believe: some servers send the same reasoning under both names."""
    return next(iter(thoughts), "")


def _opaque(thoughts: Fields, details: object, called: bool) -> Mapping[str, Any] | None:
    """Return what is to be sent back with a turn.

    DeepSeek and others refuse a turn that called tools without its reasoning, and want none with any other. OpenRouter
    has signatures in `reasoning_details`, and wants those with every turn.
    """
    kept: dict[str, Any] = dict(thoughts) if called else {}
    if isinstance(details, list) and details:
        kept[_DETAILS] = details
    return {_FORMAT: kept} if kept else None


def _tool(tool: Tool) -> dict[str, Any]:
    schema, strict = tool_schema(tool)
    function: dict[str, Any] = {"name": tool.name, "strict": strict, "parameters": schema}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _response_format(call: Call) -> Mapping[str, Any] | None:
    schema = wanted_schema(call)
    if schema is None:
        return None
    strict, is_strict = strict_schema(schema)
    # False as well is said aloud: some compatible servers take an absent field for true.
    named = {"schema": strict, "name": schema_name(strict), "strict": is_strict}
    return {"type": "json_schema", "json_schema": named}


def _raise_error_in(body: Fields) -> None:
    """Raise the error that some servers report under status 200, or in the middle of a stream."""
    error: Any = body.get("error")
    if not error:
        return
    fields: Fields = cast("Fields", error) if isinstance(error, dict) else {"message": error}
    message, code = fields.get("message"), fields.get("code")
    raise stream_error(
        message if isinstance(message, str) else f"the server reported {shown(dict(fields))}",
        f"{fields.get('type') or ''} {code or ''}",
        code if isinstance(code, int) else None,
    )


def _tool_fields(message: Fields) -> tuple[Fields, ...]:
    return () if message.get("tool_calls") is None else tuple(sequence(message, "tool_calls"))


def _tool_call(call: Call, fields: Fields, number: int) -> ToolCall:
    """Return the call of a function, or of a tool that takes free text: its input is the arguments as written."""
    if fields.get("type") == "custom":
        custom = mapping(fields, "custom")
        name, arguments = text(custom, "name"), text(custom, "input")
    else:
        function = mapping(fields, "function")
        name, arguments = text(function, "name"), text(function, "arguments")
    # Some compatible servers give no ids; without them two results could not be told apart.
    return ToolCall(text_or_none(fields, "id") or made_id(call, number), name, arguments)
