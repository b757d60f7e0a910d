"""Functions of numbers in programs that make external calls: staged by jax, with the calls under way meanwhile."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownLambdaType=false
from __future__ import annotations

import asyncio
import linecache
import math
import operator
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crowd import Crowd
from test_numeric_programs import Program

from ember.xcs import GradientThroughCall, external, grad, jit, scan, stop_gradient, vmap

crowd = Crowd()


@external
async def embed(text: str) -> list[float]:
    async with crowd.joined():
        await asyncio.sleep(0.02)
    return [float(ord(letter)) / 100 for letter in text]


@external
async def rate(text: str) -> str:
    await asyncio.sleep(0.005)
    return f"0.{len(text)}"


def score(weights: Any, vector: Any) -> Any:
    return jnp.tanh(weights @ vector).sum()


def runs_of(function: Callable[..., Any], do: Callable[[], object]) -> int:
    """Return how often Python runs the body of `function` while `do` runs: not at all, once it is compiled."""
    count = 0

    def see(frame: Any, event: str, arg: object) -> None:
        nonlocal count
        count += event == "call" and frame.f_code is function.__code__

    sys.setprofile(see)
    try:
        do()
    finally:
        sys.setprofile(None)
    return count


def ranked(weights: Any, words: list[str]) -> list[tuple[Any, str]]:
    found: list[tuple[Any, str]] = []
    for word in words:
        vector = jnp.array(embed(word))
        found.append((score(weights, vector), word))
    return sorted(found, key=lambda one: float(one[0]))


WEIGHTS = jnp.ones((4, 4)) / 10
WORDS = ["tree", "lake", "rock", "wind"]


def test_a_function_of_numbers_is_compiled_and_the_calls_around_it_overlap() -> None:
    expected = ranked(WEIGHTS, WORDS)
    program = jit(ranked)
    program(WEIGHTS, WORDS)
    crowd.expect(len(WORDS))
    found = program(WEIGHTS, WORDS)
    assert crowd.most == len(WORDS)
    assert [word for _, word in found] == [word for _, word in expected]
    assert np.allclose([one for one, _ in found], [one for one, _ in expected])
    assert runs_of(score, lambda: program(WEIGHTS, WORDS)) == 0
    assert runs_of(score, lambda: ranked(WEIGHTS, WORDS)) == len(WORDS)


def scaled(vector: Any, by: float) -> Any:
    return (vector * by).sum()


def test_a_number_that_an_answer_holds_may_come_late() -> None:
    def program(words: list[str]) -> list[Any]:
        return [scaled(WEIGHTS, float(rate(word))) for word in words]

    jitted = jit(program)
    for words in (["a", "bb"], ["ccc", "dd", "e"]):
        got, expected = jitted(words), program(words)
        assert [one.dtype for one in got] == [one.dtype for one in expected]
        assert np.allclose(got, expected)
    assert runs_of(scaled, lambda: jitted(["ffff"])) == 0


def test_numpy_and_python_numbers_keep_their_digits() -> None:
    def total(values: Any, by: float) -> Any:
        return (values * by).sum()

    def program(word: str) -> tuple[Any, Any]:
        by = float(rate(word))
        return total(np.array([0.1, 0.2]), by), total(np.array([1e-9, 1.0]), 0.1)

    first, second = jit(program)("one")
    assert (first, second) == program("one")
    assert first.dtype == second.dtype == np.float64


_seen: list[Any] = []


def noted(weights: Any) -> Any:
    _seen.append(float(weights.sum()))
    return weights * 2


def test_a_function_that_does_more_than_compute_is_left_in_order() -> None:
    def program(words: list[str]) -> Any:
        result = WEIGHTS
        for word in words:
            _seen.append(rate(word))
            result = noted(result)
        return result

    _seen.clear()
    expected = program(["a", "bb"])
    plain = list(_seen)
    _seen.clear()
    assert np.allclose(jit(program)(["a", "bb"]), expected)
    assert _seen == plain


def test_arrays_in_dicts_that_the_program_changes_are_read_in_turn() -> None:
    def loss(weights: dict[str, Any], by: float) -> Any:
        return (weights["a"] * by).sum()

    def program(words: list[str]) -> list[Any]:
        weights = {"a": jnp.ones(3)}
        losses: list[Any] = []
        for word in words:
            if float(rate(word)) > 0.15:
                weights["a"] = weights["a"] + float(rate(word))
            losses.append(loss(weights, float(rate(word + "!"))))
        weights["a"] = jnp.zeros(3)
        return losses

    words = ["a", "bb", "ccc", "d"]
    for _ in range(2):
        assert np.allclose(jit(program)(words), program(words))


def test_gradients_are_taken_in_programs_with_calls() -> None:
    slope = grad(lambda weights, by: (weights**2 * by).sum())

    def step(weights: Any, words: list[str]) -> Any:
        for word in words:
            weights = weights - 0.1 * slope(weights, float(rate(word)))
        return weights

    assert np.allclose(jit(step)(jnp.ones(3), ["a", "bb"]), step(jnp.ones(3), ["a", "bb"]))


def test_a_gradient_through_a_call_is_refused_in_a_program_too() -> None:
    def loss(weights: Any) -> Any:
        return (weights * float(rate("a"))).sum()

    def frozen(weights: Any) -> Any:
        return (weights * float(stop_gradient(rate)("a"))).sum()

    def program(of: Callable[[Any], Any]) -> Any:
        rate("before")
        return grad(of)(jnp.ones(3))

    with pytest.raises(GradientThroughCall):
        jit(program)(loss)
    assert np.allclose(jit(program)(frozen), [0.1] * 3)


def test_an_exception_of_a_function_of_numbers_is_as_in_plain_python() -> None:
    def program(words: list[str]) -> Any:
        return [score(WEIGHTS, jnp.array(embed(word))) for word in words]

    with pytest.raises(TypeError) as plain:
        program(["tree", "bird nest"])
    with pytest.raises(TypeError) as jitted:
        jit(program)(["tree", "bird nest"])
    assert str(jitted.value) == str(plain.value)


@pytest.mark.parametrize(
    "seed", [4, 9, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(100, 130))]
)
def test_random_functions_of_numbers_give_the_same_in_programs_with_calls(seed: int) -> None:
    source = Program(seed).write()
    log: list[int] = []
    scope: dict[str, Any] = {"jnp": jnp, "lax": jax.lax, "np": np, "vmap": vmap, "scan": scan, "LOG": log}
    scope |= {"math": math, "operator": operator, "rate": rate, "helper": lambda v, k: v + k}
    source = source.replace("np.random.rand()", "0.25") + (
        "def outer(x, y, n, r):\n"
        "    first = program(x, y, n, r)\n"
        "    second = program(x, y, len(rate('ab')), float(rate('abc')))\n"
        "    return first, rate('end'), second\n"
    )
    name = f"<numbers {seed}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), scope)
    x, y = jnp.arange(4.0).reshape(2, 2) + 0.5, jnp.ones((2, 2)) * 0.3
    for args in ((x, y, 2, 0.25), (x, np.ones((2, 2)), 3, 0.5)):
        results: list[Any] = []
        for function in (scope["outer"], jit(scope["outer"]), jit(scope["outer"])):
            log.clear()
            try:
                results.append((function(*args), list(log)))
            except Exception as error:
                results.append((type(error).__name__, list(log)))
        for got in results[1:]:
            assert got[1] == results[0][1]
            ours, theirs = jax.tree.flatten(got[0]), jax.tree.flatten(results[0][0])
            assert str(ours[1]) == str(theirs[1])
            for one, other in zip(ours[0], theirs[0]):
                assert type(one) is type(other)
                assert (
                    one == other
                    if isinstance(one, str)
                    else np.allclose(one, other, rtol=1e-4, equal_nan=True)
                )


class Touchy:
    """Cannot be hashed or compared before it is whole."""

    def __init__(self, name: str) -> None:
        rate(name)
        self.name = name

    def __call__(self) -> str:
        return self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Touchy) and self.name == other.name


def test_objects_are_not_taken_apart_to_see_whether_a_call_is_one_of_numbers() -> None:
    def program() -> list[str]:
        return [Touchy(name)() for name in ("a", "b")]

    assert jit(program)() == ["a", "b"]
