"""Prompts that begin alike: named for OpenAI as its SDK names them, and paid for as genai-prices says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from ember.context import with_context
from ember.core.secrets import Secret
from ember.models import CachePoint, Call, Endpoint, Message, models
from ember.models.testing import LocalServer
from ember.providers.openai import OpenAI

if TYPE_CHECKING:
    import openai

KEY: Final = "sk-local-0123456789abcdef"


@pytest.fixture(autouse=True)
def here(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")


def test_the_name_is_the_cache_key_of_a_response(server: LocalServer, client: openai.OpenAI) -> None:
    client.responses.create(model="gpt-4o", input="Hi", prompt_cache_key="greetings", temperature=0.5)
    with with_context(providers={"openai": {"api": "responses"}}):
        models("openai/gpt-4o", "Hi", cache_prompt="greetings", temperature=0.5)
        models("openai/gpt-4o", ["Hi", CachePoint()], cache_prompt=True, temperature=0.5)
    first, second, third = server.requests
    turns = [{"role": "user", "content": "Hi"}]
    assert second.json == first.json | {"input": turns}
    assert third.json == {
        "model": "gpt-4o",
        "input": turns,
        "temperature": 0.5,
    }  # OpenAI keeps prompts by itself


def test_the_name_is_the_cache_key_of_a_chat_completion_at_openai_only(
    server: LocalServer, client: openai.OpenAI
) -> None:
    turns: Any = [{"role": "user", "content": "Hi"}]
    client.chat.completions.create(model="gpt-4o", messages=turns, prompt_cache_key="greetings", seed=1)
    call = Call("gpt-4o", (Message("user", "Hi"),), cache_prompt="greetings", seed=1)
    hosted = Endpoint("https://api.openai.com/v1", Secret(KEY), {"api": "chat"})
    assert OpenAI().encode(call, hosted).body == server.requests[0].body
    models("openai/gpt-4o", "Hi", cache_prompt="greetings", seed=1)
    assert server.requests[1].json == {"model": "gpt-4o", "messages": turns, "seed": 1}


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5-mini"])
@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("read", [0, 1_024, 2_000])
def test_what_was_read_out_of_the_cache_costs_what_genai_prices_says(
    read: int, api: str, model: str, server: LocalServer
) -> None:
    from genai_prices import Usage, calc_price

    details = {"cached_tokens": read}
    usage: dict[str, Any] = {
        "prompt_tokens": 2_000,
        "completion_tokens": 50,
        "prompt_tokens_details": details,
    }
    if api == "responses":
        usage = {"input_tokens": 2_000, "output_tokens": 50, "input_tokens_details": details}
    server.replies(change=lambda answer: {**answer, "usage": usage})
    with with_context(providers={"openai": {"api": api}}):
        answer = models(f"openai/{model}", "Hi")
    assert (answer.usage.input_tokens, answer.usage.cached_input_tokens) == (2_000, read)
    theirs = Usage(input_tokens=2_000, output_tokens=50, cache_read_tokens=read)
    assert answer.cost == calc_price(theirs, model, provider_id="openai").total_price
