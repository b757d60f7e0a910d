"""Where a stream's bytes come from: one reply at a time, fetched on the I/O loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

from ._attempts import Attempts
from ._call import Call
from ._engine import opened, raise_for
from ._job import Job, Watch
from ._provider import Exchange, HttpRequest, excerpt
from .errors import InvalidResponse, ModelError


class Source:
    """The bytes of one streamed reply, fetched on the I/O loop within the call's deadline."""

    def __init__(self, job: Job[Call], request: HttpRequest, watch: Watch) -> None:
        self._job, self._request, self._watch = job, request, watch
        self._exchange: Exchange | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._attempts: Attempts | None = None
        self._fetching: asyncio.Task[object] | None = None
        self.process: int | None = None
        """The process whose I/O loop has the connection; None before there is one."""

    async def next(self) -> bytes | None:
        """Return the next bytes, or None at the end. The first call sends the request."""
        if self._attempts is None:
            self._attempts = Attempts(self._job, self._watch)
        deadline = asyncio.timeout_at(self._attempts.deadline)
        self._fetching = asyncio.current_task()
        try:
            async with deadline:
                if self._chunks is None:
                    self._exchange = await opened(self._job, self._request, self._watch, self._attempts)
                    await self._check(self._exchange)
                    self._chunks = self._exchange.chunks()
                return await anext(self._chunks, None)
        except Exception as error:
            self._attempts.leave(error)
            await self.close()
            raise_for(error, self._job, deadline)
        except BaseException as error:
            self._attempts.leave(error)
            await self.close()
            raise
        finally:
            self._fetching = None

    def allow(self, seconds: float) -> None:
        """Let the stream take that much longer. Nothing may be under way just now."""
        policy = replace(self._job.policy, timeout=self._job.policy.timeout + seconds)
        self._job = replace(self._job, policy=policy)
        if self._attempts is not None:
            self._attempts.deadline += seconds

    async def again(self, error: ModelError) -> bool:
        """After a failure before any text: wait and return True if the request is to be made again, else False."""
        attempts, self._chunks = self._attempts, None
        if attempts is None:
            return False
        attempts.leave(error)
        await self.close()
        return await attempts.again(error)

    async def _check(self, exchange: Exchange) -> None:
        kind = exchange.headers.get("content-type", "")
        if not kind.lower().startswith(self._job.provider.stream_type):
            body = await exchange.read()
            raise InvalidResponse(
                f"a stream was asked for and something else came ({kind or 'no content type'}): {excerpt(body)}",
                status=exchange.status,
            )

    async def close(self, *, drain: bool = False) -> None:
        """Let go of the connection. With `drain`, first take the last bytes, so that it can be used again."""
        if self._fetching is not None and self._fetching is not asyncio.current_task():
            self._fetching.cancel()  # closed by one thread while another waits for the next bytes
        exchange, self._exchange = self._exchange, None
        if self._attempts is not None:
            self._attempts.leave(None)
        if exchange is None:
            return
        try:
            if drain and self._chunks is not None:
                async with asyncio.timeout(0.05):
                    while await anext(self._chunks, None) is not None:
                        pass
        except (TimeoutError, ModelError):
            pass  # the answer is whole already; the connection is closed instead of kept
        finally:
            await exchange.close()
