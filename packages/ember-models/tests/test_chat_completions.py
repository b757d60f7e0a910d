"""The chat completions codec against servers that answer well, badly, and in pieces."""

from __future__ import annotations

import base64
import json
import struct
import urllib.request
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given, strategies as st

from ember.core.secrets import Secret
from ember.models import (
    Call,
    EmbedCall,
    Endpoint,
    EventParser,
    HttpReply,
    Message,
    Piece,
    ServerEvent,
    ToolCall,
    Usage,
    errors,
)
from ember.models.chat_completions import ChatCompletions
from ember.models.testing import LocalServer

CHAT: Final = ChatCompletions()
CALL: Final = Call("m", (Message("user", "Hi"),))
CHOOSE: Final = Call("m", (Message("user", "Is it?"),), choices=("yes", "no"), stream=True)
HERE: Final = Endpoint("http://127.0.0.1:1/v1")


def reply(body: object, status: int = 200) -> HttpReply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpReply(status, {"content-type": "application/json"}, data)


def answer(content: object = "Hello", finish_reason: object = "stop", **message: object) -> dict[str, Any]:
    return {
        "model": "m-1",
        "choices": [{"message": {"content": content, **message}, "finish_reason": finish_reason}],
    }


def chunk(finish_reason: str | None = None, **delta: object) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})


def sent(call: Call, chat: ChatCompletions = CHAT) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(chat.encode(call, HERE).body)
    return body


# Requests


def test_a_key_travels_as_a_bearer_token_and_no_key_as_nothing() -> None:
    assert (
        CHAT.encode(CALL, Endpoint("http://h", Secret("sk-secret-1"))).headers["authorization"]
        == "Bearer sk-secret-1"
    )
    assert "authorization" not in CHAT.encode(CALL, HERE).headers


def test_the_limit_has_the_name_the_server_takes() -> None:
    call = Call("m", CALL.messages, max_tokens=5)
    assert sent(call)["max_tokens"] == 5
    assert sent(call, ChatCompletions("max_completion_tokens"))["max_completion_tokens"] == 5


def test_what_was_not_asked_for_is_not_sent() -> None:
    assert sent(CALL) == {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def test_zero_is_asked_for_and_not_left_out() -> None:
    body = sent(Call("m", CALL.messages, temperature=0.0, seed=0, top_p=0.0, frequency_penalty=0.0))
    assert (body["temperature"], body["seed"], body["top_p"], body["frequency_penalty"]) == (0.0, 0, 0.0, 0.0)


def test_a_vendors_own_field_wins() -> None:
    assert (
        sent(Call("m", CALL.messages, temperature=0.1, extra={"temperature": 1, "n": 2}))["temperature"] == 1
    )


def test_a_schema_with_free_keys_is_not_called_strict() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    asked = sent(Call("m", CALL.messages, schema=schema))["response_format"]["json_schema"]
    assert asked == {"schema": schema, "name": "answer", "strict": False}


def test_a_property_that_has_a_keywords_name_is_still_a_property() -> None:
    schema = {
        "type": "object",
        "properties": {"default": {"type": "object"}, "properties": {"type": "string"}},
    }
    assert sent(Call("m", CALL.messages, schema=schema))["response_format"]["json_schema"]["strict"] is False


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, "\ud800"])
def test_what_json_cannot_say_is_refused_before_anything_is_sent(value: object) -> None:
    with pytest.raises(errors.InvalidRequestError, match="cannot be written as JSON"):
        CHAT.encode(Call("m", CALL.messages, extra={"field": value}), HERE)


# Whole answers


def test_an_answer_is_its_text() -> None:
    done = CHAT.decode(CALL, reply(answer("Hello")))
    assert (done.text, done.model, done.finish_reason, done.usage) == ("Hello", "m-1", "stop", Usage())


