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


def test_claude_streams(server: LocalServer) -> None:
    stream = models.stream("claude-sonnet-4-6", "One two three")
    assert list(stream) == ["One ", "two ", "three"]
    assert stream.response.usage.output_tokens == 3


def test_a_stream_that_breaks_off_keeps_what_had_come(server: LocalServer) -> None:
    server.replies(fault="end", after=5)
    with pytest.raises(errors.StreamIncomplete) as raised:
        list(models.stream("claude-sonnet-4-6", "One two three"))
    assert raised.value.partial_text == "One two "


def test_a_choice_is_made_by_schema(server: LocalServer) -> None:
    server.replies(text='{"choice":"positive"}')
    assert models("claude-sonnet-4-6", "I love it.", choices=["positive", "negative"]) == "positive"


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


def test_a_wrong_key_is_an_authentication_error_that_does_not_show_it(server: LocalServer) -> None:
    error = {"type": "authentication_error", "message": f"invalid key {KEY}"}
    server.replies(401, json={"type": "error", "error": error})
    with pytest.raises(errors.AuthenticationError) as raised:
        models("claude-sonnet-4-6", "Hi")
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    "body", [b"<!doctype html><html></html>", b"null", b'{"hello": "world"}', b"\xff\xfe", b""]
)
def test_a_page_in_place_of_an_answer_is_an_error_whole_or_streamed(body: bytes, server: LocalServer) -> None:
    server.replies(200, {"content-type": "text/html"}, body=body)
    with pytest.raises(errors.InvalidResponse):
        models("claude-sonnet-4-6", "Hi")
    with pytest.raises(errors.InvalidResponse):
        list(models.stream("claude-sonnet-4-6", "Hi"))
