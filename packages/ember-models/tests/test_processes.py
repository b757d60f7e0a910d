"""Many threads, many loops, forked and spawned processes, and the end of the interpreter."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from subprocess import CompletedProcess

import pytest
from acme import register

from ember.api import models
from ember.models.testing import LocalServer

Script = Callable[..., "CompletedProcess[str]"]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def ask(number: int) -> str:
    """One call."""
    return models("acme-small", str(number))


def call_in_a_child(number: int) -> str:
    """What a worker process does."""
    register()
    return models("acme-small", f"from child {number}")


def test_two_hundred_threads_may_make_the_first_call_at_once(script: Script) -> None:
    done = script(
        """
        import threading
        register(Everything)
        barrier, answers = threading.Barrier(200), []
        def work(number):
            barrier.wait()
            answers.append(models("gpt-4o", str(number)))
        threads = [threading.Thread(target=work, args=(n,)) for n in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(sorted(map(int, answers)) == list(range(200)), models.usage().calls,
              all(answer.cost == answers[0].cost for answer in answers if len(answer) == 1),
              [t.name for t in threading.enumerate()].count("ember-io"))
        """
    )
    assert done.stdout == "True 200 True 1\n", done.stderr


def test_threads_share_connections_and_answers_never_cross(acme: LocalServer) -> None:
    def ask_often(number: int) -> bool:
        return all(models("acme-small", f"{number}-{turn}") == f"{number}-{turn}" for turn in range(25))

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(ask_often, range(32)))
    assert len(acme.requests) == 800
    assert acme.connections <= 64


def test_fifty_event_loops_one_after_the_other_share_the_connections(acme: LocalServer) -> None:
    for number in range(50):
        assert asyncio.run(models.acall("acme-small", str(number))) == str(number)
    assert acme.connections <= 2


def test_a_call_may_follow_from_another_loop_than_the_one_before(acme: LocalServer) -> None:
    loops = [asyncio.new_event_loop() for _ in range(3)]
    try:
        for loop in (*loops, *loops):
            assert loop.run_until_complete(models.acall("acme-small", "Hi")) == "Hi"
    finally:
        for loop in loops:
            loop.close()


def descriptors() -> int:
    """Return how many file descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_two_thousand_calls_leave_no_descriptor_open(acme: LocalServer) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(200)))
        before = descriptors()
        list(pool.map(ask, range(1800)))
    assert descriptors() <= before + 8


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_failing_calls_leave_no_descriptor_open(acme: LocalServer) -> None:
    def fail_ten_times() -> None:
        acme.replies(fault="reset", times=10).then()
        for number in range(10):
            with pytest.raises(ConnectionError):
                models("acme-small", str(number))
        assert models("acme-small", "once") == "once"  # or the breaker would make no more requests

    fail_ten_times()
    before = descriptors()
    for _ in range(20):
        fail_ten_times()
    assert descriptors() <= before + 4


# Forking and spawning


@needs_fork
def test_parent_and_child_both_call_after_a_fork(acme: LocalServer, script: Script) -> None:
    done = script(
        """
        import os
        register(Everything)
        def say(*words):  # in one write: two processes share the line
            os.write(1, (" ".join(map(str, words)) + "\\n").encode())
        say(models("gpt-4o", "before"))
        pid = os.fork()
        if pid == 0:
            say(models("gpt-4o", "child").cost is not None, models.usage().calls)
            os._exit(0)
        say(models("gpt-4o", "parent"), models.usage().calls)
        say(os.waitpid(pid, 0)[1])
        """
    )
    assert sorted(done.stdout.split("\n")) == ["", "0", "True 1", "before", "parent 2"], done.stderr
    connections = {r.json["messages"][0]["content"]: r.connection for r in acme.requests}
    assert connections["parent"] == connections["before"] != connections["child"]


@needs_fork
def test_a_child_forked_while_calls_are_under_way_can_call(acme: LocalServer, script: Script) -> None:
    acme.latency = 0.02
    done = script(
        """
        import os, threading
        register(Everything)
        models("gpt-4o", "first")
        stop = threading.Event()
        def work():
            while not stop.is_set():
                models("gpt-4o", "Hi")
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        codes = []
        for number in range(10):
            pid = os.fork()
            if pid == 0:
                try:
                    assert models("gpt-4o", "child", timeout=20) == "child"
                    assert models.usage().calls == 1
                finally:
                    os._exit(0)
            codes.append(os.waitpid(pid, 0)[1])
        stop.set()
        for thread in threads:
            thread.join()
        print(codes)
        """
    )
    assert done.stdout == f"{[0] * 10}\n", done.stderr
    children = [r for r in acme.requests if r.json["messages"][0]["content"] == "child"]
    assert len(children) == 10


