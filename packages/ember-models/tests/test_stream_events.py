"""A stream as typed events: text, reasoning, tool calls, and the end with what it used."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from acme import Acme

from ember.api import models
from ember.context import create_context
from ember.models import (
    Call,
    ModelRegistry,
    ReasoningDelta,
    ServerEvent,
    StreamEnd,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from ember.models.errors import InvalidResponse, StreamIncomplete
from ember.models.testing import LocalServer


def weather(city: str) -> str:
    """Say what the weather is like."""
    return f"sunny in {city}"


def chunk(finish: str | None = None, **delta: Any) -> str:
    return json.dumps({"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def calling(index: int, text: str, **more: str) -> str:
    return chunk(tool_calls=[{"index": index, "function": {"arguments": text, **more}}])


def begins(index: int, id: str, name: str) -> str:
    return chunk(tool_calls=[{"index": index, "id": id, "function": {"name": name, "arguments": ""}}])


TOOLS = [
    chunk(role="assistant", content=None),
    chunk(reasoning_content="Rome "),
    chunk(reasoning_content="or Oslo."),
    chunk(content="Let me see."),
    begins(0, "c1", "weather"),
    calling(0, '{"city":'),
    calling(0, '"Rome"}'),
    begins(1, "c2", "weather"),
    calling(1, '{"city":"Oslo"}'),
    chunk("tool_calls"),
    '{"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 9}}',
    "[DONE]",
]
TOLD: list[StreamEvent] = [
    ReasoningDelta("Rome "),
    ReasoningDelta("or Oslo."),
    TextDelta("Let me see."),
    ToolCallDelta(0, "c1", "weather", ""),
    ToolCallDelta(0, "c1", "weather", '{"city":'),
    ToolCallDelta(0, "c1", "weather", '"Rome"}'),
    ToolCallDelta(1, "c2", "weather", ""),
    ToolCallDelta(1, "c2", "weather", '{"city":"Oslo"}'),
    StreamEnd("tool_calls", Usage(5, 9), None),
]


def test_everything_that_comes_is_an_event(acme: LocalServer) -> None:
    acme.replies(sse=TOOLS)
    stream = models.stream("acme-small", "Rome or Oslo?", tools=[weather])
    assert list(stream.events()) == TOLD
    answer = stream.response
    assert (answer, answer.reasoning) == ("Let me see.", "Rome or Oslo.")
    assert [call.arguments for call in answer.tool_calls] == [{"city": "Rome"}, {"city": "Oslo"}]


def test_the_same_events_come_to_async_code(acme: LocalServer) -> None:
    acme.replies(sse=TOOLS)

    async def read() -> list[StreamEvent]:
        return [event async for event in models.astream("acme-small", "Rome?", tools=[weather]).events()]

    assert asyncio.run(read()) == TOLD


def test_text_alone_is_text_alone_whatever_else_comes(acme: LocalServer) -> None:
    acme.replies(sse=TOOLS)
    stream = models.stream("acme-small", "Rome or Oslo?", tools=[weather])
    assert list(stream) == ["Let me see."]
    assert len(stream.response.tool_calls) == 2


def test_text_first_and_events_from_then_on(acme: LocalServer) -> None:
    stream = models.stream("acme-small", "one two three")
    assert next(stream) == "one "
    assert list(stream.events()) == [
        TextDelta("two "),
        TextDelta("three"),
        StreamEnd("stop", Usage(3, 3), None),
    ]


def test_the_last_event_has_the_cost(acme: LocalServer) -> None:
    with create_context() as block:
        *_, end = models.stream("everything/gpt-4o", "one two").events()
    assert isinstance(end, StreamEnd) and end.cost == Decimal("0.000025") == models.usage(block).cost


def test_a_label_is_one_event_and_the_end_another(acme: LocalServer) -> None:
    acme.replies(text='{"choice": "no"}')
    events = list(models.stream("acme-small", "Is it?", choices=["yes", "no"]).events())
    assert events[0] == TextDelta("no") and isinstance(events[1], StreamEnd) and len(events) == 2


def test_a_stream_that_breaks_after_a_thought_is_not_begun_again_where_the_thought_was_told(
    acme: LocalServer,
) -> None:
    acme.replies(sse=TOOLS, fault="reset", after=3, delay=0.02).then(text="whole")
    stream = models.stream("acme-small", "Hi", max_retries=1)
    with pytest.raises(StreamIncomplete):
        list(stream.events())
    assert len(acme.requests) == 1


def test_a_stream_that_breaks_after_a_thought_is_begun_again_where_only_text_is_read(
    acme: LocalServer,
) -> None:
    acme.replies(sse=TOOLS, fault="reset", after=3, delay=0.02).then(text="whole")
    assert list(models.stream("acme-small", "Hi", max_retries=1)) == ["whole"]


def test_leaving_the_events_and_the_stream_ends_the_request(acme: LocalServer) -> None:
    acme.replies(text="one two three four", delay=0.1)
    with models.stream("acme-small", "Hi") as stream:
        for event in stream.events():
            assert event == TextDelta("one ")
            break
    with pytest.raises(RuntimeError):
        _ = stream.response


class Careless:
    """A decoder that gives a string for a tuple of strings: it would be told letter by letter."""

    done = False

    def feed(self, event: ServerEvent) -> Any:
        return event.data


class Stranger(Acme):
    name = "stranger"
    key_variables = ("ACME_API_KEY",)

    def decoder(self, call: Call) -> Any:
        return Careless()


def test_text_that_is_no_tuple_of_pieces_is_a_fault_of_the_provider(
    acme: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRANGER_BASE_URL", f"{acme.url}/v1")
    ModelRegistry.register(Stranger())
    try:
        with pytest.raises(InvalidResponse, match="tuple of pieces"):
            list(models.stream("stranger/any", "Hi"))
    finally:
        ModelRegistry.unregister("stranger")
