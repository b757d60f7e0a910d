"""Thousands of calls in one process, and what of them remains: no descriptor, no memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

from ember.models.testing import LocalServer

Script = Callable[..., "CompletedProcess[str]"]

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")

KINDS = {
    "calls": """
        def one(number):
            assert models("acme-small", f"Hello {number}") == f"Hello {number}"
    """,
    "awaited calls": """
        async def several(numbers):
            said = await asyncio.gather(*(models.acall("acme-small", f"Hello {number}") for number in numbers))
            assert said == [f"Hello {number}" for number in numbers]
        def one(number):
            if number % 50 == 0:
                asyncio.run(several(range(number, number + 50)))
    """,
    "streams left early": """
        def one(number):
            stream = models.stream("acme-small", "one two three four five six seven eight")
            next(stream)
            if number % 2:
                stream.close()
    """,
    "failures": """
        def one(number):
            try:
                models("acme-small", "Hello")
            except errors.ModelError as error:
                assert error.status == 404
            else:
                raise AssertionError
    """,
    "timeouts": """
        def one(number):
            if number % 10 == 0:
                try:
                    models("acme-slow", "Hello", timeout=0.002)
                except errors.ModelTimeout:
                    pass
    """,
}

PROGRAM = """
    import asyncio, gc, os
    from ember.models import errors
    register()

    {kind}

    def held():
        gc.collect()
        descriptors = len(os.listdir("/proc/self/fd"))
        with open("/proc/self/statm") as pages:
            return descriptors, int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    for number in range({warm}):
        one(number)
    descriptors, megabytes = held()
    for number in range({count}):
        one(number)
    more_descriptors, more_megabytes = held()
    print(more_descriptors - descriptors, more_megabytes - megabytes)
"""


def grown(script: Script, kind: str, count: int) -> tuple[int, float]:
    """Return how many descriptors and megabytes a process has more after `count` of a kind of call."""
    program = PROGRAM.format(
        kind=KINDS[kind].strip().replace("\n    ", "\n"), warm=min(500, count // 4), count=count
    )
    done = script(program, timeout=120)
    assert done.returncode == 0, done.stderr
    descriptors, megabytes = done.stdout.split()
    return int(descriptors), float(megabytes)


def prepare(server: LocalServer, kind: str) -> None:
    if kind == "failures":
        server.replies(404)
    if kind == "timeouts":
        server.latency = 0.2


@needs_proc
@pytest.mark.parametrize("kind", KINDS)
def test_two_thousand_calls_leave_nothing_behind(acme: LocalServer, script: Script, kind: str) -> None:
    prepare(acme, kind)
    descriptors, megabytes = grown(script, kind, 2_000)
    assert descriptors <= 8
    assert megabytes < 8


@pytest.mark.long
@needs_proc
@pytest.mark.parametrize("kind", KINDS)
def test_neither_do_ten_thousand(acme: LocalServer, script: Script, kind: str) -> None:
    prepare(acme, kind)
    descriptors, megabytes = grown(script, kind, 10_000)
    assert descriptors <= 8
    assert megabytes < 20
