"""A home nobody has used, and the command run in it: as a process, or in this one where the test is not about that."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(
    0, str(Path(__file__).parent)
)  # import-mode=importlib leaves a test's neighbours unimportable

from command_runs import Ran, Run

from ember.cli import main
from ember.context import get_context


@pytest.fixture(autouse=True)
def ember_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An EMBER_HOME that does not exist yet, and an environment that names no vendor and no terminal."""
    for name in list(os.environ):
        if (
            name.startswith("EMBER_")
            or name.endswith(("_API_KEY", "_BASE_URL"))
            or name in ("CI", "OLLAMA_HOST")
        ):
            monkeypatch.delenv(name)
    # Without bytecode on disk each process would compile all it imports.
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("EMBER_HOME", str(tmp_path / "ember"))
    get_context().reload(discard=True)
    yield tmp_path / "ember"
    get_context().reload(discard=True)


@pytest.fixture
def process() -> Run:
    """Runs the command as a process."""

    def run(*arguments: str, stdin: str = "", **environment: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "ember.cli", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **environment},
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def ember(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process."""

    def run(*arguments: str, stdin: str = "") -> Ran:
        import io

        get_context().reload(discard=True)
        monkeypatch.setattr(sys, "argv", ["ember", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        code = main()
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run
