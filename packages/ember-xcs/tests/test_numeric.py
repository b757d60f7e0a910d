"""Which calls are staged with jax, that they mean what plain Python means, and why the others are not."""

# pyright: reportUnknownMemberType=false, reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# Half of jax's annotations are unknown to a strict checker, and what is mapped here are mostly lambdas.

from __future__ import annotations

import dataclasses
import enum
import functools
import math
import operator
import random
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ember.xcs import external, grad, scan, stop_gradient, vmap
from ember.xcs._numeric import NOT_NUMERIC, Numeric

ROW = jnp.arange(1.0, 4.0)
TABLE = jnp.arange(6.0).reshape(3, 2)
SCALE = 2.0
counter = 1.0
SETTINGS = {"scale": 2.0}
TIMES: list[int] = []


@external
def ask(prompt: str) -> str:
    return prompt.upper()


def staged(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call `function` as a numeric one, check that it is one, and that plain Python gives the same."""
    numeric = Numeric(function)
    expected = function(*args, **kwargs)
    got: Any = None
    for _ in range(3):  # the first time, and by the short ways
        got = numeric.call(args, kwargs)
        assert got is not NOT_NUMERIC, numeric.why(args, kwargs)
        same(got, expected)
    assert numeric.why(args, kwargs) is None
    return got


def same(got: Any, expected: Any) -> None:
    got_leaves, got_tree = jax.tree.flatten(got)
    leaves, tree = jax.tree.flatten(expected)
    assert str(got_tree) == str(tree)
    for left, right in zip(got_leaves, leaves):
        assert left.dtype == right.dtype
        np.testing.assert_allclose(np.asarray(left), np.asarray(right), rtol=1e-6)


def refused(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Check that such a call is not staged, time and again, and return why."""
    numeric = Numeric(function)
    for _ in range(3):
        assert numeric.call(args, kwargs) is NOT_NUMERIC
    reason = numeric.why(args, kwargs)
    assert reason is not None
    assert numeric.call(args, kwargs) is NOT_NUMERIC
    return reason


# What is numeric


def helper(x: Any) -> Any:
    return jnp.tanh(x) * SCALE


class Activation(enum.Enum):
    SINE = "sine"


@dataclasses.dataclass(frozen=True)
class Affine:
    weight: Any
    bias: Any
    power: int = 1

    def __call__(self, x: Any) -> Any:
        return (x @ self.weight + self.bias) ** self.power

    @property
    def norm(self) -> Any:
        return jnp.linalg.norm(self.weight)

    def scaled(self, by: Any) -> Affine:
        return dataclasses.replace(self, weight=self.weight * by)

    def __add__(self, other: Affine) -> Affine:
        return Affine(self.weight + other.weight, self.bias + other.bias, self.power)


jax.tree_util.register_dataclass(Affine, ["weight", "bias"], ["power"])


class Pair(NamedTuple):
    left: Any
    right: Any

    def total(self) -> Any:
        return self.left.sum() + self.right.sum()


def loops(x: Any) -> Any:
    for index in range(3):
        x = jnp.sin(x) + index
    return x


def comprehends(x: Any) -> Any:
    return jnp.stack([row * index for index, row in enumerate(x)]), {"first": x[0]}


def defines_functions(x: Any) -> Any:
    def double(y: Any) -> Any:
        return y * factor

    factor = x[0]
    return double(x) + (lambda y: y - factor)(x)


def fills_own_dict(x: Any) -> Any:
    parts: dict[str, Any] = {}
    parts["sum"] = x.sum()
    parts["mean"] = x.mean()
    values = []
    values.append(x * 2)
    return parts, values


def checks_shapes(x: Any) -> Any:
    if x.ndim != 1:
        raise ValueError(f"one axis, not {x.ndim}: {x!r}")
    return x / x.shape[0]


def uses_libraries(x: Any) -> Any:
    scaled = functools.reduce(operator.add, [x, x * math.sqrt(2.0), x * np.pi])
    return jax.lax.cond(x.sum() > 0, jnp.sin, jnp.cos, scaled) + jax.nn.relu(x) + jnp.linalg.norm(x)


def imports_inside(x: Any) -> Any:
    import jax.numpy as jnp

    return jnp.square(x)


def names_scopes(x: Any) -> Any:
    with jax.named_scope("inner"):
        return x * 2


def differentiates(x: Any) -> Any:
    return jax.grad(lambda y: (y**2).sum())(x) + grad(lambda y: (y**3).sum())(x)


def maps_and_scans(x: Any) -> Any:
    return vmap(helper)(x), scan(lambda carry, y: (carry + y, carry * y), x[0], x)


def carries_on(x: Any) -> Any:
    return jax.lax.fori_loop(0, 3, lambda index, y: y * 1.5, x)


@pytest.mark.parametrize(
    "function",
    [
        helper,
        loops,
        comprehends,
        defines_functions,
        fills_own_dict,
        checks_shapes,
        uses_libraries,
        imports_inside,
        names_scopes,
        differentiates,
        maps_and_scans,
        carries_on,
        jnp.sin,
        jax.jit(helper),
        functools.partial(operator.mul, SCALE),
        lambda x: x @ x,
        lambda x: (x, {"same": x}),
        lambda x: Pair(x, x).total(),
        lambda x: Pair(x, x * 2),
        lambda x, scale=3.0: x * scale,
        vmap(helper),
        grad(lambda x: helper(x).sum()),
        jax.value_and_grad(lambda x: helper(x).sum()),
        jax.checkpoint(helper),
    ],
)
def test_a_function_that_only_computes_is_staged(function: Callable[..., Any]) -> None:
    staged(function, ROW)


def test_pytrees_of_arrays_are_followed() -> None:
    staged(lambda p: p["w"] * p["b"][0] + p["b"][1], {"w": ROW, "b": (ROW, [ROW][0])})
    staged(lambda pair, x: Pair(pair.left + x, pair.total()), Pair(ROW, ROW), ROW)
    staged(lambda x, y=None: x if y is None else x + y, ROW)
    staged(lambda x, *, y: x + y, ROW, y=ROW)
    staged(lambda *xs, **ys: sum(xs) + sum(ys.values()), ROW, ROW, a=ROW)


def test_registered_classes_are_followed_with_their_methods() -> None:
    affine = Affine(TABLE.T, ROW)
    staged(lambda model, x: model(x) + model.norm + model.scaled(2.0).bias, affine, TABLE)
    staged(lambda model: model + model, affine)
    staged(affine, TABLE)
    staged(affine.scaled, ROW[0])


def test_an_equinox_module_is_staged_like_any_function() -> None:
    equinox = pytest.importorskip("equinox")
    mlp = equinox.nn.MLP(2, 1, 8, 2, key=jax.random.key(0))
    staged(mlp, TABLE[0])
    staged(lambda model, x: jax.vmap(model)(x).sum(), mlp, TABLE)
    staged(lambda x: mlp(x), TABLE[0])  # a global or a variable of the function around


def test_arrays_with_keys_and_integers_are_arrays_too() -> None:
    staged(lambda key: jax.random.normal(key, (3,)), jax.random.key(0))
    staged(lambda x, index: x[index], ROW, jnp.array(1))


def test_a_call_inside_a_jax_transformation_is_staged_too() -> None:
    numeric = Numeric(lambda x: (x**2).sum())
    assert jax.grad(lambda x: numeric.call((x,), {}))(ROW).tolist() == [2.0, 4.0, 6.0]
    assert jax.vmap(lambda x: numeric.call((x,), {}))(TABLE).tolist() == [1.0, 13.0, 41.0]
    assert jax.jit(lambda x: numeric.call((x,), {}))(ROW).item() == 14.0
    assert "jit" in str(jax.make_jaxpr(lambda x: numeric.call((x,), {}))(ROW))


# Python numbers and numpy arrays


def test_a_python_number_beside_arrays_is_traced_once_for_all_its_values() -> None:
    numeric = Numeric(lambda x, rate: x * rate)
    for count in range(20):  # were each value compiled anew, the ninth would be refused
        same(numeric.call((ROW, count / 7), {}), ROW * (count / 7))
    assert numeric.why((ROW, 0.7), {}) is None


def test_arithmetic_of_python_numbers_alone_keeps_pythons_digits() -> None:
    def third(x: Any, big: float) -> Any:
        return x * (big + 1.0 - big)  # float32 would make 0 of it

    numeric = Numeric(third)
    assert numeric.call((ROW, 1e10), {}).tolist() == ROW.tolist()

    def wraps_around(x: Any, count: int) -> Any:
        return x * (count * 4 // 4)

    assert Numeric(wraps_around).call((ROW, 2**30), {}).tolist() == (ROW * 2**30).tolist()


def test_a_python_number_may_steer() -> None:
    def powers(x: Any, count: int, flag: bool) -> Any:
        for _ in range(count):
            x = x * x if flag else x + 1
        return x.reshape(count, -1)

    numeric = Numeric(powers)
    for count, flag in ((3, True), (1, False), (3, False), (1, True)):
        same(numeric.call((ROW, count, flag), {}), powers(ROW, count, flag))


def test_values_that_equal_but_differ_are_told_apart() -> None:
    def reciprocal(x: Any, zero: float) -> Any:
        return x * math.copysign(1.0, zero)

    numeric = Numeric(reciprocal)
    assert numeric.call((ROW, 0.0), {}).tolist() == [1.0, 2.0, 3.0]
    assert numeric.call((ROW, -0.0), {}).tolist() == [-1.0, -2.0, -3.0]
    of_type = Numeric(lambda x, n: x * 2 if isinstance(n, bool) else x * 3)
    assert of_type.call((ROW, True), {}).tolist() == [2.0, 4.0, 6.0]
    assert of_type.call((ROW, 1), {}).tolist() == [3.0, 6.0, 9.0]


def test_after_eight_values_of_a_steering_number_no_more_are_compiled() -> None:
    numeric = Numeric(lambda x, count: x.repeat(count))
    results = [numeric.call((ROW, count), {}) for count in range(1, 12)]
    assert [result is NOT_NUMERIC for result in results] == [False] * 8 + [True] * 3
    assert "8 different values" in (numeric.why((ROW, 11), {}) or "")
    assert numeric.call((ROW, 3), {}).shape == (9,)


def test_numpy_and_python_numbers_alone_are_left_to_plain_python() -> None:
    numeric = Numeric(lambda x: x * 2)
    for value in (np.ones(3), 2.0, [1.0, 2.0], "text", np.float64(1), {"a": np.ones(2)}, None, []):
        assert numeric.call((value,), {}) is NOT_NUMERIC
    assert numeric.call((), {}) is NOT_NUMERIC
    assert numeric.why((np.ones(3),), {}) == "no argument holds a jax.Array"


def test_numpy_beside_arrays_is_staged_unless_numpy_would_compute() -> None:
    doubles = np.array([0.1, 0.2, 0.3])
    staged(lambda x, y: x * y, ROW, doubles)
    assert "more digits" in refused(lambda x, y: x * (y - 0.1), ROW, doubles)
    assert "as it came" in refused(lambda x, y: (x, y), ROW, doubles)
    assert "as it came" in refused(lambda x, y: {"x": x, "y": y}, ROW, 0.5)

    def in_place(x: Any, y: Any) -> Any:
        y += 1
        return x * y

    assert "in place" in refused(in_place, ROW, doubles)


def test_an_array_that_was_numpy_before_is_not_taken_for_one_seen() -> None:
    def mean(x: Any, y: Any) -> Any:
        return x * (y - y.mean())

    numeric = Numeric(mean)
    assert numeric.call((ROW, ROW), {}) is not NOT_NUMERIC
    assert numeric.call((ROW, np.array([1.0, 2.0, 3.0])), {}) is NOT_NUMERIC
    assert numeric.call(({"a": ROW}, ROW), {}) is NOT_NUMERIC  # and a dict cannot be multiplied


def test_an_int_too_large_for_jax_is_left_to_plain_python() -> None:
    numeric = Numeric(lambda x, n: x * n)
    assert numeric.call((ROW, 3), {}) is not NOT_NUMERIC
    assert numeric.call((ROW, 2**40), {}) is NOT_NUMERIC


# What is not numeric


def prints(x: Any) -> Any:
    print(x)
    return x


def measures_text(x: Any) -> Any:
    return x * len(str(x))


def formats(x: Any) -> Any:
    return {f"{x}": x}


def formats_by_percent(x: Any) -> Any:
    return {"%s" % x: x}  # noqa: UP031


def formats_by_method(x: Any) -> Any:
    return {"{}".format(x): x}  # noqa: UP032


def rebinds_global(x: Any) -> Any:
    global counter
    counter = 2.0
    return x


def reads_dict(x: Any) -> Any:
    return x * SETTINGS["scale"]


def appends(x: Any) -> Any:
    TIMES.append(1)
    return x


def catches(x: Any) -> Any:
    try:
        return x * float(x[0])
    except TypeError:
        return x


def draws(x: Any) -> Any:
    return x * np.random.normal()


def draws_too(x: Any) -> Any:
    return x * random.random()


GENERATOR = np.random.default_rng()
NUMBERS = iter(range(100))


def draws_by_generator(x: Any) -> Any:
    return x * GENERATOR.normal()


def counts_on(x: Any) -> Any:
    return x * next(NUMBERS)


class Swallows:
    def __enter__(self) -> None: ...
    def __exit__(self, *error: object) -> bool:
        return True


def swallows(x: Any) -> Any:
    with Swallows():
        x = x * float(x[0])
    return x


class Loud(enum.Enum):
    ONE = 1

    def times(self, x: Any) -> Any:
        print("times")
        return x * self.value


def uses_loud_enum(x: Any, loud: Any = Loud.ONE) -> Any:
    return loud.times(x)


class Settings:
    scale = 2.0
    table: ClassVar[dict[str, float]] = {"scale": 2.0}


def reads_class_table(x: Any) -> Any:
    return x * Settings.table["scale"]


def reads_class_constant(x: Any) -> Any:
    return x * Settings.scale


def asks(x: Any) -> Any:
    return x * len(ask("hi"))


def asks_aside(x: Any) -> Any:
    return x * len(stop_gradient(ask)("hi"))


def debugs(x: Any) -> Any:
    jax.debug.print("{}", x)
    return x


def calls_back(x: Any) -> Any:
    return jax.pure_callback(lambda y: y, x, x)


def compares_identity(x: Any) -> Any:
    y = x
    return x * 2 if x is y else x


def saves(x: Any) -> Any:
    jnp.save("/nowhere/at/all", x)
    return x


def stores(box: Any, x: Any) -> Any:
    box.value = x
    return x


def evaluates(x: Any) -> Any:
    return eval("x * 2")


def asks_for_devices(x: Any) -> Any:
    return x * len(x.devices())


def deep(x: Any) -> Any:
    return prints(x)


def inner_print(x: Any) -> Any:
    return jax.lax.cond(x.sum() > 0, lambda y: prints(y), lambda y: y, x)


async def awaits(x: Any) -> Any:
    return x


def yields(x: Any) -> Iterator[Any]:
    yield x


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (prints, "print()"),
        (measures_text, "str()"),
        (formats, "makes text"),
        (formats_by_percent, "%"),
        (formats_by_method, ".format"),
        (rebinds_global, "counter"),
        (reads_dict, "SETTINGS"),
        (appends, "TIMES"),
        (catches, "handles exceptions"),
        (draws, "np.random.normal"),
        (draws_too, "random.random"),
        (draws_by_generator, "GENERATOR"),
        (counts_on, "NUMBERS"),
        (swallows, "Swallows"),
        (uses_loud_enum, "print()"),
        (reads_class_table, "Settings.table"),
        (asks, "external call ask"),
        (asks_aside, "external call ask"),
        (debugs, "jax.debug"),
        (calls_back, "pure_callback"),
        (compares_identity, "which object"),
        (saves, "jnp.save"),
        (evaluates, "eval()"),
        (asks_for_devices, "devices"),
        (deep, "print()"),
        (inner_print, "print()"),
        (awaits, "async"),
        (yields, "generator"),
        (print, "print"),
        (ask, "external call"),
        (lambda x: [print(y) for y in x], "print()"),
        (lambda x: (lambda: input())(), "input()"),
        (functools.partial(prints), "print()"),
        (jax.jit(prints), "print()"),
        (vmap(prints), "print()"),
        (grad(lambda x: prints(x).sum()), "print()"),
        (jax.vmap(prints), "print()"),
        (lambda x: vmap(prints)(x), "print()"),
        (lambda x: sorted(x, key=prints), "print()"),
        (functools.lru_cache(lambda x: x), "_lru_cache_wrapper"),
    ],
)
def test_a_function_that_does_more_than_compute_is_not_staged(function: Callable[..., Any], why: str) -> None:
    assert why in refused(function, ROW)


