"""For the same response, the official SDK and this provider read the same answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pytest

from ember.core.secrets import Secret
from ember.models import (
    Call,
    Completion,
    Endpoint,
    HttpReply,
    HttpRequest,
    Message,
    StreamDecoder,
    ToolCall,
    Usage,
)
from ember.models.testing import LocalServer
from ember.providers.openai import OpenAI

if TYPE_CHECKING:
    import openai
    from openai.types.responses import Response, ResponseUsage

HI: Final = (Message("user", "Hi"),)
CALL: Final = Call("gpt-5", HI)
TEXT: Final = 'Grüße, 世界! 🙂\nline two\r\n{"a": 1}'
USAGE: Final = {
    "input_tokens": 120,
    "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 16},
    "output_tokens": 40,
    "output_tokens_details": {"reasoning_tokens": 25},
    "total_tokens": 160,
}
THOUGHT: Final[dict[str, Any]] = {"type": "reasoning", "id": "rs_1", "summary": []}
WEATHER: Final = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "weather",
    "arguments": '{"city": "Zürich"}',
    "status": "completed",
}


def message(*content: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": list(content),
    }


def says(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def response(*output: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": "gpt-5-2025-08-07",
        "output": list(output),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "usage": USAGE,
        **changed,
    }


def incomplete(reason: str) -> dict[str, Any]:
    return {"status": "incomplete", "incomplete_details": {"reason": reason}}


WHOLE: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "plain": (response(message(says(TEXT))), "stop"),
    "several parts": (response(THOUGHT, message(says("One, ")), message(says("two"), says("."))), "stop"),
    "empty": (response(message(says(""))), "stop"),
    "only thought": (response(THOUGHT, **incomplete("max_output_tokens")), "length"),
    "cut short": (response(message(says("Once upon")), **incomplete("max_output_tokens")), "length"),
    "filtered": (response(message(says("Once")), **incomplete("content_filter")), "content_filter"),
    "tool": (response(THOUGHT, WEATHER), "tool_calls"),
    "text and tool": (response(message(says("Let me look.")), WEATHER), "tool_calls"),
    "no usage": (response(message(says("Hi")), usage=None), "stop"),
    "JSON": (response(message(says('{"x": 1}'))), "stop"),
}


def usage_of(usage: ResponseUsage | None) -> Usage:
    """The SDK's usage, in Ember's names."""
    if usage is None:
        return Usage()
    return Usage(
        usage.input_tokens,
        usage.output_tokens,
        usage.input_tokens_details.cached_tokens,
        usage.input_tokens_details.cache_write_tokens,
        usage.output_tokens_details.reasoning_tokens,
    )


def assert_same_answer(ours: Completion, theirs: Response) -> None:
    assert ours.text == theirs.output_text
    assert ours.model == theirs.model
    assert ours.usage == usage_of(theirs.usage)
    assert ours.tool_calls == tuple(
        ToolCall(item.call_id, item.name, item.arguments)
        for item in theirs.output
        if item.type == "function_call"
    )


def endpoint(server: LocalServer) -> Endpoint:
    return Endpoint(f"{server.url}/v1", Secret("sk-local-0123456789abcdef"), {"api": "responses"})


@pytest.mark.parametrize("case", WHOLE)
def test_a_whole_answer_reads_the_same(
    case: str, server: LocalServer, client: openai.OpenAI, post: Callable[[HttpRequest], HttpReply]
) -> None:
    body, reason = WHOLE[case]
    server.replies(200, {"x-request-id": "req_7"}, json=body)
    theirs = client.responses.create(model="gpt-5", input="Hi")
    ours = OpenAI().decode(CALL, post(OpenAI().encode(CALL, endpoint(server))))
    assert_same_answer(ours, theirs)
    assert ours.finish_reason == reason
    assert ours.request_id == "req_7"


def test_a_refusal_is_the_text_and_its_finish_reason_says_so(
    server: LocalServer, client: openai.OpenAI, post: Callable[[HttpRequest], HttpReply]
) -> None:
    server.replies(json=response(message({"type": "refusal", "refusal": "I cannot help with that."})))
    theirs = client.responses.create(model="gpt-5", input="Hi")
    ours = OpenAI().decode(CALL, post(OpenAI().encode(CALL, endpoint(server))))
    assert (ours.text, ours.finish_reason) == ("I cannot help with that.", "content_filter")
    # The SDK's `output_text` leaves a refusal out, so that a refused call looks like one with nothing to say.
    assert theirs.output_text == ""


def events(*parts: str, last: dict[str, Any], kind: str = "output_text") -> list[tuple[str, dict[str, Any]]]:
    """The events of a response whose message is `parts`, then its other items, then `last`."""
    at: dict[str, Any] = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    empty: dict[str, Any] = {**last, "status": "in_progress", "output": [], "usage": None}
    field = {"output_text": "text", "refusal": "refusal"}[kind]
    part: dict[str, Any] = {"type": kind, field: ""} | ({"annotations": []} if kind == "output_text" else {})
    steps: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": empty}),
        ("response.in_progress", {"response": empty}),
        ("response.output_item.added", {"output_index": 0, "item": {**message(), "status": "in_progress"}}),
        ("response.content_part.added", {**at, "part": part}),
        *((f"response.{kind}.delta", {**at, "delta": words, "logprobs": []}) for words in parts),
        (f"response.{kind}.done", {**at, field: "".join(parts), "logprobs": []}),
        ("response.output_item.done", {"output_index": 0, "item": last["output"][0]}),
    ]
    for place, item in enumerate(last["output"][1:], 1):
        started = {**item, "arguments": "", "status": "in_progress"}
        on = {"item_id": item["id"], "output_index": place}
        steps += [
            ("response.output_item.added", {"output_index": place, "item": started}),
            ("response.function_call_arguments.delta", {**on, "delta": item["arguments"]}),
            (
                "response.function_call_arguments.done",
                {**on, "name": item["name"], "arguments": item["arguments"]},
            ),
            ("response.output_item.done", {"output_index": place, "item": item}),
        ]
    steps.append((f"response.{last['status']}", {"response": last}))
    return [
        (name, {"type": name, "sequence_number": number, **data}) for number, (name, data) in enumerate(steps)
    ]


CUT: Final = response(message(says("Once")), **incomplete("max_output_tokens"))
STREAMS: Final[dict[str, tuple[list[tuple[str, dict[str, Any]]], str]]] = {
    "text": (events(*TEXT, last=response(message(says(TEXT)))), "stop"),
    "cut short": (events("On", "ce", last=CUT), "length"),
    "text and tool": (
        events("Let me look.", last=response(message(says("Let me look.")), WEATHER)),
        "tool_calls",
    ),
    "no usage": (events("Hi", last=response(message(says("Hi")), usage=None)), "stop"),
}


@pytest.mark.parametrize("size", [1, 3, 7, 1_000_000])
@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_reads_the_same_however_its_bytes_are_split(
    case: str,
    size: int,
    server: LocalServer,
    client: openai.OpenAI,
    streamed: Callable[[StreamDecoder, HttpRequest], tuple[list[str], Completion]],
) -> None:
    script, reason = STREAMS[case]
    server.replies(sse=script, chunk=size, crlf=size == 3, comments=size == 7)
    call = Call("gpt-5", HI, stream=True)
    deltas: list[str] = []
    theirs: Response | None = None
    for event in client.responses.create(model="gpt-5", input="Hi", stream=True):
        if event.type == "response.output_text.delta":
            deltas.append(event.delta)
        elif event.type == "response.completed" or event.type == "response.incomplete":
            theirs = event.response
    told, ours = streamed(OpenAI().decoder(call), OpenAI().encode(call, endpoint(server)))

    assert theirs is not None
    assert ours.text == "".join(told) == "".join(deltas)
    assert_same_answer(ours, theirs)
    assert ours.finish_reason == reason


def test_a_streamed_refusal_is_told_as_it_comes(
    server: LocalServer, streamed: Callable[[StreamDecoder, HttpRequest], tuple[list[str], Completion]]
) -> None:
    last = response(message({"type": "refusal", "refusal": "I cannot."}))
    server.replies(sse=events("I ", "cannot.", last=last, kind="refusal"))
    call = Call("gpt-5", HI, stream=True)
    told, ours = streamed(OpenAI().decoder(call), OpenAI().encode(call, endpoint(server)))
    assert ("".join(told), ours.text, ours.finish_reason) == ("I cannot.", "I cannot.", "content_filter")
