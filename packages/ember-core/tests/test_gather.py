"""gather: callables together, results in order, and nothing left running when one fails."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from ember.core import external, gather
from ember.core.errors import BlockedLoop

Output = Callable[..., str]

request: ContextVar[str] = ContextVar("request", default="nobody's")


@external
async def forever() -> None:
    await asyncio.sleep(3600)


class HighWater:
    """Counts how many run at once."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1


def test_results_come_in_order_whatever_ends_first() -> None:
    def slow_first(number: int) -> int:
        time.sleep((5 - number) * 0.01)
        return number

    assert gather([partial(slow_first, number) for number in range(5)]) == [0, 1, 2, 3, 4]
    assert gather([]) == []


def test_all_run_together() -> None:
    together = threading.Barrier(100)
    assert gather([lambda: together.wait(30) >= 0] * 100) == [True] * 100


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_exactly_as_many_run_at_once_as_allowed(limit: int) -> None:
    water = HighWater()
    full = threading.Barrier(limit)

    def run() -> None:
        with water:
            full.wait(30)  # passes only when as many are in here

    gather([run] * (limit * 5), limit=limit)
    assert water.most == limit


def test_no_more_than_256_threads_are_started_if_no_limit_is_given() -> None:
    water = HighWater()

    def run() -> None:
        with water:
            time.sleep(0.001)

    gather([run] * 1_000)
    assert water.most <= 256


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        gather([], limit=limit)


def test_each_sees_the_callers_context_and_keeps_what_it_sets() -> None:
    def see_and_set(number: int) -> str:
        seen = request.get()
        request.set(f"of {number}")
        return seen

    token = request.set("mine")
    try:
        assert gather([partial(see_and_set, number) for number in range(20)], limit=20) == ["mine"] * 20
        assert request.get() == "mine"
    finally:
        request.reset(token)


def test_gathers_nest_three_deep_without_waiting_for_each_other() -> None:
    def tree(depth: int) -> int:
        if depth == 0:
            return 1
        return sum(gather([partial(tree, depth - 1)] * 5, limit=2))

    assert tree(3) == 125


def test_external_calls_of_all_overlap() -> None:
    water = HighWater()

    @external
    async def call() -> None:
        with water:
            async with asyncio.timeout(30):
                while water.most < 50:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)

    gather([call] * 50)


def test_the_error_earliest_in_order_is_raised() -> None:
    later = threading.Event()

    def first() -> None:
        later.wait(30)
        raise KeyError("first in order")

    def second() -> None:
        later.set()
        raise ValueError("first in time")

    with pytest.raises(KeyError, match="first in order"):
        gather([first, second])


def test_no_further_one_is_started_after_a_failure() -> None:
    started: list[int] = []

    def run(number: int) -> None:
        started.append(number)
        if number == 3:
            raise ValueError("the fourth")

    with pytest.raises(ValueError, match="the fourth"):
        gather((partial(run, number) for number in range(1_000)), limit=1)
    assert started == [0, 1, 2, 3]


def test_siblings_in_external_calls_are_cancelled() -> None:
    waiting = threading.Barrier(4)
    cancelled: list[int] = []

    @external
    async def wait(number: int) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise

    def call(number: int) -> None:
        waiting.wait(30)
        wait(number)

    def awaiting(number: int) -> None:
        waiting.wait(30)
        asyncio.run(wait.aio(number))

    def fail() -> None:
        waiting.wait(30)
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        gather([partial(call, 1), partial(awaiting, 2), partial(call, 3), partial(fail)])
    # Those that had got to their call; one that comes too late is not begun at all.
    assert set(cancelled) <= {1, 2, 3}


def test_a_call_made_after_a_siblings_failure_is_cancelled_at_once() -> None:
    failed = threading.Event()
    begun: list[bool] = []

    @external
    async def call() -> None:
        begun.append(True)

    def late() -> None:
        failed.wait(30)
        time.sleep(0.05)
        call()

    def fail() -> None:
        failed.set()
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        gather([late, fail])
    assert begun == []


def test_a_failure_ends_the_gathers_inside_it() -> None:
    deep = threading.Event()
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        deep.set()
        time.sleep(0.001)

    def inner() -> None:
        gather((step for _ in range(1_000_000)), limit=1)

    def waiting() -> None:
        gather([lambda: gather([forever] * 3)] * 2)

    def fail() -> None:
        deep.wait(30)
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        gather([partial(inner), partial(waiting), partial(fail)])
    assert count < 1_000_000


