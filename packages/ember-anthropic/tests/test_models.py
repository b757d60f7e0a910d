"""The wheel as users meet it: installed, found by its entry point, called by name, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ember.context import create_context
from ember.models import errors, models
from ember.models.testing import LocalServer

KEY = "sk-local-0123456789abcdef"


@pytest.fixture(autouse=True)
def configured(server: LocalServer, ember_home: object) -> Iterator[None]:
    with create_context(
        credentials={"anthropic_api_key": KEY}, providers={"anthropic": {"base_url": server.url}}
    ):
        yield


def test_claude_answers_by_its_bare_name(server: LocalServer) -> None:
    response = models("claude-sonnet-4-6", "Hello there", system="Be brief.")
    assert response == "Hello there"
    assert (response.provider, response.finish_reason, response.usage.input_tokens) == (
        "anthropic",
        "stop",
        4,
    )
    assert response.cost is not None
    asked = server.requests[-1]
    assert (asked.path, asked.key, asked.json["system"]) == ("/v1/messages", KEY, "Be brief.")


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def test_claude_calls_a_function_and_is_told_its_result(server: LocalServer) -> None:
    def calls(body: dict[str, Any]) -> dict[str, Any]:
        use = {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1, "b": 2}}
        return {**body, "content": [{"type": "text", "text": "Let me see."}, use], "stop_reason": "tool_use"}

    server.replies(change=calls).then(text="It is 3.")
    run = models.run_tools("claude-sonnet-4-6", "1 + 2?", tools=[add])
    assert run.response == "It is 3." and run.steps[0].tool_calls[0].arguments == {"a": 1, "b": 2}
    told = server.requests[-1].json["messages"]
    assert told[1]["content"][1] == {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1, "b": 2}}
    assert told[2]["content"] == [{"type": "tool_result", "tool_use_id": "t1", "content": "3"}]


def test_an_answer_of_the_wrong_shape_is_asked_for_again(server: LocalServer) -> None:
    server.replies(text="one, two").then(text='{"value": [1, 2]}')
    assert models("claude-sonnet-4-6", "Count.", schema=list[int]).parsed == [1, 2]
    assert [turn["role"] for turn in server.requests[-1].json["messages"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize("asked", [{"n": 2}, {"logprobs": True}, {"top_logprobs": 3}])
def test_what_claude_has_not_is_refused_before_anything_is_sent(asked: Any, server: LocalServer) -> None:
    with pytest.raises(errors.UnsupportedError, match="it supports: "):
        models("claude-sonnet-4-6", "Hello", **asked)
    assert not server.requests


def test_choices_of_claude_have_no_probabilities(server: LocalServer) -> None:
    server.replies(text='{"choice":"yes"}')
    assert models("claude-sonnet-4-6", "Is it?", choices=["yes", "no"], logprobs=False).probabilities is None
