"""Under a limit, the call that most depends on is sent first, as the last run has shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ember import xcs

sent: list[str] = []


@xcs.external
async def step(word: str, seconds: float = 0.02) -> str:
    sent.append(word)
    await asyncio.sleep(seconds)
    return word


def skewed() -> list[str]:
    """Many short calls stand before a long row of them: first come, first served keeps the row waiting."""
    short = [step(f"short {number}") for number in range(12)]
    row = step("row 0")
    for number in range(1, 6):
        row = step(f"{row[:3]} {number}")
    return [*short, row]


def timed(function: Callable[[], object]) -> float:
    sent.clear()
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def test_without_a_record_calls_are_sent_in_the_order_of_the_program() -> None:
    sent.clear()
    xcs.jit(max_concurrency=2)(skewed)()
    assert sent[:3] == ["short 0", "short 1", "short 2"]
    assert sent.index("row 0") == 12


def test_after_one_run_the_longest_remaining_path_goes_first() -> None:
    program = xcs.jit(max_concurrency=2)(skewed)
    first = timed(program)
    again = timed(program)
    assert sent.index("row 0") <= 2
    places = [sent.index(f"row {number}") for number in range(6)]
    assert all(place <= 2 + 2 * number for number, place in enumerate(places)), sent
    # 18 calls of one length, two at a time: nine rounds are the least. In program order: six, and the row's six.
    assert again < first * 0.9
    assert sorted(sent) == sorted([*(f"short {n}" for n in range(12)), *(f"row {n}" for n in range(6))])


def test_results_do_not_depend_on_the_order_of_sending() -> None:
    program = xcs.jit(max_concurrency=2)(skewed)
    assert program() == program() == skewed()


def test_calls_of_one_place_are_told_apart_by_the_way_there() -> None:
    def chain(depth: int, name: str) -> str:
        answer = step(f"{name} {depth}")
        return chain(depth - 1, answer[:1]) if depth else answer

    @xcs.jit(max_concurrency=1)
    def program() -> list[str]:
        return [chain(0, "a"), chain(0, "b"), chain(3, "c")]

    program()
    sent.clear()
    program()
    assert sent[1] == "c 3", sent  # the first is sent before the others stand in the queue


def test_a_call_never_seen_before_comes_after_those_that_others_are_known_to_wait_for() -> None:
    wanted = ["none"]

    @xcs.jit(max_concurrency=1)
    def program() -> list[str]:
        first = step("first")
        extra = step("extra") if wanted[0] == "extra" else "x"
        return [first, extra, step(step("row"))]

    program()
    wanted[0] = "extra"
    sent.clear()
    program()
    assert sent == ["first", "row", "row", "extra"]


def test_a_run_that_fails_leaves_a_plan_that_works() -> None:
    fails = [True]

    @xcs.external
    async def maybe(word: str) -> str:
        if fails[0]:
            raise ValueError(word)
        return word

    @xcs.jit(max_concurrency=2)
    def program() -> list[str]:
        return [maybe("a"), step("b"), step("c"), step("d")]

    for expected in (None, ["a", "b", "c", "d"]):
        try:
            assert program() == expected
        except ValueError:
            fails[0] = False
