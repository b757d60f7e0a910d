"""What learns from calls that were logged: which route to take, whose votes count, how far to trust, when to go on.

Nothing here calls a model while it learns. Call once, log, and train on the log with `jax.grad`; a gradient through a
call itself is a `GradientThroughModel` error.
"""

# JAX's functions are partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from zlib import crc32

from ._descent import descend
from ._fields import Param, param, static
from ._index import words
from ._module import Module
from ._steps import Budget, Do, Member, Stepped, Steps, traced
from ._vote import normal
from .errors import GradientThroughModel

Features = Callable[[Any], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Words:
    """Features of a text: how often each word stands in it, hashed to `size` numbers, of length 1 together.

    Numbers all count as one word. The hash is CRC-32, so a router that was saved fits in the next process.

    >>> features = Words(8)
    >>> features("The sea") == features("the SEA!"), round(sum(x * x for x in features("the sea")), 6)
    (True, 1.0)
    """

    size: int = 256

    def __call__(self, text: Any) -> list[float]:
        counts = [0.0] * self.size
        for word in words(str(text)):
            counts[crc32(b"#" if word.isdecimal() else word.encode()) % self.size] += 1.0
        length = math.hypot(*counts) or 1.0
        return [count / length for count in counts]


@dataclass(frozen=True, slots=True)
class Logged:
    """A question that every route was asked: how good each answer was (1 is right), and what it cost, by route."""

    question: Any
    rewards: Mapping[str, float]
    costs: Mapping[str, float]

    def utility(self, route: str, price: float = 1.0) -> float:
        """Return what the route's answer was worth: its reward less `price` times its cost."""
        return self.rewards[route] - price * self.costs.get(route, 0.0)


class LearnedRouter(Stepped, kw_only=False):
    """Call the one of `routes` that `weights` expect most of, by the `features` of the question.

    `LearnedRouter.of(routes)` is one that knows nothing yet; `fit(log)` returns one that was trained on a log. To JAX,
    `weights` (a number for each feature and route) and `bias` (one for each route) are what learns.

    >>> router = LearnedRouter.of({"small": str.lower, "large": str.upper}).replace(bias=[0.0, 1.0])
    >>> router("Why?"), router.chosen("Why?")
    ('WHY?', 'large')
    """

    routes: Mapping[str, Member]
    weights: Any = param()
    bias: Any = param()
    features: Features = static(Words())
    budget: Budget | None = None

    @classmethod
    def of(cls, routes: Mapping[str, Member], features: Features = Words()) -> Self:
        """Return a router that expects as much of one route as of another: it takes the first."""
        size = len(features(""))
        return cls(routes, [[0.0] * len(routes) for _ in range(size)], [0.0] * len(routes), features)

    def expected(self, question: Any) -> dict[str, float]:
        """Return how much is expected of each route, as probabilities of being the best one."""
        if any(map(traced, (self.weights, self.bias, *self.bias))):
            raise GradientThroughModel("the route that a LearnedRouter takes")
        scores = list(map(float, self.bias))
        weights: Any = self.weights.tolist() if hasattr(self.weights, "tolist") else self.weights
        for value, row in zip(self.features(question), weights, strict=True):
            if value:
                scores = [score + value * weight for score, weight in zip(scores, row, strict=True)]
        top = max(scores)
        shares = [math.exp(score - top) for score in scores]
        return {name: share / sum(shares) for name, share in zip(self.routes, shares, strict=True)}

    def chosen(self, question: Any) -> str:
        """Return the name of the route that a question takes: of equals, the first."""
        expected = self.expected(question)
        return max(expected, key=expected.__getitem__)

    def steps(self, question: Any, **kwargs: Any) -> Steps[Any]:
        return (yield Do(self.routes[self.chosen(question)], (question,), kwargs))

    def loss(self, log: Iterable[Logged], price: float = 1.0, decay: float = 0.0) -> Any:
        """Return what is lost, on average, by taking each route as often as the weights say: a JAX number.

        Minus the expected utility over `log`, plus `decay` times the squares of the weights. No model is called.
        """
        import jax
        import jax.numpy as jnp

        asked, worth = self._numbers(log, price)
        weights, bias = jnp.asarray(self.weights), jnp.asarray(self.bias)
        shares = jax.nn.softmax(jnp.asarray(asked) @ weights + bias, axis=-1)
        return -jnp.mean(jnp.sum(shares * jnp.asarray(worth), axis=-1)) + decay * jnp.sum(weights**2)

    def fit(
        self,
        log: Iterable[Logged],
        *,
        price: float = 1.0,
        decay: float = 1e-3,
        steps: int = 300,
        rate: float = 0.05,
    ) -> Self:
        """Return a router trained on `log`, whose questions every route was asked. `price` is what a cost of 1 weighs.

        Deterministic; no model is called. Train on one part of a log and look at another: on the part that it was
        trained on, any router looks good.
        """
        import jax.numpy as jnp

        kept = tuple(log)
        start = self.replace(weights=jnp.asarray(self.weights), bias=jnp.asarray(self.bias))
        return descend(start, lambda router: router.loss(kept, price, decay), steps=steps, rate=rate)

    def utility(self, log: Iterable[Logged], price: float = 1.0) -> list[float]:
        """Return what the routes taken would have been worth for each question of `log`."""
        return [one.utility(self.chosen(one.question), price) for one in log]

    def _numbers(self, log: Iterable[Logged], price: float) -> tuple[list[list[float]], list[list[float]]]:
        kept = tuple(log)
        if not kept:
            raise ValueError("The log is empty: there is nothing to learn from.")
        asked = [list(self.features(one.question)) for one in kept]
        return asked, [[one.utility(name, price) for name in self.routes] for one in kept]


class VoteWeights(Module, kw_only=False):
    """How much each member's vote counts: `logs` are natural logarithms, so that no weight is negative.

    `MajorityVote(members, weights=VoteWeights.fit(log).weights)`.
    """

    logs: Any = param()

    @classmethod
    def fit(
        cls,
        log: Iterable[tuple[Sequence[Any], Any]],
        *,
        key: Callable[[Any], Hashable] = normal,
        decay: float = 1e-2,
        steps: int = 300,
        rate: float = 0.05,
    ) -> Self:
        """Return weights trained on pairs of the members' answers, in order, and the right answer.

        The cross-entropy of the right answer is what is made smaller, where an answer's share is the softmax of its
        votes; pairs in which nobody is right, or everybody, say nothing and are left out.
        """
        pairs = [([key(answer) for answer in answers], key(right)) for answers, right in log]
        telling = [(said, right) for said, right in pairs if right in said and set(said) != {right}]
        if not telling:
            raise ValueError(
                "No pair of the log tells whose vote to trust: in none is somebody right and somebody wrong."
            )
        import jax.numpy as jnp

        members = len(telling[0][0])
        return descend(
            cls(jnp.zeros(members)), lambda made: made.loss(telling, decay), steps=steps, rate=rate
        )

    @property
    def weights(self) -> list[float]:
        """The weights, one for each member."""
        return [math.exp(float(one)) for one in self.logs]

    def loss(self, pairs: Iterable[tuple[Sequence[Hashable], Hashable]], decay: float = 0.0) -> Any:
        """Return the mean cross-entropy of the right answers: a JAX number."""
        import jax
        import jax.numpy as jnp

        kept = list(pairs)
        most = max(len(set(said)) for said, _ in kept)
        votes: list[list[list[float]]] = []
        masks: list[list[float]] = []
        rights: list[int] = []
        for said, right in kept:
            options = list(dict.fromkeys(said))
            rows = [[float(answer == option) for answer in said] for option in options]
            votes.append(rows + [[0.0] * len(said)] * (most - len(options)))
            masks.append([0.0] * len(options) + [-1e9] * (most - len(options)))
            rights.append(options.index(right))
        logs = jnp.asarray(self.logs)
        scores = jnp.asarray(votes) @ jnp.exp(logs) + jnp.asarray(masks)
        likely = jax.nn.log_softmax(scores, axis=-1)
        return -jnp.mean(likely[jnp.arange(len(rights)), jnp.asarray(rights)]) + decay * jnp.sum(logs**2)


class Calibration(Module, kw_only=False):
    """What a confidence is worth: called with one between 0 and 1, it says how likely the answer is right.

    Platt scaling (1999): the logit of the confidence, times `scale`, plus `shift`.

    >>> Calibration(scale=1.0, shift=0.0)(0.8)
    0.8
    """

    scale: Param[float] = 1.0
    shift: Param[float] = 0.0

    def __call__(self, confidence: float) -> float:
        return 1 / (1 + math.exp(-(float(self.scale) * _logit(confidence) + float(self.shift))))

    @classmethod
    def fit(cls, log: Iterable[tuple[float, bool]], *, steps: int = 400, rate: float = 0.05) -> Self:
        """Return a calibration trained on pairs of a confidence and whether the answer was right."""
        kept = tuple(log)
        if not kept:
            raise ValueError("The log is empty: there is nothing to learn from.")
        return descend(cls(), lambda made: made.loss(kept), steps=steps, rate=rate)

    def loss(self, log: Iterable[tuple[float, bool]]) -> Any:
        """Return the mean negative log likelihood of what was right: a JAX number."""
        import jax
        import jax.numpy as jnp

        kept = tuple(log)
        logits = jnp.asarray([_logit(confidence) for confidence, _ in kept])
        signs = jnp.asarray([1.0 if right else -1.0 for _, right in kept])
        return jnp.mean(jax.nn.softplus(-signs * (self.scale * logits + self.shift)))


def calibration_error(log: Iterable[tuple[float, bool]], bins: int = 10) -> float:
    """Return how far confidences are from how often they are right, on average: over `bins` of equal width.

    The expected calibration error of Naeini, Cooper and Hauskrecht (2015); 0 is best.

    >>> calibration_error([(0.75, True)] * 3 + [(0.75, False)])
    0.0
    """
    kept = tuple(log)
    groups: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for confidence, right in kept:
        groups[min(bins - 1, int(confidence * bins))].append((confidence, right))
    gaps = [abs(sum(c for c, _ in group) - sum(r for _, r in group)) for group in groups]
    return sum(gaps) / len(kept) if kept else math.nan


class Threshold(Module, kw_only=False):
    """When to be content: called with a confidence, it says whether that is enough. For `Cascade(accept=...)`.

    `width` is how softly it decides while it learns.

    >>> Threshold(0.5)(0.7)
    True
    """

    value: Param[float] = 0.5
    width: float = 0.05

    def __call__(self, confidence: float) -> bool:
        return bool(confidence >= float(self.value))

    @classmethod
    def fit(
        cls,
        log: Iterable[tuple[float, float, float]],
        *,
        width: float = 0.05,
        steps: int = 400,
        rate: float = 0.02,
    ) -> Self:
        """Return a threshold trained on triples: a confidence, what staying was worth, what going on was worth."""
        kept = tuple(log)
        if not kept:
            raise ValueError("The log is empty: there is nothing to learn from.")
        return descend(cls(0.5, width), lambda made: made.loss(kept), steps=steps, rate=rate)

    def loss(self, log: Iterable[tuple[float, float, float]]) -> Any:
        """Return minus the expected worth, where what lies within `width` of the value is decided by a soft margin."""
        import jax
        import jax.numpy as jnp

        confidence, stay, move = (jnp.asarray(column) for column in zip(*log, strict=True))
        share = jax.nn.sigmoid((confidence - self.value) / self.width)
        return -jnp.mean(share * stay + (1 - share) * move)


def _logit(confidence: float) -> float:
    kept = min(1 - 1e-6, max(1e-6, float(confidence)))
    return math.log(kept / (1 - kept))
