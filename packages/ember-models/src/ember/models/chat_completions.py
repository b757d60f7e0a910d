"""The chat completions format: OpenAI's older API, and the one that every compatible server speaks.

`ChatCompletions` is pure: calls to requests, replies and stream events to answers. Providers of compatible servers hold
one and forward to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, cast

from ember.core.events import Usage

from ._call import Call, EmbedCall, Message, Tool, ToolCall
from ._parts import Image, Part
from ._provider import Completion, Endpoint, HttpReply, HttpRequest, StreamDecoder, Vectors
from ._sse import ServerEvent
from ._vectors import vectors_in as vectors_in
from .errors import UnsupportedError
from .schemas import answer_text, schema_name, strict_schema, tool_schema, wanted_schema
from .wire import (
    Fields,
    event_fields,
    get_request,
    incomplete,
    json_request,
    malformed,
    mapping,
    reply_fields,
    sequence,
    shown,
    stream_error,
    text,
    text_or_none,
    tokens,
)

_END: Final = "[DONE]"


class ChatCompletions:
    """Encodes calls as chat completions and decodes what comes back.

    `max_tokens_field` is the name the server has for the limit: OpenAI's reasoning models accept only
    "max_completion_tokens", older servers only "max_tokens".

    A refusal is the answer's text, with finish reason "content_filter"; where JSON or a label was asked for, it raises
    `ContentFilterError`.

    >>> from ember.models import Call, Endpoint, HttpReply, Message
    >>> chat, call = ChatCompletions(), Call("m", (Message("user", "Hi"),), temperature=0.5)
    >>> chat.encode(call, Endpoint("http://127.0.0.1:8080/v1")).body
    b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"temperature":0.5}'
    >>> reply = b'{"model":"m-1","choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}'
    >>> chat.decode(call, HttpReply(200, {}, reply)).text
    'Hello'
    """

    def __init__(
        self, max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    ) -> None:
        self._max_tokens_field = max_tokens_field

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        """Return the POST to `{base_url}/chat/completions` that asks for `call`."""
        messages = [_message(message) for message in call.messages]
        if call.system is not None:
            messages.insert(0, {"role": "system", "content": call.system})
        # In the order of the official SDK, so that the bytes are the same as well.
        body: dict[str, Any] = {
            "model": call.model,
            "stream": call.stream or None,
            "messages": messages,
            "frequency_penalty": call.frequency_penalty,
            self._max_tokens_field: call.max_tokens,
            "presence_penalty": call.presence_penalty,
            "response_format": _response_format(call),
            "seed": call.seed,
            "stop": list(call.stop) or None,
            # Without this a stream ends without saying what it used.
            "stream_options": {"include_usage": True} if call.stream else None,
            "temperature": call.temperature,
            "tools": [_tool(tool) for tool in call.tools] or None,
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
        message = mapping(choices[0], "message")
        calls = tuple(map(_tool_call, _tool_fields(message)))
        refusal = text_or_none(message, "refusal")
        reason = text_or_none(choices[0], "finish_reason")
        if refusal:
            reason = "content_filter"
        content = text_or_none(message, "content")
        # No text at all is an answer only where something else explains it.
        if content is None and not calls and reason not in ("content_filter", "length"):
            raise malformed(message, "content", "text")
        return Completion(
            text=answer_text(call, (content or "") + (refusal or ""), reason),
            model=text_or_none(body, "model") or call.model,
            finish_reason=reason,
            usage=chat_usage(body.get("usage")),
            request_id=reply.headers.get("x-request-id"),
            tool_calls=calls,
            raw=body,
        )

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

    def feed(self, event: ServerEvent) -> str:
        if event.data.startswith(_END):
            self.done = True
            return ""
        body = event_fields(event)
        _raise_error_in(body)
        if event.name == "error":
            raise stream_error(f"the stream failed: {shown(event.data)}", "")
        self._usage = body.get("usage") or self._usage
        self._model = text_or_none(body, "model") or self._model
        choices = sequence(body, "choices") if "choices" in body else ()
        added = "".join(self._choice(choice) for choice in choices if choice.get("index", 0) == 0)
        if not self._call.choices:
            return added
        # A label is decided by its last character: it is told whole, or not at all.
        told = self._reason is not None and any(choice.get("finish_reason") for choice in choices)
        return answer_text(self._call, "".join(self._text), self._final_reason()) if told else ""

    def finish(self) -> Completion:
        whole, reason = "".join(self._text), self._final_reason()
        if self._reason is None:
            raise incomplete("" if self._call.choices else whole)
        return Completion(
            text=answer_text(self._call, whole, reason),
            model=self._model,
            finish_reason=reason,
            usage=chat_usage(self._usage),
            tool_calls=tuple(
                ToolCall(call["id"], call["name"], call["text"]) for _, call in sorted(self._calls.items())
            ),
        )

    def _final_reason(self) -> str | None:
        return "content_filter" if self._refused else self._reason

    def _choice(self, choice: Fields) -> str:
        self._reason = text_or_none(choice, "finish_reason") or self._reason
        if choice.get("delta") is None:
            return ""
        delta = mapping(choice, "delta")
        refusal = text_or_none(delta, "refusal") or ""
        self._refused = self._refused or bool(refusal)
        added = (text_or_none(delta, "content") or "") + refusal
        if added:
            self._text.append(added)
        for part in _tool_fields(delta):
            self._add_to_tool_call(part)
        return added

    def _add_to_tool_call(self, part: Fields) -> None:
        place = part.get("index", 0)
        if not isinstance(place, int):
            raise malformed(part, "index", "a number")
        call = self._calls.setdefault(place, {"id": "", "name": "", "text": ""})
        call["id"] = text_or_none(part, "id") or call["id"]
        if part.get("function") is not None:
            function = mapping(part, "function")
            call["name"] += text_or_none(function, "name") or ""
            call["text"] += text_or_none(function, "arguments") or ""


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool" and message.tool_call_id is not None:
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.text}
    if not message.tool_calls:
        content = message.content
        said = content if isinstance(content, str) else [_part(part) for part in content]
        return {"role": message.role, "content": said}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}
        for call in message.tool_calls
    ]
    return {"role": message.role, "content": message.text or None, "tool_calls": calls}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": {"url": part.data_url}}
    if part.data is None:
        raise UnsupportedError(
            "chat completions take no URL of a file. Give its bytes or its path: File(...) reads it."
        )
    return {"type": "file", "file": {"filename": part.title, "file_data": part.data_url}}


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


def _tool_call(fields: Fields) -> ToolCall:
    """Return the call of a function, or of a tool that takes free text: its input is the arguments as written."""
    if fields.get("type") == "custom":
        custom = mapping(fields, "custom")
        name, arguments = text(custom, "name"), text(custom, "input")
    else:
        function = mapping(fields, "function")
        name, arguments = text(function, "name"), text(function, "arguments")
    return ToolCall(text_or_none(fields, "id") or "", name, arguments)
