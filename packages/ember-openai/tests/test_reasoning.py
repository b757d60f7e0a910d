"""Reasoning: asked for, read, streamed and sent back as OpenAI's own SDK does it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from ember.context import create_context
from ember.models import ReasoningDelta, TextDelta, ToolCallDelta, models
from ember.models.errors import UnsupportedError
from ember.models.testing import LocalServer

if TYPE_CHECKING:
    import openai

KEY = "sk-local-0123456789abcdef"
TURNS: Any = [{"role": "user", "content": "Why is the sky blue?"}]


def create(client: openai.OpenAI) -> Any:
    """Return what creates a response; a table of arguments fits none of its overloads."""
    return client.responses.create


@pytest.fixture(autouse=True)
def configured(server: LocalServer, ember_home: object) -> Iterator[None]:
    at = {"base_url": f"{server.url}/v1", "api": "responses"}
    with create_context(credentials={"openai_api_key": KEY}, providers={"openai": at}):
        yield


def test_a_summary_is_asked_for_and_read_as_the_sdk_does(server: LocalServer, client: openai.OpenAI) -> None:
    theirs: Any = create(client)(
        model="gpt-5",
        input=TURNS,
        reasoning={"effort": "high", "summary": "auto"},
    )
    ours = models("gpt-5", TURNS, reasoning="high")
    assert server.requests[0].body == server.requests[1].body
    (item,) = (item for item in theirs.output if item.type == "reasoning")
    assert ours.reasoning == "\n\n".join(part.text for part in item.summary) == "First it thinks."
    assert ours == theirs.output_text
    assert ours.usage.reasoning_tokens == 3


def test_reasoning_is_sent_back_as_the_sdk_sends_it(server: LocalServer, client: openai.OpenAI) -> None:
    said: Any = create(client)(model="gpt-5", input=TURNS, reasoning={"effort": "low", "summary": "auto"})
    more: Any = [*TURNS, *said.output, {"role": "user", "content": "And at night?"}]
    create(client)(model="gpt-5", input=more, reasoning={"effort": "low", "summary": "auto"})
    ours = models("gpt-5", TURNS, reasoning="low")
    models("gpt-5", [*TURNS, ours.message, {"role": "user", "content": "And at night?"}], reasoning="low")
    theirs_asked, ours_asked = server.requests[1].json["input"], server.requests[3].json["input"]
    assert _known(theirs_asked) == _known(ours_asked)
    assert ours_asked[1]["encrypted_content"]


def _known(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what the SDK adds as null to what it read."""
    return [{name: value for name, value in item.items() if value is not None} for item in items]


def test_a_turn_that_was_edited_is_sent_as_it_reads_now(server: LocalServer) -> None:
    answer = models("gpt-5", TURNS, reasoning="low")
    edited: Any = {**answer.message, "content": "Because."}
    models("gpt-5", [*TURNS, edited, {"role": "user", "content": "And at night?"}])
    assert server.requests[-1].json["input"][1:2] == [{"role": "assistant", "content": "Because."}]


def test_what_was_not_to_be_stored_is_sent_back_only_where_it_is_in_the_item(server: LocalServer) -> None:
    def unsealed(body: dict[str, Any]) -> dict[str, Any]:
        body["output"][0].pop("encrypted_content")
        return body

    server.replies(change=unsealed).then()
    answer = models("gpt-5", TURNS, reasoning="low", extra={"store": False})
    models("gpt-5", [*TURNS, answer.message, *TURNS], extra={"store": False})
    assert [item.get("type") for item in server.requests[-1].json["input"]] == [None, "message", None]


