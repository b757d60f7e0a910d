"""Whatever is typed, however it fails: no command shows a key that it was not asked to reveal."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from command_line import Command, of_process

from ember.cli._tree import ember as tree
from ember.models.testing import LocalServer

# One of each for every place a key can be in.
KEYS = {
    place: f"sk-{place}-0123456789abcdef{number}{number}{number}{number}"
    for number, place in enumerate(
        ("environment", "credentials", "config", "plugin", "older", "json", "llm", "dotenv"), 1
    )
}
EXTRA: dict[tuple[str, ...], list[list[str]]] = {
    ("configure", "get"): [
        ["credentials"],
        ["credentials.openai_api_key"],
        ["providers"],
        ["zebra"],
        ["zebra.api_key"],
    ],
    ("configure", "set"): [
        ["models.default"],
        ["models.seed", "many"],
        ["credentials.x_api_key", KEYS["json"]],
    ],
    ("configure", "unset"): [["models.nothing"]],
    ("configure", "show"): [["credentials"], ["providers"], ["zebra"], ["models"]],
    ("configure", "migrate"): [["--dry-run"], ["--check"], ["--move-keys", "--dry-run"]],
    ("configure", "import"): [
        ["--from", "env", "--dry-run"],
        ["--from", "llm", "--dry-run"],
        ["--from", "dotenv", "--file", ".env"],
    ],
    ("models",): [[], ["--providers"], ["--provider", "openai", "--live"]],
    ("models", "show"): [["gpt-4o"], ["claude-haiku-4-5"], ["nothing"]],
    ("models", "pull"): [["nothing"]],
    ("test",): [[], ["--provider", "anthropic"], ["--model", "gpt-4o"]],
    ("run",): [["gpt-4o", "Hello"], ["claude-haiku-4-5", "Hello", "--no-stream"]],
    ("chat",): [["gpt-4o"]],
    ("usage",): [[], ["--by", "nothing"]],
    ("setup",): [["--non-interactive", "--provider", "openai", "--key-env", "OPENAI_API_KEY"]],
    ("data", "head"): [["nothing.jsonl"]],
    ("data", "show"): [["nothing.jsonl"]],
    ("eval",): [["gpt-4o", "rows.jsonl"]],
    ("trace", "view"): [["rows.jsonl"]],
    ("completion",): [["bash"], ["zsh"], ["fish"]],
}


def commands(group: click.Group = tree, *above: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield (*above, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)


@pytest.fixture
def full_of_keys(
    ember_home: Path, server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LocalServer:
    """A home, an environment and a folder with a key wherever one can be; a server that repeats the key it is sent."""
    ember_home.mkdir(mode=0o700)
    files = {
        "credentials.yaml": f"anthropic_api_key: {KEYS['credentials']}\n",
        "config.yaml": f"credentials:\n  acme_api_key: {KEYS['config']}\nzebra:\n  api_key: {KEYS['plugin']}\n"
        f"usage:\n  ledger: true\nproviders:\n  anthropic:\n    base_url: {server.url}\n",
        "credentials": json.dumps({"google": {"api_key": KEYS["older"]}}),
        "config.json": json.dumps({"providers": {"ollama": {"apiKey": KEYS["json"]}}}),
    }
    for name, text in files.items():
        (ember_home / name).write_text(text)
        (ember_home / name).chmod(0o600)
    (tmp_path / "keys.json").write_text(json.dumps({"gemini": KEYS["llm"]}))
    (tmp_path / ".env").write_text(f"ANTHROPIC_API_KEY={KEYS['dotenv']}\n")
    (tmp_path / "rows.jsonl").write_text('{"question": "a", "answer": "b"}\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", KEYS["environment"])
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    return server


@pytest.mark.parametrize("status", [200, 401, 400])
def test_no_command_shows_a_key(
    command: Command,
    full_of_keys: LocalServer,
    caplog: pytest.LogCaptureFixture,
    ember_home: Path,
    status: int,
) -> None:
    if status != 200:
        full_of_keys.replies(status, text=f"no: {KEYS['environment']} {KEYS['credentials']}")
    caplog.set_level(logging.DEBUG)
    tried = 0
    for path, one in commands():
        takes_json = any("--json" in option.opts for option in one.params)
        for line in EXTRA.get(path, [[]]):
            for form in (["--debug"], *([["--json", "--debug"]] if takes_json else ())):
                code, out, err = command(*path, *line, *form)
                told = out + err + caplog.text
                caplog.clear()
                seen = [place for place, key in KEYS.items() if key in told]
                assert not seen, (path, line, form, code)
                tried += 1
    assert tried > 60
    others = [path for path in ember_home.rglob("*") if path.is_file() and path.name not in KEPT]
    assert not [path for path in others for key in KEYS.values() if key.encode() in path.read_bytes()]


# Where keys were put by the test, and where setup puts them.
KEPT = ("credentials.yaml", "config.yaml", "credentials", "config.json")


def test_a_key_that_is_piped_in_is_in_no_process_list(
    process: Command, ember_home: Path, server: LocalServer
) -> None:
    server.latency = 1.5  # long enough to look at the process while it checks the key
    line = [
        "setup",
        "--non-interactive",
        "--provider",
        "openai",
        "--key-stdin",
        "--base-url",
        f"{server.url}/v1",
    ]
    running = subprocess.Popen(
        [sys.executable, "-m", "ember.cli", *line],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdin is not None
    running.stdin.write(KEYS["environment"].encode())
    running.stdin.close()
    running.stdin = None
    server.wait_for(lambda: server.requests, 30)
    seen = of_process(running.pid)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 0 and b"--key-stdin" in seen
    assert KEYS["environment"].encode() not in seen + out + err