def test_a_reason_names_file_and_line() -> None:
    reason = refused(deep, ROW)
    line = prints.__code__.co_firstlineno + 1
    assert reason == f"prints ({__file__}:{line}) calls print()"


def test_what_changes_its_arguments_is_not_staged() -> None:
    def fills(params: dict[str, Any]) -> Any:
        params["new"] = params["x"] * 2
        return params["x"]

    assert "changes its arguments" in refused(fills, {"x": ROW})

    def replaces(rows: list[Any]) -> Any:
        rows[0] = rows[0] + 1
        return rows[0]

    assert "changes its arguments" in refused(replaces, [ROW])

    class Box:
        value: Any = None

    assert "stores the attribute" in refused(stores, Box(), ROW)


def test_a_result_that_is_no_array_stays_what_it_is() -> None:
    assert "holds a int" in refused(lambda x: (x, x.shape[0]), ROW)
    assert "holds a str" in refused(lambda x: {"name": "a", "x": x}, ROW)
    assert "holds a ndarray" in refused(lambda x: (x, np.zeros(2)), ROW)


def test_what_needs_a_value_is_left_to_plain_python() -> None:
    assert "TracerBoolConversionError" in refused(lambda x: x if x.sum() > 0 else -x, ROW)
    assert "ConcretizationTypeError" in refused(lambda x: x * float(x[0]), ROW)
    assert "TypeError" in refused(lambda x: x @ jnp.ones((7, 7)), ROW)


