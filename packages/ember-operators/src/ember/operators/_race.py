"""What can end before all it has begun: as external calls, so that no thread and no task is held up by the rest.

It runs on Ember's I/O loop. A function that is neither `async` nor an external call runs in a thread, which cannot be
interrupted: it is left behind, with the external calls in it cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ember.core import External, loop
from ember.core.crew import Crew, crew

from ._attempts import Attempt
from ._calling import arun
from ._steps import Do, Timed, Together


class Race(External[[], list[Attempt | None]]):
    """Calls of which only so many are waited for."""

    name, kind = "race", "operator"

    def __init__(self, wanted: Together) -> None:
        self._wanted = wanted

    def run(self) -> list[Attempt | None]:
        return loop.run(self._race(), self.name)

    async def arun(self) -> list[Attempt | None]:
        return await loop.arun(self._race())

    async def _race(self) -> list[Attempt | None]:
        wanted = self._wanted
        ended: list[Attempt | None] = [None] * len(wanted.calls)
        losers = Crew()
        before = crew.set(losers)
        turn = asyncio.Semaphore(wanted.limit or len(ended) or 1)
        tasks: list[asyncio.Task[None]] = []
        waiting: set[asyncio.Task[None]] = set()

        async def one(place: int, do: Do) -> None:
            async with turn:
                ended[place] = await Timed(place + 1, do).awaited()

        try:
            while waiting or len(tasks) < len(ended):
                if len(tasks) < len(ended):
                    tasks.append(asyncio.ensure_future(one(len(tasks), wanted.calls[len(tasks)])))
                    waiting.add(tasks[-1])
                more = len(tasks) < len(ended)
                if more and not wanted.every:
                    continue
                patience = wanted.every if more else None
                done, waiting = await asyncio.wait(
                    waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
                if done and wanted.enough is not None and wanted.enough(seen := list(ended)):
                    return seen
            return ended
        finally:
            losers.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            crew.reset(before)


class Limited(External[..., Any]):
    """A call that may take `seconds`, and raises TimeoutError after that."""

    kind = "operator"

    def __init__(self, function: Callable[..., Any], seconds: float, name: str) -> None:
        self._function, self._seconds, self.name = function, seconds, name

    def run(self, *args: Any, **kwargs: Any) -> Any:
        return loop.run(self._limited(args, kwargs), self.name)

    async def arun(self, *args: Any, **kwargs: Any) -> Any:
        return await loop.arun(self._limited(args, kwargs))

    async def _limited(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        late, limit = Crew(), asyncio.timeout(self._seconds)
        before = crew.set(late)
        try:
            async with limit:
                return await arun(self._function, *args, **kwargs)
        except TimeoutError as error:
            if not limit.expired():  # its own, which was raised in time
                raise
            raise TimeoutError(f"{self.name} took more than {self._seconds:g} s.") from error
        finally:
            late.cancel()
            crew.reset(before)


class Pause(External[[float], None]):
    """Wait so many seconds."""

    name, kind = "pause", "operator"

    def run(self, seconds: float) -> None:
        loop.run(asyncio.sleep(seconds), self.name)

    async def arun(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Signal(External[[], None]):
    """Wait until `set` is called, from whatever thread."""

    name, kind = "signal", "operator"

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """End the waiting of all, now and later."""
        loop.io_loop().mail.post(self._event.set)

    def run(self) -> None:
        loop.run(self._wait(), self.name)

    async def arun(self) -> None:
        await loop.arun(self._wait())

    async def _wait(self) -> None:
        await self._event.wait()
