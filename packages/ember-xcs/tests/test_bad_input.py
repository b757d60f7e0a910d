"""What cannot be lowered, or is no function at all: plain Python's result with the reason, or an error that says so."""

# The programs here are odd on purpose.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportUnknownParameterType=false

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ember import xcs
from ember.xcs import external, jit


@external
async def ask(word: str) -> str:
    return word.upper()


def evaluating() -> Any:
    return [ask("a"), eval("1 + 1")]


def looking_at_its_variables() -> Any:
    first = ask("a")
    return sorted(locals().items()), first


def naming_in_a_generator_expression() -> Any:
    return list(last := ask(word) for word in "ab"), last  # noqa: C400


def naming_in_a_chain() -> Any:
    return "A" <= (middle := ask("b")) < (high := ask("c")) < "D", middle, high


def making_functions_in_a_comprehension() -> Any:
    made: list[Callable[[], str]] = [lambda: ask(word) for word in "ab"]  # noqa: B023
    return [one() for one in made]


def deleting_a_shared_variable() -> Any:
    word = ask("a")

    def seen() -> str:
        return word  # noqa: F821  # it is deleted later

    before = seen()
    del word
    return before


ODD: dict[Callable[[], Any], str] = {
    evaluating: "it calls eval()",
    looking_at_its_variables: "it calls locals()",
    naming_in_a_generator_expression: ":= in a generator expression",
    naming_in_a_chain: ":= in a chain of comparisons",
    making_functions_in_a_comprehension: "functions made in a comprehension",
    deleting_a_shared_variable: "del of a variable that others see",
}


@pytest.mark.parametrize("function", ODD, ids=lambda one: one.__name__)
def test_what_cannot_be_lowered_runs_as_it_is_and_the_reason_names_line_and_construct(
    function: Callable[[], Any],
) -> None:
    jitted = jit(function)
    assert jitted() == function()
    first = function.__code__.co_firstlineno
    line = int(jitted.reason.removeprefix("line ").partition(":")[0])
    assert first < line <= first + 8
    assert ODD[function] in jitted.reason
    assert ODD[function] in str(xcs.explain(function)())


def test_an_asynchronous_generator_stays_one_and_says_so() -> None:
    async def steps() -> AsyncIterator[str]:
        yield ask("a")

    jitted = jit(steps)
    assert "asynchronous generator" in jitted.reason
    assert hasattr(jitted(), "__anext__")


TAKING: dict[str, Callable[[Any], Any]] = {
    "jit": jit,
    "vmap": xcs.vmap,
    "pmap": xcs.pmap,
    "grad": xcs.grad,
    "value_and_grad": xcs.value_and_grad,
    "scan": lambda thing: xcs.scan(thing, 0, [1, 2]),
    "explain": xcs.explain,
    "estimate": xcs.estimate,
}


@pytest.mark.parametrize("thing", [3, None, "text", [len]], ids=str)
@pytest.mark.parametrize("taking", TAKING)
def test_what_is_no_function_is_refused_at_once(taking: str, thing: Any) -> None:
    with pytest.raises(TypeError, match=f"not a {type(thing).__name__}"):
        TAKING[taking](thing)
