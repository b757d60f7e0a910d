"""Concurrency, requests and tokens a minute, overload, and endpoints that only fail."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from ember.context import get_context, with_context
from ember.core import gather
from ember.models import errors, models
from ember.models.testing import LocalServer


async def many(count: int, **params: float) -> list[object]:
    calls = (models.acall("acme-small", str(n), **params) for n in range(count))  # type: ignore[arg-type]
    return list(await asyncio.gather(*calls, return_exceptions=True))


def test_no_more_calls_are_under_way_than_the_user_allows(acme: LocalServer) -> None:
    acme.latency = 0.005
    with with_context(models={"max_concurrency": 8}):
        answers = asyncio.run(many(500))
    assert answers == [str(n) for n in range(500)]
    assert acme.high_water == 8


def test_threads_and_tasks_share_one_limit(acme: LocalServer) -> None:
    acme.latency = 0.02
    get_context().set_config("models.max_concurrency", 4)
    threads = [threading.Thread(target=lambda: asyncio.run(many(10))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert gather([lambda: models("acme-small", "Hello")] * 10) == ["Hello"] * 10
    for thread in threads:
        thread.join()
    assert acme.high_water == 4
    assert len(acme.requests) == 40


def test_a_stream_holds_its_place_until_it_ends_or_is_left(acme: LocalServer) -> None:
    acme.replies(200, text="one two three", delay=0.2).then()
    with with_context(models={"max_concurrency": 1}):
        stream = models.stream("acme-small", "Count.")
        next(stream)
        with pytest.raises(errors.ModelTimeout):
            models("acme-small", "Hello", timeout=0.2)
        stream.close()
        assert models("acme-small", "Hello", timeout=5) == "Hello"


def test_a_cancelled_wait_takes_nobodys_place(acme: LocalServer) -> None:
    acme.latency = 1.0

    async def crowd() -> list[object]:
        with with_context(models={"max_concurrency": 1}):
            calls = [asyncio.create_task(models.acall("acme-small", str(n))) for n in range(6)]
            await asyncio.to_thread(acme.wait_for, lambda: acme.requests)
            for task in calls[1:5]:
                task.cancel()
            return list(await asyncio.gather(*calls, return_exceptions=True))

    outcome = asyncio.run(crowd())
    assert (outcome[0], outcome[5]) == ("0", "5")
    assert all(isinstance(o, asyncio.CancelledError) for o in outcome[1:5])
    assert len(acme.requests) == 2


def test_calls_are_admitted_in_the_order_they_came(acme: LocalServer) -> None:
    acme.latency = 0.005
    with with_context(models={"max_concurrency": 1}):
        asyncio.run(many(30))
    said = [request.json["messages"][-1]["content"] for request in acme.requests]
    assert said == [str(n) for n in range(30)]


def test_no_more_requests_are_made_in_a_minute_than_the_user_allows(acme: LocalServer) -> None:
    with with_context(models={"rpm": 5}):
        outcome = asyncio.run(many(8, timeout=1.0))
    assert len(acme.requests) == 5
    assert sum(isinstance(o, errors.ModelTimeout) for o in outcome) == 3


def test_no_more_tokens_are_sent_in_a_minute_than_the_user_allows(acme: LocalServer) -> None:
    acme.answer = lambda prompt: "word " * 40
    with with_context(models={"tpm": 100}):
        outcome = asyncio.run(many(4, max_tokens=40, timeout=1.0))
    assert len(acme.requests) == 2  # 41 tokens each
    assert sum(isinstance(o, errors.ModelTimeout) for o in outcome) == 2


def test_tokens_that_were_reserved_and_not_used_are_free_again(acme: LocalServer) -> None:
    with with_context(models={"tpm": 100}):
        for number in range(5):
            assert models("acme-small", str(number), max_tokens=90, timeout=2) == str(
                number
            )  # two tokens each


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "300ms"},
        {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "0.3s"},
    ],
)
def test_a_server_that_says_its_limit_is_used_up_is_not_asked_before_it_is_renewed(
    acme: LocalServer, headers: dict[str, str]
) -> None:
    acme.replies(200, headers, text="hi")
    models("acme-small", "first")
    acme.replies(200, text="hi")
    models("acme-small", "second")
    first, second = acme.requests
    assert second.at - first.at >= 0.25


def test_overload_halves_what_is_under_way_and_answers_raise_it_again(acme: LocalServer) -> None:
    acme.latency = 0.02
    acme.replies(429, times=10).then()
    get_context().set_config("models.max_retries", 2)
    outcome = asyncio.run(many(100))
    assert all(isinstance(o, str) for o in outcome)
    (health,) = [state for state in models.health() if state.base_url.startswith(acme.url)]
    # Ten refusals of one crowd are one sign, not ten.
    assert health.limit is not None and 20 <= health.limit < 100
    assert (health.in_flight, health.waiting, health.breaker) == (0, 0, "closed")


def test_an_endpoint_that_only_fails_is_left_alone_and_tried_again_by_one(acme: LocalServer) -> None:
    acme.replies(503)
    for _ in range(20):
        with pytest.raises(errors.ProviderUnavailable, match="503"):
            models("acme-small", "Hello")
    with pytest.raises(
        errors.ProviderUnavailable, match=r"20 requests in a row have failed.*No request was made"
    ):
        models("acme-small", "Hello")
    assert len(acme.requests) == 20
    (health,) = [state for state in models.health() if state.base_url.startswith(acme.url)]
    assert (health.breaker, health.failures) == ("open", 20)
    acme.replies(200, text="back")
    time.sleep(5.1)  # the rest an endpoint is given: no way around it but waiting
    assert asyncio.run(many(1)) == ["back"]
    assert models("acme-small", "Hello") == "back"


def test_refusals_of_a_key_or_a_request_do_not_count_as_failures_of_the_endpoint(acme: LocalServer) -> None:
    for status in (400, 401, 404, 429):
        acme.replies(status)
        for _ in range(25):
            with pytest.raises(errors.ModelError):
                models("acme-small", "Hello")
    assert len(acme.requests) == 100


def test_one_keys_limit_does_not_hold_up_another(acme: LocalServer) -> None:
    acme.replies(429, {"retry-after": "30"}).then()
    with with_context(credentials={"acme_api_key": "sk-limited-0123456789"}, models={"max_retries": 1}):
        with pytest.raises((errors.ModelTimeout, errors.RateLimitError)):
            models("acme-small", "Hello", timeout=0.3)
    with with_context(credentials={"acme_api_key": "sk-free-0123456789"}):
        assert models("acme-small", "Hello", timeout=5) == "Hello"
