"""For the same response, the official SDK and this provider read the same answer."""

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
    Usage,
)
from ember.models.testing import LocalServer
from ember.models.turns import given_id
from ember.providers.google import Google

if TYPE_CHECKING:
    from google.genai.types import EmbedContentResponse, GenerateContentResponse

HI: Final = (Message("user", "Hi"),)
CALL: Final = Call("gemini-2.5-flash", HI)
TEXT: Final = 'Grüße, 世界! 🙂\nline two\r\n{"a": 1}'
SAID: Final[dict[str, Any]] = {"text": TEXT}
THOUGHT: Final[dict[str, Any]] = {"text": "Let me see.", "thought": True}
SIGNED: Final[dict[str, Any]] = {"text": "", "thoughtSignature": "c2ln"}
WEATHER: Final[dict[str, Any]] = {
    "functionCall": {"id": "call_1", "name": "weather", "args": {"city": "Zürich", "days": [1, 2]}},
    "thoughtSignature": "c2ln",
}
NOW: Final[dict[str, Any]] = {"functionCall": {"name": "now", "args": {}}}
BARE: Final[dict[str, Any]] = {"functionCall": {"name": "now"}}
RAN: Final[dict[str, Any]] = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
IMAGE: Final[dict[str, Any]] = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
PLAIN: Final = {"promptTokenCount": 20, "candidatesTokenCount": 40, "totalTokenCount": 60}
EVERY: Final = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 64,
    "candidatesTokenCount": 15,
    "thoughtsTokenCount": 25,
    "toolUsePromptTokenCount": 8,
    "totalTokenCount": 148,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
}


def response(
    *parts: dict[str, Any], reason: str | None = "STOP", usage: dict[str, Any] = PLAIN
) -> dict[str, Any]:
    return {
        "candidates": [
            {"content": {"parts": list(parts), "role": "model"}, "finishReason": reason, "index": 0}
        ],
        "usageMetadata": usage,
        "modelVersion": "gemini-2.5-flash-001",
        "responseId": "resp_7",
    }


REASONS: Final = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "ESCALATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "LANGUAGE": "LANGUAGE",
    "OTHER": "OTHER",
    "MALFORMED_FUNCTION_CALL": "MALFORMED_FUNCTION_CALL",
}

WHOLE: Final[dict[str, dict[str, Any]]] = {
    "plain": response(SAID),
    "no parts": response(),
    "no content": {**response(), "candidates": [{"finishReason": "MAX_TOKENS", "index": 0}]},
    "several parts": response(THOUGHT, SAID, {"text": " And more."}, SIGNED),
    "tools": response(THOUGHT, WEATHER, NOW, BARE),
    "text and tool": response(SAID, WEATHER),
    "code and media": response(RAN, IMAGE, SAID),
    "two candidates": {
        **response(SAID),
        "candidates": [
            response(SAID)["candidates"][0],
            {**response({"text": "no"})["candidates"][0], "index": 1},
        ],
    },
    "JSON": response({"text": '{"x": 1}'}),
    "every count": response(SAID, usage=EVERY),
    "thoughts only": response(
        reason="MAX_TOKENS",
        usage={"promptTokenCount": 4, "thoughtsTokenCount": 50, "totalTokenCount": 54},
    ),
    "no output": response(usage={"promptTokenCount": 4, "totalTokenCount": 4}),
    **{reason: response(SAID, reason=reason) for reason in REASONS},
}


def usage_of(theirs: GenerateContentResponse) -> Usage:
    """The SDK's counts in Ember's names. What the SDK calls the total is the sum of input and output."""
    used = theirs.usage_metadata
    assert used is not None
    read = (used.prompt_token_count or 0) + (used.tool_use_prompt_token_count or 0)
    wrote = (used.candidates_token_count or 0) + (used.thoughts_token_count or 0)
    assert used.total_token_count == read + wrote
    return Usage(
        read,
        wrote,
        cached_input_tokens=used.cached_content_token_count,
        reasoning_tokens=used.thoughts_token_count,
    )


def assert_same_answer(ours: Completion, theirs: GenerateContentResponse) -> None:
    assert ours.text == (theirs.text or "")
    assert theirs.candidates
    word = theirs.candidates[0].finish_reason
    assert word is not None
    assert ours.finish_reason == ("tool_calls" if theirs.function_calls else REASONS[word.value])
    assert (ours.model, ours.request_id) == (theirs.model_version, theirs.response_id)
    assert ours.usage == usage_of(theirs)
    assert [(given_id(call.id) or "", call.name, call.arguments) for call in ours.tool_calls] == [
        (call.id or "", call.name, call.args or {}) for call in theirs.function_calls or ()
    ]


def endpoint(server: LocalServer) -> Endpoint:
    return Endpoint(server.url, Secret("AIza-local-0123456789abcdef"))


@pytest.mark.parametrize("case", WHOLE)
def test_a_whole_answer_reads_the_same(
    case: str, server: LocalServer, sdk: Any, post: Callable[[HttpRequest], HttpReply]
) -> None:
    server.replies(json=WHOLE[case])
    theirs: GenerateContentResponse = sdk.generate_content(model=CALL.model, contents="Hi")
    ours = Google().decode(CALL, post(Google().encode(CALL, endpoint(server))))
    assert_same_answer(ours, theirs)
    assert ours.raw == WHOLE[case]


