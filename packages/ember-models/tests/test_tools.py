"""Functions as tools: what the model is told of them, the calls it makes, and conversations that run them."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import pytest
from acme import KEY
from pydantic import BaseModel, Field

from ember.api import models
from ember.core import external
from ember.models import Message, Tool, ToolCall
from ember.models.errors import ToolCallError, TooManySteps, UnsupportedError
from ember.models.testing import LocalServer

if TYPE_CHECKING:
    from ember.models import ToolRun

Unit = Literal["C", "F"]


class Spot(TypedDict):
    lat: float
    lon: float


class Stay(BaseModel):
    hotel: str
    nights: int = 1


def weather(city: str, unit: Unit = "C", *, days: list[int] | None = None) -> str:
    """Say what the weather is like.

    Today, mostly.

    Args:
        city: The city's name,
            in English.
        unit: Of the temperature.

    Returns:
        What a model can read.
    """
    return f"{city}: 21 {unit}{'' if days is None else f' for {sum(days)}'}"


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@external(kind="tool")
def times(a: int, b: int) -> int:
    """Multiply."""
    return a * b


@external(kind="tool")
async def minus(a: int, b: int) -> int:
    """Subtract."""
    await asyncio.sleep(0)
    return a - b


async def half(a: float) -> float:
    """Halve."""
    await asyncio.sleep(0)
    return a / 2


def fails(a: int) -> int:
    """Fail."""
    raise LookupError(f"nothing at {a} for {KEY}")


def calling(*calls: tuple[str, Any], text: str | None = None) -> dict[str, Any]:
    """A chat completion that asks for `calls`: names, and arguments or their text."""
    asked = [
        {
            "id": f"c{number}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for number, (name, given) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": text, "tool_calls": asked}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return {
        "model": "gpt-4o",
        "choices": [{"message": message, "finish_reason": "tool_calls"}],
        "usage": usage,
    }


def told(server: LocalServer, name: str = "") -> dict[str, Any]:
    """What the last request says of the tool `name`, or of the first."""
    tools = [tool["function"] for tool in server.requests[-1].json["tools"]]
    found: dict[str, Any] = next(tool for tool in tools if name in ("", tool["name"]))
    return found


# What the model is told


def test_a_function_is_told_by_its_name_its_docstring_and_its_types(acme: LocalServer) -> None:
    models("acme-small", "Hi", tools=[weather])
    tool = told(acme)
    assert tool["name"] == "weather" and tool["strict"] is False
    assert tool["description"] == "Say what the weather is like.\n\nToday, mostly."
    schema = tool["parameters"]
    assert schema["required"] == ["city"] and schema["additionalProperties"] is False
    assert schema["properties"]["city"]["description"] == "The city's name, in English."
    assert schema["properties"]["unit"]["enum"] == ["C", "F"]
    assert schema["properties"]["unit"]["default"] == "C"


def test_a_function_whose_parameters_are_all_needed_is_told_in_strict_form(acme: LocalServer) -> None:
    models("acme-small", "Hi", tools=[add, times, minus, half])
    for name in ("add", "times", "minus", "half"):
        assert told(acme, name)["strict"] is True
    assert list(told(acme, "times")["parameters"]["properties"]) == ["a", "b"]


def test_every_type_that_pydantic_knows_can_be_a_parameter(acme: LocalServer) -> None:
    def book(
        stay: Stay,
        spot: Spot,
        price: Decimal,
        stars: Annotated[int, Field(ge=1, le=5, description="how good")],
        json: bool,
        schema: str,
    ) -> None:
        """Book."""

    arguments = {
        "stay": {"hotel": "A"},
        "spot": {"lat": 1, "lon": 2},
        "price": "9.90",
        "stars": 5,
        "json": True,
        "schema": "x",
    }
    acme.replies(json=calling(("book", arguments)))
    call = models("acme-small", "Hi", tools=[book]).tool_calls[0]
    assert call.arguments == {**arguments, "stay": Stay(hotel="A"), "price": Decimal("9.90")}
    assert told(acme)["parameters"]["properties"]["stars"]["description"] == "how good"


def test_a_method_is_a_tool_without_its_self(acme: LocalServer) -> None:
    class Shop:
        def price(self, of: str) -> int:
            """Say a price."""
            return len(of)

    acme.replies(json=calling(("price", {"of": "tea"}))).then(text="3")
    run = models.run_tools("acme-small", "Tea?", tools=[Shop().price])
    assert run.messages[2].content == "3"


def test_a_tool_can_be_told_as_data_and_its_arguments_are_the_json(acme: LocalServer) -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    acme.replies(json=calling(("search", {"q": "x", "more": 1})))
    answer = models("acme-small", "Hi", tools=[Tool("search", "Search.", schema)])
    assert answer.tool_calls[0].arguments == {"q": "x", "more": 1}
    assert told(acme)["parameters"]["properties"] == schema["properties"]


def without_types(a, b=1):  # type: ignore[no-untyped-def]  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]
    return 0


def several(*numbers: int) -> int:
    return sum(numbers)


def by_place(a: int, /) -> int:
    return a


def of_a_lock(lock: threading.Event) -> None:
    lock.set()


untyped: Any = without_types  # pyright: ignore[reportUnknownVariableType]
NO_TOOLS: list[Any] = [7, "add", untyped, several, by_place, of_a_lock, Tool("a b"), int]


@pytest.mark.parametrize("tool", NO_TOOLS)
def test_what_is_no_tool_is_refused_before_anything_is_sent(acme: LocalServer, tool: Any) -> None:
    with pytest.raises(TypeError, match=r"[Tt]ool"):
        models("acme-small", "Hi", tools=[tool])
    assert acme.requests == []


def test_tools_are_a_list_of_different_names_and_no_company_for_choices(acme: LocalServer) -> None:
    for wrong in ([add, add], add, "add"):
        with pytest.raises(TypeError):
            models("acme-small", "Hi", tools=wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="choices="):
        models("acme-small", "Hi", tools=[add], choices=["a", "b"])
    assert acme.requests == []


def test_a_provider_without_tools_says_so(acme: LocalServer) -> None:
    with pytest.raises(UnsupportedError, match="'tools'"):
        models("parrot", "Hi", tools=[add])


# The calls it makes


def test_the_arguments_of_a_call_are_values_of_the_functions_types(acme: LocalServer) -> None:
    acme.replies(json=calling(("add", '{"a": "1", "b": 2}'), text="Let me add."))
    answer = models("acme-small", "1 + 2?", tools=[add])
    assert answer == "Let me add." and answer.finish_reason == "tool_calls"
    (call,) = answer.tool_calls
    assert (call.id, call.name, call.text) == ("c0", "add", '{"a": "1", "b": 2}')
    assert call.arguments == {"a": 1, "b": 2} and add(**call.arguments) == 3


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("add", '{"a": 1}', "b: Field required"),
        ("add", '{"a": 1, "b": 2, "c": 3}', "c: Extra"),
        ("add", '{"a": 1, "b": ', "JSON"),
        ("add", "[1, 2]", "object"),
        ("divide", '{"a": 1, "b": 2}', "no such tool"),
    ],
)
def test_wrong_arguments_are_an_error_with_their_text_when_they_are_used(
    acme: LocalServer, name: str, text: str, why: str
) -> None:
    acme.replies(json=calling((name, text)))
    answer = models("acme-small", "1 + 2?", tools=[add])
    for call in (answer.tool_calls[0], pickle.loads(pickle.dumps(answer)).tool_calls[0]):
        with pytest.raises(ToolCallError, match=why) as caught:
            _ = call.arguments
        assert (caught.value.text, caught.value.tool) == (text, name)


def test_a_call_by_a_vendors_own_field_has_the_json_as_arguments() -> None:
    assert ToolCall("c", "f", '{"a": 1}').arguments == {"a": 1}
    with pytest.raises(ToolCallError, match="not a JSON object"):
        _ = ToolCall("c", "f", "SELECT 1").arguments


def test_a_streamed_answer_has_its_calls_at_the_end(acme: LocalServer) -> None:
    function = {"index": 0, "id": "c1", "function": {"name": "add", "arguments": '{"a": 1,'}}
    rest = {"index": 0, "function": {"arguments": ' "b": 2}'}}
    deltas: list[dict[str, Any]] = [{"tool_calls": [function]}, {"tool_calls": [rest]}]
    events: list[Any] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    events += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}, "[DONE]"]
    acme.replies(sse=events)
    stream = models.stream("acme-small", "1 + 2?", tools=[add])
    assert list(stream) == [] and stream.response.tool_calls[0].arguments == {"a": 1, "b": 2}


def test_an_answer_by_a_schema_may_call_tools_first(acme: LocalServer) -> None:
    acme.replies(json=calling(("add", {"a": 1, "b": 2}))).then(text='{"value": 3}')
    run = models.run_tools("acme-small", "1 + 2?", tools=[add], schema=int)
    assert [step.parsed for step in run.steps] == [None, 3]


# Conversations


def test_tools_are_run_and_the_model_goes_on_with_their_results(acme: LocalServer) -> None:
    script = [("times", {"a": 3, "b": 4}), ("minus", {"a": 3, "b": 4}), ("half", {"a": 3})]
    acme.replies(
        json=calling(("add", {"a": 1, "b": 2}), ("weather", {"city": "Rome"}), text="Let me see.")
    ).then(json=calling(*script)).then(text="All done.")
    run = models.run_tools(
        "gpt-4o", "Go on.", tools=[add, weather, times, minus, half], system="Be brief.", temperature=0
    )
    assert str(run) == run.response == "All done." and len(run.steps) == 3
    sent = acme.requests[-1].json["messages"]
    assert [turn["role"] for turn in sent] == [
        "system", "user", "assistant", "tool", "tool", "assistant", "tool", "tool", "tool",
    ]  # fmt: skip
    assert sent[2]["content"] == "Let me see." and sent[5]["content"] is None
    assert [turn["content"] for turn in sent if turn["role"] == "tool"] == [
        "3", "Rome: 21 C", "12", "-1", "1.5",
    ]  # fmt: skip
    assert [turn["tool_call_id"] for turn in sent if turn["role"] == "tool"] == ["c0", "c1", "c0", "c1", "c2"]
    assert all(request.json["temperature"] == 0 for request in acme.requests)
    assert [message.role for message in run.messages][-1] == "assistant"
    assert run.usage.input_tokens == sum(step.usage.input_tokens or 0 for step in run.steps)
    assert run.cost == sum(step.cost or 0 for step in run.steps) > 0


def test_awaited_tools_of_one_answer_run_at_once(acme: LocalServer) -> None:
    together = threading.Barrier(2, timeout=10)

    def meet(name: str) -> str:
        """Meet."""
        together.wait()
        return name

    acme.replies(json=calling(("meet", {"name": "a"}), ("meet", {"name": "b"}))).then(
        json=calling(("times", {"a": 2, "b": 3}), ("minus", {"a": 2, "b": 3}), ("half", {"a": 1}))
    ).then(text="Met.")
    run = asyncio.run(models.arun_tools("acme-small", "Meet.", tools=[meet, times, minus, half]))
    assert run.response == "Met."
    assert [turn.content for turn in run.messages if turn.role == "tool"] == ["a", "b", "6", "-1", "0.5"]


def test_a_conversation_goes_on_from_plain_data(acme: LocalServer) -> None:
    acme.replies(json=calling(("add", {"a": 1, "b": 2}))).then(text="3")
    asked: list[Any] = [{"role": "user", "content": "1 + 2?"}]
    answer = models("acme-small", asked, tools=[add])
    history = json.loads(json.dumps([*asked, answer.message]))
    for call in answer.tool_calls:
        history.append({"role": "tool", "content": str(add(**call.arguments)), "tool_call_id": call.id})
    assert models("acme-small", history, tools=[add]) == "3"
    by_hand = acme.requests[-1].json["messages"]
    run_before = len(acme.requests)
    acme.replies(json=calling(("add", {"a": 1, "b": 2}))).then(text="3")
    models.run_tools("acme-small", "1 + 2?", tools=[add])
    assert len(acme.requests) == run_before + 2 and acme.requests[-1].json["messages"] == by_hand


def test_arguments_in_a_message_may_be_an_object(acme: LocalServer) -> None:
    turns: list[Any] = [
        {"role": "user", "content": "1 + 2?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "name": "add", "arguments": {"a": 1}}],
        },
        {"role": "tool", "content": "3", "tool_call_id": "c"},
    ]
    models("acme-small", turns)
    assert acme.requests[-1].json["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"a":1}'


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "user", "content": "x", "tool_calls": []},
        {"role": "assistant", "content": "x", "tool_call_id": "c"},
        {"role": "assistant", "content": None},
        {"role": "assistant", "content": "x", "tool_calls": "add"},
        {"role": "assistant", "content": "x", "tool_calls": [{"id": "c", "name": "add"}]},
        {"role": "assistant", "content": "x", "tool_calls": [{"id": 1, "name": "add", "arguments": "{}"}]},
        {"role": "assistant", "content": "x", "tool_calls": [7]},
        {"role": "tool", "content": "x", "tool_call_id": 7},
    ],
)
def test_a_turn_of_another_form_is_refused(acme: LocalServer, turn: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match="message 0"):
        models("acme-small", [turn])
    assert acme.requests == []


def test_a_model_that_goes_on_calling_is_stopped_with_the_conversation_kept(acme: LocalServer) -> None:
    acme.replies(json=calling(("add", {"a": 1, "b": 2})))
    with pytest.raises(TooManySteps, match=r"after 3 answers.*add") as caught:
        models.run_tools("acme-small", "1 + 2?", tools=[add], max_steps=3)
    assert len(acme.requests) == 3
    assert [message.role for message in caught.value.messages] == [
        "user",
        *["assistant", "tool"] * 2,
        "assistant",
    ]
    assert isinstance(caught.value.messages[0], Message)


@pytest.mark.parametrize("call", [("fails", {"a": 7}), ("fails", {"a": "x"}), ("unknown", {})])
def test_what_a_tool_raises_ends_the_run_or_is_told_to_the_model(
    acme: LocalServer, call: tuple[str, Any]
) -> None:
    runs: list[Callable[..., ToolRun]] = [
        models.run_tools,
        lambda *given, **named: asyncio.run(models.arun_tools(*given, **named)),
    ]
    for run in runs:
        acme.replies(json=calling(call)).then(text="I see.")
        with pytest.raises((LookupError, ToolCallError)):
            run("acme-small", "Try.", tools=[fails])
        acme.replies(json=calling(call)).then(text="I see.")
        done = run("acme-small", "Try.", tools=[fails], on_error="tell")
        assert done.response == "I see." and done.messages[2].text.startswith("Error: ")
        assert KEY not in acme.requests[-1].body.decode()


def test_results_are_told_as_text_or_json(acme: LocalServer) -> None:
    @dataclass
    class Pair:
        left: str
        right: Decimal

    def nothing() -> None:
        """Do nothing."""

    def words() -> list[str]:
        """Say words."""
        return ["é", "b"]

    def pair() -> Pair:
        """Say a pair."""
        return Pair("a", Decimal("0.10"))

    acme.replies(json=calling(("nothing", ""), ("words", {}), ("pair", {}))).then(text="I see.")
    run = models.run_tools("acme-small", "Say.", tools=[nothing, words, pair])
    results = [message.content for message in run.messages if message.role == "tool"]
    assert results == ["null", '["é", "b"]', '{"left":"a","right":"0.10"}']


@pytest.mark.parametrize(
    "wrong", [{"max_steps": 0}, {"max_steps": True}, {"on_error": "ignore"}, {"tools": None}]
)
def test_a_run_of_another_form_is_refused(acme: LocalServer, wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"tools": [add], **wrong}
    with pytest.raises((TypeError, ValueError)):
        models.run_tools("acme-small", "Hi", **given)
    with pytest.raises(TypeError, match="no function"):
        models.run_tools("acme-small", "Hi", tools=[Tool("search")])
    assert acme.requests == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_calls_that_a_server_gives_no_ids_have_one_each(stream: bool, acme: LocalServer) -> None:
    def now() -> str:
        """Say the time."""
        return "noon"

    body = calling(("now", {}), ("now", {}))
    message = body["choices"][0]["message"]
    for number, each in enumerate(message["tool_calls"]):
        each.update({"id": "" if stream else None, "index": number})
    if stream:
        acme.replies(sse=[{"choices": [{"delta": message, "finish_reason": "tool_calls"}]}, "[DONE]"])
        with models.stream("acme-small", "What time is it?", tools=[now]) as told:
            list(told)
        answer = told.response
    else:
        acme.replies(json=body)
        answer = models("acme-small", "What time is it?", tools=[now])
    assert [call.id for call in answer.tool_calls] == ["ember-call-0", "ember-call-1"]
    acme.replies(json=body).then(json=body).then(text="Noon.")
    run = models.run_tools("acme-small", "What time is it?", tools=[now])
    ids = [turn["tool_call_id"] for turn in acme.requests[-1].json["messages"] if turn["role"] == "tool"]
    assert (str(run), ids) == ("Noon.", [f"ember-call-{number}" for number in range(4)])
