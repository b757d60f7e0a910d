"""Several answers to one question: `Ensemble`, `MajorityVote`, `SelfConsistency`, `Judge`, `Synthesize`."""

# Lambdas for members are of no known type.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ember.context import get_context, with_context
from ember.core import external
from ember.operators import (
    Cascade,
    Debate,
    Ensemble,
    Fallback,
    Judge,
    MajorityVote,
    MapReduce,
    Operator,
    Refine,
    Retry,
    SelfConsistency,
    Synthesize,
    approval,
    borda,
    majority,
)

Way = Callable[..., Any]


def waited(operator: Operator, *args: Any, **kwargs: Any) -> Any:
    return operator(*args, **kwargs)


def awaited(operator: Operator, *args: Any, **kwargs: Any) -> Any:
    return asyncio.run(operator.acall(*args, **kwargs))


both = pytest.mark.parametrize("way", [waited, awaited])


async def later(text: str) -> str:
    await asyncio.sleep(0)
    return f"{text} later"


class Shout(Operator):
    def call(self, text: str) -> str:
        return text.upper()


@both
def test_members_of_every_kind_answer_in_order(way: Way) -> None:
    @external
    async def elsewhere(text: str) -> str:
        return f"{text} elsewhere"

    members: list[Any] = [Shout(), later, elsewhere, str.title, lambda text: len(text)]
    assert way(Ensemble(members), "the sea") == [
        "THE SEA",
        "the sea later",
        "the sea elsewhere",
        "The Sea",
        7,
    ]


@both
def test_members_are_asked_at_once(way: Way) -> None:
    meeting = threading.Barrier(3, timeout=20)

    def meet(text: str) -> str:
        meeting.wait()
        return text

    assert way(Ensemble([meet] * 3), "here") == ["here"] * 3


@both
def test_no_more_than_the_limit_are_asked_at_once(way: Way) -> None:
    running, most, lock = [0], [0], threading.Lock()

    def count(_: str) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.01)
        with lock:
            running[0] -= 1

    way(Ensemble([count] * 6, limit=2), "")
    assert most[0] <= 2


@both
def test_members_see_the_context_of_the_caller(way: Way) -> None:
    def temperature(_: str) -> Any:
        return get_context().get_config("models.temperature")

    with with_context(models={"temperature": 0.25}):
        assert way(Ensemble([temperature, temperature]), "") == [0.25, 0.25]


@both
def test_a_failing_member_ends_the_others_and_its_error_escapes(way: Way) -> None:
    ended = threading.Event()

    @external
    async def endless(_: str) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.set()
            raise

    @external
    async def failing(_: str) -> None:
        await asyncio.sleep(0.01)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        way(Ensemble([endless, failing]), "")
    assert ended.wait(5)


@both
def test_as_many_answers_as_are_needed_are_waited_for(way: Way) -> None:
    ended = threading.Event()

    @external
    async def endless(_: str) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    def failing(_: str) -> None:
        raise ValueError("no")

    assert way(Ensemble([endless, failing, str.upper, str.title], need=2), "sea") == ["SEA", "Sea"]
    assert ended.wait(5)


@both
def test_too_few_answers_are_an_error_with_all_attempts(way: Way) -> None:
    def failing(_: str) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no") as caught:
        way(Ensemble([failing, str.upper, failing], need=2), "sea")
    tried: Any = getattr(caught.value, "attempts")  # noqa: B009
    assert [type(one.error) for one in tried if one.error is not None].count(ValueError) == 2


@both
def test_aggregate_reduces_the_answers(way: Way) -> None:
    assert way(Ensemble([len, len, str.upper], aggregate=majority), "sea") == 3
    assert way(Ensemble([len, len], aggregate=sum), "sea") == 6


def test_ensembles_nest_and_chain() -> None:
    inner = Ensemble([str.upper, str.lower])
    assert Ensemble([inner, inner >> " ".join])("Sea") == [["SEA", "sea"], "SEA sea"]


@both
def test_the_answer_of_most_members_wins_and_of_a_tie_the_first(way: Way) -> None:
    assert way(MajorityVote([lambda _: "Rome", lambda _: "Paris", lambda _: " paris."]), "?") == "Paris"
    assert way(MajorityVote([lambda _: "Rome", lambda _: "Paris"]), "?") == "Rome"
    assert way(MajorityVote([lambda _: "a", lambda _: "b"], weights=[1, 2.5]), "?") == "b"


@both
def test_an_early_vote_cancels_what_cannot_change_it(way: Way) -> None:
    ended = threading.Event()

    @external
    async def endless(_: str) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return "never"

    assert way(MajorityVote([endless, len, len], early=True), "sea") == 3
    assert ended.wait(5)


def test_an_early_vote_waits_while_a_tie_is_possible() -> None:
    go = threading.Event()

    def slow(_: str) -> str:
        go.wait(20)
        return "b"

    def quick(_: str) -> str:
        threading.Timer(0.05, go.set).start()
        return "a"

    assert MajorityVote([slow, quick], early=True)("?") == "b"


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=9))
def test_the_majority_is_an_answer_that_no_other_outnumbers(answers: list[str]) -> None:
    winner = majority(answers)
    counts = {one: answers.count(one) for one in answers}
    assert counts[winner] == max(counts.values())
    assert winner == next(one for one in answers if counts[one] == counts[winner])


