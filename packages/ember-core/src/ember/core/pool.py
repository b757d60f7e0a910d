"""Threads for plain functions that are awaited: bounded, shared by all of them, in the caller's context."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_THREADS: Final = 64
# Pools by depth: what runs in one may wait for a call that needs a thread too, and must not need it of the same pool,
# whose threads may all be waiting so.
_pools: list[ThreadPoolExecutor] = []
_pools_lock = Lock()
_depth: ContextVar[int] = ContextVar("ember_pool_depth", default=0)


async def in_pool(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a plain function in a thread, with the caller's context, and await its end."""
    from asyncio import get_running_loop

    depth, context = _depth.get(), copy_context()
    context.run(_depth.set, depth + 1)

    def work() -> Any:
        try:
            return context.run(function, *args, **kwargs)
        except StopIteration as error:
            # asyncio cannot carry this one, and drops it: the caller would wait for ever.
            raise RuntimeError(f"{function!r} raised StopIteration.") from error

    return await get_running_loop().run_in_executor(_pool(depth), work)


def _pool(depth: int) -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    with _pools_lock:
        while len(_pools) <= depth:
            _pools.append(ThreadPoolExecutor(_THREADS, thread_name_prefix="ember-external"))
        return _pools[depth]


def _after_fork() -> None:
    global _pools, _pools_lock
    # A forked child has its parent's pools, and none of their threads.
    _pools, _pools_lock = [], Lock()


os.register_at_fork(after_in_child=_after_fork)