PARSED: Final[dict[str, Any]] = {"id": "a", "function": {"name": "f", "arguments": {}}}
BROKEN: Final[dict[str, object]] = {
    "HTML": b"<!doctype html><html><body>Bad gateway</body></html>",
    "nothing": b"",
    "null": None,
    "a list": [],
    "a string": "Hello",
    "cut short": b'{"choices": [{"message": {"content": "Hel',
    "not UTF-8": b'{"choices": [{"message": {"content": "\xff"}, "finish_reason": "stop"}]}',
    "nested too deep": b'{"choices":' + b"[" * 100_000,
    "another shape": {"hello": "world"},
    "no choices": {"choices": []},
    "choices null": {"choices": None},
    "choices of text": {"choices": ["Hello"]},
    "choices an object": {"choices": {"message": {"content": "Hello"}}},
    "no message": {"choices": [{"finish_reason": "stop"}]},
    "message null": {"choices": [{"message": None, "finish_reason": "stop"}]},
    "message text": {"choices": [{"message": "Hello", "finish_reason": "stop"}]},
    "content missing": {"choices": [{"message": {}, "finish_reason": "stop"}]},
    "content null": answer(None),
    "content a number": answer(42),
    "content parts": answer([{"type": "text", "text": "Hello"}]),
    "content false": answer(False),
    "finish reason a number": answer("Hello", 1),
    "model a number": {**answer("Hello"), "model": 4},
    "tool calls an object": answer(None, "tool_calls", tool_calls={}),
    "tool without function": answer(None, "tool_calls", tool_calls=[{"id": "a"}]),
    "tool without name": answer(
        None, "tool_calls", tool_calls=[{"id": "a", "function": {"arguments": "{}"}}]
    ),
    "tool with parsed arguments": answer(None, "tool_calls", tool_calls=[PARSED]),
    "no tool after all": answer(None, "tool_calls", tool_calls=[]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_not_an_answer_is_never_taken_for_one(case: str) -> None:
    with pytest.raises(errors.InvalidResponse) as raised:
        CHAT.decode(CALL, reply(BROKEN[case]))
    assert len(str(raised.value)) < 500


def test_a_key_that_the_server_echoes_is_masked_in_the_error() -> None:
    Secret("sk-echoed-by-the-server")
    with pytest.raises(errors.InvalidResponse) as raised:
        CHAT.decode(CALL, reply({"hello": "Bearer sk-echoed-by-the-server"}))
    assert "sk-echoed" not in str(raised.value)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_no_text_is_an_answer_where_the_finish_reason_explains_it(reason: str) -> None:
    assert CHAT.decode(CALL, reply(answer(None, reason))).text == ""


def test_a_missing_finish_reason_stays_unknown() -> None:
    assert CHAT.decode(CALL, reply(answer("Hello", None))).finish_reason is None


def test_an_error_under_status_200_is_that_error() -> None:
    with pytest.raises(errors.RateLimitError, match="Slow down") as raised:
        CHAT.decode(CALL, reply({"error": {"message": "Slow down", "code": 429}}))
    assert raised.value.status is None


@pytest.mark.parametrize("count", [-1, 10**12, 1.5, "12", True, None, [], 2**70])
def test_a_count_that_cannot_be_is_unknown_and_the_answer_stands(count: object) -> None:
    usage = {
        "prompt_tokens": count,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": count},
    }
    done = CHAT.decode(CALL, reply({**answer(), "usage": usage}))
    assert done.text == "Hello"
    assert done.usage == Usage(input_tokens=None, output_tokens=3)


@pytest.mark.parametrize("usage", [None, [], "many", 7])
def test_usage_of_another_shape_is_unknown(usage: object) -> None:
    assert CHAT.decode(CALL, reply({**answer(), "usage": usage})).usage == Usage()


def test_a_part_larger_than_its_whole_is_unknown() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 6}}
    assert CHAT.decode(CALL, reply({**answer(), "usage": usage})).usage == Usage(5, 1)


def test_a_tool_that_takes_free_text_has_it_as_its_arguments() -> None:
    tool = {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
    assert CHAT.decode(CALL, reply(answer(None, "tool_calls", tool_calls=[tool]))).tool_calls == (
        ToolCall("c1", "sql", "SELECT 1"),
    )


# Choices


def test_a_choice_is_asked_for_as_one_of_the_labels() -> None:
    asked = sent(CHOOSE)["response_format"]["json_schema"]
    assert asked["strict"] is True
    assert asked["schema"]["properties"]["choice"]["enum"] == ["yes", "no"]


# Streams


def test_a_stream_that_ends_without_a_finish_reason_is_incomplete_whatever_its_end_mark_says() -> None:
    for events in ([], ["[DONE]"]):
        decoder = CHAT.decoder(CALL)
        for data in [chunk(content="Hel"), chunk(content="lo"), *events]:
            decoder.feed(ServerEvent(data))
        with pytest.raises(errors.StreamIncomplete) as raised:
            decoder.finish()
        assert raised.value.partial_text == "Hello"


def test_a_stream_of_nothing_is_incomplete() -> None:
    with pytest.raises(errors.StreamIncomplete):
        CHAT.decoder(CALL).finish()


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        ({"message": "Slow down", "type": "rate_limit_exceeded"}, errors.RateLimitError, "Slow down"),
        ({"message": "No money", "code": "insufficient_quota"}, errors.QuotaError, "No money"),
        ({"message": "Overloaded", "code": 503}, errors.ProviderUnavailable, "Overloaded"),
        ({"message": "Bad key", "code": "invalid_api_key"}, errors.AuthenticationError, "Bad key"),
        ({"message": "Too long", "type": "invalid_request_error"}, errors.InvalidRequestError, "Too long"),
        ({"message": "Not allowed", "code": "content_filter"}, errors.ContentFilterError, "Not allowed"),
        ({"reason": 7}, errors.ProviderUnavailable, "reason"),
        ("It broke", errors.ProviderUnavailable, "It broke"),
    ],
)
def test_an_error_in_a_stream_says_what_the_server_said(
    error: object, kind: type[errors.ModelError], said: str
) -> None:
    decoder = CHAT.decoder(CALL)
    decoder.feed(ServerEvent(chunk(content="Hel")))
    with pytest.raises(kind) as raised:
        decoder.feed(ServerEvent(json.dumps({"error": error})))
    assert type(raised.value) is kind
    assert said in str(raised.value)


