"""What the provider asks for, what it refuses to ask, and what it makes of answers that are none."""

from __future__ import annotations

import json
from contextlib import suppress
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
from ember.providers.google import Google

CALL: Final = Call("gemini-2.5-flash", (Message("user", "Hi"),))
CHOOSE: Final = Call(CALL.model, CALL.messages, choices=("yes", "no"), stream=True)
EMBED: Final = EmbedCall("gemini-embedding-001", ("a", "b"))
KEY: Final = "AIza-local-0123456789abcdef"
HERE: Final = Endpoint("https://generativelanguage.googleapis.com", Secret(KEY))


def reply(body: object, status: int = 200, **headers: str) -> HttpReply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpReply(status, {"content-type": "application/json", **headers}, data)


def says(*parts: Any, reason: object = "STOP", **changed: Any) -> dict[str, Any]:
    candidate = {"content": {"parts": list(parts), "role": "model"}, "finishReason": reason, "index": 0}
    return {"candidates": [candidate], "modelVersion": "gemini-x", "responseId": "r", **changed}


def candidate(**fields: Any) -> dict[str, Any]:
    return {"candidates": [fields]}


def chunk(text: str = "", reason: str | None = None, **changed: Any) -> ServerEvent:
    return ServerEvent(json.dumps(says({"text": text}, reason=reason, **changed)))


# Requests


@pytest.mark.parametrize("model", ["gemini-pro", "gemini-embedding-001"])
def test_models_by_googles_names_are_routed_here(model: str) -> None:
    assert Google().serves(model)


@pytest.mark.parametrize(
    "model", ["gpt-4", "claude-sonnet-5-5", "gemma-3", "text-embedding-3-small", "a/gemini-pro"]
)
def test_other_models_are_not(model: str) -> None:
    assert not Google().serves(model)


def test_without_a_key_no_header_for_one_is_sent() -> None:
    request = Google().encode(CALL, Endpoint("http://127.0.0.1:1"))
    assert set(request.headers) == {"accept", "content-type"}


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-pro", "/v1/models/gemini-pro:generateContent"),
        ("models/gemini-pro", "/v1/models/gemini-pro:generateContent"),
        ("tunedModels/mine", "/v1/tunedModels/mine:generateContent"),
        ("../../v1/files?x=", "/v1/models/..%2F..%2Fv1%2Ffiles%3Fx%3D:generateContent"),
        ("models/../a#b", "/v1/models/..%2Fa%23b:generateContent"),
        ("..", "/v1/models/..:generateContent"),
    ],
)
def test_a_models_name_cannot_lead_anywhere_but_to_a_model(model: str, path: str) -> None:
    assert Google().encode(Call(model, CALL.messages), HERE).url == HERE.base_url + path


def test_a_version_of_the_api_that_is_none_is_refused() -> None:
    with pytest.raises(errors.UnsupportedError, match="v1beta"):
        Google().encode(CALL, Endpoint(HERE.base_url, None, {"api": "chat"}))


def test_vendor_fields_add_to_what_the_call_says_and_win_over_it() -> None:
    extra: dict[str, Any] = {
        "generationConfig": {"topK": 5, "temperature": 1.0},
        "contents": [],
        "cachedContent": "c",
    }
    call = Call(CALL.model, CALL.messages, temperature=0.5, max_tokens=9, extra=extra)
    assert json.loads(Google().encode(call, HERE).body) == {
        "contents": [],
        "generationConfig": {"temperature": 1.0, "maxOutputTokens": 9, "topK": 5},
        "cachedContent": "c",
    }
    assert extra["generationConfig"] == {"topK": 5, "temperature": 1.0}


def test_a_reference_in_a_schema_stands_alone() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "home": {"$ref": "#/$defs/A", "description": "where", "default": None},
            "$ref": {"type": "string"},
            "kind": {"enum": [{"$ref": "x", "y": 1}]},
        },
        "anyOf": [{"$ref": "#/$defs/A", "title": "T"}],
        "$defs": {"A": {"type": "object"}},
    }
    sent = json.loads(Google().encode(Call(CALL.model, CALL.messages, schema=schema), HERE).body)
    assert sent["generationConfig"]["responseJsonSchema"] == {
        **schema,
        "properties": {**schema["properties"], "home": {"$ref": "#/$defs/A"}},
        "anyOf": [{"$ref": "#/$defs/A"}],
    }


# Whole answers

