"""The Responses format: POST /responses, and the `response` object that answers it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from ember.models import (
    Call,
    Completion,
    Endpoint,
    HttpReply,
    HttpRequest,
    Image,
    Message,
    Part,
    TokenLogprob,
    Tool,
    ToolCall,
    Usage,
    errors,
)
from ember.models.chat_completions import effort, token_logprobs
from ember.models.schemas import schema_name, strict_schema, tool_schema, wanted_schema
from ember.models.wire import (
    Fields,
    json_request,
    malformed,
    refuse,
    reply_fields,
    sequence,
    shown,
    stream_error,
    text,
    text_or_none,
    tokens,
)

_FORMAT: Final = "openai"
"""The name of this format in `Message.opaque`."""
BETWEEN: Final = "\n\n"
"""What stands between the parts of a summary."""


class Responses:
    """Encodes calls for the Responses API and decodes its answers. Streams: `ResponsesStream`.

    >>> from ember.models import Endpoint, Message
    >>> call = Call("gpt-4o", (Message("user", "Hi"),), system="Be brief.")
    >>> Responses().encode(call, Endpoint("https://api.openai.com/v1")).body
    b'{"model":"gpt-4o","input":[{"role":"user","content":"Hi"}],"instructions":"Be brief."}'
    """

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        """Return the POST to `{base_url}/responses`. Raises `UnsupportedError` for what only chat completions have."""
        refuse(
            call,
            "OpenAI's Responses API",
            'Leave it out, or set providers.openai.api to "chat", where it exists.',
            stop=call.stop,
            seed=call.seed,
            frequency_penalty=call.frequency_penalty,
            presence_penalty=call.presence_penalty,
        )
        # In the order of the official SDK, so that the bytes are the same as well.
        body: dict[str, Any] = {
            "model": call.model,
            "stream": call.stream or None,
            "include": None if call.logprobs is None else ["message.output_text.logprobs"],
            "input": [item for message in call.messages for item in _items(call, message)],
            "instructions": call.system,
            "max_output_tokens": call.max_tokens,
            "prompt_cache_key": call.cache_prompt if isinstance(call.cache_prompt, str) else None,
            "reasoning": _reasoning(call),
            "temperature": call.temperature,
            "text": _text_format(call),
            "tools": [_tool(tool) for tool in call.tools] or None,
            "top_logprobs": call.logprobs or None,
            "top_p": call.top_p,
        }
        given = {name: value for name, value in body.items() if value is not None}
        return json_request(f"{endpoint.base_url}/responses", endpoint, given | dict(call.extra))

    def decode(self, call: Call, reply: HttpReply) -> Completion:
        """Return the answer in a whole reply. Raises `InvalidResponse` for anything that is not one."""
        return completion(call, reply_fields(reply), reply.headers.get("x-request-id"))


def completion(call: Call, response: Fields, request_id: str | None = None) -> Completion:
    """Return the answer that a `response` object holds. Raises what the object reports, if it failed."""
    raise_failure(response)
    items = sequence(response, "output")
    said, refused = said_in(items)
    calls = tool_calls_in(items)
    reason = finish_reason(response, refused=refused, called=bool(calls))
    if not items and reason in ("stop", None):
        raise malformed(response, "output", "a list with an answer in it")
    return Completion(
        text=said,
        model=text_or_none(response, "model") or call.model,
        finish_reason=reason,
        usage=usage_of(response.get("usage")),
        request_id=request_id,
        tool_calls=calls,
        raw=response,
        reasoning=reasoning_in(items),
        logprobs=None if call.logprobs is None else logprobs_in(items),
        # The API wants reasoning back with what followed it, each item as it was.
        opaque={_FORMAT: list(items)} if any(item["type"] == "reasoning" for item in items) else None,
    )


def raise_failure(response: Fields) -> None:
    """Raise the error in a `response` object that failed, was cancelled, or has not been made yet."""
    status, error = text_or_none(response, "status"), response.get("error")
    if error or status == "failed":
        fields: Fields = cast("Fields", error) if isinstance(error, dict) else {"message": error}
        message = fields.get("message")
        failure = stream_error(
            message if isinstance(message, str) else f"the server reported {shown(dict(fields))}",
            f"{fields.get('type') or ''} {fields.get('code') or ''}",
        )
        failure.usage = usage_of(response["usage"]) if response.get("usage") else None
        raise failure
    if status not in ("completed", "incomplete", None):
        raise errors.InvalidResponse(f"the answer is not there: its status is {status!r}")


def finish_reason(response: Fields, *, refused: bool, called: bool) -> str | None:
    """Return why the model stopped, in the words that all providers share where there is one."""
    if refused:
        return "content_filter"
    status = text_or_none(response, "status")
    if status == "incomplete":
        details: object = response.get("incomplete_details")
        reason = text_or_none(cast("Fields", details), "reason") if isinstance(details, dict) else None
        return "length" if reason == "max_output_tokens" else reason or "incomplete"
    if status is None:
        return None
    return "tool_calls" if called else "stop"


def said_in(items: Sequence[Fields]) -> tuple[str, bool]:
    """Return the text of all messages in `items`, and whether the model refused."""
    said: list[str] = []
    refused = False
    for item in items:
        if text(item, "type") != "message":
            continue
        for part in sequence(item, "content"):
            kind = text(part, "type")
            if kind == "output_text":
                said.append(text(part, "text"))
            elif kind == "refusal":
                said.append(text(part, "refusal"))
                refused = True
    return "".join(said), refused


def logprobs_in(items: Sequence[Fields]) -> tuple[TokenLogprob, ...] | None:
    """Return how likely the tokens of all messages in `items` were, None if the server does not say."""
    parts = [part for item in items if item["type"] == "message" for part in sequence(item, "content")]
    told = [token_logprobs(sequence(part, "logprobs")) for part in parts if part.get("logprobs")]
    return sum(told, ()) if told else None


def reasoning_in(items: Sequence[Fields]) -> str | None:
    """Return what the model tells of its reasoning: summaries, or with open models the reasoning itself."""
    told: list[str] = []
    for item in items:
        if text(item, "type") == "reasoning":
            for name in ("summary", "content"):
                parts = [text(part, "text") for part in (sequence(item, name) if item.get(name) else ())]
                if parts:
                    told += parts
                    break
    return BETWEEN.join(told) or None


def tool_calls_in(items: Sequence[Fields]) -> tuple[ToolCall, ...]:
    """Return the calls in `items`; a tool that takes free text has that as its arguments."""
    fields = {"function_call": "arguments", "custom_tool_call": "input"}
    return tuple(
        ToolCall(text(item, "call_id"), text(item, "name"), text(item, fields[item["type"]]))
        for item in items
        if text(item, "type") in fields
    )


def usage_of(usage: object) -> Usage:
    """Return the tokens in a `usage` object; None for every count that is absent or impossible."""
    fields: Fields = cast("Fields", usage) if isinstance(usage, dict) else {}
    used, made = tokens(fields, "input_tokens"), tokens(fields, "output_tokens")
    inputs, outputs = fields.get("input_tokens_details"), fields.get("output_tokens_details")
    return Usage(
        input_tokens=used,
        output_tokens=made,
        cached_input_tokens=tokens(inputs, "cached_tokens", of=used),
        cache_write_tokens=tokens(inputs, "cache_write_tokens", of=used),
        reasoning_tokens=tokens(outputs, "reasoning_tokens", of=made),
    )


def _reasoning(call: Call) -> dict[str, Any] | None:
    word = effort(call, "OpenAI")
    if word is None:
        return None
    return {"effort": word} if word == "none" else {"effort": word, "summary": "auto"}


def _as_it_was(call: Call, message: Message) -> list[dict[str, Any]] | None:
    """Return the items that a turn came as, if it still says the same; None if it is to be written anew.

    What OpenAI was told not to store has to be in the item itself, encrypted.
    """
    items: Any = (message.opaque or {}).get(_FORMAT)
    if not items or said_in(items)[0] != message.content:
        return None
    if [each.id for each in tool_calls_in(items)] != [each.id for each in message.tool_calls]:
        return None
    if call.extra.get("store") is False:
        return [item for item in items if item["type"] != "reasoning" or item.get("encrypted_content")]
    return list(items)


def _items(call: Call, message: Message) -> list[dict[str, Any]]:
    """Return what a turn is here: a message, the calls of tools each by itself, or the result of one."""
    if (items := _as_it_was(call, message)) is not None:
        return items
    if message.role == "tool":
        if message.tool_call_id is None:
            raise errors.UnsupportedError(
                "OpenAI takes the result of a tool with the id of its call: give the message its tool_call_id.",
                provider="openai",
                model=call.model,
            )
        return [{"type": "function_call_output", "call_id": message.tool_call_id, "output": message.text}]
    calls = [
        {"type": "function_call", "call_id": each.id, "name": each.name, "arguments": each.text}
        for each in message.tool_calls
    ]
    if calls and not message.content:
        return calls
    content = message.content
    said = content if isinstance(content, str) else [_part(part) for part in content]
    return [{"role": message.role, "content": said}, *calls]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "input_text", "text": part}
    if isinstance(part, Image):
        return {"type": "input_image", "detail": "auto", "image_url": part.data_url}
    if part.url is not None:
        return {"type": "input_file", "file_url": part.url}
    return {"type": "input_file", "filename": part.title, "file_data": part.data_url}


def _tool(tool: Tool) -> dict[str, Any]:
    schema, strict = tool_schema(tool)
    function: dict[str, Any] = {"type": "function", "name": tool.name, "strict": strict, "parameters": schema}
    if tool.description:
        function["description"] = tool.description
    return function


def _text_format(call: Call) -> dict[str, Any] | None:
    schema = wanted_schema(call)
    if schema is None:
        return None
    strict, is_strict = strict_schema(schema)
    return {
        "format": {"type": "json_schema", "strict": is_strict, "name": schema_name(strict), "schema": strict}
    }
