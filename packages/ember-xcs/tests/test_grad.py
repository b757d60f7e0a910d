"""Gradients are jax's, and an external call on the way is an error, never a zero."""

# pyright: reportUnknownMemberType=false, reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# Half of jax's annotations are unknown to a strict checker, and what is mapped here are mostly lambdas.

from __future__ import annotations

import asyncio
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import pytest

from ember.core import gather
from ember.xcs import GradientThroughCall, external, grad, jit, stop_gradient, value_and_grad, vmap
from ember.xcs._numeric import Numeric

W = jnp.array([1.0, 2.0])


@external
def ask(prompt: object) -> str:
    return f"answer to {prompt}"


@external
async def ask_slowly(prompt: object) -> str:
    return f"answer to {prompt}"


def loss(w: Any) -> Any:
    return (w**2).sum()


def test_gradients_are_those_of_jax() -> None:
    assert grad(loss)(W).tolist() == [2.0, 4.0]
    value, gradient = value_and_grad(loss)(W)
    assert (value.item(), gradient.tolist()) == (5.0, [2.0, 4.0])
    by_both = grad(lambda a, b: (a * b).sum(), argnums=(0, 1))(W, W + 1)
    assert [each.tolist() for each in by_both] == [[2.0, 3.0], [1.0, 2.0]]
    assert grad(lambda w: (loss(w), "aux"), has_aux=True)(W)[1] == "aux"
    assert grad(lambda p: loss(p["w"]) * p["b"])({"w": W, "b": jnp.array(2.0)})["w"].tolist() == [4.0, 8.0]
    assert grad(grad(lambda x: x**3))(jnp.array(2.0)).item() == 12.0
    assert grad(lambda x: x**2)(3.0) == 6.0
    assert grad(lambda z: z**2, holomorphic=True)(jnp.array(1 + 1j)).item() == 2 + 2j
    assert jax.vmap(grad(loss))(jnp.stack([W, W])).tolist() == [[2.0, 4.0]] * 2


def test_gradients_go_through_helpers_methods_and_callable_objects() -> None:
    @jax.tree_util.register_dataclass
    @dataclasses.dataclass
    class Layer:
        weight: Any

        def __call__(self, x: Any) -> Any:
            return (self.weight * x).sum()

        def loss(self, w: Any) -> Any:
            return loss(w) * self.weight.sum()

    layer = Layer(W)
    assert grad(lambda model, x: model(x))(layer, W).weight.tolist() == [1.0, 2.0]
    assert grad(layer)(W).tolist() == [1.0, 2.0]
    assert grad(layer.loss)(W).tolist() == [6.0, 12.0]
    equinox = pytest.importorskip("equinox")
    linear = equinox.nn.Linear(2, 1, key=jax.random.key(0))
    assert grad(lambda model: model(W).sum())(linear).weight.tolist() == [[1.0, 2.0]]


def test_jit_and_grad_nest_either_way() -> None:
    inner = Numeric(loss)
    assert grad(lambda w: inner.call((w,), {}))(W).tolist() == [2.0, 4.0]
    assert grad(jit(loss))(W).tolist() == [2.0, 4.0]
    assert jit(grad(loss))(W).tolist() == [2.0, 4.0]
    outer = Numeric(grad(loss))
    assert outer.call((W,), {}).tolist() == [2.0, 4.0]
    assert outer.why((W,), {}) is None


def in_text(w: Any) -> Any:
    ask(f"how good is {w}?")
    return loss(w)


def with_constant(w: Any) -> Any:
    ask("hello")
    return loss(w)


def as_argument(w: Any) -> Any:
    ask(w)
    return loss(w)


def caught(w: Any) -> Any:
    try:
        ask("hello")
    except Exception:
        return loss(w)


def awaited(w: Any) -> Any:
    asyncio.run(ask_slowly.aio("hello"))
    return loss(w)


