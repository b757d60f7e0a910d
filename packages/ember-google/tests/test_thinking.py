"""Gemini's thinking: asked for, read, streamed, and sent back signed, as Google's own SDK does it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ember.context import create_context
from ember.models import ReasoningDelta, models
from ember.models.errors import UnsupportedError
from ember.models.testing import LocalServer

KEY = "AIza-local-0123456789abcdef"
TURNS: list[Any] = [{"role": "user", "content": "Why is the sky blue?"}]
MORE: Any = {"role": "user", "content": "And at night?"}


@pytest.fixture(autouse=True)
def configured(server: LocalServer, ember_home: object) -> Iterator[None]:
    at = {"base_url": server.url}
    with create_context(credentials={"google_api_key": KEY}, providers={"google": at}):
        yield


def test_thoughts_are_asked_for_and_read_as_the_sdk_does(server: LocalServer, sdk: Any) -> None:
    config = {"thinking_config": {"include_thoughts": True, "thinking_level": "low"}}
    theirs = sdk.generate_content(model="gemini-3.5-flash", contents=TURNS[0]["content"], config=config)
    ours = models("gemini-3.5-flash", TURNS, reasoning="low")
    asked = [request.json["generationConfig"]["thinkingConfig"] for request in server.requests]
    # Inside this object the SDK writes names with underscores, which protocol buffers take as well.
    assert asked == [
        {"include_thoughts": True, "thinking_level": "LOW"},
        {"includeThoughts": True, "thinkingLevel": "LOW"},
    ]
    parts = theirs.candidates[0].content.parts
    assert ours.reasoning == "".join(part.text for part in parts if part.thought) == "First it thinks."
    assert ours == theirs.text
    assert ours.usage.reasoning_tokens == theirs.usage_metadata.thoughts_token_count == 3


@pytest.mark.parametrize("stream", [False, True])
def test_signed_parts_are_sent_back_as_the_sdk_sends_them(
    stream: bool, server: LocalServer, sdk: Any
) -> None:
    config = {"thinking_config": {"include_thoughts": True, "thinking_level": "low"}}
    asked: dict[str, Any] = {"model": "gemini-3.5-flash", "config": config}
    said = sdk.generate_content(**asked, contents=TURNS[0]["content"])
    question = {"role": "user", "parts": [{"text": TURNS[0]["content"]}]}
    more = {"role": "user", "parts": [{"text": MORE["content"]}]}
    sdk.generate_content(**asked, contents=[question, said.candidates[0].content, more])
    if stream:
        streaming = models.stream("gemini-3.5-flash", TURNS, reasoning="low")
        told = [event.text for event in streaming.events() if isinstance(event, ReasoningDelta)]
        assert told == ["First ", "it ", "thinks."]
        answer = streaming.response
    else:
        answer = models("gemini-3.5-flash", TURNS, reasoning="low")
    models("gemini-3.5-flash", json.loads(json.dumps([*TURNS, answer.message, MORE])), reasoning="low")
    theirs_sent, ours_sent = server.requests[1].json["contents"][1], server.requests[3].json["contents"][1]
    if stream:  # in more parts, and each as it came
        assert "".join(part["text"] for part in ours_sent["parts"]) == "First it thinks." + str(answer)
        assert ours_sent["parts"][-1]["thoughtSignature"] == theirs_sent["parts"][-1]["thoughtSignature"]
    else:
        assert ours_sent == theirs_sent
    assert ours_sent["role"] == theirs_sent["role"] == "model"


def test_a_turn_that_was_edited_is_sent_as_it_reads_now(server: LocalServer) -> None:
    answer = models("gemini-3.5-flash", TURNS, reasoning="low")
    models("gemini-3.5-flash", [*TURNS, {**answer.message, "content": "Because."}, MORE])
    assert server.requests[-1].json["contents"][1] == {"parts": [{"text": "Because."}], "role": "model"}


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [
        ("gemini-2.5-flash", "medium", {"includeThoughts": True, "thinkingBudget": 8_192}),
        ("gemini-2.5-pro", 4_000, {"includeThoughts": True, "thinkingBudget": 4_000}),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-3.5-flash", "xhigh", {"includeThoughts": True, "thinkingLevel": "XHIGH"}),
    ],
)
def test_an_effort_is_a_budget_for_models_that_know_nothing_else(
    model: str, asked: Any, sent: object, server: LocalServer
) -> None:
    models(model, TURNS, reasoning=asked)
    assert server.requests[-1].json["generationConfig"]["thinkingConfig"] == sent


def test_an_effort_that_gemini_has_not_is_refused_before_anything_is_sent(server: LocalServer) -> None:
    with pytest.raises(UnsupportedError, match="max"):
        models("gemini-3.5-flash", TURNS, reasoning="max")
    assert not server.requests
