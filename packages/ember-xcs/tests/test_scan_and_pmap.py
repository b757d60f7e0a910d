"""scan carries in order; pmap spreads over devices."""

# pyright: reportUnknownMemberType=false, reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# Half of jax's annotations are unknown to a strict checker, and what is mapped here are mostly lambdas.

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ember.xcs import external, grad, pmap, scan

TABLE = jnp.arange(6.0).reshape(3, 2)


@external
def ask(prompt: str) -> str:
    return prompt.upper()


def step(carry: Any, x: Any) -> Any:
    return carry + x.sum(), carry * x


def loud(carry: Any, x: Any) -> Any:
    print("step")
    return step(carry, x)


def test_a_numeric_scan_is_that_of_jax() -> None:
    carry, ys = scan(step, jnp.array(1.0), TABLE)
    expected, rows = jax.lax.scan(step, jnp.array(1.0), TABLE)
    assert (carry.item(), ys.tolist()) == (expected.item(), rows.tolist())
    begin: Any = 1.0
    assert scan(step, begin, TABLE)[0].item() == expected.item()
    assert scan(lambda c, x: (c + x[0].sum() + x[1], None), begin, (TABLE, jnp.arange(3.0)))[0].item() == 19.0
    assert scan(lambda c, _: (c * 2, c), jnp.array(1.0), None, 3)[1].tolist() == [1.0, 2.0, 4.0]
    assert grad(lambda w: scan(lambda c, x: (c * w, None), 1.0, jnp.arange(3.0))[0])(2.0) == 12.0


def test_a_print_in_a_scan_changes_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    carry, ys = scan(loud, jnp.array(1.0), TABLE)
    expected, rows = scan(step, jnp.array(1.0), TABLE)
    assert (carry.item(), ys.tolist()) == (expected.item(), rows.tolist())
    assert capsys.readouterr().out == "step\n" * 3
    assert scan(lambda c, x: (c, print("x")), 0, TABLE)[1] is None


def test_external_calls_are_made_in_order() -> None:
    order: list[str] = []

    def refine(draft: str, advice: str) -> tuple[str, int]:
        order.append(advice)
        return ask(f"{draft} {advice}"), len(order)

    assert scan(refine, "draft", ["a", "b", "c"]) == ("DRAFT A B C", [1, 2, 3])
    assert scan(refine, "draft", iter("ab"))[0] == "DRAFT A B"
    assert order == ["a", "b", "c", "a", "b"]
    assert scan(lambda c, x: (c + ask(x["t"]), None), "", {"t": ["a", "b"]}) == ("AB", [None, None])
    assert scan(lambda c, _: (c + 1, c), 0, length=3) == (3, [0, 1, 2])
    assert scan(refine, "draft", []) == ("draft", [])


def test_numpy_keeps_its_digits() -> None:
    carry, ys = scan(lambda c, x: (c + x, c), 0.0, np.array([0.1, 0.2]))
    assert carry == 0.1 + 0.2 and isinstance(ys, list)


def test_bad_scans_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="length"):
        scan(step, 0)
    with pytest.raises(ValueError, match="length=2, and xs are 3"):
        scan(step, 0, [1, 2, 3], 2)
    with pytest.raises(TypeError, match=r"returns \(carry, y\); got a int"):
        scan(lambda c, x: c + x, 0, [1])
    with pytest.raises(TypeError, match="a function, not a int"):
        scan(cast(Any, 3), 0, [1])

    async def later(c: int, x: int) -> tuple[int, int]:
        return c, x

    with pytest.raises(TypeError, match="async"):
        scan(cast(Any, later), 0, [1])


def test_pmap_of_an_orchestrating_function_is_vmap() -> None:
    assert pmap(ask)(["a", "b"]) == ["A", "B"]
    assert pmap(lambda a, b: ask(a + b), in_axes=(0, None), max_concurrency=2)(["a", "b"], "x") == [
        "AX",
        "BX",
    ]
    with pytest.raises(TypeError, match=r"xcs\.pmap"):
        pmap(cast(Any, 3))


PROGRAM = """
    import jax, jax.numpy as jnp, numpy as np
    from ember.xcs import grad, pmap
    assert len(jax.devices()) == DEVICES
    for rows in (1, 3, 4, 8, 0):
        x = jnp.arange(2.0 * rows).reshape(rows, 2)
        f = lambda row, w, *, bias: {"a": jnp.sin(row) * w["w"] + bias, "b": row.sum()}
        given = dict(bias=jnp.arange(float(rows)))
        w = {"w": jnp.array([1.0, 2.0])}
        got = pmap(f, in_axes=(0, None), out_axes={"a": 1, "b": 0})(x, w, **given)
        expected = jax.vmap(f, in_axes=(0, None), out_axes={"a": 1, "b": 0})(x, w, **given)
        assert jax.tree.all(jax.tree.map(lambda a, b: a.shape == b.shape and np.allclose(a, b), got, expected))
        columns = pmap(jnp.sum, in_axes=-1)(x.T)
        assert np.allclose(columns, x.sum(1))
    x = jnp.arange(16.0).reshape(8, 2)
    spread = pmap(lambda row: row * 2)(x)
    assert len(spread.sharding.device_set) == DEVICES, spread.sharding
    assert {shard.data.shape for shard in spread.addressable_shards} == {(8 // DEVICES, 2)}
    assert np.allclose(pmap(lambda row: row * 2)(spread), x * 4)
    from ember.xcs._numeric import NOT_NUMERIC, Numeric
    double = lambda x: x * 2
    numeric = Numeric(double)
    for given in (x, spread, spread, x):  # arrays are staged where they are, as jax does
        got = numeric.call((given,), {})
        assert got.sharding == jax.jit(double)(given).sharding and np.allclose(got, given * 2)
    jax.config.update("jax_enable_x64", True)
    assert numeric.call((jnp.ones(2),), {}).dtype == np.float64
    assert numeric.call((x,), {}).dtype == np.float32
    jax.config.update("jax_enable_x64", False)
    with jax.disable_jit():
        assert np.allclose(numeric.call((x,), {}), x * 2)
        assert np.allclose(Numeric(lambda x: x + 1).call((x,), {}), x + 1)
    assert np.allclose(jax.jit(pmap(jnp.sum))(x), x.sum(1))
    assert np.allclose(grad(lambda x: pmap(jnp.sum)(x).sum())(x), 1)
"""


@pytest.mark.parametrize("devices", [1, 4])
def test_pmap_of_a_numeric_function_spreads_the_batch_over_the_devices(devices: int) -> None:
    program = textwrap.dedent(PROGRAM).replace("DEVICES", str(devices))
    flags = f"--xla_force_host_platform_device_count={devices}"
    subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=120, env=dict(os.environ, XLA_FLAGS=flags)
    )
