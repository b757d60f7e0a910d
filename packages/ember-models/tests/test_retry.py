"""Attempts that are made again, and those that are not."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Iterator

import pytest

from ember.context import get_context, with_context
from ember.core import CallRetried, subscribe
from ember.models import errors, models
from ember.models._retry import Again, Stop, decide, retry_after
from ember.models.testing import LocalServer


@pytest.fixture
def patient(acme: LocalServer) -> Iterator[LocalServer]:
    """The local server, and calls with the default number of attempts."""
    get_context().set_config("models.max_retries", None)
    yield acme


RATE, DOWN, BROKEN = errors.RateLimitError, errors.ProviderUnavailable, errors.ConnectionFailed


def failed(cls: type[errors.ModelError], status: int | None = None, **known: object) -> errors.ModelError:
    return cls("it failed", status=status, **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("attempt", "error", "quota", "left", "expected"),
    [
        # attempt, error, quota, seconds to the deadline, delay (with random() = 0.5) and price, or None for no more
        (1, failed(RATE, 429), 500, 600, (0.25, 5)),
        (2, failed(RATE, 429), 500, 600, (0.5, 5)),
        (1, failed(DOWN, 529), 500, 600, (0.25, 5)),
        (1, failed(DOWN, 500), 500, 600, (0.25, 14)),
        (2, failed(DOWN, 503), 500, 600, (0.5, 14)),
        (1, failed(DOWN, 408), 500, 600, (0.25, 14)),
        (1, failed(DOWN, 409), 500, 600, (0.25, 14)),
        (1, failed(BROKEN), 500, 600, (0.25, 14)),
        (3, failed(DOWN, 503), 500, 600, None),
        (1, failed(DOWN, 501), 500, 600, None),
        (1, failed(DOWN), 500, 600, None),  # the breaker's own refusal
        (1, failed(errors.QuotaError, 429), 500, 600, None),
        (1, failed(errors.ContentFilterError, 500), 500, 600, None),
        (1, failed(errors.InvalidRequestError, 400), 500, 600, None),
        (1, failed(errors.AuthenticationError, 401), 500, 600, None),
        (1, failed(errors.ModelNotFound, 404), 500, 600, None),
        (1, failed(errors.InvalidResponse, 200), 500, 600, None),
        (1, failed(errors.ModelTimeout), 500, 600, None),
        (1, errors.StreamIncomplete("cut off"), 500, 600, None),
        (1, failed(RATE, 429), 4, 600, None),
        (1, failed(RATE, 429), 5, 600, (0.25, 5)),
        (1, failed(BROKEN), 13, 600, None),
        (1, failed(RATE, 429, retry_after=2.0), 500, 600, (2.0, 5)),
        (1, failed(RATE, 429, retry_after=60.0), 500, 600, (60.0, 5)),
        (1, failed(RATE, 429, retry_after=61.0), 500, 600, None),
        (1, failed(RATE, 429, retry_after=2.0), 500, 1.5, None),
        (1, failed(DOWN, 500), 500, 0.2, None),
        (1, failed(DOWN, 500, should_retry=False), 500, 600, None),
        (1, failed(errors.InvalidRequestError, 400, should_retry=True), 500, 600, (0.25, 14)),
    ],
)
def test_the_rule(
    attempt: int, error: errors.ModelError, quota: int, left: float, expected: tuple[float, int] | None
) -> None:
    decision = decide(
        attempt, error, most=3, now=1_000.0, deadline=1_000.0 + left, quota=quota, random=lambda: 0.5
    )
    if expected is None and isinstance(error, errors.StreamIncomplete):
        assert decision == Again(0.25, 14)  # nothing had been handed out
        handed = errors.StreamIncomplete("cut off", partial_text="a word")
        decision = decide(attempt, handed, most=3, now=0.0, deadline=600.0, quota=quota, random=lambda: 0.5)
    assert decision == Again(*expected) if expected else isinstance(decision, Stop)


def test_the_wait_grows_with_each_attempt_and_never_beyond_half_a_minute() -> None:
    def longest(attempt: int) -> float:
        made = decide(
            attempt, failed(BROKEN), most=99, now=0.0, deadline=1e6, quota=500, random=lambda: 0.999999
        )
        assert isinstance(made, Again)
        return round(made.delay, 3)

    assert [longest(n) for n in (1, 2, 3, 4, 7, 20)] == [0.5, 1.0, 2.0, 4.0, 30.0, 30.0]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "50"}, 0.05),
        ({"retry-after-ms": "50", "retry-after": "9"}, 0.05),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
        ({"retry-after": email.utils.formatdate(1_030, usegmt=True)}, 30.0),
        ({"retry-after": email.utils.formatdate(900, usegmt=True)}, 0.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=1_000.0) == seconds


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_a_failure_that_passes_costs_one_more_request(patient: LocalServer, status: int) -> None:
    patient.replies(status, {"retry-after-ms": "5"}).then()
    answer = models("acme-small", "Hello")
    assert answer == "Hello"
    assert len(patient.requests) == 2


@pytest.mark.parametrize("fault", ["drop", "reset"])
def test_a_connection_that_breaks_is_made_again(patient: LocalServer, fault: str) -> None:
    patient.replies(fault=fault).then()  # type: ignore[arg-type]
    assert models("acme-small", "Hello") == "Hello"
    patient.replies(fault=fault, after=10).then()  # type: ignore[arg-type]
    assert models("acme-small", "Hello") == "Hello"
    assert len(patient.requests) == 4


def test_a_server_that_is_restarted_between_two_calls_is_not_noticed(patient: LocalServer) -> None:
    models("acme-small", "Hello")
    patient.stop()
    patient.start()
    assert models("acme-small", "Hello") == "Hello"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 501])
def test_a_failure_that_would_come_again_costs_one_request(patient: LocalServer, status: int) -> None:
    patient.replies(status)
    with pytest.raises(errors.ModelError):
        models("acme-small", "Hello")
    assert len(patient.requests) == 1


def test_three_attempts_are_made_and_no_more(patient: LocalServer) -> None:
    patient.replies(429, {"retry-after-ms": "1"})
    with pytest.raises(errors.RateLimitError):
        models("acme-small", "Hello")
    assert len(patient.requests) == 3
    with pytest.raises(errors.RateLimitError):
        models("acme-small", "Hello", max_retries=0)
    assert len(patient.requests) == 4
    with pytest.raises(errors.RateLimitError), with_context(providers={"acme": {"max_retries": 4}}):
        models("acme-small", "Hello")
    assert len(patient.requests) == 9


def test_credit_that_has_run_out_is_not_waited_for(patient: LocalServer) -> None:
    patient.replies(429, json={"error": {"message": "No credit.", "code": "insufficient_quota"}})
    with pytest.raises(errors.QuotaError):
        models("acme-small", "Hello")
    assert len(patient.requests) == 1


def test_a_server_that_asks_for_a_day_is_not_waited_for(patient: LocalServer) -> None:
    patient.replies(429, {"retry-after": "86400"})
    with pytest.raises(errors.RateLimitError) as raised:
        models("acme-small", "Hello")
    assert raised.value.retry_after == 86_400
    assert len(patient.requests) == 1


def test_the_server_is_given_the_time_it_asks_for(patient: LocalServer) -> None:
    patient.replies(429, {"retry-after": "0.3"}).then()
    models("acme-small", "Hello")
    first, second = patient.requests
    assert second.at - first.at >= 0.3


def test_other_calls_to_the_model_wait_as_well_when_the_server_asks_for_time(patient: LocalServer) -> None:
    patient.replies(429, {"retry-after": "0.5"}).then()

    async def two() -> None:
        first = asyncio.create_task(models.acall("acme-small", "first"))
        await asyncio.to_thread(patient.wait_for, lambda: patient.requests and patient.requests[0].done)
        await asyncio.sleep(0.1)
        await models.acall("acme-small", "second")
        await first

    asyncio.run(two())
    refused, *others = patient.requests
    assert len(others) == 2
    assert all(request.at - refused.at >= 0.5 for request in others)


def test_what_the_server_says_of_trying_again_is_obeyed(patient: LocalServer) -> None:
    patient.replies(500, {"x-should-retry": "false"})
    with pytest.raises(errors.ProviderUnavailable):
        models("acme-small", "Hello")
    patient.replies(400, {"x-should-retry": "true", "retry-after-ms": "1"}).then()
    assert models("acme-small", "Hello") == "Hello"
    assert len(patient.requests) == 3


def test_the_deadline_holds_over_all_attempts(patient: LocalServer) -> None:
    patient.replies(503, latency=0.3)
    begun = time.monotonic()
    with pytest.raises((errors.ProviderUnavailable, errors.ModelTimeout)):
        models("acme-small", "Hello", timeout=0.5, max_retries=50)
    assert time.monotonic() - begun < 5.0  # fifty attempts would take fifteen
    assert len(patient.requests) <= 2


def test_awaited_calls_embeddings_and_streams_are_made_again_alike(patient: LocalServer) -> None:
    patient.replies(503, {"retry-after-ms": "1"}, times=2).then()
    assert asyncio.run(models.acall("acme-small", "Hello")) == "Hello"
    patient.replies(503, {"retry-after-ms": "1"}).then()
    assert len(models.embed("acme-small", "Hello")) == 1
    patient.replies(503, {"retry-after-ms": "1"}).then()
    assert "".join(models.stream("acme-small", "Hello you")) == "Hello you"

    async def streamed() -> str:
        return "".join([text async for text in models.astream("acme-small", "Hello you")])

    patient.replies(503, {"retry-after-ms": "1"}).then()
    assert asyncio.run(streamed()) == "Hello you"
    assert len(patient.requests) == 9


@pytest.mark.parametrize("fault", ["drop", "reset", "end"])
def test_a_stream_that_breaks_before_its_first_text_is_made_again(patient: LocalServer, fault: str) -> None:
    patient.replies(fault=fault, after=0).then()  # type: ignore[arg-type]
    stream = models.stream("acme-small", "Hello you")
    assert "".join(stream) == "Hello you"
    assert stream.response == "Hello you"
    assert len(patient.requests) == 2


def test_a_stream_that_breaks_after_text_was_handed_out_is_not(patient: LocalServer) -> None:
    patient.replies(fault="drop", after=3, delay=0.1)  # time for the text to arrive before the line breaks
    stream = models.stream("acme-small", "one two three four five six")
    got: list[str] = []
    with pytest.raises(errors.StreamIncomplete) as raised:
        for text in stream:
            got.append(text)
    assert got and raised.value.partial_text == "".join(got)
    assert len(patient.requests) == 1


def test_every_attempt_is_told_and_counted_and_the_call_is_booked_once(patient: LocalServer) -> None:
    told: list[CallRetried] = []
    stop = subscribe(told.append, CallRetried)
    patient.replies(503, {"retry-after-ms": "7"}, times=2).then()
    before = models.usage()
    models("acme-small", "Hello")
    stop()
    after = models.usage()
    assert [(event.attempt, event.delay, event.error) for event in told] == [
        (1, 0.007, "ProviderUnavailable"),
        (2, 0.007, "ProviderUnavailable"),
    ]
    assert (after.calls - before.calls, after.requests - before.requests) == (1, 3)
    assert after.input_tokens - before.input_tokens == 1


def test_an_outage_is_not_multiplied(patient: LocalServer) -> None:
    """500 in the bucket, 14 a retry: 35 of them, however many calls there are; the breaker ends even that."""
    patient.replies(503, {"retry-after-ms": "1"})

    async def storm() -> None:
        calls = (models.acall("acme-small", str(number)) for number in range(200))
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(outcome, errors.ProviderUnavailable)

    asyncio.run(storm())
    assert len(patient.requests) <= 200 + 500 // 14


def test_a_call_that_is_cancelled_while_it_waits_makes_no_other_request(patient: LocalServer) -> None:
    patient.replies(429, {"retry-after": "30"})

    async def impatient() -> None:
        task = asyncio.create_task(models.acall("acme-small", "Hello"))
        await asyncio.to_thread(patient.wait_for, lambda: patient.requests and patient.requests[0].done)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(impatient())
    assert len(patient.requests) == 1