def test_a_shape_may_be_numeric_where_another_is_not() -> None:
    def by_rank(x: Any) -> Any:
        return x * 2 if x.ndim == 2 else x * float(x[0])

    numeric = Numeric(by_rank)
    assert numeric.call((TABLE,), {}) is not NOT_NUMERIC
    for _ in range(2):
        assert numeric.call((ROW,), {}) is NOT_NUMERIC
        assert numeric.call((TABLE,), {}) is not NOT_NUMERIC


def test_an_object_that_is_no_pytree_is_not_staged() -> None:
    class Scorer:
        def __init__(self, weight: Any) -> None:
            self.weight = weight

        def __call__(self, x: Any) -> Any:
            return x * self.weight

    assert "Scorer" in refused(Scorer(ROW), ROW)
    assert "Scorer" in refused(lambda scorer, x: scorer(x), Scorer(ROW), ROW)
    scorer = Scorer(ROW)
    assert "Scorer" in refused(lambda x: scorer(x), ROW)
    assert "Scorer" in refused(jax.vmap(scorer), ROW)


def test_a_method_that_prints_is_found_in_the_class_of_an_argument() -> None:
    @jax.tree_util.register_dataclass
    @dataclasses.dataclass
    class Loud:
        weight: Any

        def __mul__(self, other: Any) -> Any:
            print("times")
            return self.weight * other

        def apply(self, x: Any) -> Any:
            print("apply")
            return self.weight * x

    assert "print()" in refused(lambda model, x: model.apply(x), Loud(ROW), ROW)
    assert "print()" in refused(lambda model, x: model * x, Loud(ROW), ROW)


