"""A home of its own for each test that names it, a Python beside this one, and programs in files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from ember import api, context, core
from ember.context import get_context

Run = Callable[..., "subprocess.CompletedProcess[str]"]

# The background of a shell ignores Ctrl-C, and the programs that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


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


@pytest.fixture
def program(home: Path, tmp_path: Path) -> Run:
    """Runs a program from a file, as spawned processes need it, with these options of Python's."""

    def run(text: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return subprocess.run(
            [sys.executable, *options, str(path)],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.fixture
def output(program: Run) -> Callable[..., str]:
    """What a program prints; one that fails, or says anything on stderr, fails the test."""

    def run(text: str, *options: str, **environment: str) -> str:
        done = program(text, *options, **environment)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


@pytest.fixture
def alone(tmp_path: Path, home: Path) -> Callable[..., str]:
    """What a program prints on a machine with ember-core and nothing else but these files, by path in site-packages."""

    def run(text: str, files: Mapping[str, str] | None = None) -> str:
        site = Path(tempfile.mkdtemp(dir=tmp_path))
        (site / "ember").mkdir()
        for portion in (api, context, core):
            folder = Path(str(portion.__file__)).parent
            (site / "ember" / folder.name).symlink_to(folder)
        for name, content in (files or {}).items():
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / name).write_text(content, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-S", "-c", textwrap.dedent(text)],
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


@pytest.fixture
def race() -> Callable[[Sequence[Callable[[], object]]], None]:
    """Runs functions in a thread each, begun together, with the interpreter switching between them all the time."""

    def run(functions: Sequence[Callable[[], object]]) -> None:
        begin = threading.Barrier(len(functions) + 1)

        def wait_and(function: Callable[[], object]) -> None:
            begin.wait(100)
            function()

        threads = [threading.Thread(target=wait_and, args=(function,)) for function in functions]
        for thread in threads:
            thread.start()
        # Not before all are there: a switch while coverage installs its tracing in a new thread ends that thread.
        while begin.n_waiting < len(functions):
            time.sleep(0.001)
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            begin.wait(100)
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)

    return run