BROKEN: Final[dict[str, object]] = {
    "HTML": b"<!doctype html><html>",
    "nothing": b"",
    "null": None,
    "a list": [],
    "a list of one": [says({"text": "Hello"})],
    "a string": "Hello",
    "another shape": {"hello": "world"},
    "cut short": json.dumps(says({"text": "Hello"})).encode()[:-20],
    "not UTF-8": b'{"candidates": "\xff"}',
    "nested too deep": b'{"candidates":' + b"[" * 100_000,
    "no candidates": {"usageMetadata": {"promptTokenCount": 3}},
    "candidates empty": {"candidates": []},
    "candidates null": {"candidates": None},
    "candidates text": {"candidates": "Hello"},
    "candidates of text": {"candidates": ["Hello"]},
    "candidate empty": candidate(),
    "only another candidate": candidate(index=1, content={"parts": [{"text": "Hello"}]}, finishReason="STOP"),
    "nothing said and not stopped": candidate(content={"parts": [], "role": "model"}),
    "reason unspecified": candidate(content={"role": "model"}, finishReason="FINISH_REASON_UNSPECIFIED"),
    "content text": candidate(content="Hello", finishReason="STOP"),
    "parts text": candidate(content={"parts": "Hello"}, finishReason="STOP"),
    "parts of text": candidate(content={"parts": ["Hello"]}, finishReason="STOP"),
    "text null": says({"text": None}),
    "text a number": says({"text": 7}),
    "finish reason a number": says({"text": "Hello"}, reason=3),
    "model a number": says({"text": "Hello"}, modelVersion=5),
    "response id a number": says({"text": "Hello"}, responseId=5),
    "feedback text": {"promptFeedback": "SAFETY"},
    "feedback without a block": {"promptFeedback": {"safetyRatings": []}},
    "block reason a number": {"promptFeedback": {"blockReason": 1}},
    "call null": says({"functionCall": None}),
    "call without name": says({"functionCall": {"args": {}}}),
    "call with arguments as text": says({"functionCall": {"name": "f", "args": "{}"}}),
    "call with an id that is a number": says({"functionCall": {"name": "f", "id": 1}}),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_not_an_answer_is_never_taken_for_one(case: str) -> None:
    with pytest.raises(errors.InvalidResponse) as raised:
        Google().decode(CALL, reply(BROKEN[case]))
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("reason", ["SAFETY", "PROHIBITED_CONTENT", "OTHER"])
def test_a_blocked_prompt_is_a_content_filters_error_whole_or_streamed(reason: str) -> None:
    body = {"promptFeedback": {"blockReason": reason}, "usageMetadata": {}, "responseId": "r"}
    with pytest.raises(errors.ContentFilterError, match=reason) as raised:
        Google().decode(CALL, reply(body))
    assert raised.value.request_id == "r"
    with pytest.raises(errors.ContentFilterError, match=reason):
        Google().decoder(CALL).feed(ServerEvent(json.dumps(body)))


def test_an_answer_stopped_by_the_filter_keeps_what_was_said() -> None:
    done = Google().decode(CALL, reply(says({"text": "Hel"}, reason="SAFETY")))
    assert (done.text, done.finish_reason) == ("Hel", "content_filter")


def test_what_a_blocked_prompt_used_is_told_with_the_error() -> None:
    body = {
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7},
    }
    with pytest.raises(errors.ContentFilterError) as raised:
        Google().decode(CALL, reply(body))
    assert raised.value.usage == Usage(7, 0)


def test_the_first_candidate_is_the_answer() -> None:
    both = says({"text": "no"})["candidates"] + says({"text": "yes"})["candidates"]
    both[0]["index"] = 1
    assert Google().decode(CALL, reply({"candidates": both})).text == "yes"


NOTHING: Final = Usage()


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, NOTHING),
        ("12", NOTHING),
        ({}, NOTHING),
        ({"promptTokenCount": 5, "candidatesTokenCount": 7}, Usage(5, 7)),
        ({"promptTokenCount": 5, "totalTokenCount": 5}, Usage(5, 0)),
        # The total says that something was counted which is not told.
        ({"promptTokenCount": 5, "totalTokenCount": 9}, Usage(5, None)),
        ({"promptTokenCount": 5}, Usage(5, None)),
        ({"promptTokenCount": -5, "candidatesTokenCount": True}, NOTHING),
        ({"promptTokenCount": 10**12, "candidatesTokenCount": 7.0}, NOTHING),
        (
            {"promptTokenCount": 5, "cachedContentTokenCount": 6, "candidatesTokenCount": 1},
            Usage(5, 1),
        ),
        (
            {"promptTokenCount": 5, "candidatesTokenCount": 1, "thoughtsTokenCount": -2},
            Usage(5, None),
        ),
        (
            {"promptTokenCount": 5, "toolUsePromptTokenCount": "x", "candidatesTokenCount": 1},
            Usage(None, 1),
        ),
        (
            {"promptTokenCount": 5, "thoughtsTokenCount": 4, "totalTokenCount": 9},
            Usage(5, 4, reasoning_tokens=4),
        ),
    ],
)
def test_a_count_that_cannot_be_is_not_believed(usage: object, expected: Usage) -> None:
    assert Google().decode(CALL, reply(says({"text": "Hello"}, usageMetadata=usage))).usage == expected


