"""Await the elements of a vmapped call. Apart from the rest, so that asyncio is not imported before somebody awaits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextvars import copy_context
from typing import Any, Final, TypeVar, cast

from ember.core.crew import Crew, crew
from ember.core.pool import in_pool

T = TypeVar("T")

_MOST_AWAITED: Final = 4096
"""How many coroutines are in flight when no limit is given: about 10 KB each."""


async def run_thread(function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    """Await a plain function that runs in a thread; when this is cancelled, so are the calls it waits for."""
    group, context = Crew(), copy_context()
    context.run(crew.set, group)
    try:
        result: T = await in_pool(context.run, (function, *args), kwargs)
        return result
    except asyncio.CancelledError:
        group.cancel()
        raise


async def arun_all(calls: Iterable[Callable[[], Coroutine[Any, Any, T]]], limit: int | None) -> list[T]:
    """Await what `calls` make, at most `limit` at once: results in order, or the exception earliest in order."""
    results: list[Any] = []
    source = enumerate(calls)
    running: dict[int, asyncio.Task[T]] = {}
    errors: dict[int, BaseException] = {}

    async def work() -> None:
        while not errors:
            index = len(results)
            try:
                item = next(source, None)
                if item is None:
                    return
                results.append(None)
                task = running[index] = asyncio.create_task(item[1]())
                results[index] = await task
            except BaseException as error:
                errors[index] = error
                for at, task in running.items():
                    if at > index:
                        task.cancel()
                if isinstance(error, asyncio.CancelledError):
                    running[index].cancel()
                    raise
                return
            finally:
                running.pop(index, None)

    workers: list[asyncio.Task[None]] = []
    try:
        while len(workers) < (limit or _MOST_AWAITED):
            started = len(results)
            workers.append(asyncio.create_task(work()))
            await asyncio.sleep(0)
            if len(results) == started:
                break
        await asyncio.gather(*workers, return_exceptions=True)
    except BaseException:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        raise
    if errors:
        raise errors[min(errors)]
    return results


async def astream(results: Iterator[T]) -> AsyncIterator[T]:
    """Give asynchronously what a blocking iterator gives."""
    end: Any = object()
    try:
        while (each := await in_pool(next, (results, end), {})) is not end:
            yield cast(T, each)
    finally:
        close = getattr(results, "close", None)
        if close is not None:
            await in_pool(close, (), {})