def test_a_function_among_the_arguments_is_looked_at() -> None:
    numeric = Numeric(lambda f, x: f(x))
    same(numeric.call((helper, ROW), {}), helper(ROW))
    same(numeric.call((jnp.sin, ROW), {}), jnp.sin(ROW))
    assert numeric.call((prints, ROW), {}) is NOT_NUMERIC
    assert Numeric(uses_loud_enum).call((ROW, Loud.ONE), {}) is NOT_NUMERIC
    assert numeric.call((helper, ROW), {}) is not NOT_NUMERIC
    results = [numeric.call((lambda x: x + 1, ROW), {}) for _ in range(12)]  # each a function of its own
    assert results[-1] is NOT_NUMERIC
    assert numeric.call((helper, ROW), {}) is not NOT_NUMERIC


def test_what_jax_cannot_take_apart_is_left_to_plain_python() -> None:
    numeric = Numeric(lambda tree: sum(tree.values()))
    assert numeric.call(({"a": ROW, "b": ROW},), {}) is not NOT_NUMERIC
    assert numeric.call(({1: ROW, "b": ROW},), {}) is NOT_NUMERIC
    assert "pytree" in (numeric.why(({1: ROW, "b": ROW},), {}) or "")
    assert vmap(lambda tree: len(tree))({1: ["a"], "b": ["c"]}) == [2]

    class Shy:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("not now")

    shy = Shy()
    assert "cannot be looked at" in refused(lambda x: (shy, x)[1], ROW)