# Errors


def fault(
    status: str, message: str = "Something is wrong", *details: object, code: int = 0
) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


INVALID_KEY: Final = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
    "metadata": {"service": "generativelanguage.googleapis.com"},
}
WAIT: Final = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.074824224s"}


def exceeded(*quotas: str) -> dict[str, Any]:
    violations = [{"quotaMetric": "m", "quotaId": quota, "quotaValue": "5"} for quota in quotas]
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}


MINUTE: Final = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
DAY: Final = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"


@pytest.mark.parametrize(
    ("status", "body", "expected", "wait"),
    [
        (400, fault("INVALID_ARGUMENT"), errors.InvalidRequestError, None),
        (400, fault("INVALID_ARGUMENT", "No key", INVALID_KEY), errors.AuthenticationError, None),
        (400, fault("FAILED_PRECONDITION"), errors.InvalidRequestError, None),
        (401, fault("UNAUTHENTICATED"), errors.AuthenticationError, None),
        (403, fault("PERMISSION_DENIED"), errors.AuthenticationError, None),
        (404, fault("NOT_FOUND"), errors.ModelNotFound, None),
        (429, fault("RESOURCE_EXHAUSTED"), errors.RateLimitError, None),
        (
            429,
            fault("RESOURCE_EXHAUSTED", "Slowly", exceeded(MINUTE), WAIT),
            errors.RateLimitError,
            34.074824224,
        ),
        (429, fault("RESOURCE_EXHAUSTED", "Slowly", WAIT, exceeded(MINUTE, DAY)), errors.QuotaError, None),
        (500, fault("INTERNAL"), errors.ProviderUnavailable, None),
        (503, fault("UNAVAILABLE", "Overloaded", {"retryDelay": "2s"}), errors.ProviderUnavailable, 2.0),
        (504, fault("DEADLINE_EXCEEDED"), errors.ProviderUnavailable, None),
        (429, [fault("RESOURCE_EXHAUSTED", "Slowly", WAIT)], errors.RateLimitError, 34.074824224),
        (502, b"<html>Bad gateway</html>", errors.ProviderUnavailable, None),
        (400, None, errors.InvalidRequestError, None),
        (400, [], errors.InvalidRequestError, None),
        (400, {"error": None}, errors.InvalidRequestError, None),
        (429, b'{"error":' + b"[" * 100_000, errors.RateLimitError, None),
        (429, {"error": {"details": "soon"}}, errors.RateLimitError, None),
        (429, {"error": {"details": [None, {"violations": [None, "PerDay"]}]}}, errors.RateLimitError, None),
    ],
)
def test_an_error_is_of_the_type_that_its_details_tell(
    status: int, body: object, expected: type[errors.ModelError], wait: float | None
) -> None:
    found = Google().explain(reply(body, status))
    assert type(found) is expected
    assert (found.status, found.retry_after) == (status, wait)


@pytest.mark.parametrize(
    "delay", ["", "s", "soon", "-3s", "1e3s", "nans", "infs", "34", 34, None, "٣s", "9" * 400 + "s"]
)
def test_a_wait_that_is_none_is_not_believed(delay: object) -> None:
    body = fault("RESOURCE_EXHAUSTED", "Slowly", {"retryDelay": delay})
    assert Google().explain(reply(body, 429)).retry_after is None


def test_a_wait_in_the_head_of_the_reply_comes_before_that_in_its_details() -> None:
    body = fault("RESOURCE_EXHAUSTED", "Slowly", WAIT)
    assert Google().explain(reply(body, 429, **{"retry-after": "7"})).retry_after == 7


def test_a_server_that_repeats_the_key_does_not_get_it_shown() -> None:
    Secret(KEY)
    found = Google().explain(reply(fault("INVALID_ARGUMENT", f"API key {KEY} not valid", INVALID_KEY), 400))
    assert isinstance(found, errors.AuthenticationError)
    assert KEY not in f"{found} {found.args} {vars(found)}"


# Embeddings

