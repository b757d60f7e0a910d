"""Random programs mean under `jit` what they mean without it."""

from __future__ import annotations

import os
import random

import pytest
from fuzz import WRITERS, check, small

pytestmark = pytest.mark.parametrize("style", WRITERS)
FRESH = int(os.environ.get("EMBER_FUZZ_SEED", random.SystemRandom().randrange(10**9)))


def _none_differs(style: str, seeds: range, limit: int | None = None) -> None:
    for seed in seeds:
        if wrong := check(style, seed, limit):
            told = "\n".join(wrong)
            pytest.fail(f"{style} EMBER_FUZZ_SEED={seed}\n{told}\n\nMade small:\n{small(style, seed, limit)}")


def test_programs_of_known_seeds_mean_the_same(style: str) -> None:
    _none_differs(style, range(100))


@pytest.mark.long
def test_programs_never_seen_before_mean_the_same(style: str) -> None:
    _none_differs(style, range(FRESH, FRESH + 60))


def test_programs_mean_the_same_with_one_call_at_a_time(style: str) -> None:
    _none_differs(style, range(1_000, 1_030), limit=1)


@pytest.mark.long
def test_twenty_thousand_programs_mean_the_same(style: str) -> None:
    _none_differs(style, range(1_000_000, 1_010_000))
