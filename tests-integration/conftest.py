"""Fixtures for what takes several distributions: a local server, an empty home, no way out to the network; a wheel."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ember.cli import main
from ember.context import get_context
from ember.models.testing.plugin import ember_home, no_network, server
from workspace import ROOT

sys.path.insert(
    0, str(Path(__file__).parent)
)  # import-mode=importlib leaves a test's neighbours unimportable

from command_line import Command, Ran

__all__ = ["ember_home", "no_network", "server"]


@pytest.fixture
def process(ember_home: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `ember` as a process, in an empty home; returns its exit code, stdout and stderr."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)

    def run(*arguments: str, stdin: str = "", **environment: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "ember.cli", *arguments],
            input=stdin.encode(),
            capture_output=True,
            timeout=60,
            env={**os.environ, **environment},
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return run


@pytest.fixture
def command(ember_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `ember` in this process, where a test is not about the process: a start takes half a second of two cores."""
    monkeypatch.delenv("CI", raising=False)

    def run(*arguments: str, stdin: str = "", **environment: str) -> Ran:
        get_context().reload(discard=True)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["ember", *arguments])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            capsys.readouterr()
            code = main()
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture(scope="session")
def strangers_files() -> dict[str, str]:
    """The files that docs/how-to/write-a-provider.md has its reader make: each block after a line that names one."""
    text = (ROOT / "docs/how-to/write-a-provider.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^`([\w.]+)`\..*?^```\w+[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
