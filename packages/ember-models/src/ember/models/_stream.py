"""Answers in pieces: an iterator of text, or of events, whose `.response` is complete at the end.

Bytes are fetched on the I/O loop only when the consumer asks for more, so a slow consumer holds up the sender instead
of filling memory; they are decoded where the consumer is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeGuard

from ember.core import loop
from ember.core.errors import BlockedLoop

from ._call import Call
from ._deltas import Piece, ReasoningDelta, StreamEnd, StreamEvent, TextDelta, ToolCallDelta
from ._engine import answer, encoded, undecoded, well_formed
from ._job import Job, Watch
from ._provider import Completion
from ._response import Response
from ._source import Source
from ._sse import EventParser, LineParser, Parser
from ._unpack import MOST_BYTES, too_large
from .errors import ConnectionFailed, InvalidResponse, ModelError, StreamIncomplete

if TYPE_CHECKING:
    from ._fallback import Turns

_PARSERS: Final[Mapping[str, type[Parser]]] = {
    "text/event-stream": EventParser,
    "application/x-ndjson": LineParser,
}


class _Reader:
    """What both kinds of stream share: bytes in, pieces out, and the answer at the end."""

    def __init__(self, job: Job[Call]) -> None:
        self._over = True  # should what follows raise, there is nothing to be closed
        self._turns: Turns | None = None
        if job.fallback is not None:
            from ._fallback import Turns

            self._turns = Turns(job, job.fallback)
            job = self._turns.job
        self._ready: deque[Piece | StreamEnd] = deque()
        self._unread = 0
        self._turn_to(job)
        self._texts: list[str] = []
        self._typed = False  # whether the consumer takes other pieces than text
        self._told = False  # whether there was anything for it
        self._length = self._unread = 0
        self._failure: BaseException | None = None
        self._response: Response | None = None
        self._turn = threading.Lock()
        self._over = False

    def _turn_to(self, job: Job[Call]) -> None:
        """Make ready to ask for `job`. Nothing is sent yet."""
        request = encoded(job, job.provider.encode)
        self._job, self._watch = job, Watch(job)
        self._source = Source(job, request, self._watch)
        self._unsought = job.keep
        self._begin_again()

    @property
    def response(self) -> Response:
        """The whole answer, with usage and cost. Raises RuntimeError before the stream has ended."""
        if self._response is not None:
            return self._response
        if self._over:
            raise RuntimeError("The stream was left or broke off before its end: there is no whole answer.")
        raise RuntimeError("The stream has not ended: iterate it to its end, then read `.response`.")

    def _taken(self, kept: Completion | None) -> None:
        """Take the whole answer from the cache, if it had one."""
        self._unsought = None
        if kept is not None:
            # What no longer fits its schema is asked for anew.
            with contextlib.suppress(InvalidResponse):
                response = self._response = answer(self._job, kept, self._watch, cached=True)
                if self._turns is not None:
                    self._turns.answered(response)
                self._over = True
                self._ready.extend(_pieces(response))

    def _begin_reading(self) -> None:
        if not self._turn.acquire(blocking=False):
            raise RuntimeError("This stream is being read already. One thread or task at a time can read it.")
        if not self._here():
            self._turn.release()
            raise RuntimeError(
                "This stream was begun before the process was forked, and is the parent's to read."
            )
        self._source.process = os.getpid()
        self._watch.begin()
        if self._turns is not None:
            self._turns.begin()

    def _here(self) -> bool:
        return self._source.process in (None, os.getpid())

    def _take(self, chunk: bytes | None) -> bool:
        """Take the next bytes (None: there are no more); return whether the stream is at its end."""
        try:
            self._unread += len(chunk or b"")
            for event in self._parser.feed(chunk) if chunk is not None else ():
                self._unread = 0
                pieces = self._decoder.feed(event)
                if type(pieces) is not tuple:  # a stranger's text would be told letter by letter
                    raise InvalidResponse(
                        "the provider's decoder gives no tuple of pieces; that is its fault."
                    )
                for piece in pieces:
                    if isinstance(piece, str):
                        self._length += len(piece)
                        self._tell(piece)
                    else:
                        self._length += len(
                            piece.arguments if isinstance(piece, ToolCallDelta) else piece.text
                        )
                        if self._typed and not self._told:
                            self._begin_telling()
                        self._ready.append(piece)
                if self._decoder.done:
                    break
            if max(self._length, self._unread) > MOST_BYTES:
                what = "the text of the stream" if self._length > MOST_BYTES else "an event of the stream"
                raise too_large(what, MOST_BYTES)
            if chunk is not None and not self._decoder.done:
                return False
            completion = self._decoder.finish()
        except Exception as error:
            failure = undecoded(self._job, error, "the stream", self._watch)
            if isinstance(failure, StreamIncomplete) and self._job.call.choices:
                failure.partial_text = ""  # of a label, which was not told
            raise failure from None
        response = self._response = answer(self._job, completion, self._watch)
        if self._turns is not None:
            self._turns.answered(response)
        if self._job.call.choices:
            self._ready.append(str(response))
        self._ready.append(StreamEnd(response.finish_reason, response.usage, response.cost))
        return True

    def _tell(self, text: str) -> None:
        # A label is decided by its last character: it is told whole, at the end.
        if text and not self._job.call.choices:
            text = well_formed(text)
            if not self._told:
                self._begin_telling()
            self._ready.append(text)
            self._texts.append(text)

    def _begin_telling(self) -> None:
        self._told = True
        if self._job.hold is not None:
            self._job.hold.answering = True
        if self._turns is not None:
            self._source.allow(self._turns.withheld)  # from here on, no other model is asked

    def _may_begin_again(self, error: BaseException) -> TypeGuard[ModelError]:
        return isinstance(error, ModelError) and not self._told and not self._over

    def _begin_again(self) -> None:
        """Start reading from nothing, for another attempt's stream."""
        self._decoder = encoded(self._job, lambda call, _: self._job.provider.decoder(call))
        self._parser = _PARSERS[self._job.provider.stream_type]()
        self._ready.clear()  # what nobody was told
        self._unread = 0  # bytes that have come and are no whole event yet

    def _asks_another(self, error: ModelError) -> bool:
        """After a model failed for good: book that, and turn to the next of the call's, if there is one for this."""
        if self._turns is None or self._over:
            return False
        self._job.explained(error)
        self._watch.failed(error)
        self._turns.failed(error)
        self._turn_to(self._turns.job)
        self._source.process = os.getpid()
        self._watch.begin()
        return True

    def _end(self, error: BaseException) -> None:
        """Book the failure, once, and keep the error for when the pieces that came before it have been taken."""
        if self._over:
            return
        self._over = True
        if isinstance(error, ConnectionFailed) and self._told:
            broken = StreamIncomplete(error.problem, partial_text="".join(self._texts))
            broken.__cause__, error = error, broken
        if isinstance(error, ModelError):
            self._job.explained(error)
            if self._turns is not None and error not in self._turns.failures:
                error.failures = tuple(self._turns.failures)
        self._failure = error
        self._watch.failed(error)

    def _leave(self) -> bool:
        """Book that the consumer left; return whether there is a connection to be closed."""
        begun = not self._over and self._source.process is not None
        self._end(GeneratorExit())
        self._failure = None
        self._ready.clear()
        return begun and self._here()

    def _next_ready(self, end: type[Exception]) -> Piece | StreamEnd:
        if self._ready:
            return self._ready.popleft()
        failure, self._failure = self._failure, None
        if failure is None:
            raise end
        try:
            raise failure from failure.__cause__
        finally:
            del failure  # or it would hold itself, by its traceback and this frame

    def __del__(self) -> None:
        # The collector runs this wherever it likes, perhaps in the middle of booking another call: everything is left
        # to the I/O loop, which has nothing of that kind under way.
        if getattr(self, "_over", True) or self._source.process != os.getpid():
            return
        watch, source = self._watch, self._source

        def let_go() -> None:
            watch.failed(GeneratorExit())
            io.spawn(source.close())

        with contextlib.suppress(RuntimeError):  # the interpreter is exiting, and the I/O loop is gone
            io = loop.io_loop()
            io.mail.post(let_go)