def test_a_very_long_chain_of_calls_is_left_to_plain_python_or_staged() -> None:
    scope: dict[str, Any] = {}
    for index in range(400):
        exec(f"def f{index}(x): return f{index + 1}(x) + 1", scope)
    scope["f400"] = lambda x: x * 2
    assert Numeric(scope["f0"]).call((ROW,), {}) is NOT_NUMERIC
    assert Numeric(scope["f390"]).call((ROW,), {}).tolist() == [12.0, 14.0, 16.0]


# Never stale


def test_a_rebound_global_is_noticed() -> None:
    scope = globals()
    numeric = Numeric(helper)
    first = numeric.call((ROW,), {})
    try:
        scope["SCALE"] = 5.0
        same(numeric.call((ROW,), {}), jnp.tanh(ROW) * 5.0)
        scope["SCALE"] = 2.0
        same(numeric.call((ROW,), {}), first)
    finally:
        scope["SCALE"] = 2.0


def test_a_helper_that_starts_to_print_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, Any] = {"jnp": jnp}
    exec("def inner(x): return x + 1\ndef outer(x): return inner(x) * abs(x)", scope)
    numeric = Numeric(scope["outer"])
    assert numeric.call((ROW,), {}).tolist() == [2.0, 6.0, 12.0]
    exec("def inner(x): return x + 2", scope)
    assert numeric.call((ROW,), {}).tolist() == [3.0, 8.0, 15.0]
    scope["abs"] = lambda x: x * 0
    assert numeric.call((ROW,), {}).tolist() == [0.0, 0.0, 0.0]
    exec("def inner(x):\n print('now')\n return x", scope)
    assert numeric.call((ROW,), {}) is NOT_NUMERIC


