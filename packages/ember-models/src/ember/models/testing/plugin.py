"""pytest fixtures: a local server, a fresh home, no way out to the network, and the bytes of one exchange.

Name it in a top-level conftest, `pytest_plugins = ["ember.models.testing.plugin"]`, or import the fixtures into one.
It is no entry point: installing Ember must not forbid the network to the tests of a program that uses it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import _exchange
from ._cassette import recording, replaying
from ._home import fresh_home
from ._network import refusing
from ._server import LocalServer


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A `LocalServer` that runs for the length of the test."""
    with LocalServer() as running:
        yield running


@pytest.fixture
def cassette(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Answer the test's calls from `cassettes/<module>/<test>.jsonl` beside it; all of them are to be asked for.

    With EMBER_RECORD set, the calls are made for real instead, and recorded there.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", request.node.name)
    path = request.path.parent / "cassettes" / request.path.stem / f"{name}.jsonl"
    with recording(path) if os.environ.get("EMBER_RECORD") else replaying(path, all_used=True):
        yield path


@pytest.fixture
def ember_home(tmp_path: Path) -> Iterator[Path]:
    """An empty EMBER_HOME (not created yet), and an environment without keys, base URLs or Ember's own variables.

    What this process has read from another home, or set by `set_config`, is forgotten before the test and after it.
    """
    home = tmp_path / "ember-home"
    with fresh_home(home):
        yield home


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """Fail a test that reaches for anything beyond this machine, even if its code swallowed the refusal."""
    with refusing() as refused:
        yield
    if refused:
        pytest.fail(f"this test reached for the network: {', '.join(refused)}", pytrace=False)


@pytest.fixture
def post() -> _exchange.Post:
    """Sends a request as it is, without the engine, and returns the whole reply."""
    return _exchange.post


@pytest.fixture
def streamed() -> _exchange.Streamed:
    """Sends a request and feeds the reply to a decoder as it arrives; returns the pieces of text and the answer."""
    return _exchange.streamed
