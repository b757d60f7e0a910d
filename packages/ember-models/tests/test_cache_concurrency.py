"""One request for identical calls made at once, and one file for many threads and processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from acme import register

from ember.api import models
from ember.models import Response
from ember.models.errors import ModelTimeout, ProviderUnavailable
from ember.models.testing import LocalServer

Script = Callable[..., "CompletedProcess[str]"]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def at_once(number: int, ask: Callable[[int], Response]) -> list[Response]:
    """Return what `ask` returns in as many threads, begun together."""
    barrier = threading.Barrier(number)

    def work(which: int) -> Response:
        barrier.wait()
        return ask(which)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(work, range(number)))


def test_identical_calls_at_once_make_one_request(acme: LocalServer) -> None:
    acme.latency = 0.2
    answers = at_once(20, lambda _: models("gpt-4o", "Hi", cache=True))
    assert set(answers) == {"Hi"} and len(acme.requests) == 1
    assert sorted(answer.cached for answer in answers) == [False] + [True] * 19
    assert sum(answer.cost or 0 for answer in answers) == next(a.cost for a in answers if not a.cached)


def test_identical_tasks_and_threads_at_once_make_one_request(acme: LocalServer) -> None:
    acme.latency = 0.2

    async def tasks() -> list[Response]:
        return await asyncio.gather(*(models.acall("acme-small", "Hi", cache=True) for _ in range(20)))

    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(asyncio.run, tasks()) for _ in range(3)]
        others = [pool.submit(models, "acme-small", "Hi", cache=True) for _ in range(3)]
        answers = [answer for job in running for answer in job.result()]
        answers += [job.result() for job in others]
    assert len(answers) == 63 and len(acme.requests) == 1


def test_different_calls_at_once_do_not_wait_for_each_other(acme: LocalServer) -> None:
    acme.latency = 1.0
    at_once(10, lambda which: models("acme-small", str(which), cache=True))
    assert len(acme.requests) == 10 and acme.high_water > 1


def test_identical_embeddings_at_once_make_one_request(acme: LocalServer) -> None:
    acme.latency = 0.2
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(models.embed, "text-embedding-3-small", ["a", "b"], cache=True) for _ in range(8)]
        assert len({tuple(job.result()) for job in jobs}) == 1
    assert len(acme.requests) == 1


def test_when_the_one_request_fails_those_who_waited_try_themselves(acme: LocalServer) -> None:
    acme.replies(500, latency=0.2).then(text="fine")

    def ask(_: int) -> Response:
        try:
            return models("acme-small", "Hi", cache=True)
        except ProviderUnavailable:
            return Response("failed")

    answers = at_once(5, ask)
    assert sorted(answers) == ["failed", "fine", "fine", "fine", "fine"]


def test_when_the_one_request_is_cancelled_those_who_waited_try_themselves(acme: LocalServer) -> None:
    acme.replies(fault="hang").then(text="fine")

    async def main() -> list[Response]:
        leader = asyncio.create_task(models.acall("acme-small", "Hi", cache=True))
        await asyncio.to_thread(acme.wait_for, lambda: acme.requests)
        others = [asyncio.create_task(models.acall("acme-small", "Hi", cache=True)) for _ in range(3)]
        await asyncio.sleep(0.1)
        leader.cancel()
        return await asyncio.gather(*others)

    assert asyncio.run(main()) == ["fine"] * 3


def test_one_who_waits_can_be_cancelled_alone(acme: LocalServer) -> None:
    acme.latency = 1.0

    async def main() -> Response:
        leader = asyncio.create_task(models.acall("acme-small", "Hi", cache=True))
        await asyncio.to_thread(acme.wait_for, lambda: acme.requests)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await models.acall("acme-small", "Hi", cache=True)
        assert not leader.done()
        return await leader

    assert asyncio.run(main()) == "Hi" and len(acme.requests) == 1


def test_one_who_waits_keeps_to_its_own_deadline(acme: LocalServer) -> None:
    acme.latency = 2.0
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(models, "acme-small", "Hi", cache=True)
        acme.wait_for(lambda: acme.requests)
        with pytest.raises(ModelTimeout, match=r"0\.1 s") as caught:
            models("acme-small", "Hi", cache=True, timeout=0.1)
        assert not leader.done() and caught.value.model == "acme-small"
        assert leader.result() == "Hi"


_WORK = """
import sys, threading
from acme import *
from ember.api import models
register()
def work(number):
    for turn in range(15):
        assert models("acme-small", f"question {(number * 7 + turn) }", cache=True).startswith("question")
        models("acme-small", f"mine {number} {turn} {sys.argv[1]}", cache=True)
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("done")
"""


def started(code: str, *arguments: str) -> subprocess.Popen[str]:
    tests = str(Path(__file__).parent)
    path = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def checked(home: Path) -> str:
    """Return what SQLite finds when it looks through the whole file."""
    connection = sqlite3.connect(home / "cache" / "answers.sqlite")
    try:
        total = connection.execute("SELECT bytes FROM total").fetchone()[0]
        assert total == connection.execute("SELECT coalesce(sum(size), 0) FROM answers").fetchone()[0]
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


def test_processes_and_threads_share_one_file(acme: LocalServer, ember_home: Path) -> None:
    workers = [started(_WORK, str(number)) for number in range(4)]
    for worker in workers:
        out, complaints = worker.communicate(timeout=60)
        assert (out, complaints) == ("done\n", "")
    assert models.cache.stats().entries == 36 + 4 * 4 * 15
    assert checked(ember_home) == "ok"
    register()
    assert all(models("acme-small", f"question {number}", cache=True).cached for number in range(36))


def test_a_process_killed_while_it_writes_leaves_the_file_whole(acme: LocalServer, ember_home: Path) -> None:
    acme.answer = lambda prompt: prompt * 200
    for turn in range(4):
        workers = [started(_WORK, f"{turn} {number}") for number in range(2)]
        enough = len(acme.requests) + 20 * turn
        while len(acme.requests) <= enough:
            time.sleep(0.005)
        for worker in workers:
            worker.send_signal(signal.SIGKILL)
            worker.communicate(timeout=20)
        models("acme-small", f"after {turn}", cache=True)
        assert models("acme-small", f"after {turn}", cache=True).cached
    assert models.cache.stats().entries > 0
    assert checked(ember_home) == "ok"


def test_an_answer_is_on_disk_when_the_process_has_ended(acme: LocalServer, script: Script) -> None:
    done = script("register(); print(models('acme-small', 'Hi', cache=True).cached)")
    assert done.stdout == "False\n", done.stderr
    assert models("acme-small", "Hi", cache=True).cached


@needs_fork
def test_forked_children_use_the_cache_of_their_parent(
    acme: LocalServer, ember_home: Path, script: Script
) -> None:
    done = script(
        """
        import os, threading
        register()
        over = threading.Event()
        def busy():
            number = 0
            while not over.is_set():
                models("acme-small", f"{os.getpid()} {number}", cache=True)
                number += 1
        threads = [threading.Thread(target=busy) for _ in range(3)]
        models("acme-small", "before", cache=True)
        for thread in threads:
            thread.start()
        for turn in range(10):
            child = os.fork()
            if not child:
                good = models("acme-small", "before", cache=True).cached
                good &= not models("acme-small", f"child {turn}", cache=True).cached
                good &= models("acme-small", f"child {turn}", cache=True).cached
                models.cache.stats()
                os._exit(0 if good else 1)
            assert os.waitpid(child, 0)[1] == 0
        over.set()
        for thread in threads:
            thread.join()
        print(all(models("acme-small", f"child {turn}", cache=True).cached for turn in range(10)))
        """,
        PYTHONWARNINGS="ignore:This process:DeprecationWarning",  # Python 3.12 warns of forks beside threads
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert checked(ember_home) == "ok"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_thousand_hits_in_fifty_threads_leave_descriptors_and_threads_as_they_were(
    acme: LocalServer, script: Script
) -> None:
    done = script(
        """
        import os, threading
        from concurrent.futures import ThreadPoolExecutor
        register()
        models("acme-small", "Hi", cache=True)
        def descriptors():
            models.cache.stats()
            return len([fd for fd in os.listdir("/proc/self/fd")])
        before = descriptors()
        with ThreadPoolExecutor(50) as pool:
            assert all(pool.map(lambda _: models("acme-small", "Hi", cache=True).cached, range(1000)))
        # A pool of four connections, of a file and its log each.
        print(descriptors() - before <= 9, [t.name for t in threading.enumerate() if "cache" in t.name])
        """
    )
    assert done.stdout.startswith("True"), done.stdout + done.stderr
