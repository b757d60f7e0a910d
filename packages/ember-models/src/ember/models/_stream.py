"""Answers in pieces: an iterator of text whose `.response` is complete at the end.

Bytes are fetched on the I/O loop only when the consumer asks for more, so a slow consumer holds up the sender instead
of filling memory; they are decoded where the consumer is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self

from ember.core import loop

from ._call import Call
from ._engine import Job, Watch, answer, opened, timed_out
from ._provider import Completion, Exchange, HttpRequest, excerpt
from ._response import Response
from ._sse import EventParser
from .errors import ConnectionFailed, InvalidResponse, ModelError, StreamIncomplete


class _Source:
    """The bytes of one streamed reply, fetched on the I/O loop within the call's deadline."""

    def __init__(self, job: Job[Call], request: HttpRequest, watch: Watch) -> None:
        self._job, self._request, self._watch = job, request, watch
        self._exchange: Exchange | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._deadline = 0.0

    async def next(self) -> bytes | None:
        """Return the next bytes, or None at the end. The first call sends the request."""
        if self._chunks is None:
            self._deadline = asyncio.get_running_loop().time() + self._job.timeout
        try:
            async with asyncio.timeout_at(self._deadline):
                if self._chunks is None:
                    self._exchange = await opened(self._job, self._request, self._watch)
                    await self._check(self._exchange)
                    self._chunks = self._exchange.chunks()
                return await anext(self._chunks, None)
        except TimeoutError:
            await self.close()
            raise timed_out(self._job) from None
        except BaseException:
            await self.close()
            raise

    async def _check(self, exchange: Exchange) -> None:
        kind = exchange.headers.get("content-type", "")
        if not kind.startswith("text/event-stream"):
            body = await exchange.read()
            raise InvalidResponse(
                f"a stream was asked for and something else came ({kind or 'no content type'}): {excerpt(body)}",
                status=exchange.status,
            )

    async def close(self, *, drain: bool = False) -> None:
        """Let go of the connection. With `drain`, first take the last bytes, so that it can be used again."""
        exchange, self._exchange = self._exchange, None
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


class _Reader:
    """What both streams share: from bytes to text, to the response, to the account of the call."""

    def __init__(self, job: Job[Call]) -> None:
        self._job = job
        self._watch = Watch(job)
        with self._watch:
            request = job.provider.encode(job.call, job.endpoint)
            self._decoder = job.provider.decoder(job.call)
        self._events = EventParser()
        self._source = _Source(job, request, self._watch)
        self._ready: deque[str] = deque()
        self._texts: list[str] = []
        self._response: Response | None = None
        self._over = False

    @property
    def response(self) -> Response:
        """The whole answer, with usage and cost. Raises RuntimeError before the stream has ended."""
        if self._response is None:
            raise RuntimeError("The stream has not ended: iterate it to its end, then read `.response`.")
        return self._response

    def _take(self, chunk: bytes | None) -> bool:
        """Take the next bytes (None: there are no more); return whether the stream is at its end."""
        if chunk is not None:
            try:
                for event in self._events.feed(chunk):
                    text = self._decoder.feed(event)
                    if text:
                        self._ready.append(text)
                        self._texts.append(text)
                    if self._decoder.done:
                        break
            except ModelError:
                raise
            except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
                name = type(error).__name__
                raise InvalidResponse(f"the stream has an unknown shape ({name} while reading it).") from error
            if not self._decoder.done:
                return False
        completion: Completion = self._decoder.finish()
        self._response = answer(self._job, completion, self._watch)
        return True

    def _failed(self, error: BaseException) -> BaseException:
        """Book the failure, once, and return the error to raise for it."""
        self._over = True
        if isinstance(error, ConnectionFailed) and self._texts:
            broken = StreamIncomplete(error.problem, partial_text="".join(self._texts))
            broken.__cause__, error = error, broken
        if isinstance(error, ModelError):
            self._job.explained(error)
        self._watch.failed(error)
        return error


class TextStream(_Reader, Iterator[str]):
    """An answer's text as it comes; `.response` is the whole of it at the end. Leaving early ends the request.

    Use it as an iterator, or as a context manager around one.
    """

    def __next__(self) -> str:
        while not self._ready:
            if self._over:
                raise StopIteration
            try:
                self._over = self._take(loop.run(self._source.next(), "models.stream"))
                if self._over:
                    loop.run(self._source.close(drain=True), "models.stream")
            except BaseException as error:
                failure = self._failed(error)
                loop.run(self._source.close(), "models.stream")
                raise failure from failure.__cause__
        return self._ready.popleft()

    def close(self) -> None:
        """End the request if it still runs. What was read stays read."""
        if not self._over:
            self._failed(GeneratorExit())
            loop.run(self._source.close(), "models.stream")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        _abandon(self)


class AsyncTextStream(_Reader, AsyncIterator[str]):
    """An answer's text as it comes, awaited; `.response` is the whole of it at the end. Leaving early ends the request.

    Use it with `async for`, or as an async context manager around one.
    """

    async def __anext__(self) -> str:
        while not self._ready:
            if self._over:
                raise StopAsyncIteration
            try:
                self._over = self._take(await loop.arun(self._source.next()))
                if self._over:
                    await loop.arun(self._source.close(drain=True))
            except BaseException as error:
                failure = self._failed(error)
                _release(self._source)
                raise failure from failure.__cause__
        return self._ready.popleft()

    async def aclose(self) -> None:
        """End the request if it still runs. What was read stays read."""
        if not self._over:
            self._failed(GeneratorExit())
            await loop.arun(self._source.close())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        _abandon(self)


def _abandon(stream: TextStream | AsyncTextStream) -> None:
    """End the request of a stream that nobody holds any more, from whatever thread the collector runs on."""
    if not getattr(stream, "_over", True):
        stream._failed(GeneratorExit())  # pyright: ignore[reportPrivateUsage]
        _release(stream._source)  # pyright: ignore[reportPrivateUsage]


def _release(source: _Source) -> None:
    """Have the source closed soon, without waiting: also where the caller is being cancelled."""
    io = loop.io_loop()
    io.mail.post(lambda: io.spawn(source.close()))
