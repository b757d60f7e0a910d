"""Fixtures of these tests: a local server, a fresh home, no network, a made-up vendor, and processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ember.context import get_context
from ember.models.testing import LocalServer
from ember.models.testing.plugin import (
    ember_home as ember_home,
    no_network as no_network,
    server as server,
)

TESTS = Path(__file__).parent

# The background of a shell ignores Ctrl-C, and the programs that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, str(TESTS))  # import-mode=importlib leaves a test's neighbours, here acme.py, unimportable

from acme import KEY, Acme, Everything, OpenAILike, Parrot, register  # noqa: E402

from ember.models import ModelRegistry  # noqa: E402


@pytest.fixture
def acme(server: LocalServer, ember_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """A local server that the registered vendors send to, with a key in the environment; `acme-small` is a model."""
    monkeypatch.setenv("ACME_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for name in ("ACME", "EVERYTHING", "OPENAI"):
        monkeypatch.setenv(f"{name}_BASE_URL", f"{server.url}/v1")
    register(Acme, Everything, Parrot)
    # One attempt a call, so that a test sees what that attempt does; test_retry and test_limits say otherwise.
    get_context().set_config("models.max_retries", 0)
    yield server
    get_context().reload(discard=True)
    for provider in (Acme, Everything, Parrot):
        if provider.name in ModelRegistry.names():
            ModelRegistry.unregister(provider.name)


@pytest.fixture
def openai_like(acme: LocalServer) -> Iterator[LocalServer]:
    """The same server, with a vendor that is called openai."""
    ModelRegistry.unregister("everything")
    register(OpenAILike)
    yield acme
    ModelRegistry.unregister("openai")
    register(Everything)


Script = Callable[..., subprocess.CompletedProcess[str]]

_OPENING = """
import sys
from acme import *
from ember.api import models
"""


@pytest.fixture
def script(acme: LocalServer, tmp_path: Path) -> Script:
    """Runs a program in a process of its own, with this test's server, home and key; returns what it printed."""

    def run(
        code: str, *, timeout: float = 60.0, opening: str = _OPENING, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        program = tmp_path / "program.py"
        program.write_text(opening + textwrap.dedent(code), encoding="utf-8")
        path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
        variables = {**os.environ, "PYTHONPATH": path, **environment}
        return subprocess.run(
            [sys.executable, str(program)], env=variables, capture_output=True, text=True, timeout=timeout
        )

    return run
