"""A real server on this machine, and the official SDK talking to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from ember.models.testing import LocalServer
from ember.models.testing.plugin import ember_home, no_network, post, server, streamed

__all__ = ["ember_home", "no_network", "post", "sdk", "server", "streamed"]

KEY: Final = "AIza-local-0123456789abcdef"


@pytest.fixture
def sdk(server: LocalServer) -> Iterator[Any]:
    """The official SDK's `client.models`, pointed at the server. Without the SDK, tests that need it are skipped.

    Its types are given up: they name those of an image library that is not installed here.
    """
    pytest.importorskip("google.genai", reason="the oracle is the extra [sdk]")
    from google.genai import Client
    from google.genai.types import HttpOptions

    with Client(api_key=KEY, http_options=HttpOptions(base_url=server.url)) as made:
        yield made.models
