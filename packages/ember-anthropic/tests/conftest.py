"""A real server on this machine, and the official SDK talking to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

from ember.models.testing import LocalServer
from ember.models.testing.plugin import ember_home, no_network, post, server, streamed

if TYPE_CHECKING:
    import anthropic

__all__ = ["client", "ember_home", "no_network", "post", "server", "streamed"]

KEY: Final = "sk-local-0123456789abcdef"


@pytest.fixture
def client(server: LocalServer) -> Iterator[anthropic.Anthropic]:
    """The official SDK, pointed at the server. Tests that need it are skipped where it is not installed."""
    sdk = pytest.importorskip("anthropic", reason="the oracle is the extra [sdk]")
    with sdk.Anthropic(api_key=KEY, base_url=server.url, max_retries=0) as made:
        yield made
