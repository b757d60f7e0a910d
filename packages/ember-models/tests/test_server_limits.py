"""Limits that the server enforces, and how near to them calls get: real windows of a second, real refusals."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from acme import KEY

from ember.context import get_context, with_context
from ember.models import errors, models
from ember.models.testing import LocalServer


@pytest.fixture
def patient(acme: LocalServer) -> Iterator[LocalServer]:
    """The local server, warm, and calls with the default number of attempts."""
    get_context().set_config("models.max_retries", None)
    models("acme-large", "Hello")  # another model: its limits are its own
    acme.reset()
    acme.latency = 0.01
    yield acme


class Load:
    """So many callers, each calling again and again for some seconds; and how it went."""

    def __init__(self, callers: int, **params: Any) -> None:
        self.callers, self.params = callers, params
        self.answers = self.failures = 0

    def run(self, seconds: float) -> None:
        asyncio.run(self.arun(seconds))

    async def arun(self, seconds: float) -> None:
        end = time.monotonic() + seconds

        async def caller() -> None:
            while (left := end - time.monotonic()) > 0.01:
                try:
                    await models.acall("acme-small", "Hello", timeout=left, **self.params)
                    self.answers += 1
                except errors.ModelTimeout:
                    pass  # the measurement is over
                except errors.ModelError:
                    self.failures += 1
                    await asyncio.sleep(0)

        await asyncio.gather(*(caller() for _ in range(self.callers)))


def refused(server: LocalServer, key: str = KEY) -> int:
    """Return how many requests of a key were refused."""
    return server.ledger[key].refused


# The bounds of a short run leave room for a machine that is busy with other things; the long runs have the exact ones.


@pytest.mark.parametrize("headers", [None, "openai", "anthropic"])
def test_at_a_servers_limit_no_more_is_refused_than_finding_it_takes(
    patient: LocalServer, headers: Literal["openai", "anthropic"] | None
) -> None:
    patient.limit(20, per=1.0, headers=headers)
    load = Load(40)
    load.run(3.0)
    assert load.answers >= 0.5 * 3 * 20
    # Forty callers began at once, and nobody could know that twenty of them were too many.
    assert refused(patient) <= 40 + 0.2 * load.answers
    assert load.failures <= 30


@pytest.mark.long
@pytest.mark.parametrize("headers", [None, "openai", "anthropic"])
def test_over_nine_tenths_of_a_servers_limit_are_used(
    patient: LocalServer, headers: Literal["openai", "anthropic"] | None
) -> None:
    patient.limit(40, per=2.0, headers=headers)
    load = Load(60)
    load.run(16.0)
    assert load.answers >= 0.9 * 8 * 40
    assert refused(patient) <= 20 + 0.1 * load.answers


def test_a_limit_that_is_refused_without_a_word_is_found_as_well(patient: LocalServer) -> None:
    patient.limit(20, per=1.0, retry_after=False)
    load = Load(40)
    load.run(3.0)
    assert load.answers >= 0.3 * 3 * 20
    assert load.failures <= 40 and refused(patient) <= 200  # thousands, did those that wait not go on waiting


def test_one_caller_after_another_finds_the_limit_too(patient: LocalServer) -> None:
    patient.limit(20, per=1.0)
    load = Load(1)
    load.run(3.0)
    assert load.answers >= 0.25 * 3 * 20
    assert refused(patient) <= 0.2 * load.answers


def test_a_limit_that_is_lifted_is_outgrown(patient: LocalServer) -> None:
    patient.limit(20, per=0.5)
    load = Load(20)
    load.run(1.5)
    patient.limit(200, per=0.5)
    load.run(3.0)
    answers = load.answers
    load.run(1.5)
    assert load.answers - answers > 60  # what the old limit would have let through: 60


def test_a_single_refusal_slows_nobody_afterwards(patient: LocalServer) -> None:
    patient.replies(429, {"retry-after": "0.2"}).then()
    models("acme-small", "Hello")

    async def crowd() -> None:
        await asyncio.gather(*(models.acall("acme-small", "Hello") for _ in range(100)))

    asyncio.run(crowd())
    assert patient.high_water > 20  # at once, and not one after another


def test_limits_that_a_server_told_of_end_when_it_tells_of_them_no_more(patient: LocalServer) -> None:
    patient.limit(5, per=1.0, headers="openai")
    load = Load(5)
    load.run(1.5)
    patient.limit()
    load.run(1.5)
    before = load.answers
    load.run(1.5)
    assert load.answers - before >= 20  # it was five in a second


def test_calls_under_the_servers_own_limit_are_never_refused(patient: LocalServer) -> None:
    patient.limit(20, per=1.0)  # as vendors enforce 1,200 requests a minute
    turned_away: list[int] = []
    # A machine that stalls hands the server within a second what was sent in two: then once more, by a key of its own.
    for attempt in range(3):
        key, load = f"sk-acme-{attempt}-0123456789abcdef", Load(40)
        with with_context(credentials={"acme_api_key": key}, models={"rpm": 1200}):
            load.run(3.0)
        turned_away.append(refused(patient, key))
        if turned_away[-1] <= 2 and load.answers >= 0.5 * 3 * 20:
            return
    raise AssertionError(f"refused in each of three runs: {turned_away}")


@pytest.mark.long
def test_neither_are_they_minute_by_minute_for_requests_and_tokens_alike(patient: LocalServer) -> None:
    patient.limit(30, per=60.0, key="sk-requests-0123")
    patient.limit(tokens=200, per=60.0, key="sk-tokens-01234567")  # a call here takes two tokens
    by_requests, by_tokens = Load(10), Load(10, max_tokens=7)  # thought to take nine, until it is known

    def work(load: Load, key: str, limit: dict[str, float]) -> None:
        with with_context(credentials={"acme_api_key": key}, models=limit):
            load.run(75)

    cases = [(by_requests, "sk-requests-0123", {"rpm": 30}), (by_tokens, "sk-tokens-01234567", {"tpm": 200})]
    threads = [threading.Thread(target=work, args=case) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [refused(patient, key) for _, key, _ in cases] == [0, 0]
    assert 54 <= by_requests.answers <= 60
    assert 180 <= by_tokens.answers <= 200


def test_a_servers_concurrency_is_found_kept_and_outgrown_when_it_grows(patient: LocalServer) -> None:
    patient.latency = 0.1
    patient.limit(concurrency=5)
    load = Load(60)
    thread = threading.Thread(target=load.run, args=(6.0,))
    thread.start()

    def measured(seconds: float) -> tuple[float, float]:
        """Return the answers a second, and the part of the requests that was refused."""
        answers, turned_away = load.answers, refused(patient)
        time.sleep(seconds)
        answers, turned_away = load.answers - answers, refused(patient) - turned_away
        return answers / seconds, turned_away / (answers + turned_away)

    time.sleep(1.0)  # the discovery
    rate, share = measured(1.5)
    assert share < 0.1
    assert rate > 0.3 * 5 / 0.1
    patient.limit(concurrency=50)
    time.sleep(1.5)
    lifted, share = measured(1.0)
    assert share < 0.1
    assert lifted > 2 * rate  # with ten times the room; how much more than that is for the machine to say
    thread.join()


@pytest.mark.parametrize("status", [429, 503, 529])
def test_after_refusing_everything_for_a_while_a_server_is_back_in_use_at_once(
    patient: LocalServer, status: int
) -> None:
    patient.latency = 0.1
    patient.replies(status)
    load = Load(20)
    load.run(1.0)
    assert load.answers == 0
    patient.replies(200, text="hi")
    time.sleep(5 if status == 503 else 0)  # which the breaker rests after twenty failures in a row
    load.run(2.0)
    assert load.answers >= 40  # one after another, it would be twenty


def test_the_other_key_and_the_other_model_are_not_slowed_by_a_limit(patient: LocalServer) -> None:
    patient.limit(1, per=30.0, key=KEY, model="acme-small")
    models("acme-small", "Hello")
    waiting = threading.Thread(target=Load(5).run, args=(1.5,))
    waiting.start()
    patient.wait_for(lambda: len(patient.requests) >= 2)
    begun = time.monotonic()
    assert models("acme-large", "Hello", timeout=20) == "Hello"
    with with_context(credentials={"acme_api_key": "sk-free-0123456789"}):
        assert models("acme-small", "Hello", timeout=20) == "Hello"
    assert time.monotonic() - begun < 10  # for the limited one it is thirty
    waiting.join()


def test_callers_that_came_together_are_served_alike(patient: LocalServer) -> None:
    patient.limit(20, per=0.5)
    loads = [Load(10), Load(10)]

    async def both() -> None:
        await asyncio.gather(*(load.arun(3.0) for load in loads))

    asyncio.run(both())
    first, second = (load.answers for load in loads)
    assert abs(first - second) <= 0.2 * (first + second)


def test_a_limit_a_minute_is_one_for_blocking_and_awaited_calls(patient: LocalServer) -> None:
    with with_context(models={"rpm": 6}):
        assert [models("acme-small", "Hello") for _ in range(3)] == ["Hello"] * 3

        async def three() -> None:
            await asyncio.gather(*(models.acall("acme-small", "Hello") for _ in range(3)))

        asyncio.run(three())
        with pytest.raises(errors.ModelTimeout):
            models("acme-small", "Hello", timeout=0.2)
    assert len(patient.requests) == 6


def test_who_stops_waiting_for_a_refusal_to_pass_takes_nobodys_place(patient: LocalServer) -> None:
    patient.limit(1, per=2.0)

    async def crowd() -> list[object]:
        await models.acall("acme-small", "first")
        calls = [asyncio.create_task(models.acall("acme-small", str(number))) for number in range(6)]
        await asyncio.sleep(0.2)
        for task in calls[:5]:
            task.cancel()
        return await asyncio.gather(*calls, return_exceptions=True)

    begun = time.monotonic()
    *cancelled, last = asyncio.run(crowd())
    assert last == "5"
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in cancelled)
    assert time.monotonic() - begun < 8  # had they kept their turns, it would be ten seconds and more
    (health,) = [state for state in models.health() if state.base_url.startswith(patient.url) and state.limit]
    assert (health.in_flight, health.waiting) == (0, 0)
