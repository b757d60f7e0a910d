"""The wheel as users meet it: installed, found by its entry point, called by name, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ember.context import create_context
from ember.models import models
from ember.models.testing import LocalServer

KEY = "sk-local-0123456789abcdef"


@pytest.fixture(autouse=True)
def configured(server: LocalServer, ember_home: object) -> Iterator[None]:
    with create_context(
        credentials={"openai_api_key": KEY}, providers={"openai": {"base_url": f"{server.url}/v1"}}
    ):
        yield


def test_a_model_of_openai_answers_by_its_bare_name(server: LocalServer) -> None:
    response = models("gpt-4o", "Hello there", temperature=0.5)
    assert response == "Hello there"
    assert (response.provider, response.finish_reason, response.usage.input_tokens) == ("openai", "stop", 2)
    assert response.cost is not None
    asked = server.requests[-1]
    assert (asked.path, asked.key, asked.json["temperature"]) == ("/v1/chat/completions", KEY, 0.5)


def test_the_responses_api_answers_whole_and_in_pieces(server: LocalServer) -> None:
    with create_context(providers={"openai": {"api": "responses"}}):
        assert models("gpt-5", "Hello there") == "Hello there"
        stream = models.stream("gpt-5", "One two three")
        assert "".join(stream) == "One two three"
        assert stream.response.usage.output_tokens == 3
    assert [asked.path for asked in server.requests] == ["/v1/responses", "/v1/responses"]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def test_a_model_calls_a_function_and_is_told_its_result_in_the_responses_api(server: LocalServer) -> None:
    call = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "add", "arguments": '{"a":1,"b":2}'}

    def calls(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "output": [call]}

    server.replies(change=calls).then(text="It is 3.")
    with create_context(providers={"openai": {"api": "responses"}}):
        run = models.run_tools("gpt-5", "1 + 2?", tools=[add])
    assert run.response == "It is 3." and run.steps[0].finish_reason == "tool_calls"
    assert server.requests[-1].json["input"][1:] == [
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a":1,"b":2}'},
        {"type": "function_call_output", "call_id": "c1", "output": "3"},
    ]


def test_an_answer_of_the_wrong_shape_is_asked_for_again(server: LocalServer) -> None:
    for api in ("chat", "responses"):
        server.replies(text="one, two").then(text='{"value": [1, 2]}')
        with create_context(providers={"openai": {"api": api}}):
            assert models("gpt-5", "Count.", schema=list[int]).parsed == [1, 2]
