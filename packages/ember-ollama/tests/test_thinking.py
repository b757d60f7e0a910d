"""Thinking by Ollama's own API: asked for, read, streamed and sent back as its own client does it."""

from __future__ import annotations

from typing import Any

import pytest

from ember.models import ReasoningDelta, models
from ember.models.errors import UnsupportedError
from ember.models.testing import LocalServer

TURNS: list[Any] = [{"role": "user", "content": "Why is the sky blue?"}]


@pytest.mark.parametrize(("model", "effort", "sent"), [("qwen3", "high", True), ("gpt-oss", "low", "low")])
def test_thinking_is_asked_for_and_read_as_the_client_does(
    model: str, effort: Any, sent: Any, served: LocalServer, client: Any
) -> None:
    theirs = client.chat(model, TURNS, think=sent)
    ours = models(f"ollama/{model}", TURNS, reasoning=effort)
    asked = [request.json for request in served.requests]
    asked[0].pop("tools", None)
    assert asked[0] == asked[1]
    assert ours.reasoning == theirs.message.thinking == "First it thinks."
    assert ours == theirs.message.content
    assert ours.usage.output_tokens == theirs.eval_count


def test_thinking_streams_before_the_text(served: LocalServer, client: Any) -> None:
    chunks = list(client.chat("qwen3", TURNS, think=True, stream=True))
    stream = models.stream("ollama/qwen3", TURNS, reasoning="medium")
    told = [event.text for event in stream.events() if isinstance(event, ReasoningDelta)]
    assert told == [chunk.message.thinking for chunk in chunks if chunk.message.thinking]
    assert stream.response.reasoning == "".join(told)


def test_a_model_is_told_not_to_think(served: LocalServer) -> None:
    assert models("ollama/qwen3", TURNS, reasoning="none").reasoning is None
    assert served.requests[-1].json["think"] is False


def test_a_budget_of_tokens_is_refused_before_anything_is_sent(served: LocalServer) -> None:
    with pytest.raises(UnsupportedError, match="not as a number of tokens"):
        models("ollama/qwen3", TURNS, reasoning=2_000)
    assert not served.requests
