"""Servers that speak OpenAI's API: asked as OpenAI's SDK asks them, each at its own address, and for what they have."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest

from ember.context import with_context
from ember.core.errors import ConfigError
from ember.models import models
from ember.models.errors import (
    AuthenticationError,
    InvalidResponse,
    ModelError,
    ModelTimeout,
    StreamIncomplete,
)
from ember.models.testing import LocalServer
from ember.providers.ollama import VLLM, Compatible, LlamaServer, LMStudio

if TYPE_CHECKING:
    import openai

KEY: Final = "sk-local-0123456789"
HI: Final = [{"role": "user", "content": "Hi, ça va? 🙂"}]
POINT: Final = {
    "type": "object",
    "properties": {"x": {"type": "integer"}},
    "required": ["x"],
    "additionalProperties": False,
}
CALLS: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "plain": ({}, {}),
    "sampling": (
        {"temperature": 0.0, "max_tokens": 5, "seed": 7},
        {"temperature": 0.0, "max_tokens": 5, "seed": 7},
    ),
    "schema": (
        {"schema": POINT},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"schema": POINT, "name": "answer", "strict": True},
            }
        },
    ),
    "a field of the server's own": ({"extra": {"top_k": 5}}, {"extra_body": {"top_k": 5}}),
}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch, served: LocalServer) -> None:
    monkeypatch.setenv("COMPATIBLE_API_KEY", KEY)


@pytest.mark.parametrize("case", CALLS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_call_is_asked_in_the_sdks_bytes_and_answered_alike(
    case: str, stream: bool, served: LocalServer, openai_client: openai.OpenAI
) -> None:
    ours, theirs = CALLS[case]
    served.answer = lambda prompt: '{"x": 1}'
    create: Any = openai_client.chat.completions.create
    if stream:
        made = list(
            create(model="m", messages=HI, stream=True, stream_options={"include_usage": True}, **theirs)
        )
        told = models.stream("compatible/m", HI, **ours)
        text, usage = "".join(part.choices[0].delta.content or "" for part in made[:-1]), made[-1].usage
        assert "".join(told) == text
        answer = told.response
    else:
        made = create(model="m", messages=HI, **theirs)
        answer, text, usage = models("compatible/m", HI, **ours), made.choices[0].message.content, made.usage
    first, second = served.requests
    assert (second.path, second.body) == (first.path, first.body)
    assert second.headers["authorization"] == first.headers["authorization"]
    assert (str(answer), answer.finish_reason, answer.provider) == (text, "stop", "compatible")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (
        usage.prompt_tokens,
        usage.completion_tokens,
    )


def test_embeddings_are_those_of_the_sdk(served: LocalServer, openai_client: openai.OpenAI) -> None:
    theirs = openai_client.embeddings.create(model="e", input=["a", "ß"])
    ours = models.embed("compatible/e", ["a", "ß"])
    assert served.requests[1].body == served.requests[0].body
    assert [list(vector) for vector in ours] == [item.embedding for item in theirs.data]


def test_the_models_discovered_are_those_the_sdk_lists(
    served: LocalServer, openai_client: openai.OpenAI
) -> None:
    theirs = tuple(f"compatible/{model.id}" for model in openai_client.models.list())
    assert models.discover("compatible") == theirs
    assert asyncio.run(models.discover.aio("compatible")) == theirs
    first, *ours = served.requests
    for request in ours:
        assert (request.method, request.path, request.body) == ("GET", first.path, first.body)
        assert request.headers["authorization"] == first.headers["authorization"]
    assert served.ledger[KEY].calls == 0


def test_without_an_address_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPATIBLE_BASE_URL")
    for ask in (lambda: models("compatible/m", "Hi"), lambda: models.discover("compatible")):
        with pytest.raises(ConfigError, match=r"providers\.compatible\.base_url is not set"):
            ask()


@pytest.mark.parametrize("provider", [Compatible, VLLM, LMStudio, LlamaServer])
def test_each_server_has_a_name_and_settings_of_its_own(
    provider: type[Compatible], served: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = provider.name.upper().replace("-", "_")
    monkeypatch.setenv(f"{prefix}_BASE_URL", f"{served.url}/its-own/v1")
    monkeypatch.setenv(f"{prefix}_API_KEY", f"key-of-{provider.name}")
    answer = models(f"{provider.name}/org/model:tag", "Hi")
    assert (answer, answer.provider, answer.cost) == ("Hi", provider.name, None)
    asked = served.requests[-1]
    assert (asked.path, asked.key) == ("/its-own/v1/chat/completions", f"key-of-{provider.name}")
    assert asked.json["model"] == "org/model:tag"


def test_a_key_is_not_needed(served: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPATIBLE_API_KEY")
    assert models("compatible/m", "Hi") == "Hi"
    assert "authorization" not in served.requests[-1].headers


def test_a_refused_key_says_where_it_came_from(served: LocalServer) -> None:
    served.replies(401)
    with pytest.raises(AuthenticationError, match="COMPATIBLE_API_KEY") as raised:
        models.discover("compatible")
    assert KEY not in str(raised.value)


def test_a_finish_reason_makes_a_stream_whole_and_the_end_mark_alone_does_not(served: LocalServer) -> None:
    def without_reason(events: list[Any]) -> list[Any]:
        return [event for event in events if "'stop'" not in str(event)]

    served.replies(change=without_reason)
    with pytest.raises(StreamIncomplete) as raised:
        list(models.stream("compatible/m", "one two"))
    assert raised.value.partial_text == "one two"


@pytest.mark.parametrize(
    "body", [b"<html>", b"null", b"[]", b"{}", b'{"data": 7}', b'{"data": [{}]}', b'{"error": "no"}']
)
def test_a_list_that_is_none_is_a_typed_error(body: bytes, served: LocalServer) -> None:
    served.replies(200, body=body)
    with pytest.raises(ModelError) as raised:
        models.discover("compatible")
    assert raised.value.provider == "compatible"
    assert isinstance(raised.value, InvalidResponse) or b"error" in body


def test_discovery_ends_on_time(served: LocalServer) -> None:
    served.replies(fault="hang")
    with pytest.raises(ModelTimeout, match=r"0\.2 s"):
        models.discover("compatible", timeout=0.2)
    served.wait_for(lambda: served.requests[-1].aborted)


def test_a_block_may_name_another_server(served: LocalServer) -> None:
    other = {"base_url": f"{served.url}/other"}
    with with_context(providers={"compatible": other}, credentials={"compatible_api_key": "key-of-another"}):
        models("compatible/m", "Hi")
    assert (served.requests[-1].path, served.requests[-1].key) == (
        "/other/chat/completions",
        "key-of-another",
    )


def test_a_function_is_offered_and_its_call_comes_back_with_values(served: LocalServer) -> None:
    def weather(city: str, days: int = 1) -> str:
        """Tell the weather.

        Args:
            city: where
        """
        return f"sun in {city}"

    wanted = {"id": "call_1", "type": "function"}
    called = {**wanted, "function": {"name": "weather", "arguments": '{"city": "Rome", "days": 3}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [called]}
    served.replies(
        json={"model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}]}
    )
    answer = models("compatible/m", "What is the weather in Rome?", tools=[weather])
    (offered,) = served.requests[-1].json["tools"]
    assert (offered["function"]["name"], list(offered["function"]["parameters"]["properties"])) == (
        "weather",
        ["city", "days"],
    )
    (call,) = answer.tool_calls
    assert (call.name, call.arguments) == ("weather", {"city": "Rome", "days": 3})