def test_a_rebound_variable_of_the_function_around_is_noticed() -> None:
    factor: Any = 2.0
    numeric = Numeric(lambda x: x * factor)
    assert numeric.call((ROW,), {}).tolist() == [2.0, 4.0, 6.0]
    factor = 3.0
    assert numeric.call((ROW,), {}).tolist() == [3.0, 6.0, 9.0]
    factor = jnp.array([1.0, 0.0, 1.0])
    assert numeric.call((ROW,), {}).tolist() == [1.0, 0.0, 3.0]
    factor = np.ones(3)  # may be written into
    assert numeric.call((ROW,), {}) is NOT_NUMERIC


def test_a_changed_constant_of_a_class_is_noticed() -> None:
    numeric = Numeric(reads_class_constant)
    assert numeric.call((ROW,), {}).tolist() == [2.0, 4.0, 6.0]
    try:
        Settings.scale = 3.0
        assert numeric.call((ROW,), {}).tolist() == [3.0, 6.0, 9.0]
    finally:
        Settings.scale = 2.0


def test_a_replaced_method_is_noticed() -> None:
    @jax.tree_util.register_dataclass
    @dataclasses.dataclass
    class Model:
        weight: Any

        def apply(self, x: Any) -> Any:
            return self.weight * x

    numeric = Numeric(lambda model, x: model.apply(x))
    assert numeric.call((Model(ROW), ROW), {}).tolist() == [1.0, 4.0, 9.0]
    Model.apply = lambda self, x: self.weight + x  # type: ignore[method-assign]
    assert numeric.call((Model(ROW), ROW), {}).tolist() == [2.0, 4.0, 6.0]


