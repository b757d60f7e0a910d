"""For the whole suite: no real home, key or endpoint is read or written; examples in docstrings start afresh."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from ember.context import create_context, get_context, with_context

# Two shared cores are no stop-watch. Where CI is set, hypothesis has a profile of its own that is repeatable as well.
if "CI" not in os.environ:
    settings.register_profile("desk", deadline=None)
    settings.load_profile("desk")

# What a shell starts in the background ignores Ctrl-C, and so do its children: here they are sent it, and must hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def nobodys_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point EMBER_HOME at an empty folder, and take keys and base URLs out of the environment, child processes' too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.endswith(("_API_KEY", "_AUTH_TOKEN", "_BASE_URL")) or name in (
                "EMBER_PLUGINS",
                "OLLAMA_HOST",
            ):
                patch.delenv(name)
        patch.setenv("EMBER_HOME", str(tmp_path_factory.mktemp("home") / "ember"))
        yield


@pytest.fixture(autouse=True)
def fresh_example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give each docstring's example settings of its own, which it may change, and a home that is empty."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBER_HOME", str(tmp_path_factory.mktemp("example") / "ember"))
        get_context().reload(discard=True)
        yield
    get_context().reload(discard=True)


@pytest.fixture(scope="session", autouse=True)
def names_in_examples(doctest_namespace: dict[str, Any]) -> None:
    """What an example in a docstring may use without importing it: the doors to the context."""
    for door in (get_context, create_context, with_context):
        doctest_namespace[door.__name__] = door
