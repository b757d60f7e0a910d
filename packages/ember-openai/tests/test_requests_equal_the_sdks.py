"""For the same call, the official SDK and this provider put the same bytes on the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pytest

from ember.core.secrets import Secret
from ember.models import Call, EmbedCall, Endpoint, HttpReply, HttpRequest, Message, Tool, ToolCall
from ember.models.testing import LocalServer
from ember.providers.openai import OpenAI

if TYPE_CHECKING:
    import openai

KEY: Final = "sk-local-0123456789abcdef"
SIGNIFICANT: Final = ("authorization", "content-type", "accept")

HI: Final = (Message("user", 'Hi, ça va? 你好 🙂\n\t"quoted"'),)
TALK: Final = (
    Message("user", "My name is Ada."),
    Message("assistant", "Hello, Ada."),
    Message("user", "Who am I?"),
)
POINT: Final = {
    "title": "Point",
    "type": "object",
    "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
    "required": ["x", "y"],
    "additionalProperties": False,
}


def said(messages: tuple[Message, ...], system: str | None = None) -> list[dict[str, str]]:
    """Messages as the SDK takes them."""
    head = [] if system is None else [{"role": "system", "content": system}]
    return head + [{"role": message.role, "content": message.text} for message in messages]


ADD: Final = Tool("add", "Add two points.", POINT)
SEARCH: Final = Tool("search", schema={"type": "object", "properties": {"q": {"type": "string"}}})
WITH_TOOLS: Final = (
    Message("user", "Add 1 and 2."),
    Message(
        "assistant", "Let me see.", (ToolCall("c1", "add", '{"x": 1,"y":2}'), ToolCall("c2", "search", "{}"))
    ),
    Message("tool", "3", tool_call_id="c1"),
    Message("tool", "é", tool_call_id="c2"),
    Message("assistant", "", (ToolCall("c3", "search", "{}"),)),
    Message("tool", "", tool_call_id="c3"),
)

CHAT: Final[dict[str, tuple[Call, dict[str, Any]]]] = {
    "plain": (Call("gpt-4o", HI), {"messages": said(HI)}),
    "system": (Call("gpt-4o", HI, system="Be brief."), {"messages": said(HI, "Be brief.")}),
    "many turns": (Call("gpt-4o", TALK), {"messages": said(TALK)}),
    "stream": (
        Call("gpt-4o", HI, stream=True),
        {"messages": said(HI), "stream": True, "stream_options": {"include_usage": True}},
    ),
    "all sampling parameters": (
        Call(
            "gpt-4o",
            HI,
            temperature=0.0,
            top_p=0.9,
            max_tokens=100,
            stop=("END", "\n\n"),
            seed=7,
            frequency_penalty=0.5,
            presence_penalty=-0.5,
        ),
        {
            "messages": said(HI),
            "temperature": 0.0,
            "top_p": 0.9,
            "max_tokens": 100,
            "stop": ["END", "\n\n"],
            "seed": 7,
            "frequency_penalty": 0.5,
            "presence_penalty": -0.5,
        },
    ),
    "schema": (
        Call("gpt-4o", HI, schema=POINT),
        {
            "messages": said(HI),
            "response_format": {
                "type": "json_schema",
                "json_schema": {"schema": POINT, "name": "Point", "strict": True},
            },
        },
    ),
    "vendor fields": (
        Call("gpt-4o", HI, temperature=0.2, extra={"temperature": 0.9, "my_field": {"a": [1, None]}}),
        {
            "messages": said(HI),
            "temperature": 0.2,
            "extra_body": {"temperature": 0.9, "my_field": {"a": [1, None]}},
        },
    ),
}

CHAT["tools, and turns that use them"] = (
    Call("gpt-4o", WITH_TOOLS, tools=(ADD, SEARCH), temperature=0.5, top_p=0.5),
    {
        "messages": [
            {"role": "user", "content": "Add 1 and 2."},
            {
                "role": "assistant",
                "content": "Let me see.",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "add", "arguments": '{"x": 1,"y":2}'},
                    },
                    {"id": "c2", "type": "function", "function": {"name": "search", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "3"},
            {"role": "tool", "tool_call_id": "c2", "content": "é"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c3", "type": "function", "function": {"name": "search", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "c3", "content": ""},
        ],
        "temperature": 0.5,
        "top_p": 0.5,
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "add",
                    "strict": True,
                    "parameters": POINT,
                    "description": "Add two points.",
                },
            },
            {
                "type": "function",
                "function": {"name": "search", "strict": False, "parameters": SEARCH.schema},
            },
        ],
    },
)

RESPONSES: Final[dict[str, tuple[Call, dict[str, Any]]]] = {
    "plain": (Call("gpt-5", HI), {"input": said(HI)}),
    "system": (Call("gpt-5", HI, system="Be brief."), {"input": said(HI), "instructions": "Be brief."}),
    "many turns": (Call("gpt-5", TALK), {"input": said(TALK)}),
    "stream": (Call("gpt-5", HI, stream=True), {"input": said(HI), "stream": True}),
    "all sampling parameters": (
        Call("gpt-5", HI, temperature=0.0, top_p=0.9, max_tokens=100),
        {"input": said(HI), "temperature": 0.0, "top_p": 0.9, "max_output_tokens": 100},
    ),
    "schema": (
        Call("gpt-5", HI, schema=POINT),
        {
            "input": said(HI),
            "text": {"format": {"type": "json_schema", "strict": True, "name": "Point", "schema": POINT}},
        },
    ),
    "vendor fields": (
        Call("gpt-5", HI, extra={"store": False, "reasoning": {"effort": "low"}}),
        {"input": said(HI), "extra_body": {"store": False, "reasoning": {"effort": "low"}}},
    ),
}


RESPONSES["tools, and turns that use them"] = (
    Call("gpt-5", WITH_TOOLS, tools=(ADD, SEARCH), temperature=0.5, top_p=0.5),
    {
        "input": [
            {"role": "user", "content": "Add 1 and 2."},
            {"role": "assistant", "content": "Let me see."},
            {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"x": 1,"y":2}'},
            {"type": "function_call", "call_id": "c2", "name": "search", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "3"},
            {"type": "function_call_output", "call_id": "c2", "output": "é"},
            {"type": "function_call", "call_id": "c3", "name": "search", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c3", "output": ""},
        ],
        "temperature": 0.5,
        "top_p": 0.5,
        "tools": [
            {
                "type": "function",
                "name": "add",
                "strict": True,
                "parameters": POINT,
                "description": "Add two points.",
            },
            {"type": "function", "name": "search", "strict": False, "parameters": SEARCH.schema},
        ],
    },
)


def assert_same_request(
    server: LocalServer, request: HttpRequest, post: Callable[[HttpRequest], HttpReply]
) -> None:
    """Compare the request the SDK made last with ours, as the server received both."""
    theirs = server.requests[-1]
    post(request)
    ours = server.requests[-1]
    assert ours is not theirs
    assert ours.path == theirs.path
    assert ours.body == theirs.body
    for name in SIGNIFICANT:
        assert ours.headers.get(name) == theirs.headers.get(name), name


def endpoint(server: LocalServer, api: str) -> Endpoint:
    return Endpoint(f"{server.url}/v1", Secret(KEY), {"api": api})


@pytest.mark.parametrize("case", CHAT)
def test_a_chat_completion_is_asked_for_in_the_same_bytes(
    case: str, server: LocalServer, client: openai.OpenAI, post: Callable[[HttpRequest], HttpReply]
) -> None:
    call, arguments = CHAT[case]
    create: Any = client.chat.completions.create  # a table of arguments fits none of its overloads
    made = create(model=call.model, **arguments)
    if call.stream:
        list(made)
    assert_same_request(server, OpenAI().encode(call, endpoint(server, "chat")), post)


@pytest.mark.parametrize("case", RESPONSES)
def test_a_response_is_asked_for_in_the_same_bytes(
    case: str, server: LocalServer, client: openai.OpenAI, post: Callable[[HttpRequest], HttpReply]
) -> None:
    call, arguments = RESPONSES[case]
    create: Any = client.responses.create
    made = create(model=call.model, **arguments)
    if call.stream:
        list(made)
    assert_same_request(server, OpenAI().encode(call, endpoint(server, "responses")), post)


def test_embeddings_are_asked_for_in_the_same_bytes(
    server: LocalServer, client: openai.OpenAI, post: Callable[[HttpRequest], HttpReply]
) -> None:
    client.embeddings.create(model="text-embedding-3-small", input=["a", "ß"])
    call = EmbedCall("text-embedding-3-small", ("a", "ß"))
    assert_same_request(server, OpenAI().encode_embed(call, endpoint(server, "chat")), post)

    client.embeddings.create(model="text-embedding-3-small", input=["a"], dimensions=5)
    call = EmbedCall("text-embedding-3-small", ("a",), dimensions=5)
    assert_same_request(server, OpenAI().encode_embed(call, endpoint(server, "chat")), post)


def test_the_models_of_an_account_are_asked_for_and_read_as_the_sdk_does(
    server: LocalServer, client: openai.OpenAI, post: Callable[[HttpRequest], HttpReply]
) -> None:
    theirs = [model.id for model in client.models.list()]
    request = OpenAI().encode_discover(endpoint(server, "responses"))
    assert OpenAI().decode_discover(post(request)) == tuple(theirs)
    assert_same_request(server, request, post)
    assert server.requests[-1].method == server.requests[0].method == "GET"


def models() -> list[Any]:
    """Return pydantic models whose schemas hold what strict mode is particular about."""
    from pydantic import BaseModel, Field

    class Address(BaseModel):
        street: str
        zip: str | None = None

    class Person(BaseModel):
        """A person."""

        name: str
        age: int = Field(ge=0, description="in years")
        home: Address = Field(description="where they live")
        others: list[Address] = []
        nickname: str | None = None

    class Node(BaseModel):
        value: int
        next: Node | None = None

    class Empty(BaseModel):
        pass

    Node.model_rebuild(_types_namespace={"Node": Node})
    return [Address, Person, Node, Empty]


@pytest.mark.parametrize("number", range(4))
def test_a_pydantic_schema_is_made_strict_as_the_sdk_makes_it(
    number: int, server: LocalServer, client: openai.OpenAI
) -> None:
    model = models()[number]
    schema = model.model_json_schema()
    server.replies(400)  # only what is asked matters here
    with pytest.raises(Exception, match="400"):
        client.chat.completions.parse(
            model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], response_format=model
        )
    asked = server.requests[-1].json
    # The helper says stream=false aloud; the plain method, and we, leave it out.
    assert asked.pop("stream") is False
    call = Call("gpt-4o", (Message("user", "Hi"),), schema=schema)
    assert json.loads(OpenAI().encode(call, endpoint(server, "chat")).body) == asked

    with pytest.raises(Exception, match="400"):
        client.responses.parse(model="gpt-4o", input=[{"role": "user", "content": "Hi"}], text_format=model)
    assert json.loads(OpenAI().encode(call, endpoint(server, "responses")).body) == server.requests[-1].json


def test_every_known_model_is_one_the_sdk_knows(client: openai.OpenAI) -> None:
    from typing import get_args

    from openai.types import ChatModel, EmbeddingModel

    known = {*get_args(ChatModel), *get_args(EmbeddingModel)}
    assert set(OpenAI.known_models) <= known


@pytest.mark.usefixtures("client")  # which skips where there is no SDK
def test_a_tool_is_told_as_the_sdk_tells_a_pydantic_model() -> None:
    import openai
    from pydantic import BaseModel

    class Book(BaseModel):
        """Book a room."""

        hotel: str
        nights: list[int]

    made: Any = openai.pydantic_function_tool(Book)
    tool = Tool("Book", "Book a room.", Book.model_json_schema())
    body = OpenAI().encode(Call("gpt-4o", HI, tools=(tool,)), Endpoint("http://127.0.0.1/v1")).body
    assert json.loads(body)["tools"] == [made]