# Static arguments, other than by value


def test_static_arguments_are_as_in_jax() -> None:
    def repeated(x: Any, count: int, *, mode: str = "a") -> Any:
        return jnp.concatenate([x] * count) * (1 if mode == "a" else -1)

    numeric = Numeric(repeated, static_argnums=1, static_argnames="mode")
    for count in range(1, 20):
        assert numeric.call((ROW, count), {"mode": "b"}).shape == (3 * count,)
    assert numeric.call((ROW,), {"count": 2}).tolist() == [*ROW.tolist()] * 2
    by_name = Numeric(repeated, static_argnames=("count", "mode"))
    assert by_name.call((ROW, 2), {}).shape == (6,)
    with pytest.raises(ValueError, match="static_argnums"):
        Numeric(repeated, static_argnums=5)
    with pytest.raises(ValueError, match="static_argnames"):
        Numeric(repeated, static_argnames="other")
    assert "hashable" in (Numeric(lambda x, y: x, static_argnums=1).why((ROW, [1]), {}) or "")


# The machinery


def test_many_structures_are_remembered_in_bounded_memory() -> None:
    numeric = Numeric(lambda tree: tree["x"] * 2)
    for index in range(150):
        assert numeric.call(({"x": ROW, f"k{index}": object()},), {}) is NOT_NUMERIC
    assert len(numeric._families) <= 128  # pyright: ignore[reportPrivateUsage]


def test_several_threads_stage_one_function_at_once() -> None:
    numeric = Numeric(lambda x, y: jnp.tanh(x @ y) * 2)
    failures: list[object] = []

    def work(size: int) -> None:
        x = jnp.ones((size, size))
        for _ in range(20):
            got = numeric.call((x, x), {})
            if got is NOT_NUMERIC or got.shape != (size, size):
                failures.append(got)

    threads = [threading.Thread(target=work, args=(2 + index % 3,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_deleted_array_fails_as_with_jax() -> None:
    numeric = Numeric(helper)
    x = jnp.ones(3)
    numeric.call((x,), {})
    x.delete()
    with pytest.raises(RuntimeError, match="deleted"):
        numeric.call((x,), {})


def test_jax_is_not_imported_by_ember_nor_by_a_call_without_arrays() -> None:
    code = """
        import sys
        import ember.xcs as xcs
        from ember.xcs._numeric import NOT_NUMERIC, Numeric
        numeric = Numeric(lambda x: x * 2)
        assert numeric.call((2,), {}) is NOT_NUMERIC
        assert "not imported" in numeric.why((2,), {})
        assert xcs.vmap(str.upper)(["a", "b"]) == ["A", "B"]
        assert xcs.scan(lambda c, x: (c + x, c), 0, [1, 2]) == (3, [0, 1])
        assert xcs.pmap(str.upper)(["a"]) == ["A"]
        xcs.grad(len), xcs.stop_gradient(3)
        loaded = {"jax", "jaxlib", "numpy"} & set(sys.modules)
        assert not loaded, loaded
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)
