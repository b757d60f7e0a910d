"""Streams where processes die, fork and spawn, and where threads and event loops ask for rows."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ember.data import DataError, SharedIterator, Stream, stream

ROWS = 30_000


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.jsonl"
    path.write_text("".join(json.dumps({"n": n, "text": "x" * 30}) + "\n" for n in range(ROWS)))
    return path


# A machine that is busy may never get on in so short a time: then a run that is left alone has the rest.
KILLS = 15


def killed_after(seconds: float | None, program: str, *arguments: Path) -> bool:
    """Run a program and kill it after so long, if it runs still; return whether it came to its end."""
    process = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()  # it has begun
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode == 0


WRITING = """
import sys
from ember.data import stream
source, out, place = sys.argv[1:]
def slowly(row):
    for _ in range(300): pass
    return {"n": row["n"]}
chain = stream(source, checkpoint=place).filter(lambda row: row["n"] % 3).shuffle(1000, seed=7).transform(slowly)
print("begun", flush=True)
chain.to_jsonl(out)
"""


def test_a_run_that_is_killed_again_and_again_writes_each_row_once(numbers: Path, tmp_path: Path) -> None:
    out, place = tmp_path / "out.jsonl", tmp_path / "place"
    kills = 0
    for attempt in range(KILLS + 1):
        if killed_after(
            0.02 + 0.013 * (attempt % 7) if attempt < KILLS else None, WRITING, numbers, out, place
        ):
            break
        kills += 1
    written = [row["n"] for row in stream(out)]
    expected = stream(numbers).filter(lambda row: row["n"] % 3).shuffle(1000, seed=7)
    assert written == [row["n"] for row in expected]
    assert kills >= 2


LOOPING = """
import os, sys
from ember.data import stream
source, out, place = sys.argv[1:]
log = os.open(out, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
print("begun", flush=True)
for row in stream(source, checkpoint=place).filter(lambda row: row["n"] % 3):
    os.write(log, b"%d\\n" % row["n"])
"""


def test_a_loop_that_is_killed_sees_at_most_the_row_in_hand_again(numbers: Path, tmp_path: Path) -> None:
    out, place = tmp_path / "out", tmp_path / "place"
    kills = 0
    for attempt in range(KILLS + 1):
        if killed_after(
            0.02 + 0.017 * (attempt % 5) if attempt < KILLS else None, LOOPING, numbers, out, place
        ):
            break
        kills += 1
    had = [int(line) for line in out.read_text().split()]
    again = sum(1 for one, next_ in pairwise(had) if one == next_)
    assert again <= kills and kills >= 2
    assert [n for at, n in enumerate(had) if at == 0 or had[at - 1] != n] == [n for n in range(ROWS) if n % 3]


def test_a_checkpoint_is_held_by_one_run_at_a_time(numbers: Path, tmp_path: Path) -> None:
    rows = stream(numbers, checkpoint=tmp_path / "place")
    first = iter(rows)
    next(first)
    with pytest.raises(DataError, match="in use"):
        iter(rows)
    first.close()
    assert next(iter(rows)) == {"n": 0, "text": "x" * 30}


def test_a_checkpoint_outgrows_its_slots(tmp_path: Path) -> None:
    names = [tmp_path / f"{'long' * 50}{n}.jsonl" for n in range(2)]
    for path in names:
        path.write_text('{"n": 1}\n' * 5)
    chain = stream(names[0], checkpoint=tmp_path / "place")
    for _ in range(20):
        chain = chain.zip(stream(names[1])).transform(lambda pair: pair[0])
    run = iter(chain)
    for _ in range(3):
        next(run)
    run.close()
    assert (tmp_path / "place").stat().st_size > 2 * 4096
    assert len(list(chain)) == 3  # the third was in hand, and comes again


# Threads


def test_two_threads_on_one_iterator_are_an_error_that_says_what_to_do() -> None:
    inside, leave = threading.Event(), threading.Event()

    def slowly(n: int) -> int:
        inside.set()
        leave.wait(10)
        return n

    run = iter(stream([1, 2, 3]).transform(slowly))
    had: list[int] = []
    thread = threading.Thread(target=lambda: had.extend(run))
    thread.start()
    inside.wait(10)
    with pytest.raises(SharedIterator, match="Give each thread its own"):
        next(run)
    leave.set()
    thread.join(10)
    assert had == [1, 2, 3]


def test_threads_that_each_have_their_own_iterator_have_all_rows(numbers: Path) -> None:
    chain = stream(numbers).filter(lambda row: row["n"] % 2).transform(lambda row: row["n"])
    found: list[list[int]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=one.extend, args=(chain,)) for one in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert all(one == list(range(1, ROWS, 2)) for one in found)


def test_an_iterator_may_be_handed_from_thread_to_thread(numbers: Path) -> None:
    run = iter(stream(numbers).transform(lambda row: row["n"]))
    had: list[int] = []
    for _ in range(5):
        thread = threading.Thread(target=lambda: had.extend(next(run) for _ in range(1_000)))
        thread.start()
        thread.join(30)
    assert had == list(range(5_000))


def test_rows_are_made_ahead_in_a_thread_that_ends_with_the_stream() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for n in range(100):
            made.append(n)
            yield n

    run = iter(stream(source).prefetch(5))
    assert next(run) == 0
    deadline = time.monotonic() + 10
    while len(made) < 7 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(made) == 7  # one given, five waiting, one in the maker's hand
    run.close()
    while any(thread.name == "ember-prefetch" for thread in threading.enumerate()):
        assert time.monotonic() < deadline + 10
        time.sleep(0.01)


# Processes


def ids(row: dict[str, Any]) -> int:
    return int(row["n"])


def _work(chain: Stream[int], i: int, n: int, queue: Any) -> None:
    queue.put((i, sum(chain.shard(i, n))))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_have_every_row_once(numbers: Path, method: Any) -> None:
    if method == "fork" and sys.platform != "linux":
        pytest.skip("fork is Linux's way")
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    chain = stream(numbers).transform(ids)
    workers = [context.Process(target=_work, args=(chain, i, 3, queue)) for i in range(3)]
    for worker in workers:
        worker.start()
    sums = dict(queue.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join(60)
    assert sums == {i: sum(range(i, ROWS, 3)) for i in range(3)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("packed", [False, True])
def test_a_forked_process_and_its_parent_each_go_on_with_all_rows(numbers: Path, packed: bool) -> None:
    import gzip

    path = numbers
    if packed:
        path = numbers.with_suffix(".gz")
        path.write_bytes(gzip.compress(numbers.read_bytes()))
    run = iter(stream(path).transform(lambda row: row["n"]))
    for _ in range(10_000):
        next(run)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(write, "w") as pipe:
            print(sum(run), file=pipe)
        os._exit(0)
    os.close(write)
    assert sum(run) == sum(range(10_000, ROWS))
    with os.fdopen(read) as pipe:
        assert int(pipe.read()) == sum(range(10_000, ROWS))
    os.waitpid(child, 0)


def test_a_stream_can_be_sent_to_another_process_and_an_iterator_says_what_to_send(numbers: Path) -> None:
    chain = stream(numbers).transform(ids).batch(10)
    copy: Stream[list[int]] = pickle.loads(pickle.dumps(chain))
    assert copy.first() == chain.first()
    with pytest.raises(TypeError, match="Send the stream and state_dict"):
        pickle.dumps(iter(chain))
    with pytest.raises(TypeError, match="cannot be sent"):
        pickle.dumps(stream(iter([1])))


# Event loops


def test_async_iteration_gives_the_same_rows_and_does_not_hold_up_the_loop() -> None:
    def slowly(n: int) -> int:
        time.sleep(0.01)
        return n

    async def main() -> tuple[list[int], int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        ticking = asyncio.create_task(tick())
        had = [n async for n in stream(range(40)).transform(slowly)]
        ticking.cancel()
        return had, ticks

    had, ticks = asyncio.run(main())
    assert had == list(range(40))
    assert ticks >= 8  # some eighty on a machine that is idle


def test_async_iteration_goes_on_exactly_and_loses_nothing_to_a_cancelled_wait(tmp_path: Path) -> None:
    chain = stream(range(1_000)).shuffle(100).batch(3)
    whole = chain.to_list()

    async def some(n: int, state: Any) -> tuple[list[list[int]], Any]:
        rows = aiter(chain)
        if state is not None:
            rows.load_state_dict(state)
        had = [await anext(rows) for _ in range(n)]
        return had, json.loads(json.dumps(rows.state_dict()))

    async def main() -> list[list[int]]:
        had, state = await some(100, None)
        more, state = await some(57, state)
        rest, _ = await some(len(whole) - 157, state)
        return had + more + rest

    assert asyncio.run(main()) == whole

    given_up = threading.Event()

    def slow_start(n: int) -> int:
        assert given_up.wait(30)
        return n

    async def impatient() -> list[int]:
        rows = aiter(stream(range(10)).transform(slow_start))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(rows), 0.005)
        given_up.set()
        return [n async for n in rows]

    assert asyncio.run(impatient()) == list(range(10))


def test_an_async_loop_keeps_its_place_in_a_checkpoint(tmp_path: Path) -> None:
    chain = stream(range(100), checkpoint=tmp_path / "place")

    async def some(n: int) -> list[int]:
        rows = aiter(chain)
        had = [await anext(rows) for _ in range(n)]
        await rows.aclose()
        return had

    assert asyncio.run(some(10)) == list(range(10))
    assert asyncio.run(some(10)) == list(range(9, 19))
