"""The `ember` command as tests run it: as a process, and in a terminal of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pexpect

Ran: TypeAlias = tuple[int, str, str]
Command: TypeAlias = Callable[..., Ran]


class Terminal:
    """`ember` in a terminal of its own, with all that it drew."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.drawn = bytearray()
        known = {**os.environ, "TERM": "xterm-256color", **environment}
        self.child: Any = pexpect.spawn(
            sys.executable, ["-m", "ember.cli", *arguments], env=known, timeout=30, dimensions=(40, 120)
        )
        self.child.logfile_read = self

    def write(self, drawn: bytes) -> None:
        self.drawn += drawn

    def flush(self) -> None: ...

    def see(self, text: str) -> None:
        """Wait until `text` is drawn."""
        self.child.expect_exact(text.encode())

    def answer(self, question: str, answer: str) -> None:
        """Wait for a question, and answer it."""
        self.see(question)
        self.child.sendline(answer)

    def end(self) -> int:
        """Wait for the end; return the exit code."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        return int(self.child.exitstatus)


def files_in(home: Path) -> dict[str, str]:
    """Return the settings files there are, by name."""
    return (
        {path.name: path.read_text() for path in home.iterdir() if path.suffix == ".yaml"}
        if home.exists()
        else {}
    )


def leaks(home: Path, drawn: bytes | bytearray, key: str) -> list[str]:
    """Return where `key` is seen: in what was drawn, or in a file that is not credentials.yaml."""
    seen = ["the terminal"] if key.encode() in drawn else []
    files = [path for path in home.rglob("*") if path.is_file() and path.name != "credentials.yaml"]
    return seen + [str(path) for path in files if key.encode() in path.read_bytes()]


def of_process(pid: int) -> bytes:
    """Return the arguments and the environment of a process, as every program of its user can read them."""
    place = Path(f"/proc/{pid}")
    return (place / "cmdline").read_bytes() + (place / "environ").read_bytes() if place.exists() else b""
