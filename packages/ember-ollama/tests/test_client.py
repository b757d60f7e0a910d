"""`models.client("ollama")`: Ollama's own client, with the key and the base URL that calls would use."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ember.api import models
from ember.context import get_context
from ember.models.testing import LocalServer

KEY = "sk-from-the-config-0123456789"


@pytest.fixture
def configured(server: LocalServer, ember_home: Path) -> LocalServer:
    """A server whose address and key stand in the configuration, and nowhere else."""
    get_context().set_config("providers.ollama.base_url", server.url)
    get_context().set_config("credentials.ollama_api_key", KEY)
    return server


def test_it_talks_to_the_configured_server_with_the_configured_key(configured: LocalServer) -> None:
    pytest.importorskip("ollama", reason="the extra [sdk]")
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    with models.client("ollama") as client:
        assert client.chat(**asked).message.content == "Hi"

    async def main() -> str:
        async with models.client("ollama", asynchronous=True) as client:
            return str((await client.chat(**asked)).message.content)

    assert asyncio.run(main()) == "Hi"
    assert [request.key for request in configured.requests] == [KEY, KEY]


def test_a_server_without_a_key_is_sent_none(server: LocalServer, ember_home: Path) -> None:
    pytest.importorskip("ollama", reason="the extra [sdk]")
    get_context().set_config("providers.ollama.base_url", server.url)
    with models.client("ollama") as client:
        client.chat(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert "authorization" not in server.requests[0].headers


def test_without_the_sdk_it_says_what_to_install(configured: LocalServer) -> None:
    program = (
        "import sys; sys.modules['ollama'] = None\n"  # what the import system takes for: not there
        "from ember.api import models\n"
        "try: models.client('ollama')\n"
        "except ImportError as error: print(error)"
    )
    variables = {**os.environ, "OLLAMA_API_KEY": KEY}
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True)
    assert "pip install 'ember-ollama[sdk]'" in done.stdout, done.stderr
