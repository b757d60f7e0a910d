"""Gemini keeps prompts by itself: hints change nothing, and what it read again costs what genai-prices says."""

from __future__ import annotations

import pytest

from ember.models import CachePoint, models
from ember.models.testing import LocalServer

MODEL = "gemini-2.5-flash"


@pytest.fixture(autouse=True)
def here(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-local-0123456789abcdef")
    monkeypatch.setenv("GOOGLE_BASE_URL", server.url)


def test_hints_change_nothing_of_the_request(server: LocalServer) -> None:
    models(MODEL, "Hi")
    models(MODEL, [CachePoint(), "Hi", CachePoint()], cache_prompt="greetings")
    first, second = server.requests
    assert second.body == first.body


@pytest.mark.parametrize("read", [0, 1_500, 2_000])
def test_what_was_read_out_of_the_cache_costs_what_genai_prices_says(read: int, server: LocalServer) -> None:
    from genai_prices import Usage, calc_price

    counts = {"promptTokenCount": 2_000, "candidatesTokenCount": 50, "cachedContentTokenCount": read}
    server.replies(change=lambda answer: {**answer, "usageMetadata": counts | {"totalTokenCount": 2_050}})
    answer = models(MODEL, "Hi")
    assert (answer.usage.input_tokens, answer.usage.cached_input_tokens) == (2_000, read)
    theirs = Usage(input_tokens=2_000, output_tokens=50, cache_read_tokens=read)
    assert answer.cost == calc_price(theirs, MODEL, provider_id="google").total_price
