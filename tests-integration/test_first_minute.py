"""A newcomer's first minute, as the README has it: each line of it is run, as a process, in an empty home."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Command, Terminal, files_in, leaks

from ember.models.testing import LocalServer
from ember.providers.llamacpp._index import Index
from ember.providers.llamacpp._pull import fetch
from ember.providers.llamacpp._weights import SMOLLM2
from workspace import ROOT

KEY = "sk-test-0123456789abcdef7777"


@pytest.fixture(scope="module")
def weights() -> Path:
    """The embedded model's file, fetched once per machine."""
    kept = Path(os.environ.get("EMBER_TEST_WEIGHTS") or Path.home() / ".cache" / "ember-tests")
    kept.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBER_HOME", str(kept / "home"))
        return fetch(SMOLLM2, Index.of_this_machine(None), kept)


def lines(block: int) -> Iterator[list[str]]:
    """Return the commands of one of the shell blocks under "The first minute"."""
    section = (
        (ROOT / "README.md")
        .read_text(encoding="utf-8")
        .partition("## The first minute")[2]
        .partition("\n## ")[0]
    )
    for line in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[block].splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == "ember"
        yield words[1:]


def test_without_a_key_the_embedded_model_answers(process: Command, ember_home: Path, weights: Path) -> None:
    (ember_home / "models").mkdir(mode=0o700, parents=True)
    ember_home.chmod(0o700)
    (ember_home / "models" / weights.name).symlink_to(weights)  # as if fetched: it is checked all the same
    setup, ask, look = lines(0)
    code, out, err = process(*setup)
    assert (code, out) == (0, "") and f"Wrote {ember_home}/config.yaml" in err
    code, out, err = process(*ask)
    assert (code, err) == (0, "") and "Paris" in out
    code, out, err = process(*look)
    assert (code, err) == (0, "") and "local" in out


def test_with_a_key_a_provider_answers(
    process: Command, ember_home: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    setup, test, ask = lines(1)
    assert setup[-2:] == ["<", "key.txt"]
    code, out, err = process(*setup[:-2], stdin=f"{KEY}\n")
    assert (code, out) == (0, "") and f"openai at {server.url}/v1 takes the key." in err and KEY not in err
    code, out, err = process(*test)
    assert (code, err) == (0, "") and "…7777" in out and KEY not in out
    assert process(*ask) == (0, "Say hello in five words.\n", "")
    assert {request.key for request in server.requests} == {KEY}


def test_with_a_key_and_a_terminal_too(process: Command, ember_home: Path, server: LocalServer) -> None:
    screen = Terminal("setup", "--plain", "--provider", "openai", OPENAI_BASE_URL=f"{server.url}/v1")
    screen.answer("Base URL", "")
    screen.answer("API key of OpenAI", KEY)
    screen.answer("Provider, by number or name", "none")
    screen.answer("Fetch smollm2", "n")
    screen.answer("Default model", "openai/gpt-4o-mini")
    screen.answer("Write it?", "y")
    screen.answer("first answer?", "y")
    screen.see("Say hello to somebody")
    assert screen.end() == 0
    assert files_in(ember_home)["credentials.yaml"] == f'openai_api_key: "{KEY}"\n'
    assert leaks(ember_home, screen.drawn, KEY) == []
    assert process("run", "default", "one two")[:2] == (0, "one two\n")