BROKEN_VECTORS: Final[dict[str, object]] = {
    "HTML": b"<html>",
    "null": None,
    "another shape": {"hello": "world"},
    "none": {"embeddings": []},
    "too few": {"embeddings": [{"values": [1]}]},
    "too many": {"embeddings": [{"values": [1]}] * 3},
    "one for all": {"embedding": {"values": [1, 2]}},
    "of text": {"embeddings": ["a", "b"]},
    "no values": {"embeddings": [{}, {}]},
    "values empty": {"embeddings": [{"values": []}, {"values": []}]},
    "values text": {"embeddings": [{"values": "12"}, {"values": "12"}]},
    "of booleans": {"embeddings": [{"values": [True]}, {"values": [False]}]},
    "of nulls": {"embeddings": [{"values": [None]}, {"values": [1]}]},
    "of unlike length": {"embeddings": [{"values": [1]}, {"values": [1, 2]}]},
    "not finite": b'{"embeddings": [{"values": [NaN]}, {"values": [1]}]}',
    "too large": b'{"embeddings": [{"values": [1' + b"0" * 400 + b']}, {"values": [1]}]}',
}


@pytest.mark.parametrize("case", BROKEN_VECTORS)
def test_what_is_not_a_vector_for_each_text_is_never_taken_for_one(case: str) -> None:
    with pytest.raises(errors.InvalidResponse):
        Google().decode_embed(EMBED, reply(BROKEN_VECTORS[case]))


def test_an_error_in_place_of_vectors_or_of_an_answer_is_raised_as_what_it_is() -> None:
    body = fault("RESOURCE_EXHAUSTED", "Slowly", WAIT, code=429)
    with pytest.raises(errors.RateLimitError, match="Slowly") as raised:
        Google().decode_embed(EMBED, reply(body))
    assert raised.value.retry_after == 34.074824224
    with pytest.raises(errors.RateLimitError, match="Slowly"):
        Google().decode(CALL, reply(body))


# Streams


def test_a_stream_without_a_reason_is_not_whole() -> None:
    for events in ([], [chunk("", "FINISH_REASON_UNSPECIFIED")], [ServerEvent('{"usageMetadata": {}}')]):
        decoder = Google().decoder(CALL)
        for sent in (chunk("Hel"), chunk("lo"), *events):
            decoder.feed(sent)
        with pytest.raises(errors.StreamIncomplete) as raised:
            decoder.finish()
        assert raised.value.partial_text == "Hello"


def test_a_reason_with_every_piece_ends_nothing() -> None:
    decoder = Google().decoder(CALL)
    told = [decoder.feed(chunk(text, "STOP")) for text in ("Hel", "lo")]
    assert (told, decoder.done, decoder.finish().text) == ([("Hel",), ("lo",)], False, "Hello")


def test_counts_of_a_later_piece_replace_those_of_an_earlier_one() -> None:
    decoder = Google().decoder(CALL)
    for counts in (
        {"promptTokenCount": 5, "thoughtsTokenCount": 3, "totalTokenCount": 8},
        {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 10},
    ):
        decoder.feed(chunk("a", "STOP", usageMetadata=counts))
    assert decoder.finish().usage == Usage(5, 5, reasoning_tokens=3)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}, errors.ProviderUnavailable),
        ({"message": "Overloaded", "status": "UNAVAILABLE"}, errors.ProviderUnavailable),
        ({"code": 429, "message": "Overloaded", "details": [WAIT]}, errors.RateLimitError),
        ({"message": "Overloaded", "status": "RESOURCE_EXHAUSTED"}, errors.RateLimitError),
        ({"code": 400, "message": "Overloaded", "status": "INVALID_ARGUMENT"}, errors.InvalidRequestError),
        ({"code": 400, "message": "Overloaded", "details": [INVALID_KEY]}, errors.AuthenticationError),
        ("Overloaded", errors.ProviderUnavailable),
        ({"code": "503", "message": ["Overloaded"], "status": 7}, errors.ProviderUnavailable),
    ],
)
@pytest.mark.parametrize("name", ["message", "error"])
def test_an_error_in_a_stream_says_what_the_server_said(
    name: str, error: object, expected: type[errors.ModelError]
) -> None:
    decoder = Google().decoder(CALL)
    decoder.feed(chunk("Hel"))
    with pytest.raises(expected, match="Overloaded") as raised:
        decoder.feed(ServerEvent(json.dumps({"error": error}), name))
    assert type(raised.value) is expected
    assert raised.value.status is None


def test_an_event_called_error_is_one_whatever_it_holds() -> None:
    with pytest.raises(errors.ProviderUnavailable):
        Google().decoder(CALL).feed(ServerEvent('{"hello": "world"}', "error"))


