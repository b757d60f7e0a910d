"""Jitted functions in a running event loop: awaited, coroutine functions themselves, cancelled, beside other tasks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import greenlet
import pytest
from crowd import Crowd

from ember.context import get_context, with_context
from ember.xcs import external, jit

T = TypeVar("T")
started: list[str] = []
ended: list[str] = []
cancelled: list[str] = []
crowd = Crowd()
mood: ContextVar[str] = ContextVar("mood", default="none")


@external
async def ask(prompt: str, seconds: float = 0.02) -> str:
    started.append(prompt)
    try:
        async with crowd.joined():
            await asyncio.sleep(seconds)
        ended.append(prompt)
    except asyncio.CancelledError:
        cancelled.append(prompt)
        raise
    if prompt.startswith("fail"):
        raise ValueError(prompt)
    return prompt.upper()


@pytest.fixture(autouse=True)
def nothing_left() -> Any:
    """After each test: no call is under way, no greenlet waits, no thread was added."""
    for told in (started, ended, cancelled):
        told.clear()
    crowd.expect()
    asyncio.run(ask.aio("warm", 0))
    started.clear()
    ended.clear()
    threads, before = threading.active_count(), waiting()
    yield
    until(lambda: crowd.now == 0)
    until(lambda: threading.active_count() <= threads)
    until(lambda: [one for one in waiting() if one not in before] == [])


def waiting() -> list[greenlet.greenlet]:
    """Return the greenlets that have begun and not ended. A test that fails keeps its own, in its traceback."""
    gc.collect()
    here = greenlet.getcurrent()
    return [one for one in gc.get_objects() if isinstance(one, greenlet.greenlet) and one and one is not here]


def until(condition: Callable[[], bool]) -> None:
    """Wait, at most twenty seconds, for what another thread is about to do."""
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    assert condition()


async def begun(prompt: str) -> None:
    """Wait for a call to be under way."""
    while prompt not in started:  # noqa: ASYNC110  # calls are made on another thread, too
        await asyncio.sleep(0.001)


@jit
def pair(a: str, b: str) -> str:
    return ask(a) + ask(b)


# Functions, awaited -----------------------------------------------------------


def test_an_awaited_function_lets_the_loop_go_on_meanwhile() -> None:
    ticks = 0

    @external
    async def held(text: str) -> str:
        until = time.monotonic() + 20
        while ticks < 6 and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        return text

    async def main() -> str:
        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        ticking = asyncio.create_task(tick())
        found = await jit(lambda: held("x")).aio()
        ticking.cancel()
        return found

    assert asyncio.run(main()) == "x"
    assert ticks >= 6


def test_several_are_awaited_at_once_each_a_run_of_its_own() -> None:
    async def main() -> list[str]:
        return await asyncio.gather(*[pair.aio(f"{n}", "b") for n in range(5)])

    crowd.expect(10)
    assert asyncio.run(main()) == [f"{n}B" for n in range(5)]
    assert crowd.most == 10


def test_an_exception_arrives_where_it_is_awaited() -> None:
    async def main() -> None:
        await pair.aio("fail", "b")

    with pytest.raises(ValueError, match=r"^fail$"):
        asyncio.run(main())


def test_methods_and_what_has_no_source_are_awaited_too() -> None:
    class Writer:
        @jit
        def write(self, a: str) -> str:
            return ask(a) + ask("b")

    namespace: dict[str, Any] = {"ask": ask}
    exec("def f(a):\n    return ask(a)", namespace)

    async def main() -> tuple[str, str, int]:
        return await Writer().write.aio("a"), await jit(namespace["f"]).aio("c"), await jit(len).aio("xyz")

    assert asyncio.run(main()) == ("AB", "C", 3)


def test_a_limit_holds_when_awaited() -> None:
    @jit(max_concurrency=2)
    def many() -> list[str]:
        return [ask(f"{n}") for n in range(6)]

    crowd.expect(2)
    assert asyncio.run(many.aio()) == [f"{n}" for n in range(6)]
    assert crowd.most == 2


def test_a_variable_of_the_context_stays_set_and_is_seen() -> None:
    @jit
    def program() -> str:
        mood.set("good")
        return ask("a") + mood.get()

    async def main() -> tuple[str, str]:
        return await program.aio(), mood.get()

    assert asyncio.run(main()) == ("Agood", "good")


# Cancelled --------------------------------------------------------------------


@pytest.mark.parametrize("after", [0.0, 0.005, 0.03, 0.05, 0.07])
def test_cancelling_the_task_ends_everything_and_the_next_call_works(after: float) -> None:
    @jit
    def program() -> list[str]:
        first = [ask(f"a{n}") for n in range(3)]
        second = [ask(one + "!") for one in first]
        if second[0] == "A0!":
            second.append(ask("c", 5.0))
        return second

    async def main() -> str:
        task = asyncio.create_task(program.aio())
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await pair.aio("a", "b")

    assert asyncio.run(main()) == "AB"


def test_a_cancelled_program_runs_its_finally_and_may_call_in_it() -> None:
    log: list[str] = []

    @jit
    def program() -> None:
        try:
            ask("long", 5.0)
        except asyncio.CancelledError:
            log.append("told")
            raise
        finally:
            log.append(ask("cleaning"))

    async def main() -> None:
        task = asyncio.create_task(program.aio())
        await begun("long")
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert log == ["told", "CLEANING"]
    until(lambda: cancelled == ["long"])


def test_a_timeout_around_an_awaited_function_ends_it() -> None:
    async def main() -> None:
        async with asyncio.timeout(0.05):
            await jit(lambda: [ask("long", 5.0) for _ in range(3)]).aio()

    with pytest.raises(TimeoutError):
        asyncio.run(main())


def test_a_loop_that_is_closed_with_a_run_in_it_leaves_nothing_behind() -> None:
    async def main() -> None:
        asyncio.create_task(jit(lambda: ask("long", 5.0)).aio())  # noqa: RUF006
        await asyncio.sleep(0.03)

    asyncio.run(main())


# Coroutine functions ----------------------------------------------------------


def test_independent_awaits_overlap_and_dependent_ones_follow_each_other() -> None:
    @jit
    async def program() -> str:
        a = await ask.aio("a")
        b = await ask.aio("b")
        c = await ask.aio(a + b)
        return c

    crowd.expect(2)
    assert asyncio.run(program()) == "AB"
    assert crowd.most == 2
    assert started[2] == "AB"


async def helper(a: str) -> str:
    first = await ask.aio(a)
    return await ask.aio(first + "!")


def test_the_users_own_coroutine_functions_are_tasks() -> None:
    @jit
    async def program() -> list[str]:
        return [await helper(f"{n}") for n in range(4)]

    crowd.expect(4)
    assert asyncio.run(program()) == [f"{n}!" for n in range(4)]
    assert crowd.most == 4


def test_a_loop_over_awaits_overlaps() -> None:
    @jit
    async def program() -> list[str]:
        out: list[str] = []
        for n in range(4):
            answer = await helper(f"{n}")
            if answer.startswith("1"):
                answer = await ask.aio("one")
            out.append(answer)
        return out

    crowd.expect(4)
    assert asyncio.run(program()) == ["0!", "ONE", "2!", "3!"]
    assert crowd.most == 4


def test_gather_gives_results_in_order() -> None:
    @jit
    async def program() -> list[str]:
        first = await ask.aio("x")
        some = await asyncio.gather(helper("a"), ask.aio("b"), *[helper(f"{n}") for n in range(3)])
        return [first, *some]

    crowd.expect(6)
    assert asyncio.run(program()) == ["X", "A!", "B", "0!", "1!", "2!"]
    assert crowd.most == 6


def test_gather_tells_what_failed_if_it_is_asked_to() -> None:
    @jit
    async def program() -> list[Any]:
        return list(
            await asyncio.gather(helper("a"), ask.aio("fail 1"), ask.aio("b"), return_exceptions=True)
        )

    found = asyncio.run(program())
    assert [found[0], repr(found[1]), found[2]] == ["A!", "ValueError('fail 1')", "B"]


async def gathering() -> list[Any]:
    return list(await asyncio.gather(ask.aio("a", 0.0), ask.aio("long", 20.0), return_exceptions=True))


async def gathering_in_gathering() -> list[Any]:
    return list(await asyncio.gather(gathering(), ask.aio("b", 0.0), return_exceptions=True))


async def swallowing_one() -> str:
    try:
        return await ask.aio("long", 20.0)
    except asyncio.CancelledError:
        return "swallowed"


async def gathering_what_swallows() -> list[Any]:
    return list(await asyncio.gather(swallowing_one(), ask.aio("b", 0.0), return_exceptions=True))


async def gathering_again() -> list[Any]:
    try:
        return await gathering()
    except asyncio.CancelledError:
        return list(await asyncio.gather(ask.aio("a", 0.0), ask.aio("fail", 0.0), return_exceptions=True))


@pytest.mark.parametrize(
    "program", [gathering, gathering_in_gathering, gathering_what_swallows, gathering_again]
)
def test_a_gather_that_tells_failures_ends_when_it_is_cancelled_itself(program: Any) -> None:
    async def outcome(function: Any) -> str:
        started.clear()
        task = asyncio.ensure_future(function())
        await begun("long")
        await asyncio.sleep(0.05)
        task.cancel()
        try:
            return repr(await task)
        except asyncio.CancelledError:
            return "cancelled"

    expected = asyncio.run(outcome(program))
    assert asyncio.run(outcome(jit(program))) == expected


def test_a_gather_tells_of_a_coroutine_that_ends_itself_as_cancelled() -> None:
    async def ending() -> str:
        word = await ask.aio("a")
        raise asyncio.CancelledError(word)

    async def program() -> str:
        found = await asyncio.gather(ending(), ask.aio("b"), return_exceptions=True)
        return str([type(one) for one in found])

    assert asyncio.run(jit(program)()) == asyncio.run(program())


def test_the_first_failure_is_raised_while_a_later_call_hangs_however_their_functions_are_ordered() -> None:
    @jit
    def program() -> tuple[str, str, int]:
        total = 0

        def add(word: str, seconds: float) -> str:
            nonlocal total
            answer = ask(word, seconds)
            total += len(answer)
            return answer

        first, second = add("fail", 0.05), add("long", 20.0)
        return first, second, total

    began = time.monotonic()
    with pytest.raises(ValueError, match="fail"):
        program()
    assert time.monotonic() - began < 10


def test_gather_raises_the_first_failure_in_order() -> None:
    @jit
    async def program() -> list[Any]:
        return list(await asyncio.gather(ask.aio("fail 1"), ask.aio("fail 2", 0.0), ask.aio("long", 5.0)))

    with pytest.raises(ValueError, match="fail 1"):
        asyncio.run(program())


def test_what_is_the_loops_is_awaited_as_ever() -> None:
    log: list[str] = []

    @jit
    async def program() -> str:
        task = asyncio.current_task()
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, event.set)
        await event.wait()
        log.append("event")
        await asyncio.sleep(0)
        background = asyncio.create_task(helper("t"))
        limited = await asyncio.wait_for(helper("w"), 1.0)
        async with asyncio.timeout(1.0):
            inner = await helper("i")
        done = await background
        log.append("done")
        assert asyncio.current_task() is task
        return limited + inner + done

    assert asyncio.run(program()) == "W!I!T!"
    assert log == ["event", "done"]


def test_a_timeout_inside_is_raised_where_it_stands() -> None:
    @jit
    async def program() -> str:
        a = ""
        try:
            async with asyncio.timeout(0.5):
                a = await ask.aio("quick", 0.0)
                await ask.aio("long", 60.0)
        except TimeoutError:
            return "too late, after " + a
        return "in time"

    assert asyncio.run(program()) == "too late, after QUICK"
    until(lambda: cancelled == ["long"])


def test_coroutines_that_talk_to_each_other_are_the_loops_tasks() -> None:
    async def produce(queue: asyncio.Queue[str]) -> None:
        for n in range(5):
            await queue.put(await ask.aio(f"{n}", 0.0))
        await queue.put("end")

    async def consume(queue: asyncio.Queue[str]) -> list[str]:
        found: list[str] = []
        while (one := await queue.get()) != "end":
            found.append(one)
        return found

    @jit
    async def program() -> list[str]:
        queue: asyncio.Queue[str] = asyncio.Queue(1)
        _, found = await asyncio.gather(produce(queue), consume(queue))
        return found

    assert asyncio.run(asyncio.wait_for(program(), 5.0)) == ["0", "1", "2", "3", "4"]


def test_a_group_of_tasks_overlaps() -> None:
    @jit
    async def program() -> list[str]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(helper(f"{n}")) for n in range(3)]
        return [task.result() for task in tasks]

    crowd.expect(3)
    assert asyncio.run(program()) == ["0!", "1!", "2!"]
    assert crowd.most == 3


def test_async_with_and_async_for_keep_their_order() -> None:
    log: list[str] = []

    @contextlib.asynccontextmanager
    async def session(name: str) -> AsyncIterator[str]:
        log.append("open " + name)
        await asyncio.sleep(0)
        try:
            yield name
        finally:
            log.append("close " + name)

    async def numbers() -> AsyncIterator[int]:
        for n in range(3):
            await asyncio.sleep(0)
            yield n

    @jit
    async def program() -> list[str]:
        out: list[str] = []
        async with session("s") as name:
            async for n in numbers():
                out.append(await ask.aio(f"{name}{n}"))
            log.append("asked")
        return out + [await ask.aio(f"c{n}") async for n in numbers()]

    assert asyncio.run(program()) == ["S0", "S1", "S2", "C0", "C1", "C2"]
    assert log == ["open s", "asked", "close s"]


def test_exceptions_are_handled_as_in_plain_python() -> None:
    @jit
    async def program() -> list[str]:
        out: list[str] = []
        for text in ("a", "fail", "b"):
            try:
                out.append(await ask.aio(text))
            except ValueError as error:
                out.append(f"<{error}>")
        return out

    crowd.expect(3)
    assert asyncio.run(program()) == ["A", "<fail>", "B"]
    assert crowd.most == 3


@pytest.mark.parametrize("after", [0.0, 0.01, 0.03, 0.05, 0.08])
def test_a_coroutine_function_can_be_cancelled_anywhere(after: float) -> None:
    @jit
    async def program() -> list[str]:
        some = await asyncio.gather(*[helper(f"{n}") for n in range(3)])
        await asyncio.sleep(0.02)
        return [await ask.aio(one, 5.0) for one in some]

    async def main() -> str:
        task = asyncio.create_task(program())
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await pair.aio("a", "b")

    assert asyncio.run(main()) == "AB"


def test_jitted_functions_of_both_kinds_call_each_other() -> None:
    @jit
    async def inner(a: str) -> str:
        return await ask.aio(a)

    @jit
    async def program() -> list[str]:
        return [await inner("a"), pair("b", "c"), await inner("d")]

    crowd.expect(3)
    assert asyncio.run(program()) == ["A", "BC", "D"]
    assert crowd.most >= 3


def test_a_coroutine_that_is_never_awaited_says_so() -> None:
    @jit
    async def program() -> str:
        return await ask.aio("a")

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        program()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
        gc.collect()
    assert any("program" in str(one.message) and "never awaited" in str(one.message) for one in told)


def test_wrong_arguments_of_a_coroutine_function_raise_when_it_is_called() -> None:
    @jit
    async def program(a: str) -> str:
        return await ask.aio(a)

    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        program()  # type: ignore[call-arg, unused-coroutine]  # pyright: ignore[reportCallIssue, reportUnusedCoroutine]


def test_awaiting_what_cannot_be_awaited_is_an_error_as_ever() -> None:
    @jit
    async def program(thing: Any) -> str:
        await thing
        return await ask.aio("a")

    with pytest.raises(TypeError, match="can't be used in 'await' expression"):
        asyncio.run(program(3))


def test_a_context_reaches_awaited_calls() -> None:
    seen: dict[str, Any] = {}

    @external
    async def look(name: str) -> str:
        seen[name] = get_context().get_config("models.temperature")
        return name

    @jit
    async def program() -> None:
        async with with_context(models={"temperature": 0.5}):
            await look.aio("inside")
        await look.aio("after")

    async def main() -> None:
        with with_context(models={"temperature": 0.25}):
            await program()

    asyncio.run(main())
    assert seen == {"inside": 0.5, "after": 0.25}
