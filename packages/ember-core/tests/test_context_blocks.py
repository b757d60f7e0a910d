"""Where a block's context is in force: nested, left out of order, in generators, tasks and threads."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest

from ember.context import EmberContext, create_context, get_context, with_context
from ember.core.events import ROOT


def default() -> str | None:
    return get_context().get_config("models.default")


pytestmark = pytest.mark.usefixtures("home")


def test_a_block_acts_inside_with_and_nowhere_else() -> None:
    block = create_context(models={"default": "a"})
    assert default() is None
    with block as ctx:
        assert get_context() is ctx
        assert default() == "a"
    assert default() is None
    assert ctx.get_config("models.default") == "a"  # a context one holds on to still answers


def test_an_exception_leaves_the_block_and_passes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        with create_context(models={"default": "a"}), with_context(models={"default": "b"}):
            _ = 1 / 0
    assert get_context().parent is None


def test_create_context_is_a_scope_of_its_own_and_with_context_is_not() -> None:
    assert get_context().scope is ROOT
    with create_context() as outer:
        assert outer.scope.parent is ROOT
        with with_context(models={"default": "a"}) as same:
            assert same.scope is outer.scope
            assert same.parent is outer
            with create_context() as inner:
                assert inner.scope.lineage() == (inner.scope, outer.scope, ROOT)


def test_one_block_may_be_entered_again_and_inside_itself() -> None:
    block = create_context(models={"default": "a"})
    with block as first:
        pass
    with block as second:
        with block as third:
            assert third.parent is second
            assert len({id(context.scope) for context in (first, second, third)}) == 3
        assert get_context() is second
    assert get_context().parent is None


def test_one_block_may_be_used_by_many_threads_and_tasks_at_once() -> None:
    block = create_context(models={"default": "a"})
    all_inside = threading.Barrier(8)

    def work() -> tuple[str | None, str | None]:
        with block:
            all_inside.wait(10)
            inside = default()
        return inside, default()

    async def wait() -> tuple[str | None, str | None]:
        async with block:
            await asyncio.sleep(0.001)
            inside = default()
        return inside, default()

    async def many() -> list[tuple[str | None, str | None]]:
        return await asyncio.gather(*(wait() for _ in range(8)))

    with ThreadPoolExecutor(8) as pool:
        assert {done.result() for done in [pool.submit(work) for _ in range(8)]} == {("a", None)}
    assert set(asyncio.run(many())) == {("a", None)}
    assert "entered 0 times" in repr(block)


def numbers(model: str) -> Generator[str | None]:
    with create_context(models={"default": model}):
        yield default()
        yield default()


def test_a_generators_block_may_be_left_while_its_consumer_is_in_another() -> None:
    generator = numbers("generator")
    assert next(generator) == "generator"
    assert default() == "generator"  # between two yields the block is in force for the consumer as well
    with create_context(models={"default": "consumer"}) as consumer:
        assert default() == "consumer"
        generator.close()
        assert default() == "consumer"
        assert get_context().scope is consumer.scope
        parent = get_context().parent
        assert parent is not None and parent.parent is None
    assert get_context().parent is None


def test_a_consumers_block_may_be_left_while_the_generator_is_in_its_own() -> None:
    generator = numbers("generator")
    with create_context(models={"default": "consumer"}):
        next(generator)
    assert default() == "generator"
    generator.close()
    assert get_context().parent is None


def test_two_generators_take_turns() -> None:
    one, two = numbers("one"), numbers("two")
    assert [next(one), next(two)] == ["one", "two"]
    assert list(one) == ["two"]  # the innermost block is that of the generator entered last
    assert default() == "two"
    assert list(two) == ["two"]
    assert get_context().parent is None


def test_a_generator_run_in_a_copied_context_does_not_show_its_block() -> None:
    generator = numbers("generator")
    inside = contextvars.copy_context()
    assert inside.run(next, generator) == "generator"
    assert default() is None
    inside.run(generator.close)
    assert inside.run(get_context).parent is None


def test_a_generator_closed_on_another_thread_leaves_its_block_where_it_entered() -> None:
    generator = numbers("generator")
    next(generator)
    assert default() == "generator"
    thread = threading.Thread(target=generator.close)
    thread.start()
    thread.join()
    assert default() is None
    assert get_context().parent is None


async def ticks(model: str) -> AsyncGenerator[str | None]:
    async with create_context(models={"default": model}):
        while True:
            yield default()


def test_an_async_generator_closed_in_another_task_leaves_its_block_where_it_entered() -> None:
    async def main() -> None:
        generator = ticks("generator")
        assert await anext(generator) == "generator"
        with create_context(models={"default": "consumer"}) as consumer:
            await asyncio.create_task(generator.aclose())
            assert default() == "consumer"
            assert get_context().scope is consumer.scope
        assert get_context().parent is None

    asyncio.run(main())


def test_an_async_generator_that_is_dropped_leaves_its_block_when_the_loop_finalises_it() -> None:
    async def main() -> None:
        async for seen in ticks("generator"):
            assert seen == "generator"
            break
        gc.collect()
        await asyncio.sleep(0.01)  # the loop closes the generator in a task of its own
        assert default() is None

    asyncio.run(main())


def test_an_async_generator_closed_by_aclosing_leaves_its_block_at_once() -> None:
    async def main() -> None:
        async with aclosing(ticks("generator")) as generator:
            async for seen in generator:
                assert seen == "generator"
                break
        assert default() is None

    asyncio.run(main())


def test_a_task_keeps_the_context_it_was_started_in_after_the_block_is_left() -> None:
    async def later() -> str | None:
        await asyncio.sleep(0.01)
        return default()

    async def main() -> None:
        with create_context(models={"default": "a"}):
            task = asyncio.create_task(later())
        assert default() is None
        assert await task == "a"

    asyncio.run(main())


def test_a_task_that_runs_on_is_not_changed_by_a_block_left_elsewhere() -> None:
    async def watch(seen: list[str | None], stop: asyncio.Event) -> None:
        await stop.wait()
        seen.append(default())

    async def main() -> None:
        seen: list[str | None] = []
        stop = asyncio.Event()
        generator = ticks("generator")
        await anext(generator)
        task = asyncio.create_task(watch(seen, stop))  # starts with what is in force here
        await asyncio.create_task(generator.aclose())
        assert default() is None
        stop.set()
        await task
        assert seen == ["generator"]

    asyncio.run(main())


def test_a_bare_thread_starts_at_the_processs_context_and_a_carried_one_does_not() -> None:
    seen: dict[str, EmberContext] = {}
    with create_context(models={"default": "a"}) as ctx:
        carried = contextvars.copy_context()
        threads = [
            threading.Thread(target=lambda: seen.update(bare=get_context())),
            threading.Thread(target=carried.run, args=(lambda: seen.update(carried=get_context()),)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen["bare"].parent is None
        assert seen["carried"] is ctx


def test_an_executor_keeps_the_context_when_each_call_is_given_a_copy() -> None:
    with ThreadPoolExecutor(2) as pool, create_context(models={"default": "a"}):
        assert pool.submit(default).result() is None
        assert pool.submit(contextvars.copy_context().run, default).result() == "a"
        assert asyncio.run(asyncio.to_thread(default)) == "a"


def test_a_context_may_be_asked_from_any_thread() -> None:
    with create_context(models={"default": "a"}) as ctx, ThreadPoolExecutor(1) as pool:
        assert pool.submit(ctx.get_config, "models.default").result() == "a"


def test_threads_that_set_and_read_at_once_see_whole_values() -> None:
    ctx = get_context()
    failures: list[object] = []

    def change(number: int) -> None:
        for step in range(100):
            ctx.set_config(f"providers.p{number}", {"base_url": f"http://{step}", "path": f"/{step}"})
            seen = ctx.section(f"providers.p{number}")
            if seen != {"base_url": f"http://{step}", "path": f"/{step}"}:
                failures.append(seen)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(ctx.section("providers")) == 4
