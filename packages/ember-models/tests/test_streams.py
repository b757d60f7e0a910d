"""Answers in pieces: complete at the end, ended when left, and never shorter than they say."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

import pytest

from ember.api import models
from ember.core import external
from ember.core.errors import BlockedLoop
from ember.models.errors import (
    InvalidResponse,
    ModelError,
    ModelTimeout,
    ProviderUnavailable,
    RateLimitError,
    ResponseTooLarge,
    StreamIncomplete,
)
from ember.models.testing import LocalServer

if TYPE_CHECKING:
    from ember.models import TextStream

Script = Callable[..., "CompletedProcess[str]"]

WORDS = "one two three four five six"


def quiet(server: LocalServer) -> bool:
    """Whether the server has nothing to do and saw its last client go away early."""
    return server.in_flight == 0 and server.requests[-1].aborted


def test_the_pieces_make_up_the_text_of_the_response(acme: LocalServer) -> None:
    stream = models.stream("acme-small", WORDS)
    pieces = list(stream)

    assert len(pieces) > 1 and "".join(pieces) == WORDS
    assert stream.response == WORDS
    assert stream.response.usage.input_tokens == 6 and stream.response.usage.output_tokens == 6
    assert (stream.response.provider, stream.response.model) == ("acme", "acme-small")
    assert stream.response.finish_reason == "stop" and stream.response.latency > 0
    assert acme.requests[0].json["stream"] is True


def test_a_stream_can_be_awaited(acme: LocalServer) -> None:
    async def main() -> None:
        stream = models.astream("acme-small", WORDS)
        pieces = [piece async for piece in stream]
        assert "".join(pieces) == WORDS == stream.response

    asyncio.run(main())


def test_nothing_is_sent_before_the_first_piece_is_asked_for(acme: LocalServer) -> None:
    stream = models.stream("acme-small", WORDS)
    assert acme.requests == []
    next(stream)
    assert len(acme.requests) == 1


def test_pieces_come_as_the_server_sends_them(acme: LocalServer) -> None:
    acme.replies(text=WORDS, fault="hang", after=3)
    stream = models.stream("acme-small", "Hi")
    assert next(stream) + next(stream) == "one two "
    assert acme.in_flight == 1  # the third never comes
    stream.close()


def test_however_the_bytes_are_cut_the_text_is_the_same(acme: LocalServer) -> None:
    text = "naïve \N{SNOWMAN}\N{GRINNING FACE} line\nline\r\n 中文 end"
    acme.replies(text=text, chunk=1, crlf=True, comments=True)
    assert "".join(models.stream("acme-small", "Hi")) == text


def test_a_compressed_stream_is_unpacked(acme: LocalServer) -> None:
    acme.replies(text=WORDS, gzip="ok")
    assert "".join(models.stream("acme-small", "Hi")) == WORDS


def test_the_connection_is_used_again_after_a_stream(acme: LocalServer) -> None:
    for _ in range(3):
        list(models.stream("acme-small", WORDS))
    models("acme-small", "Hi")
    assert {request.connection for request in acme.requests} == {acme.requests[0].connection}


def test_the_response_is_not_there_before_the_end(acme: LocalServer) -> None:
    acme.replies(text=WORDS, fault="hang", after=3)
    stream = models.stream("acme-small", WORDS)
    next(stream)
    with pytest.raises(RuntimeError, match="has not ended"):
        _ = stream.response
    stream.close()
    with pytest.raises(RuntimeError, match="no whole answer"):
        _ = stream.response


def test_an_ended_stream_stays_ended(acme: LocalServer) -> None:
    stream = models.stream("acme-small", "Hi")
    assert list(stream) == ["Hi"] and list(stream) == []
    stream.close()
    assert stream.response == "Hi"


# Leaving early


def leave_by_close(stream: TextStream) -> None:
    stream.close()
    assert list(stream) == []


def leave_by_context_manager(stream: TextStream) -> None:
    with stream:
        pass


def leave_by_an_exception(stream: TextStream) -> None:
    with pytest.raises(KeyError), stream:
        raise KeyError


@pytest.mark.parametrize("leave", [leave_by_close, leave_by_context_manager, leave_by_an_exception])
def test_leaving_a_stream_ends_the_request(acme: LocalServer, leave: Callable[[TextStream], None]) -> None:
    acme.replies(text=WORDS, fault="hang", after=3)
    stream = models.stream("acme-small", "Hi")
    next(stream)
    leave(stream)
    acme.wait_for(lambda: quiet(acme))


def test_a_loop_that_is_left_ends_the_request_when_the_stream_is_dropped(acme: LocalServer) -> None:
    acme.replies(text=WORDS, fault="hang", after=3)
    for _ in models.stream("acme-small", "Hi"):
        break
    gc.collect()
    acme.wait_for(lambda: quiet(acme))


def test_a_stream_dropped_in_a_cycle_is_closed_by_the_collector(acme: LocalServer) -> None:
    acme.replies(text=WORDS, fault="hang", after=3)
    cycle: dict[str, Any] = {"stream": models.stream("acme-small", "Hi")}
    cycle["self"] = cycle
    next(cycle["stream"])
    del cycle
    gc.collect()
    acme.wait_for(lambda: quiet(acme))


@pytest.mark.parametrize("how", ["break", "aclose", "context manager", "cancel"])
def test_leaving_an_awaited_stream_ends_the_request(acme: LocalServer, how: str) -> None:
    acme.replies(text=WORDS, fault="hang", after=2)

    async def main() -> None:
        stream = models.astream("acme-small", "Hi")
        await anext(stream)
        match how:
            case "break":
                del stream
            case "aclose":
                await stream.aclose()
                assert [piece async for piece in stream] == []
            case "context manager":
                async with stream:
                    pass
            case _:
                task = asyncio.ensure_future(anext(stream))
                await asyncio.sleep(0.05)
                started = time.monotonic()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert time.monotonic() - started < 5

    asyncio.run(main())
    acme.wait_for(lambda: quiet(acme))


def test_a_stream_that_is_never_read_costs_and_sends_nothing(acme: LocalServer) -> None:
    before = models.usage()
    stream = models.stream("acme-small", "Hi")
    stream.close()
    models.stream("acme-small", "Hi")
    with models.stream("acme-small", "Hi"):
        pass
    assert list(stream) == []
    assert acme.requests == [] and models.usage() == before


def test_closing_from_another_thread_ends_the_loop_that_reads(acme: LocalServer) -> None:
    acme.replies(text=WORDS, fault="hang", after=2)
    stream = models.stream("acme-small", "Hi")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.extend(stream))
    reader.start()
    acme.wait_for(lambda: read)
    stream.close()
    reader.join(5)
    assert not reader.is_alive() and len(read) == 1
    acme.wait_for(lambda: quiet(acme))


def test_closing_before_the_head_has_come_ends_the_loop_that_waits(acme: LocalServer) -> None:
    acme.replies(fault="hang")
    stream = models.stream("acme-small", "Hi")
    reader = threading.Thread(target=lambda: list(stream))
    reader.start()
    acme.wait_for(lambda: acme.requests)
    stream.close()
    reader.join(5)
    assert not reader.is_alive()
    acme.wait_for(lambda: quiet(acme))


def test_two_threads_cannot_read_one_stream_at_once(acme: LocalServer) -> None:
    acme.replies(text=WORDS, delay=0.3)
    stream = models.stream("acme-small", "Hi")
    reader = threading.Thread(target=lambda: list(stream))
    reader.start()
    acme.wait_for(lambda: acme.requests)
    with pytest.raises(RuntimeError, match="being read already"):
        next(stream)
    reader.join()
    assert stream.response == WORDS


# What goes wrong


def test_a_stream_that_ends_early_in_good_order_is_incomplete(acme: LocalServer) -> None:
    acme.replies(text=WORDS, fault="end", after=3)
    pieces: list[str] = []
    with pytest.raises(StreamIncomplete) as caught:
        pieces.extend(models.stream("acme-small", "Hi"))
    assert caught.value.partial_text and WORDS.startswith(caught.value.partial_text)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("fault", ["drop", "reset"])
def test_a_stream_whose_connection_breaks_is_incomplete_and_keeps_what_came(
    acme: LocalServer, fault: Any
) -> None:
    acme.replies(text=WORDS, fault=fault, after=4, delay=0.02)
    pieces: list[str] = []
    with pytest.raises(StreamIncomplete) as caught:
        for piece in models.stream("acme-small", "Hi"):
            pieces.append(piece)
    assert pieces and "".join(pieces) == caught.value.partial_text
    assert (caught.value.provider, caught.value.model) == ("acme", "acme-small")


def test_a_connection_that_breaks_before_the_first_piece_is_a_connection_error(acme: LocalServer) -> None:
    acme.replies(fault="drop")
    with pytest.raises(ConnectionError):
        next(models.stream("acme-small", "Hi"))


def test_pieces_that_came_with_the_error_are_handed_out_before_it(acme: LocalServer) -> None:
    def breaking(events: list[Any]) -> list[Any]:
        return [*events[:4], {"error": {"message": "the engine is on fire", "type": "overloaded"}}]

    acme.replies(text=WORDS, change=breaking)
    pieces: list[str] = []
    with pytest.raises(ProviderUnavailable, match="on fire"):
        for piece in models.stream("acme-small", "Hi"):
            pieces.append(piece)
    assert pieces and WORDS.startswith("".join(pieces))


def test_after_an_error_a_stream_is_over(acme: LocalServer) -> None:
    acme.replies(503)
    stream = models.stream("acme-small", "Hi")
    with pytest.raises(ProviderUnavailable):
        next(stream)
    assert list(stream) == []


def test_an_error_status_is_raised_with_the_first_piece(acme: LocalServer) -> None:
    acme.replies(429, {"retry-after": "7"})
    with pytest.raises(RateLimitError) as caught:
        next(models.stream("acme-small", "Hi"))
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    ("kind", "body"),
    [("text/html", b"<html>Welcome to the hotel</html>"), ("application/json", b'{"choices": []}')],
)
def test_anything_but_a_stream_is_no_stream(acme: LocalServer, kind: str, body: bytes) -> None:
    acme.replies(headers={"content-type": kind}, body=body)
    with pytest.raises(InvalidResponse, match=kind):
        next(models.stream("acme-small", "Hi"))


@pytest.mark.parametrize(
    "events",
    [[b"data: {half an obj\n\n"], [b"data: \xff\xfe\n\n"], ["[" * 100_000], ["null"], ['{"choices": 7}']],
    ids=["malformed", "no utf-8", "deep", "null", "wrong shape"],
)
def test_events_that_are_none_are_typed_errors(acme: LocalServer, events: Any) -> None:
    acme.replies(sse=events)
    with pytest.raises(InvalidResponse) as caught:
        list(models.stream("acme-small", "Hi"))
    assert len(str(caught.value)) < 600


def test_without_an_end_mark_but_with_a_finish_reason_the_answer_is_whole(acme: LocalServer) -> None:
    acme.replies(text=WORDS, change=lambda events: [event for event in events if event != "[DONE]"])
    assert "".join(models.stream("acme-small", "Hi")) == WORDS


def test_a_stream_without_usage_is_unpriced(acme: LocalServer) -> None:
    acme.replies(text=WORDS, change=lambda events: [e for e in events if e == "[DONE]" or not e.get("usage")])
    stream = models.stream("acme-small", "Hi")
    list(stream)
    assert stream.response.usage.input_tokens is None and stream.response.cost is None


def test_a_stalled_stream_ends_at_the_deadline(acme: LocalServer) -> None:
    acme.replies(text=WORDS, fault="hang", after=3)
    started = time.monotonic()
    with pytest.raises(ModelTimeout, match=r"0\.5 s"):
        list(models.stream("acme-small", "Hi", timeout=0.5))
    assert 0.4 <= time.monotonic() - started <= 5
    acme.wait_for(lambda: quiet(acme))


def test_a_stream_that_dribbles_for_ever_ends_at_the_deadline(acme: LocalServer) -> None:
    acme.replies(text=" ".join(["word"] * 2000), delay=0.05)
    started = time.monotonic()
    with pytest.raises(ModelTimeout):
        list(models.stream("acme-small", "Hi", timeout=0.6))
    assert 0.5 <= time.monotonic() - started <= 6
    acme.wait_for(lambda: quiet(acme))


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc to measure memory")
def test_a_slow_reader_holds_up_the_sender_instead_of_filling_memory(
    acme: LocalServer, script: Script
) -> None:
    acme.replies(text=" ".join(["x" * 100_000] * 250))
    done = script(
        """
        import resource, time
        register()
        def megabytes():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * resource.getpagesize() / 1e6
        stream = models.stream("acme-small", "Hi")
        next(stream)
        before = megabytes()
        time.sleep(0.5)
        print(megabytes() - before)
        """
    )
    assert float(done.stdout) < 10, done.stderr


def test_a_reader_cancelled_by_its_own_timeout_gets_its_own_timeout(acme: LocalServer) -> None:
    acme.replies(text=WORDS, fault="hang", after=2)

    async def main() -> None:
        stream = models.astream("acme-small", "Hi")
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.2):
                async for _ in stream:
                    pass
        assert not isinstance(caught.value, ModelError)

    asyncio.run(main())
    acme.wait_for(lambda: quiet(acme))


# Where it is read


def test_a_blocking_stream_on_embers_own_loop_says_what_to_write_instead(acme: LocalServer) -> None:
    @external
    async def work() -> str:
        with pytest.raises(BlockedLoop, match=r"models\.astream"):
            models.stream("acme-small", "Hi")
        return "".join([piece async for piece in models.astream("acme-small", "Hi")])

    assert work() == "Hi"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_cannot_read_or_disturb_its_parents_stream(acme: LocalServer, script: Script) -> None:
    acme.replies(text=WORDS, delay=0.2)
    done = script(
        """
        import gc, os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and later warn of forking beside threads
        register()
        stream = models.stream("acme-small", "Hi")
        first = next(stream)
        if not (pid := os.fork()):
            try:
                next(stream)
            except RuntimeError as error:
                print("child:", error, flush=True)
            stream.close()
            del stream
            gc.collect()
            os._exit(0)
        os.waitpid(pid, 0)
        print("parent:", first + "".join(stream))
        """
    )
    assert done.stderr == "" and done.stdout.startswith("child: This stream was begun before")
    assert done.stdout.endswith(f"parent: {WORDS}\n")


def test_an_open_stream_does_not_hold_up_or_spoil_the_exit(acme: LocalServer, script: Script) -> None:
    acme.replies(text=WORDS, fault="hang", after=2)
    done = script('register()\nstream = models.stream("acme-small", "Hi")\nprint(next(stream).strip())')
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "one\n")


def test_control_c_ends_a_stream(acme: LocalServer, script: Script) -> None:
    acme.replies(text=WORDS, fault="hang", after=2)

    def interrupt() -> None:
        acme.wait_for(lambda: acme.requests, 30)
        time.sleep(0.2)
        os.kill(int(acme.requests[0].headers["x-pid"]), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    done = script(
        """
        import os, time
        class Named(Acme):
            def encode(self, call, endpoint):
                request = super().encode(call, endpoint)
                return HttpRequest(request.url, {**request.headers, "x-pid": str(os.getpid())}, request.body)
        register(Named)
        try:
            for piece in models.stream("acme-small", "Hi"):
                pass
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
    acme.wait_for(lambda: quiet(acme))


