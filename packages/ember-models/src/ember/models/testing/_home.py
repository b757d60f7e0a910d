"""A home of Ember's that nobody has used, and an environment that names no vendor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ember.context import get_context


@contextmanager
def fresh_home(home: Path) -> Iterator[pytest.MonkeyPatch]:
    """Make `home` (which is not created) EMBER_HOME, without keys, base URLs or Ember's own variables beside it.

    Yields what further variables can be set with. What this process has read from another home, or set by
    `set_config`, is forgotten before and afterwards.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if (
                name.startswith("EMBER_")
                or name.endswith(("_API_KEY", "_BASE_URL", "_AUTH_TOKEN"))
                or name == "OLLAMA_HOST"
            ):
                patch.delenv(name)
        patch.setenv("EMBER_HOME", str(home))
        get_context().reload(discard=True)
        yield patch
    get_context().reload(discard=True)
