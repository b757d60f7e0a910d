"""`models.client("anthropic")`: Anthropic's own client, with the key and the base URL that calls would use."""

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
    get_context().set_config("providers.anthropic.base_url", server.url)
    get_context().set_config("credentials.anthropic_api_key", KEY)
    return server


def test_it_talks_to_the_configured_server_with_the_configured_key(
    configured: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("anthropic", reason="the extra [sdk]")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "of-the-environment")  # which the SDK would take for itself
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    with models.client("anthropic") as client:
        assert client.messages.create(**asked).content[0].text == "Hi"

    async def main() -> str:
        async with models.client("anthropic", asynchronous=True) as client:
            return str((await client.messages.create(**asked)).content[0].text)

    assert asyncio.run(main()) == "Hi"
    assert [request.key for request in configured.requests] == [KEY, KEY]


def test_without_the_sdk_it_says_what_to_install(configured: LocalServer) -> None:
    program = (
        "import sys; sys.modules['anthropic'] = None\n"  # what the import system takes for: not there
        "from ember.api import models\n"
        "try: models.client('anthropic')\n"
        "except ImportError as error: print(error)"
    )
    variables = {**os.environ, "ANTHROPIC_API_KEY": KEY}
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True)
    assert "pip install 'ember-anthropic[sdk]'" in done.stdout, done.stderr
