"""Events: who hears of what, in which order, and that hearing changes nothing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, cast

import pytest

from ember.context import create_context, get_context, with_context
from ember.core import (
    ROOT,
    CallFailed,
    CallFinished,
    CallRetried,
    CallStarted,
    Event,
    Scope,
    Secret,
    Usage,
    external,
    subscribe,
)
from ember.core.events import emit, listening, next_call


def finished(name: str = "search", scope: Scope = ROOT) -> CallFinished:
    return CallFinished(
        1, None, "tool", name, 0.0, scope, duration=0.5, usage=Usage(1, 2), cost=Decimal("0.1")
    )


STARTED = CallStarted(1, None, "tool", "search", 0.0, ROOT)
RETRIED = CallRetried(1, None, "tool", "search", 0.0, ROOT, attempt=1, delay=0.5, error="TimeoutError")
FAILED = CallFailed(1, None, "tool", "search", 0.0, ROOT, duration=0.5, error="TimeoutError")


@pytest.fixture
def subscribed() -> Iterator[Callable[..., list[Event]]]:
    """Subscribes to kinds for the test; returns the list that what is told ends up in."""
    stops: list[Callable[[], None]] = []

    def listen(*kinds: type[Event]) -> list[Event]:
        seen: list[Event] = []
        stops.append(subscribe(seen.append, *kinds))
        return seen

    yield listen
    for stop in stops:
        stop()


def test_one_hears_of_the_kinds_one_asked_for(subscribed: Callable[..., list[Event]]) -> None:
    ends, everything, base = subscribed(CallFinished, CallFailed), subscribed(), subscribed(Event)
    told = [STARTED, RETRIED, finished(), FAILED]
    for event in told:
        emit(event)
    assert ends == [told[2], told[3]]
    assert everything == base == told


def test_what_is_no_event_cannot_be_subscribed_to() -> None:
    with pytest.raises(TypeError, match="CallStarted, CallRetried, CallFinished, CallFailed"):
        subscribe(print, cast(Any, int))


def test_subscribers_are_told_in_the_order_they_came() -> None:
    order: list[int] = []
    stops = [subscribe(lambda _, number=number: order.append(number), CallStarted) for number in range(5)]  # type: ignore[misc]
    emit(STARTED)
    for stop in stops:
        stop()
    assert order == [0, 1, 2, 3, 4]


def test_unsubscribing_ends_that_one_subscription_and_may_be_repeated() -> None:
    seen: list[Event] = []
    first, second = subscribe(seen.append, CallStarted), subscribe(seen.append, CallStarted)
    emit(STARTED)
    first()
    first()
    emit(STARTED)
    second()
    emit(STARTED)
    assert len(seen) == 3


def test_a_subscriber_may_end_itself_and_add_others_while_it_is_told() -> None:
    seen: list[str] = []
    stops: list[Callable[[], None]] = []

    def once(event: CallStarted) -> None:
        seen.append("once")
        stops.pop()()
        stops.append(subscribe(lambda _: seen.append("new"), CallStarted))

    stops.append(subscribe(once, CallStarted))
    emit(STARTED)
    emit(STARTED)
    stops.pop()()
    assert seen == ["once", "new"]


def test_a_failing_subscriber_is_logged_once_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    key = Secret("sk-a-subscribers-own-secret")
    seen: list[Event] = []

    def broken(event: Event) -> None:
        raise ValueError(f"I am broken: {key.reveal()}")

    @external
    def work() -> int:
        return 1

    with caplog.at_level(logging.ERROR, "ember.events"):
        for _ in range(2):  # the same function again, subscribed anew, is a new subscription
            stop, other = subscribe(broken), subscribe(seen.append)
            assert [work(), work()] == [1, 1]
            stop()
            other()
    assert len(seen) == 8
    assert caplog.text.count("I am broken: [secret]") == 2
    assert "sk-a" not in caplog.text


def test_subscribing_from_many_threads_at_once_loses_nobody(
    race: Callable[[Sequence[Callable[[], object]]], None],
) -> None:
    counts = [0] * 16
    stops: list[Callable[[], None]] = []

    def run(number: int) -> None:
        def count(_: Event) -> None:
            counts[number] += 1

        for _ in range(100):
            subscribe(count, CallRetried)()
        stops.append(subscribe(count, CallRetried))

    race([partial(run, number) for number in range(16)])
    emit(RETRIED)
    for stop in stops:
        stop()
    assert counts == [1] * 16
    assert not listening(CallRetried)


def test_numbers_of_calls_are_never_given_twice() -> None:
    numbers: list[int] = []
    threads = [
        threading.Thread(target=lambda: numbers.extend(next_call() for _ in range(1_000))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(numbers)) == 8_000


def test_a_call_is_charged_to_the_block_it_is_made_in(subscribed: Callable[..., list[Event]]) -> None:
    @external
    async def work() -> None: ...

    seen = subscribed(CallFinished)
    work()
    with create_context() as outer:
        with with_context():
            work()
        with create_context() as inner:
            work()
    scopes = [event.scope for event in seen]
    assert scopes == [ROOT, outer.scope, inner.scope]
    assert inner.scope.lineage() == (inner.scope, outer.scope, ROOT)
    assert get_context().scope is ROOT


def test_a_scope_names_its_ancestors() -> None:
    night = Scope(Scope(ROOT, "nightly"))
    assert [scope.name for scope in night.lineage()] == ["", "nightly", "process"]
    assert repr(night) == "Scope(? < nightly < process)"


def test_events_show_no_scope_and_cannot_be_changed() -> None:
    event = finished()
    assert "scope" not in repr(event)
    with pytest.raises(AttributeError):
        event.cost = Decimal(0)  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_tokens_that_are_not_known_stay_unknown_in_the_total() -> None:
    assert Usage(1, 2).total_tokens == 3
    assert Usage(input_tokens=1).total_tokens is None
    assert Usage(output_tokens=0).total_tokens is None


def test_telling_nobody_takes_less_than_a_microsecond() -> None:
    rounds: list[float] = []
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(10_000):
            if not listening(CallRetried):
                emit(RETRIED)
        rounds.append((time.perf_counter() - begun) / 10_000)
    assert min(rounds) < 20e-6, f"{min(rounds) * 1e9:.0f} ns"  # 0.1 is measured; 1 is promised


def test_events_are_not_built_for_nobody(output: Callable[..., str]) -> None:
    program = """
        from ember.core import external
        from ember.core.events import next_call

        external(int)()
        print(next_call())
    """
    assert output(program) == "1\n"
