"""Calls that are not under way yet: in a queue, in a pause, between two attempts. They end on time as well."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from subprocess import CompletedProcess
from typing import Any

import pytest

from ember.context import get_context, with_context
from ember.models import errors, models
from ember.models.testing import LocalServer

Script = Callable[..., "CompletedProcess[str]"]


@contextmanager
def _full(server: LocalServer) -> Iterator[dict[str, Any]]:
    """One call may be under way, and one is."""
    server.replies(text="one two three", fault="hang", after=2)
    with with_context(models={"max_concurrency": 1}):
        with models.stream("acme-small", "Hello") as other:
            next(other)
            yield {"max_concurrency": 1}


@contextmanager
def _used_up(server: LocalServer) -> Iterator[dict[str, Any]]:
    """One request a minute is allowed, and was made."""
    with with_context(models={"rpm": 1}):
        models("acme-small", "Hello")
    yield {"rpm": 1}


@contextmanager
def _paused(server: LocalServer) -> Iterator[dict[str, Any]]:
    """The server has just asked another call for half a minute."""
    server.replies(429, {"retry-after": "30"}).then()
    other = threading.Thread(target=_call_for, args=(3.0,))
    other.start()
    other.join()  # it gives up: the time is longer than it has
    yield {}


@contextmanager
def _told(server: LocalServer) -> Iterator[dict[str, Any]]:
    """The server has said by its headers that its limit is used up."""
    server.limit(1, per=30, headers="openai")
    models("acme-small", "Hello")
    yield {}


def _call_for(seconds: float) -> None:
    with pytest.raises((errors.ModelTimeout, errors.RateLimitError)):
        models("acme-small", "Hello", timeout=seconds)


WAITS = {"full": _full, "used up": _used_up, "paused": _paused, "told": _told}


@pytest.fixture(params=WAITS)
def waiting(request: pytest.FixtureRequest, acme: LocalServer) -> Iterator[dict[str, Any]]:
    """Settings under which the next call has to wait for long."""
    get_context().set_config("models.max_retries", None)
    with WAITS[request.param](acme) as settings:
        yield settings


def stream(timeout: float) -> None:
    for _ in models.stream("acme-small", "Hello", timeout=timeout):
        raise AssertionError


FORMS: dict[str, Callable[[float], object]] = {
    "call": lambda seconds: models("acme-small", "Hello", timeout=seconds),
    "acall": lambda seconds: asyncio.run(models.acall("acme-small", "Hello", timeout=seconds)),
    "stream": stream,
}


def waiters(server: LocalServer) -> int:
    return sum(state.waiting for state in models.health() if state.base_url.startswith(server.url))


@pytest.mark.parametrize("form", FORMS)
def test_the_deadline_holds_while_waiting(acme: LocalServer, waiting: dict[str, Any], form: str) -> None:
    made = len(acme.requests)
    with with_context(models=waiting):
        begun = time.monotonic()
        with pytest.raises(errors.ModelTimeout):
            FORMS[form](0.4)
        assert 0.35 <= time.monotonic() - begun <= 5
    assert len(acme.requests) == made
    assert waiters(acme) == 0


def test_a_cancelled_wait_ends_at_once_and_sends_nothing(acme: LocalServer, waiting: dict[str, Any]) -> None:
    made = len(acme.requests)

    async def main() -> None:
        task = asyncio.create_task(models.acall("acme-small", "Hello"))
        await asyncio.sleep(0.2)
        begun = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - begun < 5

    with with_context(models=waiting):
        asyncio.run(main())
    acme.wait_for(lambda: waiters(acme) == 0)
    assert len(acme.requests) == made


def test_who_cannot_be_answered_before_the_deadline_is_told_so_at_once(acme: LocalServer) -> None:
    get_context().set_config("models.max_retries", None)
    acme.replies(429, {"retry-after": "60"})
    begun = time.monotonic()
    with pytest.raises(errors.RateLimitError) as raised:
        models("acme-small", "Hello", timeout=20)
    assert time.monotonic() - begun < 10
    assert raised.value.retry_after == 60 and len(acme.requests) == 1


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_control_c_ends_a_wait_at_once(acme: LocalServer, script: Script) -> None:
    def interrupt() -> None:
        acme.wait_for(lambda: acme.requests, 30)
        time.sleep(0.3)
        os.kill(int(acme.requests[0].json["user"]), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    done = script(
        """
        import os, time
        from ember.context import with_context
        register()
        with with_context(models={"rpm": 1}):
            try:
                models("acme-small", "Hi", extra={"user": str(os.getpid())})
                models("acme-small", "Hi")
            except KeyboardInterrupt:
                print("interrupted")
        print(sum(state.waiting for state in models.health()))
        """,
        timeout=30,
    )
    assert (done.stdout, done.stderr) == ("interrupted\n0\n", "")
    assert len(acme.requests) == 1


def test_a_key_may_change_under_load(acme: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    acme.latency = 0.005
    keys = [f"sk-rotated-{turn}-0123456789" for turn in range(4)]
    monkeypatch.setenv("ACME_API_KEY", keys[0])
    stop, failures = threading.Event(), list[BaseException]()

    def work() -> None:
        while not stop.is_set():
            try:
                models("acme-small", "Hello")
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for key in keys[1:]:
        time.sleep(0.15)
        monkeypatch.setenv("ACME_API_KEY", key)
        assert models("acme-small", f"the first with {key}") == f"the first with {key}"
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(acme.ledger) == set(keys)
    for request in acme.requests:
        said = request.json["messages"][-1]["content"]
        assert said == "Hello" or said == f"the first with {request.key}"
