"""What is set for a block of code, and for the rest of it: contexts of Ember's and variables of the user's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest
from crowd import Crowd

from ember.context import create_context, get_context, with_context
from ember.core import gather
from ember.xcs import external, jit

mood: ContextVar[str] = ContextVar("mood", default="none")
crowd = Crowd()


@external
async def look(name: str = "", seconds: float = 0.02) -> str:
    """The temperature and the mood in force, as a call sees them."""
    async with crowd.joined():
        await asyncio.sleep(seconds)
    return f"{name}{get_context().get_config('models.temperature')} {mood.get()}"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    crowd.expect()
    token = mood.set("none")
    yield
    mood.reset(token)


@contextmanager
def in_mood(name: str) -> Iterator[None]:
    token = mood.set(name)
    try:
        yield
    finally:
        mood.reset(token)


def test_a_context_around_a_jitted_call_reaches_its_calls() -> None:
    @jit
    def program() -> list[str]:
        first = look()
        return [first, look(first + " then "), *[look(str(n)) for n in range(2)]]

    with with_context(models={"temperature": 0.5}):
        assert program() == ["0.5 none", "0.5 none then 0.5 none", "00.5 none", "10.5 none"]


def test_contexts_in_a_program_reach_the_calls_in_them_and_no_others_and_all_overlap() -> None:
    @jit
    def program() -> list[str]:
        out: list[str] = [look()]
        for n in range(1, 4):
            with with_context(models={"temperature": n / 10}):
                out.append(look())
        out.append(look())
        return out

    crowd.expect(5)
    assert program() == ["None none", "0.1 none", "0.2 none", "0.3 none", "None none"]
    assert crowd.most == 5


def test_a_call_that_has_to_wait_for_its_argument_is_sent_in_the_context_it_was_made_in() -> None:
    @jit
    def program() -> list[str]:
        first = look("first ")
        with with_context(models={"temperature": 0.25}):
            second = look(f"{first} second ")
        third = look(f"{first} third ")
        return [second, third]

    assert program() == ["first None none second 0.25 none", "first None none third None none"]


def test_a_call_that_has_to_wait_for_its_turn_is_sent_in_the_context_it_was_made_in() -> None:
    @jit(max_concurrency=1)
    def program() -> list[str]:
        first = look()
        with with_context(models={"temperature": 0.25}):
            second = look()
        return [first, second, look()]

    assert program() == ["None none", "0.25 none", "None none"]
    assert crowd.most == 1


def test_contexts_nest_and_an_exception_leaves_them() -> None:
    @jit
    def program() -> list[str]:
        out: list[str] = []
        try:
            with with_context(models={"temperature": 0.1}), create_context(models={"max_tokens": 5}):
                out.append(look())
                with with_context(models={"temperature": 0.2}):
                    out.append(look())
                raise ValueError(look())
        except ValueError as error:
            out.append(f"<{error}>")
        out.append(look())
        return out

    assert program() == ["0.1 none", "0.2 none", "<0.1 none>", "None none"]


def test_the_users_own_context_managers_hold_for_their_block() -> None:
    @jit
    def program() -> list[str]:
        out: list[str] = []
        for name in ("good", "bad"):
            with in_mood(name):
                out.append(look())
        out.append(look())
        return out

    assert program() == ["None good", "None bad", "None none"]


def test_a_variable_set_in_the_program_stays_set_as_it_does_without_jit() -> None:
    @jit
    def program() -> list[str]:
        first = look()
        mood.set("one")
        second = look()
        with with_context(models={"temperature": 0.5}):
            mood.set("two")
            third = look()
        return [first, second, third, look()]

    assert program() == ["None none", "None one", "0.5 two", "None two"]
    assert mood.get() == "two"


def test_thunks_of_gather_are_tasks_of_the_run_and_as_many_at_once_as_it_says() -> None:
    @jit
    def program() -> list[str]:
        before = look("before ")
        return [before, *gather([lambda n=n: look(f"{n} ") for n in range(6)], limit=2)]  # type: ignore[misc]

    def called() -> list[str]:
        with with_context(models={"temperature": 0.5}):
            return program()

    crowd.expect(3)
    assert called() == ["before 0.5 none", *[f"{n} 0.5 none" for n in range(6)]]
    assert crowd.most == 3


def test_what_a_thunk_of_gather_sets_no_other_sees() -> None:
    def thunk(name: str) -> str:
        mood.set(name)
        return look()

    @jit
    def program() -> list[str]:
        thunks: list[Callable[[], str]] = [lambda: thunk("a"), lambda: thunk("b"), lambda: look()]
        return [*gather(thunks), look()]

    assert program() == ["None a", "None b", "None none", "None none"]


def test_gather_raises_the_first_failure_in_order_and_starts_nothing_after() -> None:
    started: list[str] = []

    def thunk(name: str) -> str:
        found = look(name)
        started.append(name)
        if name == "b":
            raise ValueError(name)
        return found

    @jit
    def program() -> Any:
        return gather([lambda: thunk("a"), lambda: thunk("b"), lambda: thunk("c")], limit=1)

    with pytest.raises(ValueError, match="b"):
        program()
    assert started == ["a", "b"]


def test_gather_takes_no_limit_below_one() -> None:
    with pytest.raises(ValueError, match="limit"):
        jit(lambda: [look(), gather([look], limit=0)])()


def test_exceptions_of_thunks_can_stand_in_the_places_of_results() -> None:
    noted: list[str] = []

    def thunk(name: str) -> str:
        found = look(name)
        noted.append(name)
        if name == "b":
            raise ValueError(name)
        return found

    def program() -> list[str]:
        thunks = [lambda: thunk("a"), lambda: thunk("b"), lambda: thunk("c")]
        return [repr(one) for one in gather(thunks, return_exceptions=True)]

    plain, noted[:] = program(), []
    assert jit(program)() == plain
    assert plain[1] == "ValueError('b')"
    assert noted == ["a", "b", "c"]
