"""Those who hold much have the garbage collector look less often: the most patient of them is followed."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest

from ember.core.collector import Unhurried

little, much = Unhurried(10_000, 10, 10), Unhurried(100_000, 50, 1_000)


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    threshold = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*threshold)


def test_the_most_patient_of_those_inside_is_followed_in_whatever_order_they_leave() -> None:
    little.enter()
    assert gc.get_threshold() == (10_000, 10, 10)
    with much:
        assert gc.get_threshold() == (100_000, 50, 1_000)
        with little:
            assert gc.get_threshold() == (100_000, 50, 1_000)
        little.leave()
        assert gc.get_threshold() == (100_000, 50, 1_000)
    assert gc.get_threshold() == (700, 10, 10)
    much.enter()
    little.enter()
    much.leave()
    assert gc.get_threshold() == (10_000, 10, 10)
    little.leave()
    assert gc.get_threshold() == (700, 10, 10)


def test_what_is_set_by_hand_meanwhile_stays() -> None:
    with little:
        gc.set_threshold(200_000, 5, 5)
        with much:
            assert gc.get_threshold() == (200_000, 5, 5)
    assert gc.get_threshold() == (200_000, 5, 5)


def test_a_forked_child_begins_with_what_was_there_before_and_can_ask_anew() -> None:
    with little:
        child = os.fork()
        if not child:
            right = gc.get_threshold() == (700, 10, 10)
            little.leave()  # what the parent had entered
            with much:
                right = right and gc.get_threshold() == (100_000, 50, 1_000)
            os._exit(0 if right and gc.get_threshold() == (700, 10, 10) else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert gc.get_threshold() == (700, 10, 10)