def gathered(w: Any) -> Any:
    gather([lambda: ask("hello")])
    return loss(w)


def mapped(w: Any) -> Any:
    vmap(ask)(["a", "b"])
    return loss(w)


def jitted(w: Any) -> Any:
    return jit(in_text)(w)


def inside_second(w: Any) -> Any:
    return grad(in_text)(w).sum()


@pytest.mark.parametrize(
    "function",
    [in_text, with_constant, as_argument, caught, awaited, gathered, mapped, jitted, inside_second],
)
@pytest.mark.parametrize("transform", [grad, value_and_grad])
def test_an_external_call_is_an_error_whatever_its_arguments(
    function: Callable[..., Any], transform: Callable[..., Any]
) -> None:
    with pytest.raises(GradientThroughCall) as error:
        transform(function)(W)
    assert error.value.call in ("ask", "ask_slowly")
    assert "xcs.stop_gradient(ask" in str(error.value)
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


def test_after_a_refused_call_the_next_gradient_works() -> None:
    with pytest.raises(GradientThroughCall):
        grad(in_text)(W)
    assert grad(loss)(W).tolist() == [2.0, 4.0]
    assert ask("hi") == "answer to hi"


def test_under_stop_gradient_an_answer_is_a_constant() -> None:
    asked: list[object] = []

    @external
    def weigh(x: object) -> float:
        asked.append(x)
        return 3.0

    @external
    async def weigh_async(x: object) -> float:
        asked.append(x)
        return 3.0

    for call in (weigh, weigh_async):
        constant = stop_gradient(call)
        assert grad(lambda w: loss(w) * constant("x"))(W).tolist() == [6.0, 12.0]  # noqa: B023
        assert grad(lambda w: loss(w) * stop_gradient(call)(f"{stop_gradient(w)}"))(W).tolist() == [6.0, 12.0]  # noqa: B023
        assert grad(lambda w: loss(w) * constant(w))(W).tolist() == [6.0, 12.0]  # noqa: B023
        assert constant("outside") == 3.0
    assert asked[1] == "[1. 2.]"
    assert isinstance(asked[2], jax.Array) and "Tracer" not in type(asked[2]).__name__
    assert grad(lambda w: grad(lambda v: loss(v) * stop_gradient(weigh)("x"))(w).sum())(W).tolist() == [
        6.0,
        6.0,
    ]


def test_a_function_under_stop_gradient_may_make_calls() -> None:
    def score(w: Any) -> Any:
        return w.sum() * len(ask("x"))

    assert grad(lambda w: loss(w) * stop_gradient(score)(w))(W).tolist() == [2.0 * 3 * 11, 4.0 * 3 * 11]
    assert stop_gradient(score)(W).item() == 33.0


def test_the_text_of_an_array_that_is_followed_is_refused() -> None:
    def messages(w: Any) -> Any:
        return [{"role": "user", "content": f"is {w} good?"}]

    texts: list[Callable[[Any], Any]] = [str, messages]
    for made in texts:
        with pytest.raises(GradientThroughCall, match="text of an array"):
            grad(lambda w: loss(w) * len(stop_gradient(ask)(made(w))))(W)  # noqa: B023


def test_a_value_that_does_not_exist_yet_is_refused() -> None:
    def asks(w: Any) -> Any:
        return loss(w) * len(stop_gradient(ask)(w))

    with pytest.raises(GradientThroughCall, match="no value here"):
        jax.jit(grad(asks))(W)


def test_stop_gradient_of_values_is_that_of_jax() -> None:
    assert grad(lambda w: (w * stop_gradient(w)).sum())(W).tolist() == W.tolist()
    assert grad(lambda w: (w * stop_gradient({"a": [w, "text"]})["a"][0]).sum())(W).tolist() == W.tolist()
    assert stop_gradient("text") == "text"


def test_what_is_no_function_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match=r"xcs\.grad takes a function, not a int"):
        grad(cast(Any, 3))