def test_events_parts_and_candidates_that_are_not_the_answer_are_skipped() -> None:
    decoder = Google().decoder(CALL)
    other = says({"text": "other"})
    other["candidates"][0]["index"] = 1
    for sent in (
        ServerEvent("beat", "heartbeat"),
        ServerEvent("{}"),
        ServerEvent('{"promptFeedback": {"safetyRatings": []}}'),
        ServerEvent(json.dumps(says({"text": "hm", "thought": True}, reason=None))),
        ServerEvent(
            json.dumps(says({"executableCode": {"code": "1"}}, {}, {"somethingNew": 1}, reason=None))
        ),
        chunk("Hel"),
        ServerEvent(json.dumps(other)),
        chunk("lo", "STOP"),
        ServerEvent('{"usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2}}'),
    ):
        decoder.feed(sent)
    done = decoder.finish()
    assert (done.text, done.tool_calls, done.finish_reason) == ("Hello", (), "stop")
    assert done.usage == Usage(1, 2)


def test_functions_that_are_called_in_a_stream_are_kept_in_order() -> None:
    decoder = Google().decoder(CALL)
    for part in ({"name": "now"}, {"name": "weather", "id": "w", "args": {"city": "Zürich"}}):
        decoder.feed(ServerEvent(json.dumps(says({"functionCall": part}, reason=None))))
    decoder.feed(chunk("", "STOP"))
    done = decoder.finish()
    assert done.tool_calls == (
        ToolCall("ember-call-0", "now", "{}"),
        ToolCall("w", "weather", '{"city":"Zürich"}'),
    )
    assert done.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "broken",
    [
        ServerEvent("<html>"),
        ServerEvent("null"),
        ServerEvent("[]"),
        ServerEvent('{"candidates": [{"con'),
        ServerEvent("<html>", "error"),
        *(
            ServerEvent(json.dumps(body))
            for body in (
                {"candidates": "Hello"},
                {"candidates": ["Hello"]},
                candidate(content="Hello"),
                candidate(content={"parts": "Hello"}),
                candidate(content={"parts": [{"text": 7}]}),
                candidate(content={"parts": [{"functionCall": {"args": {}}}]}),
                candidate(finishReason=7),
                {"modelVersion": 7},
                {"promptFeedback": "SAFETY"},
            )
        ),
    ],
)
def test_a_known_event_of_wrong_shape_is_an_error(broken: ServerEvent) -> None:
    with pytest.raises(errors.InvalidResponse):
        Google().decoder(CALL).feed(broken)


def text_of(pieces: tuple[Piece, ...]) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


STREAM: Final = "".join(
    f"data: {sent.data}\r\n\r\n"
    for sent in (chunk("Grüße, "), chunk("世界 🙂"), chunk("", "STOP", usageMetadata={"promptTokenCount": 3}))
).encode()


@given(st.integers(0, len(STREAM) - 1))
def test_a_stream_cut_anywhere_is_incomplete_or_an_error_never_an_answer(end: int) -> None:
    parser, decoder = EventParser(), Google().decoder(CALL)
    told = ""
    with suppress(UnicodeDecodeError):
        for sent in parser.feed(STREAM[:end]):
            told += text_of(decoder.feed(sent))
    with pytest.raises(errors.StreamIncomplete) as raised:
        decoder.finish()
    assert raised.value.partial_text == told


KEYS: Final = [
    "candidates",
    "content",
    "parts",
    "text",
    "thought",
    "functionCall",
    "name",
    "args",
    "finishReason",
    "promptFeedback",
    "blockReason",
    "usageMetadata",
    "promptTokenCount",
    "embeddings",
    "values",
    "error",
    "details",
    "retryDelay",
    "violations",
]
WORDS: Final = ["STOP", "SAFETY", "1s", "PerDay", "API_KEY_INVALID"]


@given(
    st.recursive(
        st.none() | st.integers() | st.booleans() | st.floats() | st.sampled_from(WORDS),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
        max_leaves=15,
    )
)
def test_no_body_whatever_raises_anything_but_a_model_error(body: object) -> None:
    for call in (CALL, CHOOSE):
        with suppress(errors.ModelError):
            Google().decode(call, reply(body))
        decoder = Google().decoder(call)
        with suppress(errors.ModelError):
            decoder.feed(ServerEvent(json.dumps(body)))
            decoder.finish()
    with suppress(errors.ModelError):
        Google().decode_embed(EMBED, reply(body))
    assert isinstance(Google().explain(reply(body, 429)), errors.RateLimitError)
