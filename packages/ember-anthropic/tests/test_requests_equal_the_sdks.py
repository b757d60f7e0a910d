"""For the same call, the official SDK and this provider put the same bytes on the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, get_args

import pytest

from ember.core.secrets import Secret
from ember.models import Call, Endpoint, HttpReply, HttpRequest, Message, Tool, ToolCall, errors
from ember.models.testing import LocalServer
from ember.providers.anthropic import Anthropic

if TYPE_CHECKING:
    import anthropic

KEY: Final = "sk-local-0123456789abcdef"
SIGNIFICANT: Final = (
    "authorization",
    "x-api-key",
    "anthropic-version",
    "anthropic-beta",
    "content-type",
    "accept",
)

HI: Final = (Message("user", 'Hi, ça va? 你好 🙂\n\t"quoted"'),)
TALK: Final = (
    Message("user", "I am Ada."),
    Message("assistant", "Hello, Ada."),
    Message("user", "Who am I?"),
)
POINT: Final = {
    "type": "object",
    "title": "Point",
    "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
    "additionalProperties": False,
    "required": ["x", "y"],
}
MODEL: Final = "claude-sonnet-5-5"


def said(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    """Messages as the SDK takes them."""
    return [{"role": message.role, "content": message.text} for message in messages]


CASES: Final[dict[str, tuple[Call, dict[str, Any]]]] = {
    "plain": (Call(MODEL, HI), {"messages": said(HI), "max_tokens": 16_384}),
    "system": (
        Call(MODEL, HI, system="Be brief.", max_tokens=50),
        {"messages": said(HI), "system": "Be brief.", "max_tokens": 50},
    ),
    "many turns": (Call(MODEL, TALK, max_tokens=50), {"messages": said(TALK), "max_tokens": 50}),
    "stop": (
        Call(MODEL, HI, max_tokens=50, stop=("END", "\n\n")),
        {"messages": said(HI), "max_tokens": 50, "stop_sequences": ["END", "\n\n"]},
    ),
    "stream": (
        Call(MODEL, HI, max_tokens=50, stream=True, system="Be brief."),
        {"messages": said(HI), "max_tokens": 50, "stream": True, "system": "Be brief."},
    ),
    "schema": (
        Call(MODEL, HI, max_tokens=50, schema=POINT),
        {
            "messages": said(HI),
            "max_tokens": 50,
            "output_config": {"format": {"schema": POINT, "type": "json_schema"}},
        },
    ),
    # The SDK has no arguments for these any more: its migration guide sends them as below, under the version before.
    "sampling parameters": (
        Call("claude-sonnet-4-6", HI, max_tokens=50, temperature=0.0, top_p=0.9),
        {
            "messages": said(HI),
            "max_tokens": 50,
            "extra_body": {"temperature": 0.0, "top_p": 0.9},
            "extra_headers": {"anthropic-version": "2023-06-01"},
        },
    ),
    "vendor fields": (
        Call(MODEL, HI, max_tokens=50, extra={"thinking": {"type": "adaptive"}, "max_tokens": 60}),
        {
            "messages": said(HI),
            "max_tokens": 50,
            "extra_body": {"thinking": {"type": "adaptive"}, "max_tokens": 60},
        },
    ),
}

ADD: Final = Tool("add", "Add two points.", POINT)
SEARCH: Final = Tool("search", schema={"type": "object", "properties": {"q": {"type": "string"}}})

CASES["tools, and turns that use them"] = (
    Call(
        MODEL,
        (
            Message("user", "Add 1 and 2."),
            Message(
                "assistant",
                "Let me see.",
                (ToolCall("c1", "add", '{"x": 1,"y":2}'), ToolCall("c2", "search", "{}")),
            ),
            Message("tool", "3", tool_call_id="c1"),
            Message("tool", "é", tool_call_id="c2"),
            Message("assistant", "", (ToolCall("c3", "search", ""),)),
            Message("tool", "x", tool_call_id="c3"),
            Message("user", "Go on."),
        ),
        max_tokens=50,
        system="Be brief.",
        tools=(ADD, SEARCH),
    ),
    {
        "max_tokens": 50,
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "Add 1 and 2."},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Let me see."},
                    {"type": "tool_use", "id": "c1", "name": "add", "input": {"x": 1, "y": 2}},
                    {"type": "tool_use", "id": "c2", "name": "search", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "3"},
                    {"type": "tool_result", "tool_use_id": "c2", "content": "é"},
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "c3", "name": "search", "input": {}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c3", "content": "x"}]},
            {"role": "user", "content": "Go on."},
        ],
        "tools": [
            {"name": "add", "description": "Add two points.", "input_schema": POINT},
            {"name": "search", "input_schema": SEARCH.schema},
        ],
    },
)


def endpoint(server: LocalServer) -> Endpoint:
    return Endpoint(server.url, Secret(KEY))


@pytest.mark.parametrize("case", CASES)
def test_a_message_is_asked_for_in_the_same_bytes(
    case: str, server: LocalServer, client: anthropic.Anthropic, post: Callable[[HttpRequest], HttpReply]
) -> None:
    call, arguments = CASES[case]
    create: Any = client.messages.create  # a table of arguments fits none of its overloads
    made = create(model=call.model, **arguments)
    if call.stream:
        list(made)
    theirs = server.requests[-1]
    post(Anthropic().encode(call, endpoint(server)))
    ours = server.requests[-1]

    assert ours is not theirs
    assert ours.path == theirs.path == "/v1/messages"
    assert ours.body == theirs.body
    for name in SIGNIFICANT:
        assert ours.headers.get(name) == theirs.headers.get(name), name


def models() -> list[Any]:
    """Return pydantic models whose schemas hold what the API is particular about."""
    from datetime import date
    from decimal import Decimal
    from typing import Literal

    from pydantic import BaseModel, Field

    class Address(BaseModel):
        street: str
        zip: str | None = Field(None, pattern="[0-9]+", description="if known")

    class Person(BaseModel):
        """A person."""

        name: str = Field(min_length=1, title="Full name")
        age: int = Field(ge=0, le=150, description="in years")
        born: date
        kind: Literal["adult", "child"]
        only: Literal["one"] = "one"
        price: Decimal
        home: Address = Field(description="where they live")
        others: list[Address] = Field(default_factory=list[Address], min_length=1)
        many: list[int] = Field(min_length=2, max_length=9)
        either: Address | int

    class Node(BaseModel):
        value: int
        next: Node | None = None

    Node.model_rebuild(_types_namespace={"Node": Node})
    return [Address, Person, Node]


@pytest.mark.parametrize("number", range(3))
def test_a_pydantic_schema_is_made_acceptable_as_the_sdk_makes_it(
    number: int, server: LocalServer, client: anthropic.Anthropic
) -> None:
    model = models()[number]
    server.replies(400)  # only what is asked matters here
    with pytest.raises(Exception, match="400"):
        client.messages.parse(
            model=MODEL, max_tokens=50, messages=[{"role": "user", "content": "Hi"}], output_format=model
        )
    call = Call(MODEL, (Message("user", "Hi"),), max_tokens=50, schema=model.model_json_schema())
    assert json.loads(Anthropic().encode(call, endpoint(server)).body) == server.requests[-1].json


def test_every_known_model_is_one_the_sdk_knows(client: anthropic.Anthropic) -> None:
    from anthropic.types.model import Model

    known = {name for choice in get_args(Model) for name in get_args(choice)}
    assert set(Anthropic.known_models) <= known


def test_a_function_is_told_as_the_sdk_tells_it(
    client: anthropic.Anthropic, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anthropic import beta_tool

    from ember.api import models as ember_models

    def weather(city: str, days: list[int], unit: str = "C") -> str:
        """Say what the weather is like.

        Args:
            city: The city's name.
            unit: Of the temperature.
        """
        return f"{city} {days} {unit}"

    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
    ember_models(f"anthropic/{MODEL}", "Hi", tools=[weather])
    theirs: Any = beta_tool(weather).to_dict()
    assert server.requests[-1].json["tools"] == [theirs]


def test_what_the_api_cannot_take_as_a_turn_of_a_tool_is_refused() -> None:
    for message in (Message("tool", "42"), Message("assistant", "", (ToolCall("c", "sql", "SELECT 1"),))):
        with pytest.raises(errors.UnsupportedError, match="tool"):
            Anthropic().encode(Call(MODEL, (message,)), Endpoint("http://127.0.0.1"))
