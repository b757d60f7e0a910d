"""Many calls at the same time: what is in flight, what comes out, what fails, and going on where one was."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ember.core import external
from ember.core.errors import CredentialNotFound
from ember.core.events import ROOT, CallFinished, CallStarted, emit, next_call
from ember.core.externals import current_call
from ember.core.journal import Journal, JournalError
from ember.data import Stream, stream


class Gauge:
    """A function that knows how many of its calls are under way, and how many have been."""

    def __init__(self, seconds: float = 0.002) -> None:
        self.seconds, self.now, self.most, self.calls = seconds, 0, 0, 0
        self._lock = threading.Lock()

    def __call__(self, n: int) -> int:
        with self._lock:
            self.calls += 1
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self._lock:
            self.now -= 1
        return n * n

    async def aio(self, n: int) -> int:
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.seconds)
        self.now -= 1
        return n * n

    def forms(self) -> list[Callable[[int], Any]]:
        return [self.__call__, self.aio]


def test_rows_come_in_order_and_no_more_than_so_many_are_under_way() -> None:
    for form in (0, 1):
        gauge = Gauge()
        rows = stream(range(100)).map_concurrent(gauge.forms()[form], concurrency=7).to_list()
        assert rows == [n * n for n in range(100)]
        assert 2 <= gauge.most <= 7
        assert gauge.calls == 100


def test_rows_come_as_they_are_done_if_that_is_asked_for() -> None:
    given = threading.Event()

    def slow_first(n: int) -> int:
        if n == 0:
            given.wait(30)
        return n

    async def slow_first_too(n: int) -> int:
        while n == 0 and not given.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        return n

    for function in (slow_first, slow_first_too):
        given.clear()
        rows = iter(stream(range(10)).map_concurrent(function, concurrency=4, ordered=False))
        first = next(rows)
        given.set()
        assert first != 0 and sorted([first, *rows]) == list(range(10))


def test_no_more_rows_are_taken_than_a_few_windows_ahead() -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for n in range(10_000):
            taken.append(n)
            yield n

    for ordered in (True, False):
        taken.clear()
        rows = iter(stream(source).map_concurrent(lambda n: n, concurrency=4, ordered=ordered))
        for _ in range(3):
            next(rows)
        time.sleep(0.05)
        assert len(taken) <= 3 + 4 * 4
        rows.close()


def test_a_slow_source_does_not_hold_back_what_is_done() -> None:
    gate = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        yield 2
        gate.wait(10)
        yield 3

    rows = iter(stream(source).map_concurrent(lambda n: n, concurrency=1))
    assert next(rows) == 1
    gate.set()
    assert list(rows) == [2, 3]


@pytest.mark.parametrize("ordered", [True, False])
def test_an_error_comes_when_its_row_is_due_and_the_row_is_the_next_again(ordered: bool) -> None:
    failing = {5}

    def f(n: int) -> int:
        if n in failing:
            raise ValueError(f"bad {n}")
        return n

    rows = iter(stream(range(10)).map_concurrent(f, concurrency=3, ordered=ordered))
    seen: list[int] = []
    with pytest.raises(ValueError, match="bad 5"):
        for row in rows:
            seen.append(row)
    if ordered:
        assert seen == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="bad 5"):
        seen.extend(rows)
    failing.clear()
    seen.extend(rows)
    assert sorted(seen) == list(range(10))


def test_rows_that_fail_are_left_out_counted_or_given_as_exceptions(tmp_path: Path) -> None:
    def f(n: int) -> int:
        if n % 3 == 0:
            raise ValueError(f"bad {n}")
        return n

    skipped = stream(range(7)).map_concurrent(f, on_error="skip").collect()
    assert (list(skipped), skipped.summary.failed) == ([1, 2, 4, 5], 3)
    assert "ValueError: bad 0" in skipped.summary.first_failed[0].reason
    returned = stream(range(4)).map_concurrent(f, on_error="return").to_list()
    assert [repr(row) for row in returned] == ["ValueError('bad 0')", "1", "2", "ValueError('bad 3')"]
    aside: list[Any] = []
    path = tmp_path / "numbers.jsonl"
    path.write_text("0\n1\n2\n3\n4\n5\n6\n")
    quarantined: Stream[Any] = stream(path, on_error="quarantine", quarantine=aside.append)
    assert quarantined.map_concurrent(f, on_error="quarantine").to_list() == [1, 2, 4, 5]
    assert [(record.content, record.reason) for record in aside] == [
        (b"0", "ValueError: bad 0"),
        (b"3", "ValueError: bad 3"),
        (b"6", "ValueError: bad 6"),
    ]


def test_what_would_meet_every_row_is_raised_whatever_the_policy(tmp_path: Path) -> None:
    def without_key(n: int) -> int:
        raise CredentialNotFound("openai", ("nowhere",))

    policies: list[Any] = ["skip", "return"]
    for policy in policies:
        with pytest.raises(CredentialNotFound):
            stream([1, 2]).map_concurrent(without_key, on_error=policy).to_list()
    with pytest.raises(JournalError):
        kept = Journal(tmp_path / "journal", version="1")
        stream([1]).map_concurrent(lambda n: threading.Lock(), on_error="skip", journal=kept).to_list()


def test_a_row_is_tried_again_as_often_as_said_but_not_after_ember_s_own_errors() -> None:
    tries: list[int] = []

    def third_time(n: int) -> int:
        tries.append(n)
        if len(tries) < 3:
            raise ValueError("not yet")
        return n

    assert stream([1]).map_concurrent(third_time, retries=2).to_list() == [1]
    assert len(tries) == 3
    tries.clear()
    with pytest.raises(ValueError, match="not yet"):
        stream([1]).map_concurrent(third_time, retries=1).to_list()

    async def refused(n: int) -> int:
        tries.append(n)
        raise CredentialNotFound("openai", ("nowhere",))

    tries.clear()
    with pytest.raises(CredentialNotFound):
        stream([1]).map_concurrent(refused, retries=5).to_list()
    assert tries == [1]


@pytest.mark.parametrize("form", [0, 1])
@given(
    rows=st.lists(st.integers(0, 50), max_size=40),
    cut=st.integers(0, 40),
    concurrency=st.integers(1, 6),
    policy=st.sampled_from(["skip", "return", "raise"]),
)
@settings(max_examples=30, deadline=None)
def test_going_on_at_any_row_is_as_if_nothing_had_happened(
    form: int, rows: list[int], cut: int, concurrency: int, policy: Any
) -> None:
    def f(n: int) -> int:
        if n % 7 == 3 and policy != "raise":
            raise ValueError(n)
        return n * 2

    async def af(n: int) -> int:
        return f(n)

    chain = stream(rows).map_concurrent((f, af)[form], concurrency, on_error=policy)
    chain = chain.filter(lambda row: isinstance(row, int)).batch(3)
    whole = chain.to_list()
    first = iter(chain)
    had = [row for _, row in zip(range(cut), first, strict=False)]
    state = json.loads(json.dumps(first.state_dict()))
    first.close()
    second = iter(chain)
    second.load_state_dict(state)
    assert had + list(second) == whole


@given(st.integers(0, 60), st.integers(1, 5), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_going_on_loses_and_repeats_nothing_where_rows_come_as_they_are_done(
    cut: int, concurrency: int, chance: Any
) -> None:
    naps = [chance.random() / 500 for _ in range(60)]

    def f(n: int) -> int:
        time.sleep(naps[n])
        return n

    chain = stream(range(60)).map_concurrent(f, concurrency, ordered=False)
    first = iter(chain)
    had = [row for _, row in zip(range(cut), first, strict=False)]
    state = json.loads(json.dumps(first.state_dict()))
    first.close()
    second = iter(chain)
    second.load_state_dict(state)
    assert sorted(had + list(second)) == list(range(60))


def test_the_state_does_not_grow_with_the_rows() -> None:
    rows = iter(stream(range(5_000)).map_concurrent(lambda n: n, concurrency=4, ordered=False))
    sizes: list[int] = []
    for row in rows:
        if row % 1_000 == 999:
            sizes.append(len(json.dumps(rows.state_dict())))
    assert max(sizes) < 400


place: ContextVar[str] = ContextVar("place", default="outside")


def test_each_call_sees_the_context_of_who_asks_for_the_row() -> None:
    async def aplace(n: int) -> str:
        return place.get()

    def sync_place(n: int) -> str:
        return place.get()

    functions: list[Callable[[int], Any]] = [sync_place, aplace]
    for function in functions:
        chain = stream(range(3)).map_concurrent(function, concurrency=2)
        assert chain.to_list() == ["outside"] * 3
        token = place.set("inside")
        try:
            assert chain.to_list() == ["inside"] * 3
        finally:
            place.reset(token)


def test_what_calls_cost_is_in_the_summary_and_nobody_else_s() -> None:
    def call(cost: str) -> None:
        number, parent = next_call(), current_call()
        emit(CallStarted(number, parent, "model", "m", time.time(), ROOT))
        emit(CallFinished(number, parent, "model", "m", time.time(), ROOT, duration=0.1, cost=Decimal(cost)))

    @external(kind="tool")
    def tool(n: int) -> int:
        call("0.01")
        return n

    def work(n: int) -> int:
        return tool(n)

    def elsewhere() -> None:
        for _ in range(50):
            call("1")

    other = threading.Thread(target=elsewhere)
    other.start()
    rows = stream(range(10)).map_concurrent(work, concurrency=3).collect()
    other.join()
    assert rows.summary.cost == Decimal("0.10")
    assert rows.summary.calls == 20  # the tool and the model in it
    assert "$0.1000" in str(rows.summary)


def test_results_in_the_journal_are_not_made_again(tmp_path: Path) -> None:
    for form in (0, 1):
        gauge = Gauge()
        kept = Journal(tmp_path / f"journal-{form}", version="1")
        for rows in (range(20), range(30)):
            chain = stream(rows).map_concurrent(gauge.forms()[form], concurrency=5, journal=kept)
            assert chain.to_list() == [n * n for n in rows]
        assert gauge.calls == 30


def test_after_an_error_nothing_that_was_under_way_is_lost_to_the_journal(tmp_path: Path) -> None:
    done: list[int] = []

    def f(n: int) -> int:
        if n == 0:
            raise ValueError("first")
        time.sleep(0.1)
        done.append(n)
        return n

    async def af(n: int) -> int:
        if n == 0:
            raise ValueError("first")
        await asyncio.sleep(0.1)
        done.append(n)
        return n

    for number, function in enumerate((f, af)):
        done.clear()
        kept = Journal(tmp_path / str(number), version="1")
        with pytest.raises(ValueError, match="first"):
            stream(range(4)).map_concurrent(function, concurrency=4, journal=kept).to_list()
        assert kept.stats().entries == len(done)


def test_leaving_early_cancels_what_is_awaited() -> None:
    cancelled = threading.Event()

    async def endless(n: int) -> int:
        if n == 0:
            await asyncio.sleep(0.1)
            return 0
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return n

    began = time.monotonic()
    rows = iter(stream(range(3)).map_concurrent(endless, concurrency=3))
    assert next(rows) == 0
    rows.close()
    assert cancelled.wait(10)
    assert time.monotonic() - began < 30


def test_what_the_source_raises_comes_after_the_rows_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the disk is gone")

    rows = iter(stream(source).map_concurrent(lambda n: n, on_error="skip"))
    assert [next(rows), next(rows)] == [1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(rows)


def test_what_makes_no_sense_is_said_at_once() -> None:
    with pytest.raises(TypeError, match="takes a function of a row"):
        stream([1]).map_concurrent(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="on_error is"):
        stream([1]).map_concurrent(str, on_error="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="from 1 on"):
        stream([1]).map_concurrent(str, concurrency=0)
    with pytest.raises(ValueError, match="quarantine"):
        stream([1]).map_concurrent(str, on_error="quarantine")


def test_the_plan_says_how_many_at_once() -> None:
    chain = stream(["a"]).map_concurrent(str.upper, 4, ordered=False, on_error="skip", retries=2)
    assert "map_concurrent(str.upper, concurrency=4, ordered=False, on_error='skip', retries=2)" in repr(
        chain
    )
