"""Functions that Gemini calls: asked for and answered in the official SDK's words, and run by `run_tools`."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from ember.models import Call, Endpoint, Message, Tool, ToolCall, errors, models
from ember.models.testing import LocalServer
from ember.providers.google import Google

KEY: Final = "AIza-local-0123456789abcdef"
MODEL: Final = "gemini-2.5-flash"
NAME: Final = f"google/{MODEL}"
SIGNATURE: Final = base64.urlsafe_b64encode(b"\xfb\xff\xfe thought").decode()
HERE: Final = Endpoint("https://example.org")


@pytest.fixture(autouse=True)
def here(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("GOOGLE_BASE_URL", server.url)


def weather(city: str, days: int = 1) -> str:
    """Say what the weather is like.

    Args:
        city: The city's name.
    """
    return f"{days} days of sun in {city}"


def now() -> str:
    """Say the time."""
    return "noon"


def calling(*parts: dict[str, Any]) -> dict[str, Any]:
    return {
        "candidates": [
            {"content": {"parts": list(parts), "role": "model"}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12},
        "modelVersion": MODEL,
    }


ROME: Final[dict[str, Any]] = {
    "functionCall": {"name": "weather", "args": {"city": "Rome"}},
    "thoughtSignature": SIGNATURE,
}
TIME: Final[dict[str, Any]] = {"functionCall": {"name": "now", "id": "call-7"}}
TURNS: Final = (
    Message("user", "Do I need a coat in Rome, and when?"),
    Message(
        "assistant",
        "Let me see.",
        (ToolCall("ember-call-0", "weather", '{"city": "Rome"}'), ToolCall("call-7", "now", "")),
        opaque={
            "google": [
                {"text": "Let me see."},
                ROME,
                {"functionCall": {"id": "call-7", "args": {}, "name": "now"}},
            ]
        },
    ),
    Message("tool", "3 days of sun", tool_call_id="ember-call-0"),
    Message("tool", "noon", tool_call_id="call-7"),
    Message("assistant", "", (ToolCall("ember-call-1", "now", "{}"),)),
    Message("tool", "one", tool_call_id="ember-call-1"),
)


def theirs() -> list[Any]:
    """The same turns, made by the SDK."""
    from google.genai.types import Content, FunctionCall, FunctionResponse, Part

    say: Any = Part
    signature = base64.urlsafe_b64decode(SIGNATURE)
    return [
        Content(role="user", parts=[say(text="Do I need a coat in Rome, and when?")]),
        Content(
            role="model",
            parts=[
                say(text="Let me see."),
                say(
                    function_call=FunctionCall(name="weather", args={"city": "Rome"}),
                    thought_signature=signature,
                ),
                say(function_call=FunctionCall(id="call-7", name="now", args={})),
            ],
        ),
        Content(
            role="user",
            parts=[
                say(function_response=FunctionResponse(name="weather", response={"output": "3 days of sun"})),
                say(function_response=FunctionResponse(id="call-7", name="now", response={"output": "noon"})),
            ],
        ),
        Content(role="model", parts=[say(function_call=FunctionCall(name="now", args={}))]),
        Content(
            role="user",
            parts=[say(function_response=FunctionResponse(name="now", response={"output": "one"}))],
        ),
    ]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_functions_and_turns_that_call_them_are_told_in_the_same_words(
    stream: bool, server: LocalServer, sdk: Any
) -> None:
    from google.genai.types import FunctionDeclaration, Tool as Theirs

    point = {"type": "object", "properties": {"x_y": {"type": "integer"}}, "required": ["x_y"]}
    told: Any = Theirs(
        function_declarations=[
            FunctionDeclaration(name="add", description="Add.", parameters_json_schema=point),
            FunctionDeclaration(name="now", parameters_json_schema={"type": "object", "properties": {}}),
        ]
    )
    asked: dict[str, Any] = {
        "model": MODEL,
        "contents": theirs(),
        "config": {"tools": [told], "temperature": 0.5},
    }
    tools = [Tool("add", "Add.", point), Tool("now")]
    if stream:
        list(sdk.generate_content_stream(**asked))
        list(models.stream(NAME, TURNS, tools=tools, temperature=0.5))
    else:
        sdk.generate_content(**asked)
        models(NAME, TURNS, tools=tools, temperature=0.5)
    first, second = server.requests
    assert second.json == first.json


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_calls_come_with_ids_and_signatures(stream: bool, server: LocalServer) -> None:
    body = calling({"text": "Let me see."}, ROME, TIME, {"functionCall": {"name": "now", "args": {}}})
    question = "Do I need a coat in Rome, and when?"
    if stream:
        pieces = [calling(part) for part in body["candidates"][0]["content"]["parts"]]
        server.replies(sse=pieces)
        with models.stream(NAME, question, tools=[weather, now]) as told:
            assert "".join(told) == "Let me see."
        answer = told.response
    else:
        server.replies(json=body)
        answer = models(NAME, question, tools=[weather, now])
    assert [(call.id, call.name, call.arguments) for call in answer.tool_calls] == [
        ("ember-call-0", "weather", {"city": "Rome"}),
        ("call-7", "now", {}),
        ("ember-call-2", "now", {}),
    ]
    assert answer.finish_reason == "tool_calls"
    turn = json.loads(json.dumps(answer.message))  # plain data keeps it
    server.replies()
    results = [{"role": "tool", "content": "x", "tool_call_id": call.id} for call in answer.tool_calls]
    models(NAME, [{"role": "user", "content": question}, turn, *results], tools=[weather, now])
    sent = server.requests[-1].json["contents"]
    assert sent[1]["parts"] == body["candidates"][0]["content"]["parts"]  # each as it came, and signed
    assert [part["functionResponse"].get("id") for part in sent[2]["parts"]] == [None, "call-7", None]


def test_the_sdk_reads_the_same_calls(server: LocalServer, sdk: Any) -> None:
    server.replies(json=calling(ROME, TIME))
    other = sdk.generate_content(model=MODEL, contents="Hi")
    ours = models(NAME, "Hi", tools=[weather, now])
    assert [(call.name, call.arguments) for call in ours.tool_calls] == [
        (call.name, call.args or {}) for call in other.function_calls
    ]
    part, kept = other.candidates[0].content.parts[0], ours.opaque or {}
    assert base64.urlsafe_b64decode(kept["google"][0]["thoughtSignature"]) == part.thought_signature


def test_made_ids_never_meet_one_that_the_conversation_has(server: LocalServer) -> None:
    server.replies(json=calling({"functionCall": {"name": "now"}}))
    first = models(NAME, TURNS, tools=[weather, now])
    kept = (TURNS[0], *TURNS[4:])  # a user who forgets old turns
    assert (
        first.tool_calls[0].id == models(NAME, kept, tools=[weather, now]).tool_calls[0].id == "ember-call-2"
    )


@pytest.mark.parametrize("awaited", [False, True], ids=["waited for", "awaited"])
def test_run_tools_runs_what_gemini_calls_until_it_answers(awaited: bool, server: LocalServer) -> None:
    server.replies(json=calling(ROME, TIME)).then(json=calling({"functionCall": {"name": "now"}})).then(
        text="No."
    )
    question = "Do I need a coat in Rome?"
    tools: list[Callable[..., Any]] = [weather, now]
    if awaited:
        run = asyncio.run(models.arun_tools(NAME, question, tools=tools))
    else:
        run = models.run_tools(NAME, question, tools=tools)
    assert (str(run), len(run.steps), len(server.requests)) == ("No.", 3, 3)
    sent = server.requests[-1].json["contents"]
    assert [turn["role"] for turn in sent] == ["user", "model", "user", "model", "user"]
    assert sent[1]["parts"][0]["thoughtSignature"] == SIGNATURE
    assert [part["functionResponse"] for turn in (sent[2], sent[4]) for part in turn["parts"]] == [
        {"name": "weather", "response": {"output": "1 days of sun in Rome"}},
        {"id": "call-7", "name": "now", "response": {"output": "noon"}},
        {"name": "now", "response": {"output": "noon"}},
    ]


def test_a_result_without_its_call_is_refused() -> None:
    for message in (Message("tool", "42"), Message("tool", "42", tool_call_id="unheard-of")):
        with pytest.raises(errors.UnsupportedError, match="tool_call_id"):
            Google().encode(Call(MODEL, (TURNS[0], message)), HERE)
    wrong = Message("assistant", "", (ToolCall("c", "sql", "SELECT 1"),))
    with pytest.raises(errors.UnsupportedError, match="JSON object"):
        Google().encode(Call(MODEL, (wrong,)), HERE)
