"""Claude's thinking: asked for, read, streamed, and sent back signed, as Anthropic's own SDK does it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from ember.context import create_context
from ember.models import ReasoningDelta, ToolCallDelta, models
from ember.models.errors import UnsupportedError
from ember.models.testing import LocalServer

if TYPE_CHECKING:
    import anthropic

KEY = "sk-local-0123456789abcdef"
TURNS: list[Any] = [{"role": "user", "content": "Why is the sky blue?"}]
MORE: Any = {"role": "user", "content": "And at night?"}
ASKED: dict[str, Any] = {
    "model": "claude-opus-5",
    "max_tokens": 16_384,
    "thinking": {"type": "adaptive", "display": "summarized"},
    "output_config": {"effort": "high"},
}


def create(client: anthropic.Anthropic) -> Any:
    """Return what creates a message; a table of arguments fits none of its overloads."""
    return client.messages.create


@pytest.fixture(autouse=True)
def configured(server: LocalServer, ember_home: object) -> Iterator[None]:
    at = {"base_url": server.url}
    with create_context(credentials={"anthropic_api_key": KEY}, providers={"anthropic": at}):
        yield


def test_thinking_is_asked_for_and_read_as_the_sdk_does(
    server: LocalServer, client: anthropic.Anthropic
) -> None:
    theirs: Any = create(client)(**ASKED, messages=TURNS)
    ours = models("claude-opus-5", TURNS, reasoning="high")
    assert server.requests[0].body == server.requests[1].body
    thinking, said = theirs.content
    assert ours.reasoning == thinking.thinking == "First it thinks."
    assert ours == said.text
    assert theirs.usage.output_tokens_details is not None
    assert ours.usage.reasoning_tokens == theirs.usage.output_tokens_details.thinking_tokens == 3


@pytest.mark.parametrize("stream", [False, True])
def test_signed_thinking_is_sent_back_as_the_sdk_sends_it(
    stream: bool, server: LocalServer, client: anthropic.Anthropic
) -> None:
    said: Any = create(client)(**ASKED, messages=TURNS)
    create(client)(**ASKED, messages=[*TURNS, {"role": "assistant", "content": said.content}, MORE])
    if stream:
        streaming = models.stream("claude-opus-5", TURNS, reasoning="high")
        told = [event.text for event in streaming.events() if isinstance(event, ReasoningDelta)]
        assert told == ["First ", "it ", "thinks."]
        answer = streaming.response
    else:
        answer = models("claude-opus-5", TURNS, reasoning="high")
    models("claude-opus-5", [*TURNS, answer.message, MORE], reasoning="high")
    theirs_asked, ours_asked = server.requests[1].json["messages"], server.requests[3].json["messages"]
    thinking, text = theirs_asked[1]["content"]
    assert ours_asked[1]["content"] == [thinking, {"type": "text", "text": text["text"]}]
    assert thinking["signature"]


def test_the_server_refuses_thinking_that_was_changed(client: anthropic.Anthropic) -> None:
    """... which makes the test above one of what is sent, and not only of what is kept."""
    import anthropic

    said: Any = create(client)(**ASKED, messages=TURNS)
    said.content[0].thinking = "Something else."
    with pytest.raises(anthropic.BadRequestError, match="cannot be modified"):
        create(client)(**ASKED, messages=[*TURNS, {"role": "assistant", "content": said.content}, MORE])


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


USE = {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1, "b": 2}}


def test_thinking_goes_back_before_the_call_of_a_tool_it_led_to(server: LocalServer) -> None:
    hidden = {"type": "redacted_thinking", "data": "c2VhbGVk"}
    came: list[Any] = []

    def calls(body: dict[str, Any]) -> dict[str, Any]:
        came.extend([*body["content"][:1], hidden, USE])
        return {**body, "content": came, "stop_reason": "tool_use"}

    server.replies(change=calls).then(text="It is 3.")
    run = models.run_tools("claude-opus-5", "1 + 2?", tools=[add], reasoning="high")
    assert run.response == "It is 3." and run.steps[0].reasoning == "First it thinks."
    turns = server.requests[-1].json["messages"]
    assert turns[1]["content"] == came
    assert turns[2]["content"] == [{"type": "tool_result", "tool_use_id": "t1", "content": "3"}]


def test_the_conversation_survives_json(server: LocalServer) -> None:
    import json

    answer = models("claude-opus-5", TURNS, reasoning="high")
    models("claude-opus-5", json.loads(json.dumps([*TURNS, answer.message, MORE])))
    assert server.requests[-1].json["messages"][1]["content"][0]["signature"]


def test_a_turn_of_another_vendor_goes_without_what_is_only_that_vendors(server: LocalServer) -> None:
    turn: Any = {"role": "assistant", "content": "Blue.", "opaque": {"openai": [{"type": "reasoning"}]}}
    models("claude-opus-5", [*TURNS, turn, MORE])
    assert server.requests[-1].json["messages"][1] == {"role": "assistant", "content": "Blue."}


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [
        ("claude-haiku-4-5", "low", {"type": "enabled", "budget_tokens": 1_024}),
        ("claude-opus-4-5-20251101", "high", {"type": "enabled", "budget_tokens": 8_192}),
        ("claude-opus-5", 2_000, {"type": "enabled", "budget_tokens": 2_000}),
        ("claude-opus-5", "none", {"type": "disabled"}),
        ("claude-opus-5", 0, {"type": "disabled"}),
    ],
)
def test_an_effort_is_a_budget_for_models_that_know_nothing_else(
    model: str, asked: Any, sent: object, server: LocalServer
) -> None:
    models(model, TURNS, reasoning=asked)
    assert server.requests[-1].json["thinking"] == sent
    assert "output_config" not in server.requests[-1].json


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-opus-5"])
def test_an_effort_that_claude_has_not_is_refused_before_anything_is_sent(
    model: str, server: LocalServer
) -> None:
    with pytest.raises(UnsupportedError, match="minimal"):
        models(model, TURNS, reasoning="minimal")
    assert not server.requests


def test_the_deltas_of_a_call_are_told_as_they_come(server: LocalServer) -> None:
    begun = {"type": "content_block_start", "index": 0, "content_block": {**USE, "input": {}}}
    pieces = ['{"a":1,', '"b":2}']
    grown = [
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": piece},
        }
        for piece in pieces
    ]
    end = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}}
    server.replies(sse=[begun, *grown, end, {"type": "message_stop"}])
    stream = models.stream("claude-opus-5", "1 + 2?", tools=[add])
    deltas = [event for event in stream.events() if isinstance(event, ToolCallDelta)]
    assert deltas == [ToolCallDelta(0, "t1", "add", text) for text in ("", *pieces)]
    assert stream.response.tool_calls[0].arguments == {"a": 1, "b": 2}
