"""Answers asked for until they are good enough, taken apart, discussed, searched for, and given by agents."""

# Lambdas for members are of no known type.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ember.core import EmberError, external
from ember.operators import (
    Agent,
    BestOfN,
    Debate,
    Ensemble,
    MapReduce,
    Operator,
    Refine,
    Rejected,
    StepLimit,
    Throttle,
    TreeSearch,
    Verifier,
)

Way = Callable[..., Any]


def waited(operator: Operator, *args: Any, **kwargs: Any) -> Any:
    return operator(*args, **kwargs)


def awaited(operator: Operator, *args: Any, **kwargs: Any) -> Any:
    return asyncio.run(operator.acall(*args, **kwargs))


both = pytest.mark.parametrize("way", [waited, awaited])


def seeded(question: str, *, seed: int) -> str:
    return question * seed


@both
def test_the_best_of_n_has_the_highest_score_and_of_equals_is_the_first(way: Way) -> None:
    assert way(BestOfN(seeded, score=len, n=4, seed=1), "ab") == "abababab"
    assert way(BestOfN(seeded, score=lambda answer: 0, n=4, seed=1), "ab") == "ab"


@both
def test_a_failing_sample_is_left_out(way: Way) -> None:
    def sometimes(question: str, *, seed: int) -> int:
        if seed == 3:
            raise ValueError("not this one")
        return seed

    assert way(BestOfN(sometimes, score=float, n=4, seed=0), "?") == 2
    with pytest.raises(ValueError) as caught:
        way(BestOfN(sometimes, score=float, n=2), "?", seed=3)
    assert len(getattr(caught.value, "attempts")) == 2  # noqa: B009


@both
def test_an_answer_that_is_good_enough_cancels_the_rest(way: Way) -> None:
    ended = threading.Event()

    @external
    async def answer(question: str, *, seed: int) -> int:
        if seed == 1:
            return 10
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return 0

    op = BestOfN(lambda question, seed: answer(question, seed=seed), score=float, n=2, seed=0, threshold=9)
    assert way(op, "?") == 10
    assert ended.wait(5)


@both
def test_refining_returns_the_best_answer_not_the_last(way: Way) -> None:
    answers = iter(["good", "best of all", "bad"])
    assert way(Refine(lambda _: next(answers), score=len, n=3), "?") == "best of all"


@both
def test_refining_tells_the_last_answer_and_its_score(way: Way) -> None:
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return "a" * len(asked)

    way(Refine(answer, score=len, n=5, threshold=2), "why?")
    assert len(asked) == 2 and asked[1].startswith("why?") and "Answer: a\nScore: 1" in asked[1]


@both
def test_an_answer_with_objections_is_asked_for_again(way: Way) -> None:
    def answer(question: str) -> str:
        return "short" if "too long" in question else "far too long"

    def check(text: str) -> str | None:
        return "too long" if len(text) > 5 else None

    assert way(Verifier(answer, check), "?") == "short"

    def strict(text: str) -> None:
        if len(text) > 5:
            raise ValueError("too long")

    assert way(Verifier(answer, strict), "?") == "short"
    assert way(Verifier(answer, lambda text: True), "?") == "far too long"


@both
def test_where_no_answer_passes_the_last_objection_and_all_attempts_are_told(way: Way) -> None:
    with pytest.raises(Rejected, match=r"None of 2 answers passed the check.*wrong") as caught:
        way(Verifier(str.upper, lambda text: "wrong", attempts=2), "hi")
    assert len(getattr(caught.value, "attempts")) == 2  # noqa: B009


@both
def test_parts_are_worked_on_at_once_and_reduced_in_order(way: Way) -> None:
    meeting = threading.Barrier(3, timeout=20)

    def work(part: str) -> str:
        meeting.wait()
        return part.upper()

    assert way(MapReduce(work, " ".join, split=str.split), "a b c") == "A B C"
    assert way(MapReduce(abs, sum), [-1, 2, -3]) == 6
    assert way(MapReduce(abs, sum), []) == 0


@both
def test_debaters_hear_each_other(way: Way) -> None:
    heard: list[str] = []

    def polite(text: str) -> str:
        heard.append(text)
        return "blue" if "said: blue" in text else "green"

    op = Debate([polite, lambda text: "blue", polite], rounds=3)
    assert way(op, "colour?") == "blue"
    assert len(heard) == 6
    assert "Member 2 said: blue" in heard[2] and "You said: green" in heard[2] and "colour?" in heard[2]


