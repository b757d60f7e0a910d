"""What the provider asks for, what it refuses to ask, and what it makes of answers that are none."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import given, strategies as st

from ember.models import (
    Call,
    Endpoint,
    HttpReply,
    Message,
    ServerEvent,
    ToolCall,
    Usage,
    errors,
)
from ember.providers.anthropic import Anthropic

CALL: Final = Call("claude-sonnet-5-5", (Message("user", "Hi"),))
CHOOSE: Final = Call("claude-sonnet-5-5", CALL.messages, choices=("yes", "no"), stream=True)
HERE: Final = Endpoint("https://api.anthropic.com")


def reply(body: object, status: int = 200) -> HttpReply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpReply(status, {"content-type": "application/json", "request-id": "req_7"}, data)


def says(text: object = "Hello", **changed: Any) -> dict[str, Any]:
    return {
        "model": "claude-x",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        **changed,
    }


def event(kind: str, **fields: object) -> ServerEvent:
    return ServerEvent(json.dumps({"type": kind, **fields}), kind)


def delta(text: str) -> ServerEvent:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


END: Final = (
    event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 4}),
    event("message_stop"),
)


# Requests


def test_a_limit_is_sent_even_if_none_was_asked_for() -> None:
    assert json.loads(Anthropic().encode(CALL, HERE).body)["max_tokens"] == 16_384


@pytest.mark.parametrize(
    ("call", "version"),
    [
        (CALL, "2026-10-21"),
        (Call(CALL.model, CALL.messages, stop=("END",), system="Be brief."), "2026-10-21"),
        (Call(CALL.model, CALL.messages, temperature=0.0), "2023-06-01"),
        (Call(CALL.model, CALL.messages, top_p=0.5), "2023-06-01"),
        (Call(CALL.model, CALL.messages, extra={"top_k": 5}), "2023-06-01"),
    ],
)
def test_sampling_parameters_travel_under_the_last_version_that_has_them(call: Call, version: str) -> None:
    assert Anthropic().encode(call, HERE).headers["anthropic-version"] == version


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (Call(CALL.model, CALL.messages, seed=0), "seed"),
        (Call(CALL.model, CALL.messages, frequency_penalty=0.0), "frequency_penalty"),
        (Call(CALL.model, CALL.messages, presence_penalty=1.0), "presence_penalty"),
        (Call(CALL.model, (Message("tool", "42"),)), "tool"),
        (
            Call(CALL.model, CALL.messages, schema={"type": "object", "additionalProperties": True}),
            "free keys",
        ),
        (
            Call(
                CALL.model,
                CALL.messages,
                schema={
                    "type": "object",
                    "properties": {"a": {"additionalProperties": {}, "type": "object"}},
                },
            ),
            "free keys",
        ),
    ],
)
def test_what_anthropic_lacks_is_refused_by_name_before_anything_is_sent(call: Call, named: str) -> None:
    with pytest.raises(errors.UnsupportedError, match=named):
        Anthropic().encode(call, HERE)


# Whole answers

BROKEN: Final[dict[str, object]] = {
    "HTML": b"<!doctype html><html>",
    "nothing": b"",
    "null": None,
    "a list": [],
    "a string": "Hello",
    "another shape": {"hello": "world"},
    "cut short": json.dumps(says()).encode()[:-20],
    "not UTF-8": b'{"content": "\xff"}',
    "nested too deep": b'{"content":' + b"[" * 100_000,
    "no content": {"stop_reason": "end_turn"},
    "content null": says(content=None),
    "content text": says(content="Hello"),
    "content of text": says(content=["Hello"]),
    "block without type": says(content=[{}]),
    "text null": says(None),
    "text a number": says(7),
    "text missing": says(content=[{"type": "text"}]),
    "stop reason a number": says(stop_reason=3),
    "model a number": says(model=5),
    "tool without name": says(content=[{"type": "tool_use", "id": "t", "input": {}}]),
    "tool without input": says(content=[{"type": "tool_use", "id": "t", "name": "f"}]),
    "tool with input as text": says(content=[{"type": "tool_use", "id": "t", "name": "f", "input": "{}"}]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_not_an_answer_is_never_taken_for_one(case: str) -> None:
    with pytest.raises(errors.InvalidResponse) as raised:
        Anthropic().decode(CALL, reply(BROKEN[case]))
    assert len(str(raised.value)) < 500


def test_a_choice_is_asked_for_as_one_of_the_labels() -> None:
    schema = json.loads(Anthropic().encode(CHOOSE, HERE).body)["output_config"]["format"]["schema"]
    assert schema["properties"]["choice"] == {"enum": ["yes", "no"]}


def test_a_refusal_is_flagged() -> None:
    refused = reply(says("I cannot.", stop_reason="refusal"))
    assert Anthropic().decode(CALL, refused).finish_reason == "content_filter"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, Usage()),
        ("many", Usage()),
        ({}, Usage()),
        ({"input_tokens": 5, "output_tokens": -1}, Usage(5)),
        ({"input_tokens": 10**12, "output_tokens": 3}, Usage(None, 3)),
        ({"input_tokens": 5, "cache_read_input_tokens": None, "output_tokens": 3}, Usage(5, 3)),
        # Part of the input is unknown, and so is its sum.
        ({"input_tokens": 5, "cache_read_input_tokens": -3, "output_tokens": 3}, Usage(None, 3)),
    ],
)
def test_impossible_counts_are_unknown(usage: object, expected: Usage) -> None:
    assert Anthropic().decode(CALL, reply(says(usage=usage))).usage == expected


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, "invalid_request_error", errors.InvalidRequestError),
        (401, "authentication_error", errors.AuthenticationError),
        (402, "billing_error", errors.QuotaError),
        (403, "permission_error", errors.AuthenticationError),
        (404, "not_found_error", errors.ModelNotFound),
        (413, "request_too_large", errors.InvalidRequestError),
        (429, "rate_limit_error", errors.RateLimitError),
        (500, "api_error", errors.ProviderUnavailable),
        (504, "timeout_error", errors.ProviderUnavailable),
        (529, "overloaded_error", errors.ProviderUnavailable),
    ],
)
def test_an_error_reply_is_its_kind_of_error(
    status: int, kind: str, expected: type[errors.ModelError]
) -> None:
    body = {"type": "error", "error": {"type": kind, "message": "Something is wrong"}, "request_id": "req_7"}
    found = Anthropic().explain(reply(body, status))
    assert type(found) is expected
    assert (found.status, found.request_id, found.problem) == (status, "req_7", "Something is wrong")


def test_an_account_without_credit_is_told_from_a_malformed_request_by_its_text() -> None:
    said = "Your credit balance is too low to access the Anthropic API."
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": said}}
    assert type(Anthropic().explain(reply(body, 400))) is errors.QuotaError


# Streams


def test_a_stream_is_whole_only_after_its_reason_and_its_end() -> None:
    for events in ([], [END[0]], [END[1]]):
        decoder = Anthropic().decoder(CALL)
        for sent in (event("message_start", message={"model": "m"}), delta("Hel"), delta("lo"), *events):
            decoder.feed(sent)
        with pytest.raises(errors.StreamIncomplete) as raised:
            decoder.finish()
        assert raised.value.partial_text == "Hello"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", errors.ProviderUnavailable),
        ("api_error", errors.ProviderUnavailable),
        ("rate_limit_error", errors.RateLimitError),
        ("invalid_request_error", errors.InvalidRequestError),
        ("authentication_error", errors.AuthenticationError),
    ],
)
def test_an_error_in_a_stream_says_what_the_server_said(kind: str, expected: type[errors.ModelError]) -> None:
    decoder = Anthropic().decoder(CALL)
    decoder.feed(delta("Hel"))
    with pytest.raises(expected, match="Overloaded") as raised:
        decoder.feed(event("error", error={"type": kind, "message": "Overloaded"}, request_id="req_9"))
    assert type(raised.value) is expected
    assert (raised.value.status, raised.value.request_id) == (None, "req_9")


def test_events_and_blocks_that_are_not_known_are_skipped() -> None:
    decoder = Anthropic().decoder(CALL)
    thinking: dict[str, Any] = {"type": "thinking", "thinking": ""}
    for sent in (
        ServerEvent("beat", "heartbeat"),
        event("ping"),
        event("message_start", message={"model": "m"}),
        event("content_block_start", index=0, content_block=thinking),
        event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"}),
        event(
            "content_block_start",
            index=1,
            content_block={"type": "server_tool_use", "id": "s", "name": "search"},
        ),
        event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": "{}"}),
        event("content_block_start", index=2, content_block={"type": "text", "text": "Hel"}),
        event("content_block_delta", index=2, delta={"type": "something_new"}),
        event("content_block_delta", index=2, delta={"type": "text_delta", "text": "lo"}),
        event("content_block_stop", index=2),
        event("something_new", index="x"),
        *END,
    ):
        decoder.feed(sent)
    done = decoder.finish()
    assert (done.text, done.tool_calls, done.finish_reason) == ("Hello", (), "stop")


def test_a_tool_without_parameters_has_an_empty_object_of_arguments() -> None:
    decoder = Anthropic().decoder(CALL)
    block: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "now", "input": {}}
    for sent in (event("content_block_start", index=0, content_block=block), *END):
        decoder.feed(sent)
    assert decoder.finish().tool_calls == (ToolCall("t", "now", "{}"),)


@pytest.mark.parametrize(
    "broken",
    [
        ServerEvent("<html>"),
        ServerEvent("null"),
        ServerEvent('{"type": "mess', "message_stop"),
        event("message_start"),
        event("message_start", message="Hello"),
        event("content_block_start", index=0, content_block={}),
        event("content_block_start", index=0, content_block={"type": "text"}),
        event("content_block_start", index=0, content_block={"type": "tool_use", "id": "t"}),
        event("content_block_start", index=None, content_block={"type": "tool_use", "id": "t", "name": "f"}),
        event("content_block_delta", index=0),
        event("content_block_delta", index=0, delta={"type": "text_delta"}),
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": 7}),
        event("message_delta"),
        event("message_delta", delta={"stop_reason": 7}),
        event("error"),
    ],
)
def test_a_known_event_of_wrong_shape_is_an_error(broken: ServerEvent) -> None:
    with pytest.raises(errors.InvalidResponse):
        Anthropic().decoder(CALL).feed(broken)


KEYS: Final = [
    "content",
    "type",
    "text",
    "stop_reason",
    "usage",
    "message",
    "delta",
    "content_block",
    "index",
    "error",
]
KINDS: Final = [
    "text",
    "tool_use",
    "text_delta",
    "message_start",
    "content_block_start",
    "content_block_delta",
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
        Anthropic().decode(CALL, reply(body))
    with suppress(errors.ModelError):
        Anthropic().decoder(CALL).feed(ServerEvent(json.dumps(body)))
