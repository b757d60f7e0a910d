"""Streams: the same answer however its bytes arrive, and no answer if some of them do not."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import count
from typing import Any, Final

import pytest

from ... import ReasoningDelta, StreamEnd, TextDelta, ToolCallDelta, errors, models
from .._dialect import Said
from .._server import LocalServer
from ._local import LocalSuite
from ._suite import add

TEXT: Final = "Grüße, 世界 🙂 you three"


class Streams(LocalSuite):
    """A stream is told as it comes, and whole only after the vendor's own end mark."""

    @pytest.fixture(autouse=True)
    def streaming(self, request: pytest.FixtureRequest) -> None:
        if "stream" in request.node.name:
            self.needs("stream")

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 4_096])
    def test_a_stream_is_the_whole_answer_however_its_bytes_are_split(
        self, size: int, server: LocalServer
    ) -> None:
        whole = self.ask(TEXT)
        server.replies(chunk=size)
        self.is_the_same(whole)

    @pytest.mark.parametrize("how", [{"crlf": True}, {"comments": True}, {"gzip": "ok"}], ids=str)
    def test_a_stream_is_the_whole_answer_however_it_is_framed(
        self, how: dict[str, Any], server: LocalServer
    ) -> None:
        whole = self.ask(TEXT)
        server.replies(**how)
        self.is_the_same(whole)
        server.replies(chunk=5, **how)
        self.is_the_same(whole)

    def is_the_same(self, whole: Any) -> None:
        told = self.streamed(TEXT)
        assert (told, told.usage, told.cost) == (whole, whole.usage, whole.cost)
        assert (told.model, told.finish_reason) == (whole.model, whole.finish_reason)

    def test_a_streamed_text_comes_in_pieces(self, server: LocalServer) -> None:
        assert len(list(models.stream(self.name, TEXT))) > 1

    def test_the_events_of_a_stream_add_up_to_its_answer(self, server: LocalServer) -> None:
        asking: list[dict[str, Any]] = [{}]
        asking += [{"reasoning": "low"}] if self.can("reasoning") else []
        asking += [{"tools": [add]}] if self.can("tools") else []
        for params in asking:
            said = Said(TEXT, **({"add": {"a": 2, "b": 3}} if "tools" in params else {}))
            server.answer = partial(_always, said)
            stream = models.stream(self.name, TEXT, **params)
            *pieces, end = stream.events()
            answer = stream.response
            assert "".join(piece.text for piece in pieces if isinstance(piece, TextDelta)) == answer == TEXT
            thought = "".join(piece.text for piece in pieces if isinstance(piece, ReasoningDelta))
            assert thought == (answer.reasoning or ""), params
            written = [piece for piece in pieces if isinstance(piece, ToolCallDelta)]
            for index, call in enumerate(answer.tool_calls):
                assert "".join(piece.arguments for piece in written if piece.index == index) == call.text
            assert end == StreamEnd(answer.finish_reason, answer.usage, answer.cost), params

    def test_a_stream_that_ends_early_is_incomplete_and_keeps_what_had_come(
        self, server: LocalServer
    ) -> None:
        """After each of the vendor's events in turn, until they are enough for a whole answer."""
        for events in count(1):
            server.replies(fault="end", after=events)
            stream, told = models.stream(self.name, TEXT), list[str]()
            try:
                told.extend(stream)
            except errors.StreamIncomplete as error:
                assert error.partial_text == "".join(told)
                assert TEXT.startswith(error.partial_text)
                continue
            # What may be missing now is what comes after the end mark: counts, for one.
            assert "".join(told) == stream.response == TEXT
            assert stream.response.finish_reason == "stop"
            assert events > 1
            return

    @pytest.mark.parametrize("fault", ["drop", "reset"])
    def test_a_stream_whose_connection_breaks_is_incomplete_too(
        self, fault: Any, server: LocalServer
    ) -> None:
        server.replies(fault=fault, after=3, delay=0.01)
        stream, told = models.stream(self.name, "word " * 50), list[str]()
        with pytest.raises((errors.StreamIncomplete, errors.ConnectionFailed)) as raised:
            told.extend(stream)
        assert getattr(raised.value, "partial_text", "") == "".join(told)

    def test_a_stream_that_failed_before_its_first_text_is_begun_again(self, server: LocalServer) -> None:
        server.replies(503, {"retry-after": "0"}).then(chunk=3)
        assert self.streamed(TEXT, max_retries=1) == TEXT

    def test_events_of_nobodys_in_a_stream_are_skipped(self, server: LocalServer) -> None:
        if self.subject.stream_type != "text/event-stream":
            pytest.skip("lines of JSON have no names")

        def disturbed(events: list[Any]) -> list[Any]:
            noise = (("heartbeat", "beat"), ("something.new", {"type": "something.new", "delta": 7}))
            return [part for event in events for part in (*noise, event)]

        server.replies(change=disturbed)
        assert self.streamed(TEXT) == TEXT

    def test_a_stream_that_is_left_early_is_hung_up(self, server: LocalServer) -> None:
        server.replies(delay=0.02)
        with models.stream(self.name, "word " * 500, max_tokens=1_000) as stream:
            assert next(stream)
        server.wait_for(lambda: server.requests[-1].aborted)

    def test_an_awaited_stream_that_is_cancelled_is_hung_up(self, server: LocalServer) -> None:
        server.replies(fault="hang", after=4)

        async def read() -> None:
            async for _ in models.astream(self.name, "word " * 50):
                pass

        async def cancelled() -> None:
            task = asyncio.create_task(read())
            await asyncio.to_thread(server.wait_for, lambda: server.in_flight)
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())
        server.wait_for(lambda: server.requests[-1].aborted)

    def test_tools_that_are_called_in_a_stream_are_those_of_the_whole_answer(
        self, server: LocalServer
    ) -> None:
        self.needs("tools")
        said = Said("Let me see.", add={"a": 2, "b": 3})
        server.answer = lambda prompt: said
        whole = self.ask(tools=[add])
        server.replies(chunk=3)
        told = self.streamed(tools=[add])
        assert (told, told.finish_reason) == (whole, whole.finish_reason)
        assert (str(told), told.finish_reason) == (said, "tool_calls")
        assert [(call.name, call.arguments) for call in told.tool_calls] == [("add", {"a": 2, "b": 3})]
        assert [call.id for call in told.tool_calls] == [call.id for call in whole.tool_calls]
        assert told.usage == whole.usage


def _always(said: Said, prompt: str) -> Said:
    return said
