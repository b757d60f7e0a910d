"""Exchanges recorded to a file and given again without a network: whole answers, streams, embeddings, failures."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from acme import KEY

from ember.api import models
from ember.context import get_context
from ember.models.errors import ModelNotFound
from ember.models.testing import LocalServer, NotRecorded, recording, replaying


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "recordings" / "tape.jsonl"


def entries(tape: Path) -> list[Any]:
    return [json.loads(line) for line in tape.read_text(encoding="utf-8").splitlines()[1:]]


def ask_everything() -> list[object]:
    """Make a call of every kind; return what they gave, but for the time they took."""

    async def awaited() -> list[object]:
        stream = models.astream("acme-small", "one two three")
        texts = [text async for text in stream]
        answer = await models.acall("acme-small", "Grüße, 東京")
        return ["".join(texts), stream.response.usage, answer, answer.request_id]

    answer = models("gpt-4o", "Hello", temperature=0.5)
    stream = models.stream("acme-small", "four words in all")
    vectors = models.embed("text-embedding-3-small", ["one", "two"])
    told: list[object] = [
        answer,
        answer.usage,
        answer.cost,
        answer.raw,
        "".join(stream),
        stream.response.usage,
    ]
    return [*told, tuple(vectors), vectors.usage, *asyncio.run(awaited())]


def test_what_was_recorded_is_given_again_without_the_server(acme: LocalServer, tape: Path) -> None:
    with recording(tape):
        first = ask_everything()
    acme.stop()
    with replaying(tape, all_used=True):
        assert ask_everything() == first
    acme.start()


def test_calls_are_found_by_what_they_ask_and_not_by_their_order(acme: LocalServer, tape: Path) -> None:
    prompts = [f"number {n}" for n in range(30)]

    def ask(prompt: str) -> str:
        return models("acme-small", prompt, extra={"b": 1, "a": [prompt]})

    with recording(tape), ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, prompts)) == prompts
    acme.stop()
    with replaying(tape, all_used=True), ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, reversed(prompts))) == prompts[::-1]
    acme.start()


def test_the_second_time_the_same_is_asked_has_the_second_answer(acme: LocalServer, tape: Path) -> None:
    acme.replies(text="first").then(text="second")
    with recording(tape):
        assert [models("acme-small", "Hi") for _ in range(2)] == ["first", "second"]
    with replaying(tape):
        assert [models("acme-small", "Hi") for _ in range(2)] == ["first", "second"]
        with pytest.raises(NotRecorded, match="2 times, and it was made once more"):
            models("acme-small", "Hi")


def test_failures_and_retries_are_recorded_too(acme: LocalServer, tape: Path) -> None:
    get_context().set_config("models.max_retries", 2)
    acme.replies(503, {"retry-after": "0.01"}).then(text="fine").then(404)
    told: list[str] = []

    def ask() -> None:
        told.append(models("acme-small", "Hi"))
        with pytest.raises(ModelNotFound) as caught:
            models("acme-small", "Ho")
        told.append(str(caught.value))

    with recording(tape):
        ask()
    with replaying(tape, all_used=True):
        ask()
    assert told[:2] == told[2:] and len(acme.requests) == 3


def test_what_was_not_recorded_is_an_error_that_shows_the_difference(acme: LocalServer, tape: Path) -> None:
    with recording(tape):
        models("acme-small", "What is the capital of France?", temperature=0)
        models("acme-small", "Something else altogether")
    with replaying(tape), pytest.raises(NotRecorded) as caught:
        models("acme-small", "What is the capital of Spain?", temperature=0)
    said = str(caught.value)
    assert '-   "content": "What is the capital of France?"' in said
    assert '+   "content": "What is the capital of Spain?"' in said
    assert "altogether" not in said and str(tape) in said
    assert len(acme.requests) == 2


def test_what_was_not_recorded_is_not_tried_again_nor_elsewhere(acme: LocalServer, tape: Path) -> None:
    get_context().set_config("models.max_retries", 2)
    with recording(tape):
        pass
    with replaying(tape), pytest.raises(NotRecorded, match="no recording at all"):
        models("acme-small", "Hi", fallback=["acme-large"])
    with replaying(tape), pytest.raises(NotRecorded):
        list(models.stream("acme-small", "Hi"))
    assert acme.requests == []


def test_recordings_nobody_asked_for_can_be_an_error(acme: LocalServer, tape: Path) -> None:
    with recording(tape):
        models("acme-small", "Hi")
        models("acme-small", "Ho")
    with replaying(tape):
        models("acme-small", "Hi")
    with pytest.raises(AssertionError, match=r"1 recordings .* POST /v1/chat/completions"):
        with replaying(tape, all_used=True):
            models("acme-small", "Hi")


def test_a_recording_holds_no_key_and_can_be_read(acme: LocalServer, tape: Path) -> None:
    acme.answer = lambda prompt: f"You sent {KEY}, ümlaut."
    with recording(tape):
        models("acme-small", f"My key is {KEY}", extra={"user": KEY})
    text = tape.read_text(encoding="utf-8")
    assert KEY not in text and "authorization" not in text.lower()
    (entry,) = entries(tape)
    assert entry["request"]["body"]["messages"][0]["content"] == "My key is [secret]"
    assert entry["reply"]["body"]["choices"][0]["message"]["content"] == "You sent [secret], ümlaut."
    assert set(entry["reply"]["headers"]) <= {"content-type", "x-request-id"}
    assert tape.stat().st_mode & 0o777 == 0o600
    with replaying(tape):
        assert "[secret]" in models("acme-small", f"My key is {KEY}", extra={"user": KEY})


def test_a_stream_that_was_left_is_recorded_as_far_as_it_came(acme: LocalServer, tape: Path) -> None:
    acme.replies(text="one two three", fault="hang", after=2)
    with recording(tape), models.stream("acme-small", "Hi") as stream:
        first = next(stream)
    with replaying(tape), models.stream("acme-small", "Hi") as stream:
        assert next(stream) == first


@pytest.mark.parametrize("text", ["", "no JSON", '{"ember": "other"}\n', '{"ember": 1}\n{"request": 1}\n'])
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tape.jsonl"
    file.write_text(text)
    with pytest.raises(ValueError, match="record it again"), replaying(file):
        pass
    with pytest.raises(FileNotFoundError), replaying(tmp_path / "none.jsonl"):
        pass


def test_the_fixture_records_and_replays_by_the_tests_name(acme: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from ember.models.testing.plugin import cassette as cassette")
    (tmp_path / "test_it.py").write_text(_A_TEST)
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])

    def run(**more: str) -> str:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "--rootdir",
                str(tmp_path),
                str(tmp_path),
            ],
            env={**os.environ, "PYTHONPATH": path, **more},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout

    assert "1 passed" in run(EMBER_RECORD="1")
    assert (tmp_path / "cassettes" / "test_it" / "test_an_answer.jsonl").exists()
    acme.stop()
    assert "1 passed" in run()
    acme.start()


_A_TEST = """
from acme import register
from ember.api import models

def test_an_answer(cassette):
    register()
    assert models("acme-small", "Hi") == "Hi"
"""
