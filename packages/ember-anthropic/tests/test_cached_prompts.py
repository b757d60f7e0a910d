"""Prompts that Anthropic is asked to keep: marked as the official SDK marks them, and paid for as genai-prices says."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest

from ember.models import CachePoint, File, Message, Tool, models
from ember.models.errors import UnsupportedError
from ember.models.testing import LocalServer

if TYPE_CHECKING:
    import anthropic

KEY: Final = "sk-local-0123456789abcdef"
MODEL: Final = "claude-sonnet-5-5"
PRICED: Final = "claude-sonnet-4-5"
CACHED: Final = {"cache_control": {"type": "ephemeral"}}
CONTRACT: Final = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "Long."},
}
NOW: Final[dict[str, Any]] = {"name": "now", "input_schema": {"type": "object", "properties": {}}}


@pytest.fixture(autouse=True)
def here(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


# What the user writes for Ember, and for the SDK.
CASES: Final[dict[str, tuple[Any, dict[str, Any], dict[str, Any]]]] = {
    "the whole prompt": (
        "Hi",
        {"system": "Be brief.", "cache_prompt": True},
        {"messages": [user("Hi")], "system": "Be brief.", **CACHED},
    ),
    "a name for it": ("Hi", {"cache_prompt": "greetings"}, {"messages": [user("Hi")], **CACHED}),
    "up to a file": (
        [File(b"Long."), CachePoint(), "Who are the parties?"],
        {},
        {"messages": [user([CONTRACT | CACHED, text("Who are the parties?")])]},
    ),
    "between texts": (
        ["Long.", {"type": "cache_point"}, "Short?", CachePoint()],
        {},
        {"messages": [user([text("Long.") | CACHED, text("Short?") | CACHED])]},
    ),
    "after a plain text": (
        [{"role": "user", "content": ["Long.", CachePoint()]}],
        {},
        {"messages": [user([text("Long.") | CACHED])]},
    ),
    "after the system prompt": (
        [CachePoint(), "Hi"],
        {"system": "Be brief.", "tools": [Tool("now")]},
        {"messages": [user("Hi")], "system": [text("Be brief.") | CACHED], "tools": [NOW]},
    ),
    "after a system prompt that is a message": (
        [{"role": "system", "content": ["Be brief.", CachePoint()]}, {"role": "user", "content": "Hi"}],
        {},
        {"messages": [user("Hi")], "system": [text("Be brief.") | CACHED]},
    ),
    "after the tools": (
        [CachePoint(), "Hi"],
        {"tools": [Tool("now"), Tool("then")]},
        {"messages": [user("Hi")], "tools": [NOW, NOW | {"name": "then"} | CACHED]},
    ),
    "after what the model said": (
        [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": [CachePoint(), "Go on."]},
        ],
        {},
        {
            "messages": [
                user("Hi"),
                {"role": "assistant", "content": [text("Hello.") | CACHED]},
                user("Go on."),
            ]
        },
    ),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", CASES)
def test_a_prompt_is_marked_as_the_sdk_marks_it(
    case: str, stream: bool, server: LocalServer, client: anthropic.Anthropic
) -> None:
    prompt, ours, theirs = CASES[case]
    create: Any = client.messages.create
    made = create(model=MODEL, max_tokens=50, **theirs, **({"stream": True} if stream else {}))
    if stream:
        list(made)
        list(models.stream(MODEL, prompt, max_tokens=50, **ours))
    else:
        models(MODEL, prompt, max_tokens=50, **ours)
    first, second = server.requests
    assert second.body == first.body


def test_more_points_than_the_api_has_are_refused(server: LocalServer) -> None:
    prompt: list[Any] = [part for number in range(4) for part in (str(number), CachePoint())]
    models(MODEL, prompt)
    with pytest.raises(UnsupportedError, match="4 points at most; this one has 5"):
        models(MODEL, prompt, cache_prompt=True)
    assert len(server.requests) == 1


def test_points_stay_through_a_run_of_tools(server: LocalServer) -> None:
    def now() -> str:
        """Say the time."""
        return "noon"

    use: dict[str, Any] = {"type": "tool_use", "id": "c1", "name": "now", "input": {}}
    server.replies(change=lambda answer: {**answer, "content": [use], "stop_reason": "tool_use"}).then(
        text="Noon."
    )
    run = models.run_tools(MODEL, ["Long.", CachePoint(), "What time is it?"], tools=[now])
    assert run.messages[0] == Message("user", ("Long.", "What time is it?"), cache_points=(1,))
    for request in server.requests:
        assert request.json["messages"][0] == user([text("Long.") | CACHED, text("What time is it?")])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("read", [0, 4_000])
@pytest.mark.parametrize("written", [0, 3_000])
def test_what_was_kept_and_read_again_costs_what_genai_prices_says(
    read: int, written: int, stream: bool, server: LocalServer
) -> None:
    from genai_prices import Usage, calc_price

    counts = {"cache_read_input_tokens": read, "cache_creation_input_tokens": written}
    usage = {"input_tokens": 21, "output_tokens": 50, **counts}

    def counted(answer: Any) -> Any:
        if not stream:
            return {**answer, "usage": usage}
        _, start = answer[0]
        begun = (
            "message_start",
            {**start, "message": {**start["message"], "usage": usage | {"output_tokens": 1}}},
        )
        return [
            begun,
            *answer[1:-2],
            ("message_delta", answer[-2][1] | {"usage": {"output_tokens": 50}}),
            answer[-1],
        ]

    server.replies(change=counted)
    if stream:
        with models.stream(PRICED, "Hi") as told:
            list(told)
        answer = told.response
    else:
        answer = models(PRICED, "Hi")
    used = answer.usage
    assert (used.input_tokens, used.cached_input_tokens, used.cache_write_tokens) == (
        21 + read + written,
        read,
        written,
    )
    theirs = Usage(
        input_tokens=21 + read + written,
        output_tokens=50,
        cache_read_tokens=read,
        cache_write_tokens=written,
    )
    assert answer.cost == calc_price(theirs, PRICED, provider_id="anthropic").total_price
    # By hand: 3 dollars a million read anew, 0.30 out of the cache, 3.75 into it, 15 written.
    cents = Decimal(21 * 3 + 50 * 15) + read * Decimal("0.3") + written * Decimal("3.75")
    assert answer.cost == cents / 1_000_000