@both
def test_a_tree_is_searched_level_by_level(way: Way) -> None:
    search = TreeSearch(lambda n: [n + 3, n * 2], score=lambda n: -abs(24 - n), beam=2, depth=4)
    assert way(search, 3) == 24
    assert way(search.replace(depth=1), 3) == 6
    assert way(search.replace(done=lambda n: n > 10), 3) > 10
    assert way(search.replace(expand=lambda n: []), 3) == 3


@given(st.integers(0, 40), st.integers(1, 3))
def test_a_wide_enough_beam_finds_the_best_state_there_is(goal: int, depth: int) -> None:
    def every(start: int, level: int) -> set[int]:
        below = {one for n in (start + 3, start * 2) for one in every(n, level - 1)} if level else set[int]()
        return {start} | below

    found = TreeSearch(lambda n: [n + 3, n * 2], score=lambda n: -abs(goal - n), beam=8, depth=depth)(1)
    assert abs(goal - found) == min(abs(goal - n) for n in every(1, depth))


@both
def test_no_more_than_so_many_are_let_in_at_once(way: Way) -> None:
    running, most = [0], [0]

    @external
    async def count(_: str) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        await asyncio.sleep(0.01)
        running[0] -= 1

    throttled = Throttle(count, at_once=2)
    way(Ensemble([throttled] * 7), "")
    assert most[0] == 2
    assert way(throttled, "") is None  # and all are out again


@both
def test_who_gives_up_waiting_leaves_the_queue(way: Way) -> None:
    @external
    async def slow(text: str) -> str:
        await asyncio.sleep(0.2 if text == "slow" else 0)
        if text == "fail":
            raise ValueError(text)
        return text

    throttled = Throttle(slow, at_once=1)

    def failing(_: str) -> None:
        time.sleep(0.05)
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError):
            way(Ensemble([throttled, throttled, throttled, failing]), "slow")
    assert way(throttled, "quick") == "quick"


def test_calls_are_spread_over_time() -> None:
    throttled = Throttle(str.upper, per_minute=60 / 0.05)
    begun = time.monotonic()
    Ensemble([throttled] * 4)("hi")
    assert time.monotonic() - begun >= 0.15


@dataclass
class Call:
    """A call of a tool, as a model's answer has it."""

    name: str
    arguments: dict[str, Any]
    id: str = "1"


@dataclass
class Said:
    """A model's answer: what an agent needs of it."""

    text: str
    tool_calls: tuple[Call, ...] = ()
    message: dict[str, Any] = field(default_factory=lambda: {"role": "assistant"})


def test_an_agent_ends_when_its_steps_are_used_up() -> None:
    def model(messages: list[Any], *, tools: list[Any]) -> Said:
        return Said("", (Call("add", {"a": 1, "b": 2}),))

    def add(a: int, b: int) -> int:
        return a + b

    with pytest.raises(StepLimit, match="step 3") as caught:
        Agent(model, [add], max_steps=3)("1 + 2?")
    messages: Any = caught.value.messages
    assert [one.get("content") for one in messages] == [
        "1 + 2?",
        None,
        "3",
        None,
        "3",
        None,
        "3",
    ]


@both
def test_an_agent_tells_the_model_what_its_tools_raised(way: Way) -> None:
    def model(messages: list[Any], *, tools: list[Any]) -> Said:
        if messages[-1]["role"] == "user":
            return Said("", (Call("divide", {"a": 1, "b": 0}), Call("nothing", {}, "2")))
        return Said(" | ".join(one["content"] for one in messages if one["role"] == "tool"))

    def divide(a: int, b: int) -> float:
        return a / b

    said = way(Agent(model, [divide]), "1 / 0?").text
    assert "ZeroDivisionError: division by zero" in said and "no tool 'nothing', only divide" in said
    with pytest.raises(ZeroDivisionError):
        way(Agent(model, [divide], on_error="raise"), "1 / 0?")


def test_what_a_model_call_in_a_tool_gave_up_on_escapes() -> None:
    class GaveUp(EmberError):
        pass

    def tool() -> None:
        raise GaveUp("no more")

    def model(messages: list[Any], *, tools: list[Any]) -> Said:
        return Said("", (Call("tool", {}),))

    with pytest.raises(GaveUp):
        Agent(model, [tool])("?")
