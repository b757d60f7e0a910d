"""Generators under jit: as lazy as without it, in a program and out of it; their calls overlap where they may."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from crowd import Crowd

from ember.xcs import explain, external, jit

asked: list[str] = []
crowd = Crowd()


@external
async def ask(prompt: str) -> str:
    asked.append(prompt)
    async with crowd.joined():
        await asyncio.sleep(0.01)
    if prompt == "bad":
        raise ValueError(prompt)
    return prompt.upper()


@pytest.fixture(autouse=True)
def fresh() -> None:
    asked.clear()
    crowd.expect()


def pairs(words: str) -> Iterator[str]:
    for word in words:
        yield ask(word) + ask(f"{word}2")


def test_a_jitted_generator_makes_the_calls_of_one_step_at_once_and_none_before_it_is_asked() -> None:
    steps = jit(pairs)("ab")
    assert inspect.isgenerator(steps)
    assert steps.__name__ == "pairs"
    assert asked == []
    crowd.expect(2)
    assert next(steps) == "AA2"
    assert sorted(asked) == ["a", "a2"]
    assert crowd.most == 2
    assert list(steps) == ["BB2"]


def test_a_limit_holds_in_each_step_of_a_jitted_generator() -> None:
    assert list(jit(max_concurrency=1)(pairs)("ab")) == ["AA2", "BB2"]
    assert crowd.most == 1


def test_a_generator_that_a_program_returns_goes_on_after_it_wherever_it_is_gone_over() -> None:
    @jit
    def program() -> tuple[str, Iterator[str]]:
        steps = pairs(ask("ab").lower())
        return next(steps), steps

    first, steps = program()
    assert first == "AA2"
    assert sorted(asked) == ["a", "a2", "ab"]
    found: list[str] = []
    other = threading.Thread(target=lambda: found.extend(steps))
    other.start()
    other.join()
    assert found == ["BB2"]
    assert next(steps, None) is None


def test_containers_that_a_generator_goes_on_with_outside_have_their_values() -> None:
    def collecting(words: str) -> Iterator[list[str]]:
        seen: list[str] = []
        for word in words:
            seen.append(ask(word))
            yield seen

    @jit
    def program() -> tuple[list[str], Iterator[list[str]]]:
        steps = collecting("abc")
        return list(next(steps)), steps

    first, steps = program()
    assert first == ["A"]
    second = next(steps)
    assert second == ["A", "B"]
    assert [type(one) for one in second] == [str, str]
    assert list(steps)[-1] is second


def test_a_generator_that_was_made_outside_is_a_part_of_the_program_that_goes_over_it() -> None:
    steps = jit(pairs)("abc")
    next(steps)

    @jit
    def program(rest: Iterator[str]) -> list[str]:
        return list(rest)

    assert program(steps) == ["BB2", "CC2"]


def test_what_is_sent_and_thrown_arrives_and_what_is_returned_comes_out() -> None:
    @jit
    def echo() -> Generator[str, str, str]:
        heard = yield ask("first")
        again = yield ask(heard)
        return again

    steps = echo()
    assert (next(steps), steps.send("x")) == ("FIRST", "X")
    with pytest.raises(StopIteration) as end:
        steps.send("last")
    assert end.value.value == "last"
    other = echo()
    with pytest.raises(TypeError, match="just-started generator"):
        other.send("too early")
    other = echo()
    next(other)
    with pytest.raises(KeyError):
        other.throw(KeyError("thrown"))
    assert list(other) == []


def test_a_generator_ends_where_a_call_of_it_fails() -> None:
    def risky() -> Iterator[str]:
        for word in ("good", "bad", "never"):
            yield ask(word)

    def program() -> object:
        steps, out = risky(), list[str]()
        for _ in range(3):
            try:
                out.append(next(steps))
            except (ValueError, StopIteration) as error:
                out.append(type(error).__name__)
        return out

    assert jit(program)() == program() == ["GOOD", "ValueError", "StopIteration"]
    steps = jit(risky)()
    assert next(steps) == "GOOD"
    with pytest.raises(ValueError, match="bad"):
        next(steps)
    assert list(steps) == []


def test_a_generator_that_is_given_up_leaves_nothing_behind() -> None:
    @jit
    def program() -> str:
        steps = pairs("abc")
        return next(steps)

    assert program() == "AA2"
    abandoned: Any = jit(pairs)("ab")
    next(abandoned)
    abandoned.close()
    assert list(abandoned) == []
    gc.collect()


def test_libraries_see_generators_of_values() -> None:
    @jit
    def program() -> tuple[bool, dict[str, str], list[Any]]:
        made = (ask(word) for word in "ab")
        return inspect.isgenerator(made), dict.fromkeys(made, "x"), [type(one) for one in pairs("c")]

    assert program() == (True, {"A": "x", "B": "x"}, [str])


def test_a_generator_that_cannot_be_lowered_says_where_and_what_to_change() -> None:
    def guarded() -> Iterator[str]:
        try:
            yield ask("a")
        finally:
            pass

    def asking() -> Generator[str, str, None]:
        ask((yield "q"))

    line = guarded.__code__.co_firstlineno + 1
    assert (
        explain(guarded).reason
        == f"line {line}: it is a generator that yields in a try or with (yield after it)"
    )
    assert "give what the yield returns a name first" in explain(asking).reason
    assert list(jit(guarded)()) == ["A"]
