"""What an answer costs is what genai-prices says it costs, to the last digit; or it is not known."""

from __future__ import annotations

import random
import threading
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from acme import Everything
from genai_prices.data_snapshot import get_snapshot

from ember.api import models
from ember.models import ModelRegistry, Usage
from ember.models._cost import cost
from ember.models.testing import LocalServer


def expected(provider: str, model: str, usage: Usage) -> Decimal | None:
    """Return the price by genai-prices' own calculation, None if it has none."""
    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_input_tokens or None,
        cache_write_tokens=usage.cache_write_tokens or None,
    )
    try:
        return Decimal(genai_prices.calc_price(counted, model, provider_id=provider).total_price)
    except LookupError:
        return None


def some_usage(dice: random.Random) -> Usage:
    size = 10 ** dice.randrange(1, 7)
    tokens_in, tokens_out = dice.randrange(size), dice.randrange(size)
    cached = dice.choice([None, 0, dice.randrange(tokens_in + 1)])
    written = dice.choice([None, 0, dice.randrange(tokens_in - (cached or 0) + 1)])
    return Usage(tokens_in, tokens_out, cached, written)


def test_every_price_there_is_equals_the_one_worked_out_by_its_rules() -> None:
    dice = random.Random(7)
    asked = 0
    for provider in get_snapshot().providers:
        vendor = type("Vendor", (Everything,), {"name": provider.id, "prices": provider.id})()
        for model in provider.models:
            for usage in (Usage(0, 0), Usage(1, 1), some_usage(dice), some_usage(dice)):
                assert cost(vendor, (model.id,), usage) == expected(provider.id, model.id, usage), (
                    f"{provider.id}/{model.id} {usage}"
                )
                asked += 1
    assert asked > 1000


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-mini", "o1-mini", "gpt-3.5-turbo", "gpt-4.1"])
def test_a_call_costs_what_its_tokens_cost(acme: LocalServer, model: str) -> None:
    usage: dict[str, Any] = {
        "prompt_tokens": 1200,
        "completion_tokens": 345,
        "prompt_tokens_details": {"cached_tokens": 1000},
    }
    acme.replies(change=lambda answer: {**answer, "usage": usage})
    answer = models(model, "Hi")
    assert answer.cost == expected("openai", model, Usage(1200, 345, 1000)) and answer.cost is not None


def test_the_price_is_that_of_the_model_that_answered(acme: LocalServer) -> None:
    acme.replies(change=lambda answer: {**answer, "model": "gpt-4o-2024-08-06"})
    answer = models("gpt-4-turbo", "one two")
    assert answer.model == "gpt-4o-2024-08-06"
    assert answer.cost == expected("openai", "gpt-4o-2024-08-06", answer.usage)


def test_if_that_has_no_price_it_is_that_of_the_model_asked_for(acme: LocalServer) -> None:
    acme.replies(change=lambda answer: {**answer, "model": "unheard-of"})
    answer = models("gpt-4o", "one two")
    assert answer.cost == expected("openai", "gpt-4o", answer.usage)


def test_what_nobody_knows_the_price_of_costs_none(acme: LocalServer) -> None:
    assert models("acme-small", "Hi").cost is None
    assert models("gpt-nothing-like-it", "Hi").cost is None


def test_counts_that_contradict_each_other_cost_none_and_lose_no_answer(acme: LocalServer) -> None:
    from test_faults import Faulty

    from ember.models import Completion

    class Priced(Faulty):
        prices = "openai"

    for model in ("gpt-4o", "gemini-1.5-pro"):
        more_cached_than_sent = Completion("x", model, "stop", Usage(10, 10, cached_input_tokens=500))
        ModelRegistry.register(Priced("decode", more_cached_than_sent), replace=True)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("FAULTY_BASE_URL", acme.url)
                answer = models(f"faulty/{model}", "Hi")
        finally:
            ModelRegistry.unregister("faulty")
        assert answer == "x" and answer.cost is None


def test_an_estimate_is_the_price_of_what_would_be_sent_and_the_most_that_may_come(acme: LocalServer) -> None:
    estimate = models.estimate("gpt-4o", "x" * 400, max_tokens=50)
    assert (estimate.input_tokens, estimate.output_tokens) == (101, 50)
    assert estimate.cost == expected("openai", "gpt-4o", Usage(101, 50))
    assert models.estimate("gpt-4o", "Hi").cost is None
    assert models.instance("gpt-4o", max_tokens=50).estimate("x" * 400) == estimate
    assert acme.requests == []


def test_prices_asked_for_by_many_threads_at_once_agree(acme: LocalServer) -> None:
    costs: list[Decimal | None] = []
    barrier = threading.Barrier(16)

    def ask() -> None:
        barrier.wait()
        costs.append(models("gpt-4o", "one two three").cost)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(costs) == 16 and len(set(costs)) == 1 and None not in costs
