"""When calls fail, are slow, or come again: `Retry`, `Fallback`, `Timeout`, `Cache`; and `Router`, `Cascade`."""

# Lambdas for members are of no known type.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ember.core import (
    CallFailed,
    CallFinished,
    CallRetried,
    CallStarted,
    EmberError,
    Event,
    external,
    subscribe,
)
from ember.operators import (
    Cache,
    Cascade,
    Ensemble,
    Fallback,
    NoRoute,
    Operator,
    Retry,
    Router,
    SpecMismatch,
    Timeout,
)

Way = Callable[..., Any]


def waited(operator: Operator, *args: Any, **kwargs: Any) -> Any:
    return operator(*args, **kwargs)


def awaited(operator: Operator, *args: Any, **kwargs: Any) -> Any:
    return asyncio.run(operator.acall(*args, **kwargs))


both = pytest.mark.parametrize("way", [waited, awaited])


class Failing:
    """Fails with each of `errors` in turn, then answers with what it was asked; counts its calls."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.asked = list(errors), list[Any]()

    def __call__(self, question: Any) -> Any:
        self.asked.append(question)
        if self.errors:
            raise self.errors.pop(0)
        return question


class GaveUp(EmberError):
    """What an engine raises when it has done what it could."""


@both
def test_a_users_error_is_retried(way: Way) -> None:
    op = Failing(ValueError("one"), KeyError("two"))
    assert way(Retry(op), "hi") == "hi"
    assert len(op.asked) == 3


@both
def test_the_last_error_escapes_with_all_attempts(way: Way) -> None:
    with pytest.raises(KeyError) as caught:
        way(Retry(Failing(ValueError("one"), KeyError("two")), attempts=2), "hi")
    tried: Any = getattr(caught.value, "attempts")  # noqa: B009
    assert [(one.number, type(one.error)) for one in tried] == [(1, ValueError), (2, KeyError)]
    assert "ValueError: one" in caught.value.__notes__[0]


@both
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_the_engine_gave_up_on_is_never_repeated(way: Way, wrapped: bool) -> None:
    error: Exception = GaveUp("three retries were made")
    if wrapped:
        error, error.__cause__ = ValueError("the user's own, because of that"), error
    op = Failing(error)
    with pytest.raises(type(error)):
        way(Retry(op, on=Exception), "hi")
    assert len(op.asked) == 1


@both
def test_an_answer_that_does_not_fit_is_asked_for_again_and_a_question_that_does_not_is_not(way: Way) -> None:
    answers: list[Any] = ["twelve", 12]

    class Count(Operator):
        input_spec = str
        output_spec = int

        def call(self, inputs: str) -> Any:
            return answers.pop(0)

    assert way(Retry(Count()), "how many?") == 12
    with pytest.raises(SpecMismatch):
        way(Retry(Count()), ["no text"])


@both
def test_errors_that_were_not_named_are_not_retried(way: Way) -> None:
    op = Failing(KeyError("no"))
    with pytest.raises(KeyError):
        way(Retry(op, on=ValueError), "hi")
    assert len(op.asked) == 1


@both
def test_the_next_attempt_can_be_told_what_was_wrong(way: Way) -> None:
    op = Failing(ValueError("too long"))
    assert way(Retry(op, feedback=lambda error, question: f"{question} ({error})"), "hi") == "hi (too long)"


def test_retries_wait_twice_as_long_each_time() -> None:
    delays: list[float] = []
    stop = subscribe(lambda event: delays.append(event.delay), CallRetried)
    try:
        Retry(Failing(ValueError(), ValueError(), ValueError()), attempts=4, delay=0.001)("hi")
    finally:
        stop()
    assert delays == [0.001, 0.002, 0.004]


def test_a_count_of_attempts_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Retry(len, attempts=0)
    with pytest.raises(ValueError, match="more than 0"):
        Timeout(len, seconds=0)


@both
def test_runs_of_operators_are_events_and_calls_in_them_name_them_as_parents(way: Way) -> None:
    @external(kind="tool")
    async def tool(_: str) -> str:
        return "done"

    seen: list[Event] = []
    stop = subscribe(seen.append, CallStarted, CallFinished, CallFailed)
    try:
        way(Retry(Ensemble([tool, tool])), "hi")
    finally:
        stop()
    started = {event.call: event for event in seen if isinstance(event, CallStarted)}
    names = {event.name: event for event in started.values()}
    assert names["Retry"].kind == "operator" and names["Retry"].parent is None
    assert names["Ensemble"].parent == names["Retry"].call
    tools = [event for event in started.values() if event.kind == "tool"]
    assert [event.parent for event in tools] == [names["Ensemble"].call] * 2
    assert {event.call for event in seen if isinstance(event, CallFinished)} == started.keys()


@both
def test_the_next_member_is_asked_when_one_fails(way: Way) -> None:
    assert way(Fallback([int, float, str]), "1.5") == 1.5


@both
def test_when_all_fail_the_last_error_has_all_attempts(way: Way) -> None:
    with pytest.raises(KeyError) as caught:
        way(Fallback([Failing(GaveUp("first")), Failing(KeyError("second"))]), "hi")
    tried: Any = getattr(caught.value, "attempts")  # noqa: B009
    assert [type(one.error) for one in tried] == [GaveUp, KeyError]


@both
def test_an_error_that_was_not_named_ends_a_fallback(way: Way) -> None:
    second = Failing()
    with pytest.raises(KeyError):
        way(Fallback([Failing(KeyError("no")), second], on=ValueError), "hi")
    assert not second.asked


@both
def test_a_hedged_fallback_takes_the_first_answer_and_cancels_the_rest(way: Way) -> None:
    ended = threading.Event()

    @external
    async def endless(_: str) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return "never"

    assert way(Fallback([endless, str.upper], hedge=0.01), "hi") == "HI"
    assert ended.wait(5)


@both
def test_a_hedge_that_is_not_needed_is_not_asked(way: Way) -> None:
    second = Failing()
    assert way(Fallback([str.upper, second], hedge=60), "hi") == "HI"
    assert not second.asked


@both
def test_a_failure_brings_the_hedge_forward(way: Way) -> None:
    begun = time.monotonic()
    assert way(Fallback([Failing(ValueError()), str.upper], hedge=60), "hi") == "HI"
    assert time.monotonic() - begun < 30


@both
def test_a_call_that_takes_too_long_is_cancelled(way: Way) -> None:
    ended = threading.Event()

    @external
    async def endless(_: str) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    def plain(text: str) -> None:
        endless(text)

    for op in (endless, plain, Ensemble([endless])):
        ended.clear()
        with pytest.raises(TimeoutError, match=r"took more than 0.05 s"):
            way(Timeout(op, seconds=0.05), "hi")
        assert ended.wait(5)


@both
def test_a_timeout_of_the_members_own_stays_itself(way: Way) -> None:
    with pytest.raises(TimeoutError, match="mine"):
        way(Timeout(Failing(TimeoutError("mine")), seconds=60), "hi")
    assert way(Timeout(str.upper, seconds=60), "hi") == "HI"


@both
def test_an_answer_is_kept_for_equal_arguments(way: Way) -> None:
    op = Failing()
    cached = Cache(op)
    asked = {"messages": [{"role": "user", "content": "hi"}]}
    assert way(cached, asked) == way(cached, copy.deepcopy(asked)) == asked
    assert len(op.asked) == 1


def test_equal_numbers_of_different_types_are_different_questions() -> None:
    op = Failing()
    cached = Cache(op)
    assert [repr(cached(value)) for value in (1, 1.0, True)] == ["1", "1.0", "True"]


@both
def test_a_failure_is_not_kept(way: Way) -> None:
    op = Failing(ValueError())
    cached = Cache(op)
    with pytest.raises(ValueError):
        way(cached, "hi")
    assert way(cached, "hi") == "hi"


@both
def test_equal_calls_at_once_are_one(way: Way) -> None:
    calls: list[str] = []

    @external
    async def slow(text: str) -> str:
        calls.append(text)
        await asyncio.sleep(0.05)
        return text.upper()

    assert way(Ensemble([Cache(slow)] * 5), "hi") == ["HI"] * 5
    assert calls == ["hi"]


@both
def test_those_who_waited_for_a_call_that_failed_try_themselves(way: Way) -> None:
    calls: list[str] = []

    @external
    async def failing_once(text: str) -> str:
        calls.append(text)
        await asyncio.sleep(0.05)
        if len(calls) == 1:
            raise ValueError("the first fails")
        return text

    answers = way(Ensemble([Fallback([Cache(failing_once), str.upper])] * 1), "hi")
    assert answers == ["HI"]
    cached = Cache(failing_once)
    calls.clear()
    both_of = Ensemble([Fallback([cached, str.upper])] * 2)
    assert sorted(way(both_of, "hi")) == ["HI", "hi"]
    assert len(calls) == 2


def test_the_oldest_and_the_least_used_answers_are_forgotten() -> None:
    op = Failing()
    cached = Cache(op, size=2)
    for question in "abac":  # b was used least lately
        cached(question)
    assert [cached(question) and len(op.asked) for question in "acb"] == [3, 3, 4]
    old = Cache(op := Failing(), max_age=0.02)
    old("a")
    time.sleep(0.05)
    old("a")
    assert len(op.asked) == 2


def test_a_changed_copy_of_a_cache_does_not_answer_for_another_member() -> None:
    cached = Cache(str.upper)
    assert cached("hi") == "HI"
    assert cached.replace(op=str.title)("hi") == "Hi"
    assert pickle.loads(pickle.dumps(cached))("hi") == "HI"
    cached.clear()


def test_what_cannot_be_compared_needs_a_key() -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    with pytest.raises(TypeError, match=r"Cache\(key=...\)"):
        Cache(type)(Unhashable())
    assert Cache(type, key=lambda thing: 1)(Unhashable()) is Unhashable


@both
def test_a_router_calls_the_route_that_is_named(way: Way) -> None:
    router = Router(
        {"long": str.upper, "short": str.title}, by=lambda text: "long" if len(text) > 9 else "short"
    )
    assert way(router, "the sea") == "The Sea"
    with pytest.raises(NoRoute, match="'long', 'short'"):
        way(router.replace(by=lambda text: "none"), "the sea")
    assert way(router.replace(by=lambda text: "none", default=len), "the sea") == 7


@both
def test_a_cascade_ends_at_the_first_answer_that_is_accepted(way: Way) -> None:
    last = Failing()
    assert way(Cascade([str.strip, str.upper, last], accept=str.isupper), "hi") == "HI"
    assert not last.asked
    assert way(Cascade([str.strip, str.title], accept=str.isupper), "hi") == "Hi"
