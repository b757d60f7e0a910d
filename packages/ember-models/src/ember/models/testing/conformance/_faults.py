"""What a vendor, or whoever answers in its place, does wrong: a typed error each time, and never a key in it."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, TypeAlias, cast

import pytest

from ... import errors, models
from .._server import LocalServer
from ._local import KEY, LocalSuite, without_keys

STATUSES: Final[dict[int, type[errors.ModelError]]] = {
    301: errors.InvalidResponse,
    400: errors.InvalidRequestError,
    401: errors.AuthenticationError,
    403: errors.AuthenticationError,
    404: errors.ModelNotFound,
    413: errors.InvalidRequestError,
    422: errors.InvalidRequestError,
    429: errors.RateLimitError,
    500: errors.ProviderUnavailable,
    502: errors.ProviderUnavailable,
    503: errors.ProviderUnavailable,
    529: errors.ProviderUnavailable,
}
BODIES: Final[dict[str, bytes]] = {
    "HTML": b"<!doctype html><html><body>Welcome to the proxy</body></html>",
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "an empty object": b"{}",
    "a string": b'"Hello"',
    "a number": b"7",
    "another shape": b'{"hello": "world"}',
    "not UTF-8": b'{"text": "\xff\xfe"}',
    "nested too deep": b'{"a":' * 50_000,
}
Path: TypeAlias = tuple[str | int, ...]
TEXT: Final = "one two three"
GONE: Final = object()
WRONG: Final[tuple[Any, ...]] = (None, 7, [], {}, GONE)


class Faults(LocalSuite):
    """Whatever goes wrong is a `ModelError` of the right kind; nothing that is no answer is taken for one."""

    def all_ways(self) -> dict[str, Callable[[], object]]:
        embed = {"embedded": lambda: models.embed(self.embedder, "a cat")} if self.can("embed") else {}
        return {**self.ways(), **embed}

    @pytest.mark.parametrize("status", STATUSES)
    def test_an_error_of_the_vendors_has_its_type_its_words_and_its_id(
        self, status: int, server: LocalServer
    ) -> None:
        for way, ask in self.all_ways().items():
            server.replies(status, {"retry-after": "0.05"} if status in (429, 503) else {})
            with pytest.raises(STATUSES[status]) as raised:
                ask()
            error = raised.value
            assert (error.provider, error.status) == (self.provider, status), way
            assert error.retry_after == (0.05 if status in (429, 503) else None), way
            if status >= 400:
                assert f"a scripted {status}" in str(error), way
            if self.id_header():
                assert error.request_id == f"req_{len(server.requests)}", way
            again = pickle.loads(pickle.dumps(error))
            assert (type(again), str(again), again.status) == (type(error), str(error), status), way

    @pytest.mark.parametrize("status", [400, 401, 404, 429, 503])
    def test_an_error_in_no_known_shape_still_has_the_type_of_its_status(
        self, status: int, server: LocalServer
    ) -> None:
        for case, body in BODIES.items():
            server.replies(status, {"content-type": "text/html"}, body=body)
            for way, ask in self.all_ways().items():
                with pytest.raises(STATUSES[status]) as raised:
                    ask()
                assert len(str(raised.value)) < 1_000, (case, way)

    @pytest.mark.parametrize("case", BODIES)
    def test_what_is_not_an_answer_is_never_taken_for_one(self, case: str, server: LocalServer) -> None:
        ways = self.all_ways()
        if self.can("discover"):
            ways["discovered"] = lambda: models.discover(self.provider)
        for kind in ("text/html", "application/json", self.subject.stream_type):
            server.replies(200, {"content-type": kind}, body=BODIES[case])
            for way, ask in ways.items():
                with pytest.raises(errors.InvalidResponse) as raised:
                    ask()
                assert len(str(raised.value)) < 1_000, way

    def test_an_answer_cut_short_is_no_answer(self, server: LocalServer) -> None:
        for length in (1, 20, 60):
            server.replies(fault="end", after=length)
            with pytest.raises(errors.InvalidResponse):
                self.ask()

    def test_a_field_of_another_type_is_an_error_or_makes_no_difference(self, server: LocalServer) -> None:
        """Each field of the vendor's own answer in turn is null, a number, empty, or gone."""
        whole = self.own_answer(server, self.ask)
        for path in paths(whole):
            for wrong in WRONG:
                server.replies(json=replaced(whole, path, wrong))
                try:
                    answer = self.ask(TEXT)
                except errors.ModelError:
                    continue
                # An answer may be empty where the vendor says so, by a list of nothing.
                assert answer in ("", TEXT), (path, wrong)
                assert answer or wrong in (None, [], {}, GONE), (path, wrong)
                for number in (answer.usage.input_tokens, answer.usage.output_tokens):
                    assert number is None or type(number) is int, (path, wrong)

    def test_a_field_of_another_type_in_a_stream_is_no_text(self, server: LocalServer) -> None:
        self.needs("stream")
        events: list[Any] = self.own_answer(server, self.streamed)
        words = {"", *TEXT.split()}
        for index, path in ((n, path) for n, event in enumerate(events) for path in paths(event, depth=3)):
            for wrong in (None, 7):
                changed = [*events[:index], replaced(events[index], path, wrong), *events[index + 1 :]]
                server.replies(change=partial(_instead, changed))
                try:
                    answer = self.streamed(TEXT)
                except errors.ModelError:
                    continue
                assert set(answer.split()) <= words, (index, path, wrong)

    def own_answer(self, server: LocalServer, ask: Callable[[str], object]) -> Any:
        """Return what the server says by itself: a body, or a list of events."""
        seen: list[Any] = []

        def look(answer: Any) -> Any:
            seen.append(copy.deepcopy(answer))
            return answer

        server.replies(change=look)
        ask(TEXT)
        return seen[0]

    def test_a_key_is_in_no_error_log_or_repr_even_if_the_server_repeats_it(
        self, server: LocalServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        shown: list[str] = [without_keys(self.subject)]
        echo = {"x-request-id": KEY, "request-id": KEY, "content-type": "text/html"}
        for status in (200, 400, 401, 429, 500):
            server.replies(status, echo, body=f"<html>bad key {KEY} {KEY[:20]}</html>".encode())
            for ask in self.all_ways().values():
                with pytest.raises(errors.ModelError) as raised:
                    ask()
                error: BaseException | None = raised.value
                shown += traceback.format_exception(raised.value)
                while error is not None:
                    shown.append(f"{without_keys(error)} {error.args!r}")
                    error = error.__cause__ or error.__context__
            server.replies(status, text=f"bad key {KEY}", fault="drop", after=2)
            for ask in self.all_ways().values():
                with pytest.raises(errors.ModelError) as raised:
                    ask()
                shown += [without_keys(raised.value), *traceback.format_exception(raised.value)]
        shown += [record.getMessage() + str(record.__dict__) for record in caplog.records]
        for text in shown:
            assert KEY not in text

    def test_a_server_that_is_not_there_is_a_failed_connection(self, server: LocalServer) -> None:
        server.stop()
        for way, ask in self.all_ways().items():
            with pytest.raises(errors.ConnectionFailed) as raised:
                ask()
            assert raised.value.provider == self.provider, way

    def test_a_server_that_hangs_is_left_on_time_and_hung_up(self, server: LocalServer) -> None:
        server.replies(fault="hang")
        for ask in self.ways().values():
            with pytest.raises(errors.ModelTimeout):
                ask(timeout=0.1)
            server.wait_for(lambda: server.requests[-1].aborted)

    def test_a_call_that_is_cancelled_is_hung_up(self, server: LocalServer) -> None:
        server.replies(fault="hang")

        async def cancelled() -> None:
            task = asyncio.create_task(models.acall(self.name, "Say hello."))
            await asyncio.to_thread(server.wait_for, lambda: server.in_flight)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())
        server.wait_for(lambda: server.requests[-1].aborted and not server.in_flight)

    def test_vectors_that_are_too_few_or_none_are_an_error(self, server: LocalServer) -> None:
        self.needs("embed")
        whole = self.own_answer(server, lambda _: models.embed(self.embedder, ["a cat", "a dog"]))
        for path in paths(whole):
            for wrong in (*WRONG[2:], None, "x"):
                server.replies(json=replaced(whole, path, wrong))
                try:
                    found = models.embed(self.embedder, ["a cat", "a dog"])
                except errors.ModelError:
                    continue
                assert [type(number) for vector in found for number in vector] == [float] * 16, (path, wrong)


def _instead(said: object, own: object) -> object:
    """Return what a server is to say in place of its own answer."""
    return said


def paths(value: object, before: Path = (), depth: int = 9) -> Iterator[Path]:
    """Yield the way to each field of a JSON value, and to the first of each list's entries."""
    if depth == 0:
        return
    parts: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        parts = cast("dict[str | int, object]", value).items()
    elif isinstance(value, list | tuple):
        parts = enumerate(cast("list[object]", value)[:2])
    for name, part in parts:
        yield (*before, name)
        yield from paths(part, (*before, name), depth - 1)


def replaced(value: Any, path: Path, wrong: Any) -> Any:
    """Return a copy of `value` with `wrong` at `path`; without that field if it is to be gone."""
    first, *rest = path
    changed: Any = replaced(value[first], tuple(rest), wrong) if rest else wrong
    parts: Any = value.items() if isinstance(value, dict) else enumerate(value)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    kept = {name: changed if name == first else part for name, part in parts}
    if changed is GONE:
        del kept[first]
    return kept if isinstance(value, dict) else type(value)(kept.values())