def test_a_cancellation_of_a_thunks_own_is_an_error_like_others() -> None:
    def give_up() -> None:
        raise asyncio.CancelledError("mine")

    with pytest.raises(asyncio.CancelledError, match="mine"):
        gather([give_up, lambda: None])


def test_sys_exit_in_a_thunk_reaches_the_caller() -> None:
    def leave() -> None:
        sys.exit(4)

    with pytest.raises(SystemExit, match="4"):
        gather([leave, lambda: forever()])


def test_what_cannot_be_called_is_a_type_error_and_not_the_end() -> None:
    with pytest.raises(TypeError, match="not callable"):
        gather(cast(Any, [lambda: 1, None, lambda: 3]))


def test_an_error_of_the_iterable_ends_the_gather() -> None:
    def thunks() -> Iterator[Callable[[], None]]:
        yield forever
        yield forever
        raise LookupError("no third")

    with pytest.raises(LookupError, match="no third"):
        gather(thunks())

    def begun() -> Iterator[Callable[[], int]]:
        yield lambda: 1
        raise LookupError("no second")

    with pytest.raises(LookupError, match="no second"):
        gather(begun(), limit=1)


def test_a_failed_gather_keeps_nothing_in_memory() -> None:
    class Big:
        pass

    def fail(big: Big) -> None:
        raise ValueError("enough")

    def run() -> weakref.ref[Big]:
        big = Big()
        with contextlib.suppress(ValueError):
            gather([partial(fail, big)])
        return weakref.ref(big)

    gc.collect()
    gc.disable()
    try:
        assert run()() is None
    finally:
        gc.enable()


def test_one_error_raised_by_all_is_raised_as_it_is() -> None:
    error = ValueError("shared")

    def fail() -> None:
        raise error

    for _ in range(3):
        with pytest.raises(ValueError, match="shared") as caught:
            gather([fail] * 50)
        assert caught.value is error


def test_a_million_thunks_from_a_generator_need_no_memory_but_their_results() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    results = gather((int for _ in range(1_000_000)), limit=4)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert len(results) == 1_000_000
    assert grown < 40, f"{grown} MiB"  # a list of a million pointers is 8, and grows by copying


def test_gather_on_embers_own_loop_is_refused() -> None:
    @external
    async def careless() -> list[int]:
        return gather([lambda: 1])

    with pytest.raises(BlockedLoop, match=r"await asyncio\.gather"):
        careless()


def test_gather_works_inside_a_running_loop_of_the_users() -> None:
    @external
    async def one() -> int:
        return 1

    async def main() -> list[int]:
        return gather([one] * 5)

    assert asyncio.run(main()) == [1] * 5


def test_ctrl_c_cancels_what_waits_and_does_not_wait_for_what_cannot_be(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("""
import asyncio, threading, time
from ember.core import external, gather

begun, cancelled = [], []

@external
async def forever():
    begun.append(1)
    if len(begun) == 11:
        print("ready", flush=True)
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        cancelled.append(1)
        raise

def stuck():
    time.sleep(3600)

try:
    gather([forever] * 10 + [stuck] * 10 + [forever])
except KeyboardInterrupt:
    print("interrupted", len(cancelled))
""")
    with subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "interrupted 11\n", "")


def test_the_iterable_sees_the_callers_context_on_whatever_thread_it_is_asked() -> None:
    seen: set[str] = set()

    def thunks() -> Iterator[Callable[[], None]]:
        for _ in range(200):
            seen.add(request.get())
            yield partial(time.sleep, 0.0001)

    token = request.set("mine")
    try:
        gather(thunks(), limit=3)
    finally:
        request.reset(token)
    assert seen == {"mine"}


def test_exceptions_can_stand_in_the_places_of_results() -> None:
    def work(number: int) -> int:
        if number % 2:
            raise ValueError(number)
        return number

    results = gather([partial(work, number) for number in range(4)], limit=2, return_exceptions=True)
    assert [str(one) for one in results] == ["0", "1", "2", "3"]
    assert [type(one) for one in results] == [int, ValueError, int, ValueError]


def test_an_interruption_is_never_a_result() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gather([interrupted], return_exceptions=True)
