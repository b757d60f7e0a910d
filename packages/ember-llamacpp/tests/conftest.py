"""The real model, in a home of its own; its weights are fetched once per machine and kept outside of it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from ember.context import get_context
from ember.models.testing.plugin import ember_home, no_network
from ember.providers.llamacpp._index import Index
from ember.providers.llamacpp._pull import fetch
from ember.providers.llamacpp._weights import SMOLLM2

__all__ = ["ember_home", "no_network"]

Script: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def weights() -> Path:
    """The file of SmolLM2. The one place of the suite that uses the network, and only on a machine that lacks it."""
    kept = Path(os.environ.get("EMBER_TEST_WEIGHTS") or Path.home() / ".cache" / "ember-tests")
    kept.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBER_HOME", str(kept / "home"))
        return fetch(SMOLLM2, Index.of_this_machine(None), kept)


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[Path]:
    """A fresh EMBER_HOME with the model in it, for this process and the ones it starts."""
    home = tmp_path_factory.mktemp("local") / "ember"
    (home / "models").mkdir(mode=0o700, parents=True)
    home.chmod(0o700)
    (home / "models" / weights.name).symlink_to(weights)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBER_HOME", str(home))
        patch.delenv("LOCAL_BASE_URL", raising=False)
        get_context().reload(discard=True)
        yield home
    get_context().reload(discard=True)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs Python source in a process of its own."""

    def run(source: str, timeout: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "script.py"
        file.write_text(textwrap.dedent(source))
        command = [sys.executable, "-W", "error", str(file)]
        # A negative return code is the signal that ended the process; TimeoutExpired means that it hung.
        return subprocess.run(
            command,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