def test_a_summary_streams_before_the_text(server: LocalServer, client: openai.OpenAI) -> None:
    arguments: dict[str, Any] = {"model": "gpt-5", "input": TURNS, "stream": True}
    theirs = [
        event.delta
        for event in create(client)(**arguments, reasoning={"effort": "low", "summary": "auto"})
        if event.type == "response.reasoning_summary_text.delta"
    ]
    stream = models.stream("gpt-5", TURNS, reasoning="low")
    events = list(stream.events())
    assert server.requests[0].body == server.requests[1].body
    assert [event.text for event in events if isinstance(event, ReasoningDelta)] == theirs
    first_text = next(place for place, event in enumerate(events) if isinstance(event, TextDelta))
    assert all(isinstance(event, ReasoningDelta) for event in events[:first_text])
    assert stream.response.reasoning == "".join(theirs)
    assert stream.response.opaque == models("gpt-5", TURNS, reasoning="low").opaque


@pytest.mark.parametrize("effort", ["none", "minimal", "xhigh", "max"])
def test_every_effort_the_sdk_knows_is_sent_as_it_is(effort: Any, server: LocalServer) -> None:
    answer = models("gpt-5", TURNS, reasoning=effort)
    assert server.requests[-1].json["reasoning"]["effort"] == effort
    assert (answer.reasoning is None) == (effort == "none")


def test_chat_completions_have_an_effort_too(server: LocalServer, client: openai.OpenAI) -> None:
    made: Any = client.chat.completions.create
    theirs = made(model="gpt-5", messages=TURNS, reasoning_effort="low")
    with create_context(providers={"openai": {"api": "chat"}}):
        ours = models("gpt-5", TURNS, reasoning="low")
        streamed = models.stream("gpt-5", TURNS, reasoning="low")
        told = [event for event in streamed.events() if isinstance(event, ReasoningDelta)]
    assert server.requests[0].body == server.requests[1].body
    assert (
        ours.reasoning == theirs.choices[0].message.reasoning_content == "".join(each.text for each in told)
    )
    assert ours.usage.reasoning_tokens == theirs.usage.completion_tokens_details.reasoning_tokens
    assert "opaque" not in ours.message  # a turn that called no tool goes back without its reasoning


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_goes_back_in_its_own_field_with_a_turn_that_called_tools(
    field: str, server: LocalServer
) -> None:
    function = {"name": "add", "arguments": '{"a":1,"b":2}'}

    def calls(body: dict[str, Any]) -> dict[str, Any]:
        call = {"id": "c1", "type": "function", "function": function}
        body["choices"][0] |= {
            "message": {"role": "assistant", "content": None, field: "A sum.", "tool_calls": [call]},
            "finish_reason": "tool_calls",
        }
        return body

    server.replies(change=calls).then(text="It is 3.")
    with create_context(providers={"openai": {"api": "chat"}}):
        run = models.run_tools("gpt-5", "1 + 2?", tools=[add])
    assert run.steps[0].reasoning == "A sum." and run.response == "It is 3."
    assert server.requests[-1].json["messages"][1][field] == "A sum."


def test_a_budget_of_tokens_is_refused_before_anything_is_sent(server: LocalServer) -> None:
    with pytest.raises(UnsupportedError, match="not as a number of tokens"):
        models("gpt-5", TURNS, reasoning=2_000)
    assert not server.requests


def test_the_deltas_of_a_call_are_told_as_they_come(server: LocalServer) -> None:
    call = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "add", "arguments": ""}
    whole = {**call, "arguments": '{"a":1,"b":2}'}
    last = {"output": [whole], "status": "completed", "model": "gpt-5"}
    at = {"output_index": 0, "item_id": "f1"}
    server.replies(
        sse=[
            {"type": "response.output_item.added", "output_index": 0, "item": call},
            {"type": "response.function_call_arguments.delta", **at, "delta": '{"a":1,'},
            {"type": "response.function_call_arguments.delta", **at, "delta": '"b":2}'},
            {"type": "response.output_item.done", "output_index": 0, "item": whole},
            {"type": "response.completed", "response": last},
        ]
    )
    stream = models.stream("gpt-5", "1 + 2?", tools=[add])
    deltas = [event for event in stream.events() if isinstance(event, ToolCallDelta)]
    assert deltas == [ToolCallDelta(0, "c1", "add", text) for text in ("", '{"a":1,', '"b":2}')]
    assert stream.response.tool_calls[0].arguments == {"a": 1, "b": 2}
