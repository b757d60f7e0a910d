"""For the same message, the official SDK and this provider read the same answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pytest

from ember.core.secrets import Secret
from ember.models import Call, Completion, Endpoint, HttpReply, HttpRequest, Message, StreamDecoder, Usage
from ember.models.testing import LocalServer
from ember.providers.anthropic import Anthropic

if TYPE_CHECKING:
    import anthropic
    from anthropic.types import Message as TheirMessage

HI: Final = (Message("user", "Hi"),)
CALL: Final = Call("claude-sonnet-5-5", HI, max_tokens=50)
TEXT: Final = 'Grüße, 世界! 🙂\nline two\r\n{"a": 1}'
SAID: Final[dict[str, Any]] = {"type": "text", "text": TEXT, "citations": None}
THOUGHT: Final[dict[str, Any]] = {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"}
WEATHER: Final[dict[str, Any]] = {
    "type": "tool_use",
    "id": "toolu_1",
    "name": "weather",
    "input": {"city": "Zürich", "days": [1, 2]},
}
NOW: Final[dict[str, Any]] = {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}}
CACHED: Final[dict[str, Any]] = {
    "input_tokens": 20,
    "cache_read_input_tokens": 64,
    "cache_creation_input_tokens": 16,
    "output_tokens": 40,
    "output_tokens_details": {"thinking_tokens": 25},
}


def message(*content: dict[str, Any], stop_reason: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5-20261001",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": usage or {"input_tokens": 20, "output_tokens": 40},
    }


REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "pause_turn",
}

WHOLE: Final[dict[str, dict[str, Any]]] = {
    "plain": message(SAID),
    "empty": message(),
    "several blocks": message(THOUGHT, SAID, {"type": "text", "text": " And more.", "citations": None}),
    "tools": message(THOUGHT, WEATHER, NOW, stop_reason="tool_use"),
    "text and tool": message(SAID, WEATHER, stop_reason="tool_use"),
    "cached": message(SAID, **CACHED),
    "nothing cached": message(SAID, input_tokens=1, output_tokens=2, cache_read_input_tokens=0),
    "JSON": message({"type": "text", "text": '{"x": 1}', "citations": None}),
    **{reason: message(SAID, stop_reason=reason) for reason in REASONS},
}


def usage_of(theirs: TheirMessage) -> Usage:
    """The SDK's usage, in Ember's names: all of the input counts as input, as Anthropic's documentation adds it up."""
    used = theirs.usage
    total = used.input_tokens + (used.cache_read_input_tokens or 0) + (used.cache_creation_input_tokens or 0)
    details = used.output_tokens_details
    return Usage(
        total,
        used.output_tokens,
        used.cache_read_input_tokens,
        used.cache_creation_input_tokens,
        details.thinking_tokens if details else None,
    )


def assert_same_answer(ours: Completion, theirs: TheirMessage) -> None:
    assert ours.text == "".join(block.text for block in theirs.content if block.type == "text")
    assert ours.finish_reason == REASONS[theirs.stop_reason or ""]
    assert ours.model == theirs.model
    assert ours.usage == usage_of(theirs)
    assert [(call.id, call.name, json.loads(call.text)) for call in ours.tool_calls] == [
        (block.id, block.name, block.input) for block in theirs.content if block.type == "tool_use"
    ]


def endpoint(server: LocalServer) -> Endpoint:
    return Endpoint(server.url, Secret("sk-local-0123456789abcdef"))


@pytest.mark.parametrize("case", WHOLE)
def test_a_whole_answer_reads_the_same(
    case: str, server: LocalServer, client: anthropic.Anthropic, post: Callable[[HttpRequest], HttpReply]
) -> None:
    server.replies(200, {"request-id": "req_7"}, json=WHOLE[case])
    theirs = client.messages.create(
        model=CALL.model, max_tokens=50, messages=[{"role": "user", "content": "Hi"}]
    )
    ours = Anthropic().decode(CALL, post(Anthropic().encode(CALL, endpoint(server))))
    assert_same_answer(ours, theirs)
    assert ours.request_id == "req_7"


