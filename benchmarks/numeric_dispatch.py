"""What a call of a numeric function costs beside jax's own, and what it costs a function that is none.

    python benchmarks/numeric_dispatch.py [--batches 40] [--calls 2000]

Batches of both are interleaved, so that what disturbs the machine disturbs them alike; the best batch counts.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ember.xcs import grad, jit, vmap

GATE = 1.2


def one(x: Any) -> Any:
    return x + 1


def two(x: Any, y: Any) -> Any:
    return x @ y + 1


def tree(d: Any) -> Any:
    return d["a"] + d["b"]


def scaled(x: Any, rate: Any) -> Any:
    return x * rate


def repeated(x: Any, count: int) -> Any:
    for _ in range(count):
        x = x + 1
    return x


def named(x: Any) -> str:
    return type(x).__name__


def same(x: Any) -> Any:
    return x


def loss(x: Any) -> Any:
    return (x * x).sum()


def best(functions: dict[str, Callable[[], Any]], batches: int, calls: int) -> dict[str, float]:
    """Return microseconds per call of each, in its best batch."""
    seconds = dict.fromkeys(functions, float("inf"))
    for function in functions.values():
        function()
    for _ in range(batches):
        for name, function in functions.items():
            begun = time.perf_counter()
            for _ in range(calls):
                function()
            seconds[name] = min(seconds[name], time.perf_counter() - begun)
    return {name: taken / calls * 1e6 for name, taken in seconds.items()}


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--batches", type=int, default=40)
    options.add_argument("--calls", type=int, default=2000)
    given = options.parse_args()
    idle = jit(one)
    print(f"jax not imported: {best({'call': partial(idle, 1)}, given.batches, given.calls)['call']:.2f} us")

    import jax
    import jax.numpy as jnp

    x, y = jnp.ones((8, 8)), jnp.ones((8, 8))
    leaves = {"a": x, "b": y, "c": x, "d": y}
    rivals: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...], int]] = {
        "jit, 1 array": (jit(one), jax.jit(one), (x,), given.calls),
        "jit, 2 arrays": (jit(two), jax.jit(two), (x, y), given.calls),
        "jit, dict of 4 arrays": (jit(tree), jax.jit(tree), (leaves,), given.calls),
        "jit, array and number": (jit(scaled), jax.jit(scaled), (x, 0.1), given.calls),
        "jit, steering number": (jit(repeated), jax.jit(repeated, static_argnums=1), (x, 3), given.calls),
        "jit(grad)": (jit(grad(loss)), jax.jit(jax.grad(loss)), (x,), given.calls),
        "jit(vmap)": (jit(vmap(loss)), jax.jit(jax.vmap(loss)), (x,), given.calls),
        "vmap": (vmap(loss), jax.vmap(loss), (x,), given.calls // 20),
        "grad": (grad(loss), jax.grad(loss), (x,), given.calls // 20),
    }
    print(f"{'':24}{'ours us':>10}{'jax us':>10}{'ratio':>8}")
    worst = 0.0
    for name, (ours, theirs, args, calls) in rivals.items():
        taken = best({"ours": partial(ours, *args), "jax": partial(theirs, *args)}, given.batches, calls)
        ratio = taken["ours"] / taken["jax"]
        print(f"{name:24}{taken['ours']:10.2f}{taken['jax']:10.2f}{ratio:8.2f}")
        if "steering" not in name:  # jax has to be told of these; we look at every value
            worst = max(worst, ratio)
    never = best({"call": partial(jit(named), x)}, given.batches, given.calls)["call"]
    maybe = best({"call": partial(jit(same), "a")}, given.batches, given.calls)["call"]
    print(f"not numeric: {never:.2f} us by its names, {maybe:.2f} us by its arguments")
    print(f"worst {worst:.2f}x: {'passes' if worst <= GATE else 'FAILS'} the gate of {GATE:g}x")
    return 0 if worst <= GATE else 1


if __name__ == "__main__":
    raise SystemExit(main())
