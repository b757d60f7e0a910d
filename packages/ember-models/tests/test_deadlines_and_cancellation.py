"""A call ends when it is told to, by its deadline or its caller, and leaves nothing in flight."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from subprocess import CompletedProcess
from typing import Any

import pytest
from acme import KEY

from ember.api import models
from ember.context import with_context
from ember.core import external
from ember.core.errors import BlockedLoop
from ember.models.errors import ModelError, ModelTimeout
from ember.models.testing import LocalServer

Script = Callable[..., "CompletedProcess[str]"]


@contextmanager
def lasting(low: float, high: float) -> Iterator[None]:
    """Fail unless the block takes between `low` and `high` seconds: a busy machine may be seconds late."""
    started = time.monotonic()
    yield
    assert low <= time.monotonic() - started <= high


HANGING: list[dict[str, Any]] = [
    {"fault": "hang"},
    {"fault": "hang", "after": 20},
    {"latency": 30.0},
    {"text": "x" * 3000, "rate": 30.0},
    {"raw": b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n"},
    {"raw": b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"},
    {"status": 503, "fault": "hang", "after": 5},
]


@pytest.mark.parametrize("how", HANGING, ids=lambda how: str(how)[:40])
@pytest.mark.parametrize("form", ["call", "acall"])
def test_the_deadline_is_total_and_closes_the_connection(
    acme: LocalServer, how: dict[str, Any], form: str
) -> None:
    given = dict(how)
    acme.replies(given.pop("status", 200), **given)
    with lasting(0.4, 5.0), pytest.raises(ModelTimeout, match=r"0\.5 s") as caught:
        if form == "call":
            models("acme-small", "Hi", timeout=0.5)
        else:
            asyncio.run(models.acall("acme-small", "Hi", timeout=0.5))
    assert isinstance(caught.value, TimeoutError)
    acme.wait_for(
        lambda: acme.in_flight == 0 and acme.requests and (acme.requests[0].aborted or "raw" in how)
    )


@pytest.mark.long
@pytest.mark.parametrize("how", HANGING, ids=lambda how: str(how)[:40])
def test_on_a_quiet_machine_a_deadline_is_kept_within_half_a_second(
    acme: LocalServer, how: dict[str, Any]
) -> None:
    given = dict(how)
    acme.replies(given.pop("status", 200), **given)
    with lasting(0.5, 1.0), pytest.raises(ModelTimeout):
        models("acme-small", "Hi", timeout=0.5)


@pytest.mark.long
def test_on_a_quiet_machine_a_cancelled_call_ends_within_a_fifth_of_a_second(acme: LocalServer) -> None:
    acme.replies(fault="hang")

    async def main() -> None:
        task = asyncio.create_task(models.acall("acme-small", "Hi"))
        await asyncio.to_thread(acme.wait_for, lambda: acme.in_flight == 1)
        with lasting(0, 0.2), pytest.raises(asyncio.CancelledError):
            task.cancel()
            await task

    asyncio.run(main())


def test_the_deadline_holds_while_connecting(acme: LocalServer) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        clogs = [
            socket.socket() for _ in range(4)
        ]  # the queue of connections is full: the next one is not answered
        for clog in clogs:
            clog.setblocking(False)
            clog.connect_ex(deaf.getsockname())
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        with (
            with_context(providers={"acme": {"base_url": url}}, credentials={"acme_api_key": KEY}),
            lasting(0.4, 5.0),
            pytest.raises(ModelTimeout),
        ):
            models("acme-small", "Hi", timeout=0.5)
        for clog in clogs:
            clog.close()


def test_embeddings_have_a_deadline_too(acme: LocalServer) -> None:
    acme.replies(fault="hang")
    with lasting(0.2, 5.0), pytest.raises(ModelTimeout):
        models.embed("acme-embed", "Hi", timeout=0.3)


def test_a_callers_own_timeout_around_a_call_stays_the_callers(acme: LocalServer) -> None:
    acme.replies(fault="hang")

    async def main() -> None:
        with lasting(0.1, 5.0), pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.2):
                await models.acall("acme-small", "Hi")
        assert not isinstance(caught.value, ModelError)

    asyncio.run(main())
    acme.wait_for(lambda: acme.requests and acme.requests[0].aborted)


def test_a_callers_own_timeout_inside_an_external_stays_the_callers(acme: LocalServer) -> None:
    acme.replies(fault="hang")

    @external
    async def work() -> None:
        async with asyncio.timeout(0.2):
            await models.acall("acme-small", "Hi")

    with lasting(0.1, 5.0), pytest.raises(TimeoutError) as caught:
        work()
    assert not isinstance(caught.value, ModelError)
    acme.wait_for(lambda: acme.requests and acme.requests[0].aborted)


def test_after_a_timeout_the_next_call_is_as_good_as_ever(acme: LocalServer) -> None:
    acme.replies(fault="hang")
    with pytest.raises(ModelTimeout):
        models("acme-small", "Hi", timeout=0.2)
    acme.replies()
    assert models("acme-small", "Hi", timeout=20) == "Hi"


# Cancelling


@pytest.mark.parametrize("how", [{"fault": "hang"}, {"fault": "hang", "after": 20}], ids=str)
def test_a_cancelled_call_ends_at_once_and_the_server_sees_it(acme: LocalServer, how: Any) -> None:
    acme.replies(**how)

    async def main() -> None:
        task = asyncio.create_task(models.acall("acme-small", "Hi"))
        while not acme.requests:  # noqa: ASYNC110  # the server has no event for this loop
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        with lasting(0, 5.0), pytest.raises(asyncio.CancelledError):
            task.cancel()
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    acme.wait_for(lambda: acme.in_flight == 0 and acme.requests[0].aborted)


def test_a_call_cancelled_before_it_began_sends_nothing(acme: LocalServer) -> None:
    async def main() -> None:
        task = asyncio.create_task(models.acall("acme-small", "Hi"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert acme.requests == []


def test_a_call_cancelled_while_connecting_ends_at_once(acme: LocalServer) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        clogs = [socket.socket() for _ in range(4)]
        for clog in clogs:
            clog.setblocking(False)
            clog.connect_ex(deaf.getsockname())

        async def main() -> None:
            task = asyncio.create_task(models.acall("acme-small", "Hi"))
            await asyncio.sleep(0.2)
            with lasting(0, 5.0), pytest.raises(asyncio.CancelledError):
                task.cancel()
                await task

        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        with with_context(providers={"acme": {"base_url": url}}, credentials={"acme_api_key": KEY}):
            asyncio.run(main())
        for clog in clogs:
            clog.close()


def test_one_failing_task_of_a_group_ends_the_calls_of_the_others(acme: LocalServer) -> None:
    acme.replies(fault="hang")

    async def fail() -> None:
        while acme.in_flight < 5:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        raise KeyError("mine")

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(models.acall("acme-small", "Hi"))
            group.create_task(fail())

    with lasting(0, 10.0), pytest.raises(ExceptionGroup) as caught:
        asyncio.run(main())
    assert [type(error) for error in caught.value.exceptions] == [KeyError]
    acme.wait_for(lambda: acme.in_flight == 0)


def test_a_loop_that_ends_with_calls_under_way_ends_them(acme: LocalServer) -> None:
    acme.replies(fault="hang")

    async def main() -> None:
        tasks = [asyncio.create_task(models.acall("acme-small", "Hi")) for _ in range(3)]
        while acme.in_flight < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        del tasks

    with lasting(0, 10.0):
        asyncio.run(main())
    acme.wait_for(lambda: acme.in_flight == 0)


def test_failures_and_cancellations_leave_no_thread_behind(acme: LocalServer) -> None:
    models("acme-small", "Hi")
    before = {thread for thread in threading.enumerate() if thread.name != "ember-prices"}
    acme.replies(fault="hang")

    async def main() -> None:
        tasks = [asyncio.create_task(models.acall("acme-small", "Hi", timeout=0.3)) for _ in range(20)]
        await asyncio.sleep(0.1)
        for task in tasks[:10]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert {thread for thread in threading.enumerate() if thread.name != "ember-prices"} <= before


def test_a_blocking_call_on_embers_own_loop_says_what_to_write_instead(acme: LocalServer) -> None:
    @external
    async def work() -> str:
        with pytest.raises(BlockedLoop, match=r"models\.aio"):
            models("acme-small", "Hi")
        with pytest.raises(BlockedLoop, match=r"models\.embed\.aio"):
            models.embed("acme-embed", "Hi")
        return await models.acall("acme-small", "Hi")

    assert work() == "Hi"


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_control_c_ends_a_blocking_call_at_once(acme: LocalServer, script: Script) -> None:
    acme.replies(fault="hang")

    def interrupt() -> None:
        acme.wait_for(lambda: acme.requests, 30)
        time.sleep(0.2)
        os.kill(int(acme.requests[0].json["user"]), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    done = script(
        """
        import os, time
        register()
        try:
            models("acme-small", "Hi", extra={"user": str(os.getpid())})
        except KeyboardInterrupt:
            print("interrupted")
        print(models.usage().calls, models.usage().requests)
        """,
        timeout=30,
    )
    assert (done.stdout, done.stderr) == ("interrupted\n0 1\n", "")
    acme.wait_for(lambda: acme.requests[0].aborted and acme.in_flight == 0)
