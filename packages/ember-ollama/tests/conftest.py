"""A real server on this machine, and the vendors' own clients talking to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ember.models.testing import LocalServer
from ember.models.testing.plugin import ember_home, no_network, server

if TYPE_CHECKING:
    import openai

__all__ = ["client", "ember_home", "no_network", "openai_client", "served", "server"]


@pytest.fixture
def served(ember_home: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    """The server, as the Ollama that OLLAMA_HOST names and as the compatible one."""
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.port}")
    monkeypatch.setenv("COMPATIBLE_BASE_URL", f"{server.url}/v1")
    return server


@pytest.fixture
def client(served: LocalServer) -> Iterator[Any]:
    """Ollama's own client, pointed at the server. Tests that need it are skipped where it is not installed.

    Its methods' types are not complete enough for strict checking.
    """
    sdk = pytest.importorskip("ollama", reason="the oracle is the extra [sdk]")
    with sdk.Client(served.url) as made:
        yield made


@pytest.fixture
def openai_client(served: LocalServer) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK, pointed at the server: what users of compatible servers have."""
    sdk = pytest.importorskip("openai", reason="the oracle of compatible servers is OpenAI's SDK")
    with sdk.OpenAI(api_key="sk-local-0123456789", base_url=f"{served.url}/v1", max_retries=0) as made:
        yield made