def test_the_sdk_has_no_finish_reason_that_is_not_considered_here(sdk: Any) -> None:
    from google.genai.types import FinishReason

    own_words = {
        "FINISH_REASON_UNSPECIFIED",
        "IMAGE_OTHER",
        "NO_IMAGE",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
        "PUP_LIMITED_DISABLED",
    }
    assert {reason.value for reason in FinishReason} == set(REASONS) | own_words


def streamed_response(whole: dict[str, Any], pieces: int = 3) -> list[dict[str, Any]]:
    """The chunks that tell `whole`, each text in `pieces`, and the reason in the last one."""
    (candidate,) = whole["candidates"]
    parts: list[dict[str, Any]] = []
    for part in candidate["content"]["parts"]:
        if "text" not in part:
            parts.append(part)
            continue
        size = len(part["text"]) // pieces + 1
        parts += [{**part, "text": part["text"][at : at + size]} for at in range(0, len(part["text"]), size)]
    known = {name: whole[name] for name in ("modelVersion", "responseId")}
    early = {"promptTokenCount": whole["usageMetadata"]["promptTokenCount"]}
    chunks: list[dict[str, Any]] = [
        {
            **known,
            "candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}],
            "usageMetadata": early,
        }
        for part in parts
    ]
    end = {
        **candidate,
        "content": {"parts": [{"text": "", "thoughtSignature": "c2ln"}], "role": "model"},
    }
    return [*chunks, {**whole, "candidates": [end]}]


STREAMS: Final[dict[str, dict[str, Any]]] = {
    "text": response(SAID),
    "empty": response(),
    "thought, text, tools": response(THOUGHT, SAID, WEATHER, NOW),
    "cut short": response(SAID, reason="MAX_TOKENS"),
    "stopped by the filter": response(SAID, reason="SAFETY"),
    "every count": response(SAID, usage=EVERY),
}


@pytest.mark.parametrize("size", [1, 3, 7, 1_000_000])
@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_reads_the_same_however_its_bytes_are_split(
    case: str,
    size: int,
    server: LocalServer,
    sdk: Any,
    streamed: Callable[[StreamDecoder, HttpRequest], tuple[list[str], Completion]],
) -> None:
    server.replies(sse=streamed_response(STREAMS[case]), chunk=size, crlf=size == 3)
    # The SDK gives the chunks; it has no sum of its own.
    chunks: list[GenerateContentResponse] = list(sdk.generate_content_stream(model=CALL.model, contents="Hi"))
    # It takes a comment between events for JSON, and fails.
    server.replies(sse=streamed_response(STREAMS[case]), chunk=size, crlf=size == 3, comments=size == 7)
    call = Call(CALL.model, HI, stream=True)
    told, ours = streamed(Google().decoder(call), Google().encode(call, endpoint(server)))

    assert [text for text in told if text] == [chunk.text for chunk in chunks if chunk.text]
    assert ours.text == "".join(chunk.text or "" for chunk in chunks)
    last = chunks[-1]
    assert last.candidates and last.candidates[0].finish_reason is not None
    calls = [call for chunk in chunks for call in chunk.function_calls or ()]
    word = last.candidates[0].finish_reason.value
    assert ours.finish_reason == ("tool_calls" if calls else REASONS[word])
    assert ours.usage == usage_of(last)
    assert (ours.model, ours.request_id) == (last.model_version, last.response_id)
    assert [(given_id(each.id) or "", each.name, each.arguments) for each in ours.tool_calls] == [
        (each.id or "", each.name, each.args or {}) for each in calls
    ]


def test_embeddings_read_the_same(
    server: LocalServer, sdk: Any, post: Callable[[HttpRequest], HttpReply]
) -> None:
    values = [[0.1, -2, 3e-12], [1, 0.5, 7]]
    server.replies(
        json={
            "embeddings": [{"values": each} for each in values],
            "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
        }
    )
    theirs: EmbedContentResponse = sdk.embed_content(model="gemini-embedding-001", contents=["a", "b"])
    call = EmbedCall("gemini-embedding-001", ("a", "b"))
    ours = Google().decode_embed(call, post(Google().encode_embed(call, endpoint(server))))
    assert theirs.embeddings and theirs.usage_metadata
    assert [list(vector) for vector in ours.vectors] == [each.values for each in theirs.embeddings]
    assert ours.usage == Usage(theirs.usage_metadata.prompt_token_count, 0)


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
def test_an_error_reads_the_same(
    status: int, server: LocalServer, sdk: Any, post: Callable[[HttpRequest], HttpReply]
) -> None:
    from google.genai.errors import APIError

    server.replies(status, text="Something is wrong")
    with pytest.raises(APIError) as theirs:
        sdk.generate_content(model=CALL.model, contents="Hi")
    ours = Google().explain(post(Google().encode(CALL, endpoint(server))))
    assert (ours.status, ours.problem) == (theirs.value.code, theirs.value.message)