@needs_fork
def test_a_child_forked_while_the_prices_are_loading_can_call(acme: LocalServer, script: Script) -> None:
    acme.replies(401).then()
    done = script(
        """
        import os
        register(Everything)
        try:
            models("gpt-4o", "Hi")  # fails at once; its prices are still being loaded on a thread
        except Exception as error:
            print(type(error).__name__, flush=True)
        pid = os.fork()
        if pid == 0:
            print(models("gpt-4o", "child").cost is not None, flush=True)
            os._exit(0)
        print(os.waitpid(pid, 0)[1])
        """,
        timeout=30,
    )
    assert done.stdout == "AuthenticationError\nTrue\n0\n", done.stderr


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_pool_can_call(acme: LocalServer, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    models("acme-small", "from the parent")
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        answers = pool.map_async(call_in_a_child, range(4)).get(timeout=60)
    assert answers == [f"from child {n}" for n in range(4)]


# The end


@pytest.mark.parametrize("kind", ["daemon threads", "tasks", "pool", "unread errors"])
def test_the_interpreter_exits_quietly_with_calls_in_flight(
    acme: LocalServer, script: Script, kind: str
) -> None:
    acme.replies(fault="hang")
    code = {
        "daemon threads": """
            for _ in range(5):
                threading.Thread(target=models, args=("gpt-4o", "Hi"), daemon=True).start()
            wait(5)
        """,
        "tasks": """
            async def main():
                tasks = [asyncio.create_task(models.acall("gpt-4o", "Hi")) for _ in range(5)]
                await asyncio.to_thread(wait, 5)
            asyncio.run(main())
        """,
        "pool": """
            pool = ThreadPoolExecutor(5)
            futures = [pool.submit(models, "gpt-4o", "Hi", timeout=0.5) for _ in range(5)]
            wait(5)
        """,
        "unread errors": """
            async def main():
                tasks = [asyncio.create_task(models.acall("gpt-4o", "Hi")) for _ in range(5)]
                await asyncio.sleep(60)  # were it to end, its calls would, perhaps before the other thread saw them
            threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()
            wait(5)
        """,
    }[kind]
    opening = """
import asyncio, threading, time, urllib.request, json, os
from concurrent.futures import ThreadPoolExecutor
from acme import *
from ember.api import models
register(Everything)
def wait(count):
    address = os.environ["EVERYTHING_BASE_URL"].removesuffix("/v1") + "/_ember/stats"
    while json.load(urllib.request.urlopen(address))["in_flight"] < count:
        time.sleep(0.01)
"""
    done = script(code, opening=opening, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    acme.wait_for(lambda: acme.in_flight == 0, 5)


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.2, 0.3])
def test_exiting_while_the_prices_are_loading_is_quiet(
    acme: LocalServer, script: Script, delay: float
) -> None:
    acme.replies(401)
    done = script(
        f"""
        import time
        register(Everything)
        try:
            models("gpt-4o", "Hi")
        except Exception:
            time.sleep({delay})
        """
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_program_that_ends_by_an_error_shows_that_error_only(script: Script) -> None:
    done = script('register()\nmodels("acme-small", "Hi")\nraise SystemExit(3)')
    assert (done.returncode, done.stderr) == (3, "")


# What is loaded when


def test_importing_models_loads_nothing_that_costs(script: Script) -> None:
    done = script(
        """
        import sys
        from ember.api import models
        import ember.models.errors
        models.instance("gpt-4", temperature=0.5)
        heavy = ["pydantic", "yaml", "aiohttp", "jax", "numpy", "openai", "anthropic", "genai_prices", "asyncio",
                 "importlib.metadata", "ruamel", "httpx", "ssl"]
        print([name for name in heavy if name in sys.modules])
        """,
        opening="",
    )
    assert done.stdout == "[]\n", done.stderr


def test_the_first_call_loads_no_vendor_sdk_and_no_numbers(script: Script) -> None:
    done = script(
        """
        register(Everything)
        print(models("gpt-4o", "Hi").cost is not None)
        heavy = ["pydantic", "jax", "numpy", "openai", "anthropic", "httpx"]
        print([name for name in heavy if name in sys.modules])
        """
    )
    assert done.stdout.startswith("True\n"), done.stderr
    assert "openai" not in done.stdout and "anthropic" not in done.stdout and "numpy" not in done.stdout


def test_the_io_loop_is_one_thread_however_many_call(acme: LocalServer) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(64)))
    assert [thread.name for thread in threading.enumerate()].count("ember-io") == 1
