"""What holds all rows has the garbage collector look less often, and leaves it as it was."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator

import pytest

from ember.data import stream


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    threshold = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.enable()
    gc.set_threshold(*threshold)


def test_rows_that_are_all_kept_are_looked_through_less_often() -> None:
    def collections() -> int:
        return sum(int(generation["collections"]) for generation in gc.get_stats())

    def rows() -> Iterator[list[object]]:
        for n in range(200_000):
            yield [n, [n]]

    before = collections()
    passing = stream(rows).to_list()
    seldom = collections() - before
    before = collections()
    assert len(list(stream(rows))) == len(passing)
    assert seldom * 10 < collections() - before


def test_the_thresholds_are_as_before_whatever_happened() -> None:
    def fail(n: int) -> int:
        raise ValueError(n)

    assert stream([1]).transform(lambda n: gc.get_threshold()[0]).to_list()[0] > 700
    with pytest.raises(ValueError, match="1"):
        stream([1]).transform(fail).collect()
    assert gc.get_threshold() == (700, 10, 10)


def test_who_has_set_the_collector_by_hand_is_not_overruled() -> None:
    gc.set_threshold(500_000, 5, 5)
    assert stream([1]).transform(lambda n: gc.get_threshold()).to_list() == [(500_000, 5, 5)]
    gc.set_threshold(700, 10, 10)

    def set_by_hand(n: int) -> int:
        gc.set_threshold(1234, 5, 5)
        return n

    stream([1]).transform(set_by_hand).to_list()
    assert gc.get_threshold() == (1234, 5, 5)
    gc.set_threshold(700, 10, 10)
    gc.disable()
    assert stream([1]).transform(lambda n: gc.get_threshold()[0]).to_list() == [700]


def test_threads_and_forks_leave_it_as_it_was() -> None:
    inside = threading.Barrier(3)

    def wait(n: int) -> int:
        inside.wait(10)
        return n

    threads = [threading.Thread(target=stream([1]).transform(wait).to_list) for _ in range(2)]
    for thread in threads:
        thread.start()
    inside.wait(10)
    for thread in threads:
        thread.join()
    assert gc.get_threshold() == (700, 10, 10)

    def forked(n: int) -> bool:
        child = os.fork()
        if not child:
            os._exit(0 if gc.get_threshold() == (700, 10, 10) else 1)
        return os.waitpid(child, 0)[1] == 0

    assert stream([1]).transform(forked).to_list() == [True]
