"""A key goes to the server it is for, and nowhere else: not into errors, logs, events, pickles or attributes."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from acme import KEY, Acme

from ember.api import models
from ember.context import create_context
from ember.core.events import Event, subscribe
from ember.models import Call, Completion, HttpReply, ModelRegistry
from ember.models.errors import InvalidResponse, ModelError, StreamIncomplete
from ember.models.testing import LocalServer

QUOTED = f'"{KEY}"'


@pytest.fixture
def spoken(acme: LocalServer, caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Everything that was logged at any level, and every event, as text."""
    said: list[str] = []
    caplog.set_level(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.DEBUG)
    stop = subscribe(lambda event: said.append(repr(event)), Event)
    yield said
    stop()
    said.append(caplog.text)


def everywhere(error: BaseException) -> str:
    """Return every text in which an error may end up, its causes' and its attributes' included."""
    texts = [
        str(error),
        repr(error),
        repr(error.args),
        repr(vars(error)),
        "".join(traceback.format_exception(error)),
    ]
    pickled = pickle.dumps(error)
    again: BaseException = pickle.loads(pickled)
    texts += [pickled.decode("latin-1"), str(again), repr(vars(again))]
    texts += [everywhere(cause) for cause in (error.__cause__,) if cause is not None]
    return "\n".join(texts)


ECHOES: dict[str, tuple[int, dict[str, Any]]] = {
    "a 401 that quotes the key": (
        401,
        {"json": {"error": {"message": f"Incorrect API key provided: {KEY}.", "code": "invalid_api_key"}}},
    ),
    "an error page": (500, {"body": f"<html>Authorization: Bearer {KEY}</html>".encode()}),
    "many times, so that one is cut": (500, {"body": " ".join([KEY] * 300).encode()}),
    "cut at the end of what is shown": (400, {"json": {"error": {"message": "x" * 190 + KEY}}}),
    "cut at the end of a long message": (400, {"json": {"error": {"message": "x" * 490 + KEY}}}),
    "an answer of a wrong shape": (200, {"json": {"hello": KEY}}),
    "no JSON": (200, {"body": KEY.encode()}),
    "in a header": (503, {"headers": {"x-request-id": KEY, "retry-after": KEY}}),
    "in a compressed body": (500, {"body": KEY.encode(), "gzip": "ok"}),
    "in the content type": (200, {"body": b"x", "headers": {"content-type": f"text/{KEY}"}}),
    "in the reason": (0, {"raw": f"HTTP/1.1 200 {KEY}\r\nbad header {KEY}\r\n\r\n".encode(), "close": True}),
    "as the status line": (0, {"raw": f"{KEY}\r\n\r\n".encode(), "close": True}),
    "as a compression": (200, {"body": b"x", "headers": {"content-encoding": KEY}}),
    "as a chunk's length": (
        0,
        {"raw": f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{KEY}\r\n".encode()},
    ),
}


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("form", ["call", "acall", "stream", "embed"])
def test_a_key_that_the_server_echoes_is_nowhere_to_be_read(
    acme: LocalServer, spoken: list[str], caplog: pytest.LogCaptureFixture, echo: str, form: str
) -> None:
    status, how = ECHOES[echo]
    acme.replies(status or 200, how.get("headers"), **{k: v for k, v in how.items() if k != "headers"})
    forms: dict[str, Callable[[], Any]] = {
        "call": lambda: models("acme-small", "Hi", timeout=5),
        "acall": lambda: asyncio.run(models.acall("acme-small", "Hi", timeout=5)),
        "stream": lambda: list(models.stream("acme-small", "Hi", timeout=5)),
        "embed": lambda: models.embed("acme-small", "Hi", timeout=5),
    }
    with pytest.raises(ModelError) as caught:
        forms[form]()
    logging.getLogger("test").exception("it failed", exc_info=caught.value)
    said = everywhere(caught.value) + "".join(spoken) + caplog.text
    # No more of it than the four characters by which its owner recognises it.
    assert not any(KEY[:length] in said for length in range(8, len(KEY) + 1)), said


def test_a_key_in_a_stream_that_breaks_off_is_masked_in_what_is_kept(acme: LocalServer) -> None:
    acme.replies(text=f"your key is {KEY} is it not", fault="end", after=6)
    with pytest.raises(StreamIncomplete) as caught:
        list(models.stream("acme-small", "Hi"))
    assert caught.value.partial_text and KEY not in everywhere(caught.value)


def test_a_key_in_what_a_providers_code_raises_is_masked(acme: LocalServer) -> None:
    class Careless(Acme):
        name = "careless"
        base_url = f"{acme.url}/v1"

        def decode(self, call: Call, reply: HttpReply) -> Completion:
            return Completion(str(int(KEY)), "m", "stop", None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    ModelRegistry.register(Careless())
    try:
        with (
            create_context(credentials={"careless_api_key": KEY}),
            pytest.raises(InvalidResponse, match="ValueError: invalid literal") as caught,
        ):
            models("careless/m", "Hi")
    finally:
        ModelRegistry.unregister("careless")
    assert KEY not in everywhere(caught.value)


def test_nothing_that_a_call_leaves_behind_shows_the_key(acme: LocalServer, spoken: list[str]) -> None:
    answer = models("acme-small", "Hello there")
    stream = models.stream("acme-small", "Hello there")
    list(stream)
    shown = [repr(answer), repr(vars(answer)), repr(vars(stream)), repr(models), repr(models.usage())]
    shown += [pickle.dumps(answer).decode("latin-1"), *spoken]
    assert acme.requests[0].key == KEY
    assert KEY not in "".join(shown)


def test_neither_prompt_nor_answer_is_logged_or_told_in_events(
    acme: LocalServer, spoken: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    acme.answer = lambda prompt: "the-answer-itself"
    models("acme-small", "the-prompt-itself", system="the-system-itself")
    list(models.stream("acme-small", "the-prompt-itself"))
    acme.replies(500)
    with pytest.raises(ModelError):
        models("acme-small", "the-prompt-itself")
    said = "".join(spoken) + caplog.text
    assert spoken and "-itself" not in said


def test_an_error_of_a_call_does_not_show_the_prompt(acme: LocalServer) -> None:
    acme.replies(400)
    with pytest.raises(ModelError) as caught:
        models("acme-small", "the-prompt-itself", system="the-system-itself")
    # The line of this file that made the call is in the traceback, and only that.
    assert "the-prompt-itself" not in str(caught.value) + repr(vars(caught.value))


def test_a_key_goes_to_its_own_server_only(acme: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalServer() as other:
        monkeypatch.setenv("EVERYTHING_BASE_URL", f"{other.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-other-0123456789")
        models("acme-small", "Hi")
        models("gpt-4", "Hi")
        assert [r.key for r in acme.requests] == [KEY]
        assert [r.key for r in other.requests] == ["sk-of-the-other-0123456789"]
