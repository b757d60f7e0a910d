"""What operators learn from logged calls, with JAX; and that nothing pretends to learn through a call."""

# Lambdas and JAX's values are of no known type.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import pickle
import random
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from ember.api import models
from ember.models.testing import LocalServer
from ember.operators import (
    Calibration,
    Ensemble,
    GradientThroughModel,
    LearnedRouter,
    Logged,
    MajorityVote,
    Module,
    Threshold,
    VoteWeights,
    Words,
    calibration_error,
    descend,
    param,
)
from workspace import ROOT

EXAMPLE = ROOT / "examples" / "learned_router" / "train.py"


def log(count: int, seed: int = 0) -> list[Logged]:
    """The small route is right about the sea, the large one nine times in ten, at a cost."""
    chance = random.Random(seed)
    return [
        Logged(
            f"{about} of {chance.randrange(100)}",
            {"small": float(about == "sea"), "large": float(chance.random() < 0.9)},
            {"small": 0.0, "large": 0.3},
        )
        for about in chance.choices(["sea", "hill"], k=count)
    ]


def nobody(_: str) -> str:
    raise AssertionError("nobody is called while it learns")


def test_a_router_learns_from_a_log_without_calling_anybody() -> None:
    router = LearnedRouter.of({"small": nobody, "large": nobody}, Words(32))
    learned = router.fit(log(200))
    assert (learned.chosen("sea of 3"), learned.chosen("hill of 7")) == ("small", "large")
    assert sum(learned.utility(held := log(100, seed=1))) > max(
        sum(one.utility(route) for one in held) for route in ("small", "large")
    )
    assert learned.fit(log(200)).chosen("sea") == pickle.loads(pickle.dumps(learned)).chosen("sea") == "small"


def test_learning_twice_gives_the_same_weights() -> None:
    router = LearnedRouter.of({"small": str, "large": str}, Words(16))
    one, other = router.fit(log(50)), router.fit(log(50))
    assert jnp.array_equal(one.weights, other.weights) and jnp.array_equal(one.bias, other.bias)


def test_a_trained_router_is_kept_in_a_file(tmp_path: Path) -> None:
    router = LearnedRouter.of({"small": "smollm2", "large": "gpt-4o"}, Words(16))
    learned = router.fit(log(50))
    learned.save(tmp_path / "router.ember")
    again = LearnedRouter.load(tmp_path / "router.ember", like=router)
    assert again.expected("hill") == learned.expected("hill") != router.expected("hill")


def test_the_price_of_calls_decides_between_routes() -> None:
    router = LearnedRouter.of({"small": str, "large": str}, Words(16))
    assert router.fit(log(100), price=0.0).chosen("hill") == "large"
    assert router.fit(log(100), price=10.0).chosen("hill") == "small"


def test_a_gradient_of_the_loss_is_that_of_finite_differences() -> None:
    router = LearnedRouter.of({"small": str, "large": str}, Words(4))
    router = router.replace(weights=jnp.linspace(-1.0, 1.0, 8).reshape(4, 2), bias=jnp.asarray([0.1, -0.2]))
    calls = log(20)
    slope = jax.grad(lambda made: made.loss(calls))(router)
    for at in range(2):
        step = jnp.zeros(2).at[at].set(1e-2)
        up, down = (router.replace(bias=router.bias + sign * step).loss(calls) for sign in (1, -1))
        assert float(slope.bias[at]) == pytest.approx(float((up - down) / 2e-2), abs=1e-4)


@pytest.mark.parametrize(
    "through",
    [
        lambda router: router("sea"),
        lambda router: router.chosen("sea"),
        lambda router: MajorityVote([str, str], weights=router.bias)("sea"),
        lambda router: Ensemble([models.instance("gpt-4o")])(router.bias),
    ],
    ids=["router", "choice", "vote", "model"],
)
def test_a_gradient_through_a_call_is_an_error_and_never_zero(
    through: Callable[[LearnedRouter], Any],
    ember_home: Path,
    server: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    router = LearnedRouter.of({"small": str.upper, "large": str.lower}).replace(
        weights=jnp.zeros((256, 2)), bias=jnp.zeros(2)
    )
    with pytest.raises(GradientThroughModel, match=r"no gradient.*LearnedRouter.loss"):
        jax.grad(lambda made: len(through(made)) * 1.0)(router)
    assert not server.requests


def test_votes_learn_whom_to_trust() -> None:
    chance, pairs = random.Random(3), list[tuple[list[str], str]]()
    for _ in range(150):
        right = chance.choice("abc")
        pairs.append(
            ([right if chance.random() < good else chance.choice("abc") for good in (0.9, 0.4, 0.4)], right)
        )
    learned = VoteWeights.fit(pairs)
    first, *others = learned.weights
    assert first > sum(others) > 0
    assert MajorityVote([lambda _: "a", lambda _: "b", lambda _: "b"], weights=learned.weights)("?") == "a"
    with pytest.raises(ValueError, match="whose vote"):
        VoteWeights.fit([(["a", "a"], "a"), (["a", "b"], "c")])


def test_calibration_makes_confidences_true() -> None:
    chance = random.Random(4)

    def calls(count: int) -> list[tuple[float, bool]]:  # too sure of itself
        said = [chance.uniform(0.5, 1.0) for _ in range(count)]
        return [(one, chance.random() < 0.5 + (one - 0.5) / 3) for one in said]

    learned, held_out = Calibration.fit(calls(600)), calls(600)
    after = [(learned(one), right) for one, right in held_out]
    assert calibration_error(after) < calibration_error(held_out) / 2


def test_a_threshold_goes_where_staying_begins_to_pay() -> None:
    pairs = [(n / 100, 1.0 if n >= 70 else 0.0, 0.6) for n in range(100)]
    learned = Threshold.fit(pairs, width=0.02)
    assert 0.64 <= float(learned.value) <= 0.76
    assert learned(0.9) and not learned(0.5)


def test_descent_says_what_is_wrong() -> None:
    class Plain(Module):
        name: str = "nothing"

    class One(Module):
        number: float = param(1.0)

    with pytest.raises(ValueError, match="nothing that learns"):
        descend(Plain(), lambda made: 0.0)
    with pytest.raises(FloatingPointError, match="smaller rate"):
        descend(One(), lambda made: jnp.log(-(made.number**2)), steps=3)
    found = descend(One(), lambda made: (made.number - 3.0) ** 2, steps=500)
    assert float(found.number) == pytest.approx(3.0, abs=0.01)


def test_a_router_trained_on_real_calls_is_worth_more_on_held_out_ones_than_either_route() -> None:
    example = runpy.run_path(str(EXAMPLE))
    router, held_out = example["trained"]()
    assert len(held_out) == 280
    for gain in example["gains"](router, held_out).values():
        assert gain.low > 0, gain
