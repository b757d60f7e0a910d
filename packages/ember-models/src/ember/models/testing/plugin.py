"""pytest fixtures: a local server, a fresh home, and no way out to the network.

Name it in a top-level conftest, `pytest_plugins = ["ember.models.testing.plugin"]`, or import the fixtures into one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ember.context import get_context

from ._network import refusing
from ._server import LocalServer


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A `LocalServer` that runs for the length of the test."""
    with LocalServer() as running:
        yield running


@pytest.fixture
def ember_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty EMBER_HOME (not created yet), and an environment without keys, base URLs or Ember's own variables.

    What this process has read from another home, or set by `set_config`, is forgotten before the test and after it.
    """
    for name in list(os.environ):
        if (
            name.startswith("EMBER_")
            or name.endswith(("_API_KEY", "_BASE_URL", "_AUTH_TOKEN"))
            or name == "OLLAMA_HOST"
        ):
            monkeypatch.delenv(name)
    home = tmp_path / "ember-home"
    monkeypatch.setenv("EMBER_HOME", str(home))
    get_context().reload(discard=True)
    yield home
    get_context().reload(discard=True)


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """Fail a test that reaches for anything beyond this machine, even if its code swallowed the refusal."""
    with refusing() as refused:
        yield
    if refused:
        pytest.fail(f"this test reached for the network: {', '.join(refused)}", pytrace=False)