def _pieces(response: Response) -> Iterator[Piece | StreamEnd]:
    """Yield a whole answer in as few pieces as it has."""
    if response.reasoning:
        yield ReasoningDelta(response.reasoning)
    if response:
        yield str(response)
    for index, call in enumerate(response.tool_calls):
        yield ToolCallDelta(index, call.id, call.name, call.text)
    yield StreamEnd(response.finish_reason, response.usage, response.cost)


def _event(piece: Piece | StreamEnd) -> StreamEvent:
    return TextDelta(piece) if isinstance(piece, str) else piece


class TextStream(_Reader, Iterator[str]):
    """An answer's text as it comes; `.response` is the whole of it at the end. Leaving early ends the request.

    Use it as an iterator, or as a context manager around one. `events()` gives all there is, typed, in place of text.
    """

    def __init__(self, job: Job[Call]) -> None:
        super().__init__(job)
        if loop.is_here():
            raise BlockedLoop("models.stream", "async for text in models.astream(...)")

    def __next__(self) -> str:
        while not isinstance(piece := self._next(), str):
            pass
        return piece

    def events(self) -> Iterator[StreamEvent]:
        """Give what comes from here on as events: text, reasoning, tool calls, and the end with usage and cost.

        Leaving this iterator leaves the stream open: `close` it, or use it as a context manager.
        """
        self._typed = True
        with contextlib.suppress(StopIteration):
            while True:
                yield _event(self._next())

    def _next(self) -> Piece | StreamEnd:
        self._begin_reading()
        try:
            while not self._ready and not self._over:
                try:
                    try:
                        if self._unsought is not None:
                            self._taken(self._unsought.find())
                            continue
                        ended = self._take(loop.run(self._source.next(), "models.stream"))
                    except ModelError as error:
                        if not self._may_begin_again(error):
                            raise
                        if loop.run(self._source.again(error), "models.stream"):
                            self._begin_again()
                        elif not self._asks_another(error):
                            raise
                        continue
                    if ended:
                        self._over = True
                        loop.run(self._source.close(drain=True), "models.stream")
                except BaseException as error:
                    if self._over and not isinstance(error, (KeyboardInterrupt, SystemExit)):
                        break  # closed by another thread meanwhile
                    self._end(error)
                    loop.run(self._source.close(), "models.stream")
                    if not isinstance(error, Exception):
                        self._ready.clear()
            return self._next_ready(StopIteration)
        finally:
            self._turn.release()

    def close(self) -> None:
        """End the request if it still runs. What was read stays read."""
        if self._leave():
            loop.run(self._source.close(), "models.stream")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncTextStream(_Reader, AsyncIterator[str]):
    """An answer's text as it comes, awaited; `.response` is the whole of it at the end. Leaving early ends the request.

    Use it with `async for`, or as an async context manager around one. `events()` gives all there is, typed.
    """

    async def __anext__(self) -> str:
        while not isinstance(piece := await self._next(), str):
            pass
        return piece

    async def events(self) -> AsyncIterator[StreamEvent]:
        """Give what comes from here on as events: text, reasoning, tool calls, and the end with usage and cost.

        Leaving this iterator leaves the stream open: `aclose` it, or use it as an async context manager.
        """
        self._typed = True
        with contextlib.suppress(StopAsyncIteration):
            while True:
                yield _event(await self._next())

    async def _next(self) -> Piece | StreamEnd:
        self._begin_reading()
        try:
            while not self._ready and not self._over:
                try:
                    try:
                        if self._unsought is not None:
                            self._taken(await self._unsought.afind())
                            continue
                        ended = self._take(await loop.arun(self._source.next()))
                    except ModelError as error:
                        if not self._may_begin_again(error):
                            raise
                        if await loop.arun(self._source.again(error)):
                            self._begin_again()
                        elif not self._asks_another(error):
                            raise
                        continue
                    if ended:
                        self._over = True
                        await loop.arun(self._source.close(drain=True))
                except BaseException as error:
                    task = asyncio.current_task()
                    if self._over and not (task is not None and task.cancelling()):
                        break  # closed by another task meanwhile
                    self._end(error)
                    _release(self._source)
                    if not isinstance(error, Exception):
                        self._ready.clear()
                        raise
            return self._next_ready(StopAsyncIteration)
        finally:
            self._turn.release()

    async def aclose(self) -> None:
        """End the request if it still runs. What was read stays read."""
        if self._leave():
            await loop.arun(self._source.close())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _release(source: Source) -> None:
    """Have the source closed soon, without waiting: the caller is being cancelled, perhaps."""
    io = loop.io_loop()
    io.mail.post(lambda: io.spawn(source.close()))
