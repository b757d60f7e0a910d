"""Functions that Ollama's models call: asked for and answered in its own client's words, and run by `run_tools`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from ember.models import Message, Tool, ToolCall, models
from ember.models.errors import UnsupportedError
from ember.models.testing import LocalServer

NAME: Final = "ollama/llama3.2"
POINT: Final = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
ROME: Final[dict[str, Any]] = {"function": {"name": "weather", "arguments": {"city": "Rome"}}}
TIME: Final[dict[str, Any]] = {"id": "call_7", "function": {"name": "now", "arguments": {}}}


def weather(city: str, days: int = 1) -> str:
    """Say what the weather is like."""
    return f"{days} days of sun in {city}"


def now() -> str:
    """Say the time."""
    return "noon"


def calling(*calls: dict[str, Any], text: str = "", done: bool = True) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "tool_calls": list(calls)}
    counts = {"done_reason": "stop", "prompt_eval_count": 5, "eval_count": 7} if done else {}
    return {"model": "llama3.2", "message": message, "done": done, **counts}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_functions_and_turns_that_call_them_are_told_in_the_same_words(
    stream: bool, served: LocalServer, client: Any
) -> None:
    turns = (
        Message("user", "Do I need a coat in Rome?"),
        Message(
            "assistant",
            "Let me see.",
            (ToolCall("ember-call-0", "weather", '{"city": "Rome"}'), ToolCall("ember-call-1", "now", "")),
        ),
        Message("tool", "sun", tool_call_id="ember-call-0"),
        Message("tool", "noon", tool_call_id="ember-call-1"),
    )
    said: list[Any] = [
        {"role": "user", "content": "Do I need a coat in Rome?"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [ROME, {"function": {"name": "now", "arguments": {}}}],
        },
        {"role": "tool", "content": "sun", "tool_name": "weather"},
        {"role": "tool", "content": "noon", "tool_name": "now"},
    ]
    told: list[Any] = [
        {"type": "function", "function": {"name": "add", "description": "Add.", "parameters": POINT}},
        {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
    ]
    tools = [Tool("add", "Add.", POINT), Tool("now")]
    made: Any = client.chat("llama3.2", said, tools=told, stream=stream)
    if stream:
        list(made)
        list(models.stream(NAME, turns, tools=tools))
    else:
        models(NAME, turns, tools=tools)
    first, second = served.requests
    assert second.json == first.json


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_calls_have_ids_whether_the_server_gives_them_or_not(stream: bool, served: LocalServer) -> None:
    third: dict[str, Any] = {"function": {"name": "now", "arguments": {}}}
    if stream:
        lines = [calling(ROME, TIME, text="Hm.", done=False), calling(third, done=False), calling()]
        served.replies(change=lambda _: [json.dumps(line).encode() + b"\n" for line in lines])
        with models.stream(NAME, "Do I need a coat?", tools=[weather, now]) as told:
            assert "".join(told) == "Hm."
        answer = told.response
    else:
        served.replies(json=calling(ROME, TIME, third, text="Hm."))
        answer = models(NAME, "Do I need a coat?", tools=[weather, now])
    assert [(call.id, call.name, call.arguments) for call in answer.tool_calls] == [
        ("ember-call-0", "weather", {"city": "Rome"}),
        ("call_7", "now", {}),
        ("ember-call-2", "now", {}),
    ]
    assert answer.finish_reason == "tool_calls"


@pytest.mark.parametrize("awaited", [False, True], ids=["waited for", "awaited"])
def test_run_tools_runs_what_the_model_calls_until_it_answers(awaited: bool, served: LocalServer) -> None:
    served.replies(json=calling(ROME, TIME)).then(json=calling(ROME)).then(text="No.")
    question = "Do I need a coat in Rome?"
    tools: list[Callable[..., Any]] = [weather, now]
    if awaited:
        run = asyncio.run(models.arun_tools(NAME, question, tools=tools))
    else:
        run = models.run_tools(NAME, question, tools=tools)
    assert (str(run), len(run.steps), len(served.requests)) == ("No.", 3, 3)
    sent = served.requests[-1].json["messages"]
    assert [turn["role"] for turn in sent] == ["user", "assistant", "tool", "tool", "assistant", "tool"]
    assert sent[1]["tool_calls"] == [ROME, TIME]
    assert sent[2:4] == [
        {"role": "tool", "content": "1 days of sun in Rome", "tool_name": "weather"},
        {"role": "tool", "content": "noon", "tool_name": "now", "tool_call_id": "call_7"},
    ]


def test_a_result_without_its_call_is_refused(served: LocalServer) -> None:
    question = {"role": "user", "content": "What is the answer?"}
    for result in ({"role": "tool", "content": "42"}, {"role": "tool", "content": "42", "tool_call_id": "?"}):
        with pytest.raises(UnsupportedError, match="tool_call_id"):
            models(NAME, [question, result])
    assert served.requests == []
