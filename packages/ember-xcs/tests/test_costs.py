"""What lowering and running cost, counted rather than timed: calls of Python functions."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, cast

import pytest

from ember.xcs import external, jit, vmap
from ember.xcs._program import forget, program_of


@external
async def ask(prompt: str) -> str:
    return prompt


def twenty_lines(questions: list[str], limit: int = 3) -> dict[str, Any]:
    found: dict[str, Any] = {}
    failures = 0
    for question in questions:
        draft = ask(f"draft {question}").strip()
        if "never" in draft:
            failures += 1
            continue
        try:
            score = float(ask(f"score {draft}"))
        except ValueError:
            score = 0.0
        if score > 0.5 and failures < limit:
            better = ask(f"improve {draft}")
            found[question] = (better, score)
        else:
            found[question] = (draft, score)
    names = sorted(found, key=lambda name: found[name][1])
    total = sum(score for _, score in found.values())
    summary = ask(f"summary of {', '.join(names)}: {total:.2f}")
    return {"found": found, "summary": summary}


def steps(do: Callable[[], object]) -> int:
    """Return how many calls of Python functions `do` makes."""
    count = 0

    def see(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(see)
    try:
        do()
    finally:
        sys.setprofile(None)
    return count


def lowering(function: object) -> int:
    """Return how many calls lowering `function` takes, and what it calls."""
    forget()
    program_of(cast(FunctionType, function))  # what is read and imported once
    forget()
    return steps(lambda: program_of(cast(FunctionType, function)))


def test_lowering_twenty_lines_takes_few_steps() -> None:
    # 5 ms have room for some fifty thousand; going through the tree for every statement in it took a hundred thousand.
    assert lowering(twenty_lines) < 25_000


def test_lowering_takes_steps_in_proportion_to_the_lines(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = "    if ask('a') == 'b':\n        x = ask(f'{x} c')\n    for y in range(3):\n        z.append(ask(f'{y}'))\n"

    def of(turns: int) -> int:
        (tmp_path / f"long_{turns}.py").write_text(
            f"from {__name__} import ask\ndef long(x):\n    z = []\n{turn * turns}    return x, z\n"
        )
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        return lowering(__import__(f"long_{turns}").long)

    few, many = of(5), of(20)
    assert many < 5 * few


def test_a_function_is_lowered_once() -> None:
    def program(word: str) -> str:
        return ask(ask(word))

    first = jit(program)
    first("a")
    again = steps(lambda: first("b"))
    other = jit(program)
    assert steps(lambda: other("c")) <= again + 20


def in_a_try(calls: int) -> list[int]:
    out: list[int] = []
    for number in range(calls):
        try:
            out.append(int(ask(f"{number}")))
        except ValueError:
            out.append(0)
    return out


def decided(calls: int) -> list[str]:
    return ["yes" if ask(f"{number}") == "1" else "no" for number in range(calls)]


def decide(number: int) -> str:
    return "yes" if ask(f"{number}") == "1" else "no"


def mapped(calls: int) -> list[str]:
    return vmap(decide)(range(calls))


@pytest.mark.parametrize("program", [in_a_try, decided, mapped])
def test_a_call_among_many_takes_no_more_steps_than_one_among_few(program: Callable[[int], object]) -> None:
    jitted = jit(program)
    jitted(2)
    assert steps(lambda: jitted(400)) < 5 * steps(lambda: jitted(100))


def test_a_run_of_many_calls_has_the_collector_look_less_often_until_it_ends() -> None:
    usual = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    seen: list[int] = []

    @jit
    def program(calls: int) -> int:
        answers = [ask(f"{number}") for number in range(calls)]
        seen.append(gc.get_threshold()[0])
        return len(answers)

    try:
        program(100)
        program(2_000)
        assert seen == [700, 10_000]
        assert gc.get_threshold() == (700, 10, 10)
    finally:
        gc.set_threshold(*usual)
