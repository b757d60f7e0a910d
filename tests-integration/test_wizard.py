"""`ember setup` as it draws: the wizard walked in a real terminal, from the first screen to the first answer.

Node 20 or newer is needed to run it, and nothing else: the wheel carries the bundle.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Terminal, files_in, leaks, of_process

from ember.models.testing import LocalServer

KEY = "sbp-0123456789abcdef7777"  # s, b and p: no letter of a key is a command
WRONG = "sk-wrong-0123456789abcdef"
MODELS = {"object": "list", "data": [{"id": f"local-{n}", "object": "model"} for n in range(40)]}

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
pytestmark = needs_node


class Screen(Terminal):
    """The wizard's terminal. A key is pressed only when what it is for is on the screen."""

    def press(self, seen: str, keys: str) -> None:
        self.see(seen)
        self.child.send(keys)


def tree_of(pid: int) -> list[int]:
    """Return a process and all below it."""
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True
    ).stdout.split()
    return [pid, *(below for child in children for below in tree_of(int(child)))]


@pytest.fixture
def screen(ember_home: Path, server: LocalServer) -> Iterator[Screen]:
    server.replies(401, path="/v1/models").then(200, json=MODELS)
    server.replies(200, path="/v1/chat/completions", text="Hello, and welcome!")
    screen = Screen("setup", OPENAI_BASE_URL=f"{server.url}/v1", CI="")
    yield screen
    screen.child.close(force=True)


def to_the_key(screen: Screen) -> None:
    screen.press("Enter: begin", "\r")
    screen.press("Which providers do you use?", " ")
    screen.press("[x] OpenAI", "\r")
    screen.see("Key: ")


def test_it_leads_from_a_typed_key_to_a_first_answer(
    screen: Screen, ember_home: Path, server: LocalServer
) -> None:
    to_the_key(screen)
    screen.child.send(WRONG + "\r")  # pasted, with its line end
    screen.see("401")
    for letter in KEY:
        screen.child.send(letter)
    screen.see("•" * len(KEY))
    seen = b"".join(of_process(pid) for pid in tree_of(screen.child.pid))
    assert b"setup.mjs" in seen and b"ember.cli.bridge" in seen
    assert KEY.encode() not in seen and WRONG.encode() not in seen
    screen.child.send("\r")
    screen.press("Not now", "\x1b[B")
    screen.press("> Not now", "\r")
    screen.press("Search: ", "local-39")
    screen.press("> openai/local-39", "\r")
    screen.see("OpenAI: the key …7777 for " + f"{server.url}/v1")
    assert not files_in(ember_home)
    screen.press("Write it", "\r")
    screen.see("Hello, and welcome!")
    screen.press("Enter: leave", "\r")
    assert screen.end() == 0
    assert files_in(ember_home) == {
        "credentials.yaml": f'openai_api_key: "{KEY}"\n',
        "config.yaml": f'providers:\n  openai:\n    base_url: "{server.url}/v1"\nmodels:\n  default: openai/local-39\n',
    }
    assert {(ember_home / name).stat().st_mode & 0o777 for name in files_in(ember_home)} == {0o600}
    assert leaks(ember_home, screen.drawn, KEY) == leaks(ember_home, screen.drawn, WRONG) == []
    assert [(request.path, request.key) for request in server.requests] == [
        ("/v1/models", WRONG),
        ("/v1/models", KEY),
        ("/v1/chat/completions", KEY),
    ]


def test_what_is_there_already_is_shown_by_its_end_and_may_stay(
    ember_home: Path, server: LocalServer
) -> None:
    server.replies(200, json=MODELS, path="/v1/models")
    screen = Screen("setup", OPENAI_API_KEY=KEY, OPENAI_BASE_URL=f"{server.url}/v1", CI="", NO_COLOR="1")
    screen.press("…7777 from", "\r")
    screen.press("[x] OpenAI", "\r")
    screen.press("Use the key that is there", "\r")
    screen.press("Not now", "\r")
    screen.see("Search: ")
    screen.child.sendintr()
    assert screen.end() == 130
    assert not files_in(ember_home)
    assert b"\x1b[3" not in screen.drawn and b"\x1b[38" not in screen.drawn, (
        "NO_COLOR is set, and there is colour"
    )
    assert leaks(ember_home, screen.drawn, KEY) == []


@pytest.mark.parametrize("where", ["the welcome", "the providers", "half a key", "the review"])
def test_ctrl_c_leaves_with_nothing_written(
    screen: Screen, ember_home: Path, server: LocalServer, where: str
) -> None:
    if where == "the welcome":
        screen.see("Enter: begin")
    elif where == "the providers":
        screen.press("Enter: begin", "\r")
        screen.see("Which providers do you use?")
    else:
        to_the_key(screen)
        screen.child.send("sk-half")
        screen.see("•" * 7)
    if where == "the review":
        server.replies(200, json=MODELS, path="/v1/models")
        screen.child.send("\r")
        screen.press("Not now", "\x1b[B")
        screen.press("> Not now", "\r")
        screen.press("Search: ", "\r")
        screen.see("Write it")
    processes = tree_of(screen.child.pid)
    screen.child.send("\x03")
    screen.see("Nothing was written")
    assert screen.end() == 130
    assert not files_in(ember_home)
    assert not [pid for pid in processes if Path(f"/proc/{pid}/cmdline").exists()], "a process is left"


def test_esc_goes_back_and_keeps_what_was_chosen(screen: Screen, ember_home: Path) -> None:
    to_the_key(screen)
    screen.child.send("\x1b")
    screen.press("[x] OpenAI", "\x1b")
    screen.press("Enter: begin", "\r")
    screen.see("[x] OpenAI")
    screen.child.send("\x03")
    assert screen.end() == 130


@pytest.mark.parametrize(
    ("node", "why"),
    [
        ("no-such-node", "there is no 'no-such-node', which EMBER_NODE names"),
        ("#!/bin/sh\nexit 78\n", "needs Node 20"),
    ],
)
def test_without_a_node_that_can_run_it_the_questions_are_plain(
    ember_home: Path, tmp_path: Path, node: str, why: str
) -> None:
    if node.startswith("#!"):
        old = tmp_path / "node"
        old.write_text(node)
        old.chmod(0o755)
        node = str(old)
    screen = Terminal("setup", EMBER_NODE=node, CI="")
    screen.see("Plain questions, for ")
    screen.see(why)
    screen.answer("Provider, by number or name", "none")
    screen.answer("Fetch smollm2", "n")
    assert screen.end() == 0
    assert not files_in(ember_home)
