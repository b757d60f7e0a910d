"""`ember setup` without a wizard: unattended, by plain questions in a terminal, and over the bridge."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Command, Terminal, files_in, leaks, of_process

from ember.models.testing import LocalServer

KEY = "sk-test-0123456789abcdef7777"
OLD = "sk-old-0123456789abcdef1111"


# Unattended


def test_a_key_is_checked_where_it_will_be_sent_and_stored_with_that_address(
    command: Command, ember_home: Path, server: LocalServer
) -> None:
    url = f"{server.url}/v1"
    line = ("setup", "--non-interactive", "--provider", "openai", "--key-stdin", "--base-url", url)
    assert command(*line, "--default-model", "openai/local-small", stdin=f"{KEY}\n") == (
        0,
        "",
        f"openai at {url} takes the key.\nStored the key of openai, …7777.\nWrote {ember_home}/credentials.yaml\n"
        f"Wrote {ember_home}/config.yaml\n",
    )
    assert [(request.method, request.path, request.key) for request in server.requests] == [
        ("GET", "/v1/models", KEY)
    ]
    assert files_in(ember_home) == {
        "credentials.yaml": f'openai_api_key: "{KEY}"\n',
        "config.yaml": f'providers:\n  openai:\n    base_url: "{url}"\nmodels:\n  default: openai/local-small\n',
    }
    assert {stat.S_IMODE((ember_home / name).stat().st_mode) for name in files_in(ember_home)} == {0o600}
    server.replies(200, text="ready")
    assert command("test", "--model", "openai/local-small")[0] == 0
    assert server.requests[-1].key == KEY


def test_an_address_of_the_environment_is_stored_too_so_that_the_key_may_go_there(
    command: Command, ember_home: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    assert command("setup", "--non-interactive", "--provider", "openai", "--key-stdin", stdin=KEY)[0] == 0
    assert command("test")[0] == 0
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/elsewhere/v1")
    code, _, err = command("test")
    assert code == 5 and "was not configured with" in err.replace("\n", " ")
    assert server.requests[-1].path == "/v1/models"


@pytest.mark.parametrize(("status", "code"), [(401, 4), (500, 5), (404, 5)])
def test_a_key_that_does_not_pass_is_not_stored(
    command: Command, ember_home: Path, server: LocalServer, status: int, code: int
) -> None:
    server.replies(status, text=f"bad key {KEY}")
    line = (
        "setup",
        "--non-interactive",
        "--provider",
        "openai",
        "--key-stdin",
        "--base-url",
        f"{server.url}/v1",
    )
    ended, out, err = command(*line, stdin=KEY)
    assert (ended, out) == (code, "") and "Nothing was written." in err and KEY not in err
    assert not files_in(ember_home)


def test_a_key_of_narrow_rights_is_kept_with_a_warning(
    command: Command, ember_home: Path, server: LocalServer
) -> None:
    server.replies(403, text="not yours to list")
    line = (
        "setup",
        "--non-interactive",
        "--provider",
        "openai",
        "--key-stdin",
        "--base-url",
        f"{server.url}/v1",
    )
    code, out, err = command(*line, stdin=KEY)
    assert (code, out) == (0, "") and "warning: openai at" in err
    assert KEY in files_in(ember_home)["credentials.yaml"]


def test_a_key_that_config_yaml_held_does_not_hide_the_new_one(
    command: Command, ember_home: Path, server: LocalServer
) -> None:
    ember_home.mkdir(mode=0o700)
    (ember_home / "config.yaml").write_text(
        f"# mine\ncredentials:\n  anthropic_api_key: {OLD}\n  acme_api_key: {OLD}x\n"
    )
    (ember_home / "config.yaml").chmod(0o600)
    line = (
        "setup",
        "--non-interactive",
        "--provider",
        "anthropic",
        "--key-env",
        "MY_KEY",
        "--base-url",
        server.url,
    )
    code, out, err = command(*line, MY_KEY=KEY)
    assert (code, out) == (0, "") and "config.yaml had another key for anthropic" in err
    assert files_in(ember_home)["config.yaml"].startswith(f"# mine\ncredentials:\n  acme_api_key: {OLD}x\n")
    assert command("configure", "get", "credentials.anthropic_api_key", "--reveal")[1] == f"{KEY}\n"


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ([], 2, "--provider"),
        (["--provider", "opnai"], 2, "Did you mean 'openai'?"),
        (["--provider", "openai"], 4, "--key-stdin"),
        (["--provider", "openai", "--key-env", "NO_SUCH_VARIABLE"], 4, "NO_SUCH_VARIABLE"),
        (["--provider", "openai", "--key-stdin"], 2, "no key"),
        (["--provider", "openai", "--key-stdin", "--key-env", "X"], 2, "not both"),
        (["--default-model", "gpt4o"], 2, "Did you mean 'gpt-4o'"),
        (
            ["--provider", "openai", "--base-url", "http://example.com/v1", "--key-env", "PATH"],
            4,
            "cannot be a key",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_said_and_nothing_is_written(
    command: Command, ember_home: Path, line: list[str], code: int, said: str
) -> None:
    ended, out, err = command("setup", "--non-interactive", *line, PATH="/usr/bin /bin")
    assert (ended, out) == (code, "") and said in err
    assert not files_in(ember_home)


def test_a_plain_http_address_beyond_this_machine_is_refused(command: Command, ember_home: Path) -> None:
    line = (
        "setup",
        "--non-interactive",
        "--provider",
        "openai",
        "--key-stdin",
        "--base-url",
        "http://example.com/v1",
    )
    code, out, err = command(*line, "--no-verify", stdin=KEY)
    assert (code, out) == (2, "") and "in clear" in err and not files_in(ember_home)


@pytest.mark.parametrize("environment", [{}, {"CI": "true"}])
def test_without_anybody_to_answer_it_says_what_to_type(
    command: Command, environment: dict[str, str]
) -> None:
    code, out, err = command("setup", **environment)
    assert (code, out) == (
        2,
        "",
    ) and "ember setup --non-interactive --provider openai --key-env OPENAI_API_KEY" in err


# Plain questions


@pytest.fixture
def terminal(command: Command) -> Iterator[type[Terminal]]:
    yield Terminal


def test_plain_questions_lead_to_a_first_answer(
    terminal: type[Terminal], ember_home: Path, server: LocalServer
) -> None:
    server.replies(200, path="/v1/chat/completions", text="Hello, and welcome!")
    screen = terminal("setup", "--plain", OPENAI_BASE_URL=f"{server.url}/v1")
    screen.answer("Provider, by number or name", "opnai")
    screen.see("Did you mean 'openai'?")
    screen.answer("Provider, by number or name", "1")
    screen.answer("Base URL", "")
    screen.see(f"The key will be checked at {server.url}/v1")
    assert not server.requests
    server.replies(401, path="/v1/models")
    screen.answer("API key of OpenAI", OLD)
    screen.see("warning:")
    server.replies(200, path="/v1/models")
    screen.answer("API key of OpenAI", KEY)
    screen.answer("Provider, by number or name", "none")
    screen.answer("Fetch smollm2", "n")
    screen.answer("Default model", "1")
    screen.see("openai: key …7777, at " + f"{server.url}/v1")
    assert not files_in(ember_home)
    seen = of_process(screen.child.pid)
    assert b"setup" in seen and KEY.encode() not in seen
    screen.answer("Write it?", "")
    screen.answer("first answer?", "")
    screen.see("Hello, and welcome!")
    assert screen.end() == 0
    assert files_in(ember_home) == {
        "credentials.yaml": f'openai_api_key: "{KEY}"\n',
        "config.yaml": f'providers:\n  openai:\n    base_url: "{server.url}/v1"\n'
        "models:\n  default: openai/local-small\n",
    }
    assert leaks(ember_home, screen.drawn, KEY) == leaks(ember_home, screen.drawn, OLD) == []


@pytest.mark.parametrize("at", ["Provider, by number or name", "API key of Anthropic", "Write it?"])
def test_ctrl_c_leaves_with_130_and_nothing_written(
    terminal: type[Terminal], ember_home: Path, server: LocalServer, at: str
) -> None:
    screen = terminal("setup", "--plain", ANTHROPIC_BASE_URL=server.url)
    answers = {
        "Provider, by number or name": "anthropic",
        "Base URL": "",
        "API key of Anthropic": KEY,
        "Provider, by number or name ": "none",
        "Fetch smollm2": "n",
        "Default model": "",
    }
    for question, answer in answers.items():
        if question == at:
            break
        screen.answer(question.strip(), answer)
    screen.see(at)
    screen.child.sendintr()
    assert screen.end() == 130
    assert not files_in(ember_home) and KEY.encode() not in screen.drawn


def test_a_terminal_that_cannot_draw_gets_plain_questions(terminal: type[Terminal], ember_home: Path) -> None:
    screen = terminal("setup", TERM="dumb")
    screen.see("Plain questions, for this terminal cannot draw.")
    screen.answer("Provider, by number or name", "none")
    screen.answer("Fetch smollm2", "n")
    assert screen.end() == 0
    assert b"\033" not in screen.drawn and not files_in(ember_home)


def test_a_key_is_typed_unseen(terminal: type[Terminal], ember_home: Path) -> None:
    screen = terminal("configure", "set", "credentials.acme_api_key")
    screen.answer("API key of acme", KEY)
    assert screen.end() == 0
    assert KEY.encode() not in screen.drawn and "…7777".encode() in screen.drawn
    assert files_in(ember_home) == {"credentials.yaml": f'acme_api_key: "{KEY}"\n'}


def test_an_editor_changes_the_file_when_what_it_leaves_is_right(
    terminal: type[Terminal], ember_home: Path, tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\ncat "$0.says" > "$1"\n')
    editor.chmod(0o700)
    says = tmp_path / "editor.says"
    says.write_text("models:\n  default: gpt-4o\n")
    assert terminal("configure", "edit", EDITOR=str(editor)).end() == 0
    assert files_in(ember_home)["config.yaml"] == says.read_text()
    says.write_text("models:\n  temperature: warm\n")
    screen = terminal("configure", "edit", EDITOR=str(editor))
    screen.see("models.temperature expects a number")
    screen.answer("Edit it again?", "n")
    assert screen.end() == 1
    assert files_in(ember_home)["config.yaml"] == "models:\n  default: gpt-4o\n"


# The bridge


class Bridge:
    """A conversation with `python -m ember.cli.bridge`, as a setup screen has it."""

    def __init__(self, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ember.cli.bridge"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        self.said = bytearray()
        self._number = 0

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        """Return the answer to one request, and in `events` what came before it."""
        self._number += 1
        assert self.process.stdin is not None and self.process.stdout is not None
        request = {"id": self._number, "method": method, "params": params}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        events: list[Any] = []
        while line := self.process.stdout.readline():
            self.said += line
            answer = json.loads(line)
            assert answer["id"] == self._number
            if "event" not in answer:
                return {**answer, "events": events}
            events.append(answer["event"])
        raise AssertionError("the bridge ended")

    def end(self) -> None:
        out, err = self.process.communicate(timeout=30)
        self.said += out + err
        assert self.process.returncode == 0, err


@pytest.fixture
def bridge(command: Command) -> Iterator[Bridge]:
    made = Bridge()
    yield made
    made.process.kill()
    made.process.communicate()


def test_a_screen_sets_up_over_the_bridge_and_no_key_comes_back(
    bridge: Bridge, ember_home: Path, server: LocalServer
) -> None:
    url = f"{server.url}/v1"
    hello = bridge.ask("hello", protocol=1)["result"]
    assert (hello["protocol"], hello["home"], hello["default_model"]) == (1, str(ember_home), "")
    openai = hello["providers"][0]
    assert (openai["name"], openai["label"], openai["base_url"]) == (
        "openai",
        "OpenAI",
        "https://api.openai.com/v1",
    )
    assert openai["key"] == {"set": False, "hint": "", "layer": "", "source": ""} and openai["can_check"]
    assert hello["embedded"]["model"] == "smollm2" and hello["embedded"]["installed"]
    server.replies(401, path="/v1/models")
    refused = bridge.ask("validate", provider="openai", key=OLD, base_url=url)["result"]
    assert (refused["outcome"], refused["base_url"], refused["models"]) == ("refused", url, [])
    server.reset()
    found = bridge.ask("validate", provider="openai", key=f" {KEY}\n", base_url=url)["result"]
    assert (found["outcome"], found["models"]) == ("ok", ["openai/local-small", "openai/local-large"])
    assert not files_in(ember_home)
    commit = {
        "credentials": {"openai": KEY},
        "base_urls": {"openai": url},
        "default_model": "openai/local-small",
    }
    done = bridge.ask("commit", **commit)["result"]
    assert done == {"files": [f"{ember_home}/credentials.yaml", f"{ember_home}/config.yaml"], "notes": []}
    answer = bridge.ask("answer", prompt="one two three")
    assert [event["text"] for event in answer["events"]] and answer["result"]["text"] == "one two three"
    assert "".join(event["text"] for event in answer["events"]) == "one two three"
    again = bridge.ask("hello", protocol=1)["result"]
    assert again["providers"][0]["key"]["hint"] == "…7777" and again["default_model"] == "openai/local-small"
    seen = of_process(bridge.process.pid)
    bridge.end()
    assert all(key.encode() not in seen + bridge.said for key in (KEY, OLD))
    assert leaks(ember_home, bytes(bridge.said), KEY) == []


def test_a_bridge_refuses_what_it_does_not_understand_and_goes_on(bridge: Bridge, ember_home: Path) -> None:
    assert "say hello" in bridge.ask("models", provider="openai")["error"]["message"]
    error = bridge.ask("hello", protocol=99)["error"]
    assert error["code"] == 2 and "protocol 1" in error["message"]
    bridge.ask("hello", protocol=1)
    assert bridge.ask("sing")["error"]["code"] == 2
    assert "Did you mean" in bridge.ask("validate", provider="opnai", key=KEY)["error"]["message"]
    assert bridge.ask("validate", provider="openai", key="two words")["error"]["code"] == 4
    assert bridge.ask("commit", credentials={"openai": "two words"})["error"]["code"] == 4
    assert bridge.ask("commit", default_model="gpt4o")["error"]["code"] == 2
    assert bridge.process.stdin is not None
    bridge.process.stdin.write(b"no request\n")
    assert not files_in(ember_home)
    bridge.end()
    assert KEY.encode() not in bridge.said


def test_a_bridge_stays_at_ctrl_c_and_ends_with_its_pipe(bridge: Bridge) -> None:
    import signal

    bridge.ask("hello", protocol=1)
    bridge.process.send_signal(signal.SIGINT)
    bridge.ask("hello", protocol=1)
    bridge.end()


def test_what_is_cancelled_is_not_told_of_any_more(bridge: Bridge, server: LocalServer) -> None:
    server.latency = 1.0
    bridge.ask("hello", protocol=1)
    assert bridge.process.stdin is not None
    asked = {"provider": "openai", "key": KEY, "base_url": f"{server.url}/v1"}
    for request in (
        {"id": "check", "method": "validate", "params": asked},
        {"id": "stop", "method": "cancel", "params": {"request": "check"}},
    ):
        bridge.process.stdin.write(json.dumps(request).encode() + b"\n")
        bridge.process.stdin.flush()
    assert bridge.process.stdout is not None
    assert json.loads(bridge.process.stdout.readline()) == {"id": "stop", "result": {"cancelled": "check"}}
    server.wait_for(lambda: server.requests and server.in_flight == 0)
    assert "providers" in bridge.ask("hello", protocol=1)["result"]
    bridge.end()
    assert b'"check"' not in bridge.said