# How much


def test_a_stream_may_be_larger_than_a_body_as_its_text_is_not(acme: LocalServer) -> None:
    padding: dict[str, Any] = {
        "id": "chatcmpl-local",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
    }
    piece = {**padding, "padding": "x" * 1_000_000, "choices": [{"index": 0, "delta": {"content": "word "}}]}
    end: dict[str, Any] = {**padding, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    acme.replies(sse=[*[piece] * 60, end, "[DONE]"])
    assert "".join(models.stream("acme-small", "Hello")) == "word " * 60


@pytest.mark.parametrize("gzip", [None, "ok"], ids=["plain", "bomb"])
@pytest.mark.parametrize("kind", ["text", "event"])
def test_a_stream_that_would_not_fit_into_memory_ends(acme: LocalServer, kind: str, gzip: Any) -> None:
    text = "word " * 400_000
    piece = {"choices": [{"index": 0, "delta": {"content": text}}]}
    events = [piece] * 20 if kind == "text" else [b"data: " + b"x" * 40_000_000 + b"\n\n"]
    how: dict[str, Any] = {"sse": events, **({"gzip": gzip} if gzip else {})}
    acme.replies(**how)
    with pytest.raises(ResponseTooLarge, match=f"{kind} of the stream is larger than 32 MiB"):
        for _ in models.stream("acme-small", "Hello"):
            pass
    acme.wait_for(lambda: acme.in_flight == 0)
