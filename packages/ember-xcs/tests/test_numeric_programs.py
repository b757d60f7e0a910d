"""Random programs of numbers: staged, they give what plain Python gives, or they are not staged.

Values are compared by type too: a Python number stays one, a numpy array keeps its 64 bits.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from __future__ import annotations

import math
import operator
import random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ember.xcs import scan, vmap
from ember.xcs._numeric import NOT_NUMERIC, Numeric


class Program:
    """A function written at random: of x and y, arrays or numpy arrays, and n and r, Python numbers."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.names = ["x", "y"]
        self.numbers = ["n", "r", "2", "0.1", "x.shape[0]", "len(y)"]

    def write(self) -> str:
        for _ in range(self.random.randint(2, 7)):
            self.statement("    ")
        kept = self.random.sample(self.names, min(2, len(self.names)))
        result = self.random.choice(
            [kept[0], f"({', '.join(kept)},)", f"{{'a': {kept[0]}, 'b': [{kept[-1]}]}}"]
            + [f"({kept[0]}, {self.number()})"] * (self.random.random() < 0.2)
        )
        return "\n".join(["def program(x, y, n, r):", *self.lines, f"    return {result}", ""])

    def number(self) -> str:
        pick = self.random.random()
        if pick < 0.7:
            return self.random.choice(self.numbers)
        return f"({self.number()} {self.random.choice('+-*')} {self.number()})"

    def array(self) -> str:
        one, two = self.random.choice(self.names), self.random.choice(self.names)
        return self.random.choice(
            [
                f"{one} {self.random.choice('+-*')} {two}",
                f"{one} * {self.number()}",
                f"{self.number()} - {one}",
                f"jnp.tanh({one})",
                f"jnp.where({one} > {self.number()}, {one}, {two})",
                f"helper({one}, {self.number()})",
                f"{one}.sum() + {two}",
                f"{one}.at[0].set({self.number()})" if one != "y" else f"{one} + 1",
                f"jnp.stack([row * i for i, row in enumerate({one})]).reshape({two}.shape)",
                f"lax.fori_loop(0, 3, lambda i, v: v * 0.5 + {two}, jnp.asarray({one}))",
                f"vmap(lambda v: v * {self.number()})({one})",
                f"scan(lambda c, v: (c + v, c), jnp.asarray({one}[0]), jnp.asarray({two}))[1]",
                f"operator.mul({one}, math.sqrt(abs({self.number()})))",
            ]
        )

    def statement(self, indent: str) -> None:
        name = f"v{len(self.names)}"
        kind = self.random.choice(["set", "set", "set", "for", "if", "dict", "number", "nested", "odd"])
        if kind == "set":
            self.lines.append(f"{indent}{name} = {self.array()}")
        elif kind == "for":
            self.lines += [f"{indent}{name} = {self.array()}", f"{indent}for i in range(n):"]
            self.lines.append(f"{indent}    {name} = {name} + {self.array()} * i")
        elif kind == "if":
            test = self.random.choice(["n > 2", "r < 0.5", "x.ndim == 1", "isinstance(n, int)", "y is None"])
            self.lines += [f"{indent}if {test}:", f"{indent}    {name} = {self.array()}"]
            self.lines += [f"{indent}else:", f"{indent}    {name} = {self.array()}"]
        elif kind == "dict":
            self.lines += [f"{indent}d = {{'k': {self.array()}}}", f"{indent}{name} = d['k']"]
        elif kind == "number":
            number = f"m{len(self.numbers)}"
            self.lines.append(f"{indent}{number} = {self.number()}")
            self.numbers.append(number)
            return
        elif kind == "nested":
            self.lines += [f"{indent}def inner(v):", f"{indent}    return v * {self.number()}"]
            self.lines.append(f"{indent}{name} = inner({self.array()})")
        elif self.random.random() < 0.5:
            odd = ["len(str(x))", "float(x.sum())", "len(f'{x}')", "np.random.rand()", "len(LOG)"]
            self.lines.append(f"{indent}{name} = y * {self.random.choice(odd)}")
        else:
            self.lines += [f"{indent}LOG.append(1)", f"{indent}{name} = x"]
        self.names.append(name)


def check(seed: int) -> bool:
    """Run a random program both ways with several arguments; say whether any call was staged."""
    source = Program(seed).write()
    log: list[int] = []
    scope: dict[str, Any] = {
        "jnp": jnp,
        "lax": jax.lax,
        "np": np,
        "math": math,
        "operator": operator,
        "vmap": vmap,
        "scan": scan,
        "LOG": log,
    }
    scope["helper"] = eval("lambda v, by: v * by + 1", scope)
    exec(source, scope)
    program, numeric = scope["program"], Numeric(scope["program"])
    rows, doubles = jnp.array([0.5, -1.25, 2.0]), np.array([0.1, 0.2, 0.3])
    was_staged = False
    for args in [
        (rows, rows, 3, 0.1),
        (rows, rows, 1, 0.7),
        (rows, doubles, 3, 0.1),
        (doubles, doubles, 3, 0.1),
    ] * 2:
        got = numeric.call(args, {})
        if got is NOT_NUMERIC:
            continue
        was_staged = True
        assert not log, source
        np.random.seed(0)
        expected = program(*args)
        left, right = jax.tree.flatten(got), jax.tree.flatten(expected)
        assert str(left[1]) == str(right[1]), source
        for one, two in zip(left[0], right[0]):
            assert type(one) is type(two) and one.dtype == two.dtype, (source, args, type(one), type(two))
            np.testing.assert_allclose(np.asarray(one), np.asarray(two), rtol=2e-5, atol=1e-5, err_msg=source)
    return was_staged


@pytest.mark.parametrize("block", range(3))
def test_random_programs_mean_the_same_staged(block: int) -> None:
    assert sum(check(seed) for seed in range(block * 8, block * 8 + 8)) >= 2


@pytest.mark.long
def test_many_random_programs_mean_the_same_staged() -> None:
    assert sum(check(seed) for seed in range(1_000, 1_400)) >= 100
