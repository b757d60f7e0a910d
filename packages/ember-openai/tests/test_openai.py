"""What the provider takes for its own, which format it writes, and what it makes of answers that are none."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import given, strategies as st

from ember.models import (
    Call,
    EmbedCall,
    Endpoint,
    HttpReply,
    Message,
    ServerEvent,
    ToolCall,
    Usage,
    errors,
)
from ember.providers.openai import OpenAI

CALL: Final = Call("gpt-5", (Message("user", "Hi"),))
HOSTED: Final = Endpoint("https://api.openai.com/v1")


def reply(body: object, status: int = 200) -> HttpReply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpReply(status, {"content-type": "application/json", "x-request-id": "req_7"}, data)


def says(text: object = "Hello", **changed: Any) -> dict[str, Any]:
    item = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    return {"object": "response", "model": "gpt-5-x", "status": "completed", "output": [item], **changed}


def event(kind: str, **fields: object) -> ServerEvent:
    return ServerEvent(json.dumps({"type": kind, **fields}), kind)


def delta(text: str) -> ServerEvent:
    return event("response.output_text.delta", delta=text)


# Which models, which format


@pytest.mark.parametrize(
    "model", ["gpt-oss-20b", "gpt-oss-120b", "claude-sonnet-5", "gemini-pro", "smollm2", "oracle"]
)
def test_models_of_others_are_left_to_them(model: str) -> None:
    assert not OpenAI().serves(model)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://api.openai.com/v1", "/responses"),
        ("https://eu.api.openai.com/v1", "/responses"),
        ("http://127.0.0.1:8000/v1", "/chat/completions"),
        ("https://openrouter.ai/api/v1", "/chat/completions"),
        ("https://api.openai.com.example.org/v1", "/chat/completions"),
        ("https://api.openai.com@127.0.0.1/v1", "/chat/completions"),
    ],
)
def test_the_responses_api_is_for_openais_own_host(url: str, path: str) -> None:
    assert OpenAI().encode(CALL, Endpoint(url)).url == url + path


def test_configuration_overrides_the_choice_of_format() -> None:
    assert (
        OpenAI().encode(CALL, Endpoint("http://h/v1", None, {"api": "responses"})).url
        == "http://h/v1/responses"
    )
    chat = OpenAI().encode(
        Call("o3", CALL.messages, max_tokens=9), Endpoint(HOSTED.base_url, None, {"api": "chat"})
    )
    assert chat.url == "https://api.openai.com/v1/chat/completions"
    # OpenAI's reasoning models take the limit by this name only.
    assert json.loads(chat.body)["max_completion_tokens"] == 9
    with pytest.raises(errors.UnsupportedError, match="'assistants'"):
        OpenAI().encode(CALL, Endpoint("http://h/v1", None, {"api": "assistants"}))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (Call("gpt-5", CALL.messages, stop=("END",)), "stop"),
        (Call("gpt-5", CALL.messages, seed=0), "seed"),
        (Call("gpt-5", CALL.messages, frequency_penalty=0.0), "frequency_penalty"),
        (Call("gpt-5", CALL.messages, presence_penalty=1.0), "presence_penalty"),
        (Call("gpt-5", (Message("tool", "42"),)), "tool"),
    ],
)
def test_what_the_responses_api_lacks_is_refused_by_name_before_anything_is_sent(
    call: Call, named: str
) -> None:
    with pytest.raises(errors.UnsupportedError, match=named):
        OpenAI().encode(call, HOSTED)


# Whole answers

BROKEN: Final[dict[str, object]] = {
    "HTML": b"<!doctype html><html>",
    "nothing": b"",
    "null": None,
    "a list": [],
    "a string": "Hello",
    "another shape": {"hello": "world"},
    "cut short": json.dumps(says()).encode()[:-20],
    "not UTF-8": b'{"output": "\xff"}',
    "nested too deep": b'{"output":' + b"[" * 100_000,
    "output null": {"status": "completed", "output": None},
    "output text": {"status": "completed", "output": "Hello"},
    "no output": {"status": "completed", "output": []},
    "item without type": {"status": "completed", "output": [{}]},
    "content null": {"status": "completed", "output": [{"type": "message", "content": None}]},
    "content text": {"status": "completed", "output": [{"type": "message", "content": "Hello"}]},
    "text null": says(None),
    "text a number": says(7),
    "status a number": says(status=3),
    "model a number": says(model=5),
    "still queued": says(status="queued", output=[]),
    "cancelled": says(status="cancelled"),
    "tool without name": {"output": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]},
    "tool with parsed arguments": {
        "output": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": {"a": 1}}]
    },
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_not_an_answer_is_never_taken_for_one(case: str) -> None:
    with pytest.raises(errors.InvalidResponse) as raised:
        OpenAI().decode(CALL, reply(BROKEN[case]))
    assert len(str(raised.value)) < 500


def test_a_failed_response_says_why() -> None:
    failed = says(status="failed", error={"code": "rate_limit_exceeded", "message": "Slow down"}, output=[])
    with pytest.raises(errors.RateLimitError, match="Slow down"):
        OpenAI().decode(CALL, reply(failed))


def test_impossible_counts_are_unknown() -> None:
    usage = {"input_tokens": -5, "output_tokens": 10**15, "input_tokens_details": None}
    assert OpenAI().decode(CALL, reply(says(usage=usage))).usage == Usage()


def test_a_tool_that_takes_free_text_has_it_as_its_arguments() -> None:
    item = {"type": "custom_tool_call", "call_id": "c1", "name": "sql", "input": "SELECT 1"}
    assert OpenAI().decode(CALL, reply(says(output=[item]))).tool_calls == (
        ToolCall("c1", "sql", "SELECT 1"),
    )


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"message": "Bad", "type": "invalid_request_error"}, errors.InvalidRequestError),
        (401, {"message": "Bad key", "code": "invalid_api_key"}, errors.AuthenticationError),
        (404, {"message": "No such model", "code": "model_not_found"}, errors.ModelNotFound),
        (429, {"message": "Slow", "code": "rate_limit_exceeded"}, errors.RateLimitError),
        (429, {"message": "No money", "code": "insufficient_quota"}, errors.QuotaError),
        (500, {"message": "Oops", "type": "server_error"}, errors.ProviderUnavailable),
        (503, {"message": "Overloaded"}, errors.ProviderUnavailable),
    ],
)
def test_an_error_reply_is_its_kind_of_error(
    status: int, error: object, kind: type[errors.ModelError]
) -> None:
    found = OpenAI().explain(reply({"error": error}, status))
    assert type(found) is kind
    assert (found.status, found.request_id) == (status, "req_7")


# Streams


def test_only_the_last_event_makes_a_streamed_answer_whole() -> None:
    decoder = OpenAI().decoder(CALL)
    assert [decoder.feed(delta("Hel")), decoder.feed(delta("lo"))] == [("Hel",), ("lo",)]
    with pytest.raises(errors.StreamIncomplete) as raised:
        decoder.finish()
    assert raised.value.partial_text == "Hello"
    assert decoder.feed(event("response.completed", response=says())) == ()
    assert decoder.done
    assert decoder.finish().text == "Hello"


@pytest.mark.parametrize(
    "last",
    [
        event("error", code="rate_limit_exceeded", message="Slow down"),
        event("error", error={"code": "rate_limit_exceeded", "message": "Slow down"}),
        event(
            "response.failed",
            response=says(status="failed", error={"code": "rate_limit_exceeded", "message": "Slow down"}),
        ),
    ],
)
@pytest.mark.parametrize("before", [[], [delta("Hel")]])
def test_a_stream_that_fails_says_what_the_server_said(last: ServerEvent, before: list[ServerEvent]) -> None:
    decoder = OpenAI().decoder(CALL)
    for sent in before:
        decoder.feed(sent)
    with pytest.raises(errors.RateLimitError, match="Slow down"):
        decoder.feed(last)


def test_text_that_came_only_with_the_last_event_is_told_then() -> None:
    decoder = OpenAI().decoder(CALL)
    assert decoder.feed(event("response.completed", response=says("Hello"))) == ("Hello",)


def test_items_told_one_by_one_stand_in_for_a_last_event_without_output() -> None:
    decoder = OpenAI().decoder(CALL)
    tool = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    decoder.feed(event("response.output_item.done", item=tool))
    decoder.feed(event("response.completed", response=says(output=[])))
    assert decoder.finish().tool_calls == (ToolCall("c1", "f", "{}"),)


def test_events_that_are_not_known_are_skipped_even_as_the_first() -> None:
    decoder = OpenAI().decoder(CALL)
    for sent in (
        ServerEvent("beat", "heartbeat"),
        ServerEvent("{}"),
        event("response.created", response={}),
        event("response.reasoning_text.delta", delta="thinking"),
        event("response.something.new", delta=7),
        delta("Hello"),
        event("response.completed", response=says()),
    ):
        decoder.feed(sent)
    assert decoder.finish().text == "Hello"


@pytest.mark.parametrize(
    "broken",
    [
        ServerEvent("<html>"),
        ServerEvent("null"),
        ServerEvent('{"type": "resp', "response.completed"),
        event("response.output_text.delta", delta=None),
        event("response.output_text.delta", delta=7),
        event("response.completed"),
        event("response.completed", response=None),
        event("response.completed", response={}),
        event("response.completed", response={"output": []}),
        event("response.output_item.done", item="message"),
    ],
)
def test_a_known_event_of_wrong_shape_is_an_error(broken: ServerEvent) -> None:
    decoder = OpenAI().decoder(CALL)
    decoder.feed(event("response.created", response={}))
    with pytest.raises(errors.InvalidResponse):
        decoder.feed(broken)


def test_a_stream_of_nothing_is_incomplete() -> None:
    with pytest.raises(errors.StreamIncomplete):
        OpenAI().decoder(CALL).finish()


def test_chat_chunks_are_told_from_responses_events_by_themselves() -> None:
    decoder = OpenAI().decoder(CALL)
    decoder.feed(ServerEvent('{"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}'))
    decoder.feed(ServerEvent("[DONE]"))
    assert decoder.done
    assert decoder.finish().text == "Hi"


KEYS: Final = [
    "output",
    "type",
    "content",
    "text",
    "status",
    "error",
    "response",
    "delta",
    "item",
    "usage",
    "message",
]
KINDS: Final = [
    "message",
    "output_text",
    "function_call",
    "response.completed",
    "response.output_text.delta",
    "error",
]


@given(
    st.recursive(
        st.none() | st.integers() | st.sampled_from(KINDS),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
        max_leaves=15,
    )
)
def test_no_body_whatever_raises_anything_but_a_model_error(body: object) -> None:
    with suppress(errors.ModelError):
        OpenAI().decode(CALL, reply(body))
    with suppress(errors.ModelError):
        OpenAI().decoder(CALL).feed(ServerEvent(json.dumps(body)))
    with suppress(errors.ModelError):
        OpenAI().decode_embed(EmbedCall("e", ("a",)), reply(body))