@given(st.lists(st.permutations("abcd"), min_size=1, max_size=5))
def test_what_everyone_ranks_first_wins_by_borda(rankings: list[Sequence[str]]) -> None:
    led = [["z", *ranking] for ranking in rankings]
    assert borda(led)[0] == "z"
    assert sorted(borda(rankings)) == list("abcd")


def test_a_ballot_counts_once_for_each_option() -> None:
    assert approval([["a", "a", "a"], ["b"], ["b"]]) == "b"
    with pytest.raises(ValueError, match="nothing to choose"):
        approval([[], []])


@both
def test_samples_have_seeds_of_their_own(way: Way) -> None:
    seen: list[int] = []

    def answer(question: str, *, seed: int) -> str:
        seen.append(seed)
        return f"it is {seed % 2}"

    consistent = SelfConsistency(answer, n=5, seed=7, extract=lambda text: text.split()[-1])
    assert way(consistent, "odd?") == "1"
    assert sorted(seen) == [7, 8, 9, 10, 11]
    seen.clear()
    assert way(consistent, "odd?", seed=2) == "0"
    assert seen == [2] * 5


@both
def test_a_judge_picks_an_answer_that_was_given(way: Way) -> None:
    prompts: list[str] = []

    def judge(prompt: str, *, choices: list[str]) -> str:
        prompts.append(prompt)
        assert choices == ["A", "B"]
        return "B"

    assert way(Judge([len, lambda _: 12], model=judge), "the sea") == 12
    assert "A. 7\nB. 12" in prompts[-1]


@both
def test_nobody_judges_where_all_agree(way: Way) -> None:
    def judge(prompt: str, *, choices: list[str]) -> str:
        raise AssertionError("there is nothing to judge")

    assert (
        way(Judge([lambda _: "Paris.", lambda _: "paris"], model=judge), "The capital of France?") == "Paris."
    )


@both
def test_a_synthesis_is_written_from_all_answers(way: Way) -> None:
    def write(prompt: str) -> str:
        return prompt.splitlines()[2]

    assert (
        way(Synthesize([lambda _: "salt", lambda _: "water"], model=write), "What is in the sea?")
        == "A. salt"
    )


def test_what_is_no_member_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="not int"):
        Ensemble([3])("?")  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


MANY: dict[str, Callable[[Any], Operator]] = {
    "Ensemble": lambda bad: Ensemble([str.upper, bad]),
    "Ensemble with a need": lambda bad: Ensemble([str.upper, bad], need=2),
    "MajorityVote": lambda bad: MajorityVote([str.upper, bad]),
    "Judge": lambda bad: Judge([str.upper, bad], model=lambda prompt, choices: "A"),
    "Synthesize": lambda bad: Synthesize([str.upper, bad], model=str.upper),
    "Debate": lambda bad: Debate([str.upper, bad]),
    "Cascade": lambda bad: Cascade([str.upper, bad], accept=lambda answer: False),
    "Fallback": lambda bad: Fallback([lambda text: {}[text], bad]),
    "Refine": lambda bad: Refine(lambda text: bad(text) if "Score" in text else text, score=len),
    "MapReduce": lambda bad: MapReduce(
        lambda text: bad(text) if text == "b" else text, "".join, split=str.split
    ),
}


@both
@pytest.mark.parametrize("name", MANY)
def test_the_error_that_escapes_has_the_attempts_that_were_made(way: Way, name: str) -> None:
    def bad(text: str) -> str:
        time.sleep(0.25)  # the others have answered by then
        raise ZeroDivisionError(text)

    with pytest.raises(ZeroDivisionError) as caught:
        way(MANY[name](bad), "a b")
    tried: Any = getattr(caught.value, "attempts")  # noqa: B009
    assert [one.number for one in tried] == [1, 2]
    assert tried[1].error is caught.value and tried[1].seconds >= 0.05
    assert "2. " in caught.value.__notes__[-1]


@both
def test_an_attempt_at_an_operator_says_what_that_one_had_tried(way: Way) -> None:
    def bad(text: str) -> str:
        raise ZeroDivisionError(text)

    with pytest.raises(ZeroDivisionError) as caught:
        way(Ensemble([Retry(bad, attempts=2)]), "a")
    tried: Any = getattr(caught.value, "attempts")  # noqa: B009
    assert [one.who for one in tried] == ["Retry"]
    assert [one.number for one in tried[0].attempts] == [1, 2]


class Named:
    """It has every attribute it is asked for, made up then, as clients of remote interfaces do."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> Named:
        if name.startswith("__"):
            raise AttributeError(name)
        return Named(f"{self.name}/{name}")

    def __call__(self, text: str) -> str:
        return f"{self.name}?{text}"


@both
def test_a_member_whose_attributes_are_made_up_is_called_itself(way: Way) -> None:
    assert way(Ensemble([Named("a"), Named("b").users]), "x") == ["a?x", "b/users?x"]