def streamed_message(whole: dict[str, Any], pieces: int = 3) -> list[tuple[str, dict[str, Any]]]:
    """The events that tell `whole`, each text and each tool's input in `pieces`."""
    begun: dict[str, Any] = {
        **whole,
        "content": [],
        "stop_reason": None,
        "usage": {**whole["usage"], "output_tokens": 1},
    }
    steps: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(whole["content"]):
        empty: dict[str, dict[str, Any]] = {
            "text": {"text": ""},
            "tool_use": {"input": {}},
            "thinking": {"thinking": "", "signature": ""},
        }
        deltas: dict[str, tuple[str, str, str]] = {
            "text": ("text_delta", "text", block.get("text", "")),
            "tool_use": (
                "input_json_delta",
                "partial_json",
                json.dumps(block.get("input"), ensure_ascii=False),
            ),
            "thinking": ("thinking_delta", "thinking", block.get("thinking", "")),
        }
        kind, field, told = deltas[block["type"]]
        size = len(told) // pieces + 1
        steps.append(
            {
                "type": "content_block_start",
                "index": index,
                "content_block": {**block, **empty[block["type"]]},
            }
        )
        steps += [
            {
                "type": "content_block_delta",
                "index": index,
                "delta": {"type": kind, field: told[at : at + size]},
            }
            for at in range(0, len(told), size)
        ]
        steps.append({"type": "content_block_stop", "index": index})
    steps.append(
        {
            "type": "message_delta",
            "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": whole["usage"]["output_tokens"]},
        }
    )
    steps.append({"type": "message_stop"})
    return [(step["type"], step) for step in steps]


# In a stream the SDK keeps the token details of the first event; here there are none to keep.
PLAINLY_CACHED: Final[dict[str, Any]] = {
    name: count for name, count in CACHED.items() if name != "output_tokens_details"
}
STREAMS: Final[dict[str, dict[str, Any]]] = {
    "text": message(SAID),
    "empty": message(),
    "thought, text, tools": message(THOUGHT, SAID, WEATHER, NOW, stop_reason="tool_use"),
    "cut short": message(SAID, stop_reason="max_tokens"),
    "refused": message(SAID, stop_reason="refusal"),
    "cached": message(SAID, **PLAINLY_CACHED),
}


@pytest.mark.parametrize("size", [1, 3, 7, 1_000_000])
@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_reads_the_same_however_its_bytes_are_split(
    case: str,
    size: int,
    server: LocalServer,
    client: anthropic.Anthropic,
    streamed: Callable[[StreamDecoder, HttpRequest], tuple[list[str], Completion]],
) -> None:
    server.replies(sse=streamed_message(STREAMS[case]), chunk=size, crlf=size == 3, comments=size == 7)
    with client.messages.stream(
        model=CALL.model, max_tokens=50, messages=[{"role": "user", "content": "Hi"}]
    ) as events:
        deltas = list(events.text_stream)
        theirs = events.get_final_message()
    call = Call(CALL.model, HI, max_tokens=50, stream=True)
    told, ours = streamed(Anthropic().decoder(call), Anthropic().encode(call, endpoint(server)))

    assert ours.text == "".join(told) == "".join(deltas)
    assert_same_answer(ours, theirs)


def test_counts_at_the_end_of_a_stream_replace_those_of_its_start(
    server: LocalServer,
    client: anthropic.Anthropic,
    streamed: Callable[[StreamDecoder, HttpRequest], tuple[list[str], Completion]],
) -> None:
    events = streamed_message(message(SAID))
    events[-2][1]["usage"] = {
        "input_tokens": 500,
        "cache_read_input_tokens": 10,
        "cache_creation_input_tokens": None,
        "output_tokens": 41,
    }
    server.replies(sse=events)
    with client.messages.stream(
        model=CALL.model, max_tokens=50, messages=[{"role": "user", "content": "Hi"}]
    ) as stream:
        theirs = stream.get_final_message()
    call = Call(CALL.model, HI, max_tokens=50, stream=True)
    ours = streamed(Anthropic().decoder(call), Anthropic().encode(call, endpoint(server)))[1]
    assert ours.usage == usage_of(theirs) == Usage(510, 41, 10)
