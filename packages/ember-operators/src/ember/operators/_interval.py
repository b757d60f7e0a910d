"""Means that say how far they can be trusted, and differences that say whether they are more than luck."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean of `n` values, and the interval from `low` to `high` that holds the true one with `confidence`.

    `method` says how it was found: "wilson" for yes and no, "bootstrap" for other numbers.
    """

    mean: float
    low: float
    high: float
    n: int
    confidence: float
    method: str

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def interval(values: Sequence[float], confidence: float = 0.95, seed: int = 0) -> Interval:
    """Return the mean of `values` with its confidence interval.

    Where all are 0 or 1, by Wilson's score interval (1927), which holds for few values and near the ends too; else by
    percentiles of 2,000 seeded bootstrap resamples (Efron, 1979). Without values, all is NaN.

    >>> print(interval([True] * 8 + [False] * 2))
    0.800 [0.490, 0.943]
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is a probability between 0 and 1; got {confidence!r}.")
    n = len(values)
    if not n:
        return Interval(math.nan, math.nan, math.nan, 0, confidence, "none")
    numbers = list(map(float, values))
    mean = fmean(numbers)
    if all(one in (0.0, 1.0) for one in numbers):
        low, high = _wilson(mean, n, confidence)
        return Interval(mean, low, high, n, confidence, "wilson")
    low, high = _bootstrap(numbers, confidence, seed)
    return Interval(mean, low, high, n, confidence, "bootstrap")


def _wilson(share: float, n: int, confidence: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def _bootstrap(values: Sequence[float], confidence: float, seed: int) -> tuple[float, float]:
    chance = random.Random(seed)
    means = sorted(fmean(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    tail = (1 - confidence) / 2
    return means[int(tail * RESAMPLES)], means[min(RESAMPLES - 1, int((1 - tail) * RESAMPLES))]


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better one of two is than the other on the same `n` items: `mean`, with an interval as in `Interval`.

    It was better on `wins` items and worse on `losses`. `p` is how likely at least so uneven a split would be if there
    were no difference: the exact two-sided sign test (on yes and no, McNemar's).
    """

    mean: float
    low: float
    high: float
    n: int
    wins: int
    losses: int
    p: float

    def __str__(self) -> str:
        split = f"{self.wins} better, {self.losses} worse, p={self.p:.3g}"
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}], {split}"


def difference(
    one: Sequence[float], other: Sequence[float], confidence: float = 0.95, seed: int = 0
) -> Difference:
    """Return how much better `one` is than `other`, item by item: both have a value for each of the same items.

    >>> print(difference([1, 1, 1, 1, 0, 1], [0, 0, 1, 0, 0, 0]))
    +0.667 [+0.333, +1.000], 4 better, 0 worse, p=0.125
    """
    gains = [float(a) - float(b) for a, b in zip(one, other, strict=True)]
    if not gains:
        return Difference(math.nan, math.nan, math.nan, 0, 0, 0, 1.0)
    low, high = _bootstrap(gains, confidence, seed)
    wins, losses = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    decisive = wins + losses
    fewer = sum(math.comb(decisive, k) for k in range(min(wins, losses) + 1))
    return Difference(fmean(gains), low, high, len(gains), wins, losses, min(1.0, 2 * fewer / 2**decisive))
