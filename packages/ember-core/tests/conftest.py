"""A home of its own for each test that names it, and a Python beside this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ember.context import get_context

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An Ember home that does not exist yet, in an environment without keys, read by nobody before."""
    for name in list(os.environ):
        if name.startswith("EMBER_") or name.endswith(("_API_KEY", "_BASE_URL")):
            monkeypatch.delenv(name)
    path = tmp_path / "ember"
    monkeypatch.setenv("EMBER_HOME", str(path))
    get_context().reload(discard=True)
    yield path
    get_context().reload(discard=True)


@pytest.fixture
def python(home: Path) -> Run:
    """Runs a program in another Python, in the same home."""

    def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run
