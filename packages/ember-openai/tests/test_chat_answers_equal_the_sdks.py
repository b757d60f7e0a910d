"""For the same chat completion, the official SDK and this provider read the same answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pytest

from ember.core.secrets import Secret
from ember.models import (
    Call,
    Completion,
    EmbedCall,
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
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletionMessage

HI: Final = (Message("user", "Hi"),)
CALL: Final = Call("gpt-4o", HI)
TEXT: Final = 'Grüße, 世界! 🙂\nline two\r\n{"a": 1}'
USAGE: Final = {
    "prompt_tokens": 120,
    "completion_tokens": 40,
    "total_tokens": 160,
    "prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 16},
    "completion_tokens_details": {"reasoning_tokens": 25},
}
TOOLS: Final = [
    {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Zürich"}'}},
    {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
]


def body(message: dict[str, Any], finish_reason: str = "stop", usage: object = USAGE) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": None, "refusal": None, **message},
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
        "usage": usage,
    }


WHOLE: Final[dict[str, dict[str, Any]]] = {
    "plain": body({"content": TEXT}),
    "empty": body({"content": ""}),
    "cut short": body({"content": "Once upon"}, "length"),
    "filtered": body({"content": "Once"}, "content_filter"),
    "tools": body({"tool_calls": TOOLS}, "tool_calls"),
    "text and tools": body({"content": "Let me look.", "tool_calls": TOOLS}, "tool_calls"),
    "no usage": body({"content": "Hi"}, usage=None),
    "usage without details": body(
        {"content": "Hi"}, usage={"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    ),
    "JSON": body({"content": '{"x": 1, "y": 2}'}),
}


def usage_of(usage: CompletionUsage | None) -> Usage:
    """The SDK's usage, in Ember's names."""
    if usage is None:
        return Usage()
    inputs, outputs = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        usage.prompt_tokens,
        usage.completion_tokens,
        inputs.cached_tokens if inputs else None,
        inputs.cache_write_tokens if inputs else None,
        outputs.reasoning_tokens if outputs else None,
    )


def tool_calls_of(message: ChatCompletionMessage) -> tuple[ToolCall, ...]:
    calls: list[Any] = list(message.tool_calls or ())
    return tuple(ToolCall(call.id, call.function.name, call.function.arguments) for call in calls)


def endpoint(server: LocalServer) -> Endpoint:
    return Endpoint(f"{server.url}/v1", Secret("sk-local-0123456789abcdef"))


@pytest.mark.parametrize("case", WHOLE)
def test_a_whole_answer_reads_the_same(
    case: str, server: LocalServer, client: openai.OpenAI, post: Callable[[HttpRequest], HttpReply]
) -> None:
    server.replies(200, {"x-request-id": "req_7"}, json=WHOLE[case])
    theirs = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}])
    ours = OpenAI().decode(CALL, post(OpenAI().encode(CALL, endpoint(server))))

    assert ours.text == (theirs.choices[0].message.content or "")
    assert ours.finish_reason == theirs.choices[0].finish_reason
    assert ours.model == theirs.model
    assert ours.usage == usage_of(theirs.usage)
    assert ours.tool_calls == tool_calls_of(theirs.choices[0].message)
    assert ours.request_id == "req_7"


def test_a_refusal_is_the_text_and_its_finish_reason_says_so(
    server: LocalServer, client: openai.OpenAI, post: Callable[[HttpRequest], HttpReply]
) -> None:
    server.replies(json=body({"refusal": "I cannot help with that."}))
    theirs = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}])
    ours = OpenAI().decode(CALL, post(OpenAI().encode(CALL, endpoint(server))))
    assert ours.text == theirs.choices[0].message.refusal
    # The API says "stop" for a refusal; Ember has one word for an answer that was withheld, whoever withheld it.
    assert (theirs.choices[0].finish_reason, ours.finish_reason) == ("stop", "content_filter")


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}],
    }


def tool_delta(index: int, **function: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": function}]}


START: Final = chunk({"role": "assistant", "content": "", "refusal": None})
LAST: Final[dict[str, Any]] = {**chunk({}), "choices": [], "usage": USAGE}
STREAMS: Final[dict[str, list[dict[str, Any] | str]]] = {
    "text": [START, *(chunk({"content": letter}) for letter in TEXT), chunk({}, "stop"), LAST, "[DONE]"],
    "cut short": [START, chunk({"content": "Once"}), chunk({}, "length"), LAST, "[DONE]"],
    "no usage": [START, chunk({"content": "Once"}), chunk({}, "stop"), "[DONE]"],
    "reason with the last words": [
        START,
        chunk({"content": "Once"}),
        chunk({"content": "!"}, "stop"),
        LAST,
        "[DONE]",
    ],
    "tools": [
        START,
        chunk(
            {
                "tool_calls": [
                    {
                        "index": 0,
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": ""},
                    }
                ]
            }
        ),
        chunk(tool_delta(0, arguments='{"city": ')),
        chunk(tool_delta(0, arguments='"Zürich"}')),
        chunk(
            {
                "tool_calls": [
                    {
                        "index": 1,
                        "id": "call_2",
                        "type": "function",
                        "function": {"name": "now", "arguments": "{}"},
                    }
                ]
            }
        ),
        chunk({}, "tool_calls"),
        LAST,
        "[DONE]",
    ],
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
    server.replies(sse=STREAMS[case], chunk=size, crlf=size == 3, comments=size == 7)
    call = Call("gpt-4o", HI, stream=True)
    with client.chat.completions.stream(
        model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], stream_options={"include_usage": True}
    ) as events:
        deltas = [event.delta for event in events if event.type == "content.delta"]
        # Not `get_final_completion()`: that raises for an answer which max_tokens cut short.
        theirs = events.current_completion_snapshot
    told, ours = streamed(OpenAI().decoder(call), OpenAI().encode(call, endpoint(server)))

    assert "".join(told) == "".join(deltas)
    assert ours.text == "".join(told) == (theirs.choices[0].message.content or "")
    assert ours.finish_reason == theirs.choices[0].finish_reason
    assert ours.model == theirs.model
    assert ours.usage == usage_of(theirs.usage)
    assert ours.tool_calls == tool_calls_of(theirs.choices[0].message)


def test_a_finish_reason_ends_a_stream_that_has_no_end_mark(
    server: LocalServer,
    client: openai.OpenAI,
    streamed: Callable[[StreamDecoder, HttpRequest], tuple[list[str], Completion]],
) -> None:
    server.replies(sse=STREAMS["text"][:-1])
    call = Call("gpt-4o", HI, stream=True)
    theirs = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    text = "".join(part.choices[0].delta.content or "" for part in theirs if part.choices)
    assert streamed(OpenAI().decoder(call), OpenAI().encode(call, endpoint(server)))[1].text == text == TEXT


def test_embeddings_read_the_same(
    server: LocalServer, client: openai.OpenAI, post: Callable[[HttpRequest], HttpReply]
) -> None:
    call = EmbedCall("text-embedding-3-small", ("cat", "dog", "Zürich"))
    theirs = client.embeddings.create(model=call.model, input=list(call.texts))
    ours = OpenAI().decode_embed(call, post(OpenAI().encode_embed(call, endpoint(server))))
    assert ours.vectors == tuple(tuple(entry.embedding) for entry in theirs.data)
    assert ours.model == theirs.model
    assert ours.usage.input_tokens == theirs.usage.prompt_tokens