def test_events_that_are_not_known_are_skipped() -> None:
    decoder = CHAT.decoder(CALL)
    for event in (
        ServerEvent("beat", "heartbeat"),
        ServerEvent('{"object": "telemetry"}'),
        ServerEvent('{"choices": []}'),
        ServerEvent('{"choices": [{"index": 1, "delta": {"content": "another answer"}}]}'),
        ServerEvent('{"choices": [{"index": 0, "delta": null}]}'),
        ServerEvent(chunk(content="Hi", reasoning_content="thinking")),
        ServerEvent(chunk("stop")),
    ):
        decoder.feed(event)
    assert decoder.finish().text == "Hi"


@pytest.mark.parametrize(
    "data",
    [
        "<html>",
        "null",
        "[]",
        '{"choices": [{"ind',
        '{"choices": null}',
        '{"choices": "Hi"}',
        '{"choices": [{"delta": "Hi"}]}',
        '{"choices": [{"delta": {"content": 7}}]}',
        '{"choices": [{"delta": {}, "finish_reason": 7}]}',
        '{"choices": [{"delta": {"tool_calls": "f"}}]}',
        '{"choices": [{"delta": {"tool_calls": [{"index": "a"}]}}]}',
    ],
)
def test_a_known_event_of_wrong_shape_is_an_error(data: str) -> None:
    with pytest.raises(errors.InvalidResponse):
        CHAT.decoder(CALL).feed(ServerEvent(data))


def text_of(pieces: tuple[Piece, ...]) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


STREAM: Final = (
    ": hello\r\n\r\n"
    f"data: {chunk(content='Grüße, ')}\n\n"
    f"event: ping\ndata: x\n\n"
    f"data: {chunk(content='世界 🙂')}\r\n\r\n"
    f"data: {chunk('stop')}\n\n"
    'data: {"choices": [],\ndata:  "usage": {"prompt_tokens": 3, "completion_tokens": 4}}\n\n'
    "data: [DONE]\n\n"
).encode()


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_the_text_does_not_depend_on_where_the_bytes_are_split(cuts: list[int]) -> None:
    parser, decoder, told = EventParser(), CHAT.decoder(CALL), ""
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(edges):
        told += "".join(text_of(decoder.feed(event)) for event in parser.feed(STREAM[start:end]))
    assert decoder.done
    done = decoder.finish()
    assert told == done.text == "Grüße, 世界 🙂"
    assert done.usage == Usage(3, 4)


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "choices",
                        "message",
                        "delta",
                        "content",
                        "tool_calls",
                        "function",
                        "index",
                        "error",
                        "usage",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ).map(lambda body: json.dumps(body).encode())
)
def test_no_body_whatever_makes_the_codec_raise_anything_but_its_own_errors(body: bytes) -> None:
    for read in (
        lambda: CHAT.decode(CALL, reply(body)),
        lambda: CHAT.decoder(CALL).feed(ServerEvent(body.decode("utf-8", "replace"))),
        lambda: CHAT.decode_embed(EmbedCall("m", ("a",)), reply(body)),
    ):
        with suppress(errors.ModelError):
            read()


# Embeddings

TEXTS: Final = EmbedCall("e", ("one", "two"))


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def test_vectors_come_in_the_order_of_the_texts_in_either_form() -> None:
    data = [{"index": 1, "embedding": packed(0.5, -1)}, {"index": 0, "embedding": [1, 0.25]}]
    found = CHAT.decode_embed(TEXTS, reply({"data": data, "model": "e-1", "usage": {"prompt_tokens": 2}}))
    assert found.vectors == ((1.0, 0.25), (0.5, -1.0))
    assert (found.model, found.usage) == ("e-1", Usage(2, 0))


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        [{"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 2, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": "1", "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": []}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": ["2"]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": None}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": "no base64!"}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": "AAA="}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": packed(float("nan"))}],
        [{"index": [], "embedding": [1.0]}, {"index": 1, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [10**400]}],
    ],
)
def test_anything_but_one_good_vector_for_each_text_is_an_error(data: object) -> None:
    with pytest.raises(errors.InvalidResponse):
        CHAT.decode_embed(TEXTS, reply({"data": data}))


def test_the_codec_talks_to_a_real_server() -> None:
    with LocalServer() as server:
        request = CHAT.encode(CALL, Endpoint(f"{server.url}/v1"))
        asked = urllib.request.Request(request.url, request.body, dict(request.headers))
        with urllib.request.urlopen(asked, timeout=10) as answered:
            body = answered.read()
        assert CHAT.decode(CALL, reply(body)).text == "Hi"
        assert server.requests[-1].path == "/v1/chat/completions"
