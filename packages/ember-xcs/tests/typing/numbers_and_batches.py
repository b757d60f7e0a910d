"""What the checkers infer of vmap, scan, grad and their like: the results of the function that was given."""

from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, assert_type

import jax

from ember.xcs import (
    GradientThroughCall,
    Vmapped,
    external,
    grad,
    pmap,
    scan,
    stop_gradient,
    value_and_grad,
    vmap,
)


def process(item: str) -> int:
    return len(item)


async def fetch(item: str) -> bytes:
    return item.encode()


def loss(weights: jax.Array, rate: float, *, name: str = "loss") -> jax.Array:
    return weights * rate


@external
async def ask(prompt: str) -> str:
    return prompt


# vmap

assert_type(vmap(process), Vmapped[int, list[int]])
assert_type(vmap(process)(["a"]), list[int])
assert_type(vmap(process, max_concurrency=3)(["a"]), list[int])
assert_type(vmap(process, on_error="return")(["a"]), list[int | Exception])
assert_type(vmap(process, out_axes=(0, 0))(["a"]), Any)
assert_type(vmap(process, (0,), (0, 0))(["a"]), Any)
assert_type(vmap(fetch)(["a"]), list[bytes])
assert_type(vmap(fetch, on_error="return")(["a"]), list[bytes | Exception])
assert_type(vmap(ask)(["a"]), list[str])
assert_type(vmap(vmap(process))([["a"]]), list[list[int]])
assert_type(vmap(process).stream(["a"]), Generator[int, None, None])
assert_type(vmap(process).as_completed(["a"]), Generator[tuple[int, int], None, None])
assert_type(vmap(process).astream(["a"]), AsyncIterator[int])
assert_type(vmap(loss), Vmapped[jax.Array, Any])
assert_type(pmap(loss), Vmapped[jax.Array, Any])
assert_type(pmap(process), Vmapped[int, Any])
vmap(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
vmap(process, on_error="ignore")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


async def main() -> None:
    assert_type(await vmap(process).aio(["a"]), list[int])
    assert_type(await vmap(fetch).aio(["a"]), list[bytes])


# scan


def step(total: int, word: str) -> tuple[int, str]:
    return total + len(word), word


assert_type(scan(step, 0, ["a"]), tuple[int, Any])
scan(step, "0", ["a"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# grad: the signature stays, and the gradient is whatever the arguments are


def gradients(weights: jax.Array) -> None:
    assert_type(grad(loss)(weights, 0.1, name="a"), Any)
    assert_type(value_and_grad(loss)(weights, 0.1), tuple[jax.Array, Any])
    grad(loss)(weights)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    grad(loss)(weights, "0.1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(stop_gradient(weights), jax.Array)


assert_type(stop_gradient(ask)("a"), str)
assert_type(stop_gradient(process)("a"), int)
checked: Callable[[str], str] = stop_gradient(ask)
error: GradientThroughCall = GradientThroughCall("ask")
assert_type(error.call, str)
