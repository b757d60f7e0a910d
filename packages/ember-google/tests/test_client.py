"""`models.client("google")`: Google's own client, with the key and the base URL that calls would use."""

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
    get_context().set_config("providers.google.base_url", server.url)
    get_context().set_config("credentials.google_api_key", KEY)
    return server


@pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")  # the SDK's own
def test_it_talks_to_the_configured_server_with_the_configured_key(
    configured: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("google.genai", reason="the extra [sdk]")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")  # which the SDK would heed by itself
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "https://elsewhere.invalid")
    client = models.client("google")
    assert client.models.generate_content(model="gemini-m", contents="Hi").text == "Hi"
    client.close()

    async def main() -> str:
        client = models.client("google", asynchronous=True)
        answer = await client.aio.models.generate_content(model="gemini-m", contents="Hi")
        await client.aio.aclose()
        client.close()
        return str(answer.text)

    assert asyncio.run(main()) == "Hi"
    assert [request.key for request in configured.requests] == [KEY, KEY]


def test_the_configured_version_of_the_api_is_the_clients_too(configured: LocalServer) -> None:
    pytest.importorskip("google.genai", reason="the extra [sdk]")
    get_context().set_config("providers.google.api", "v1alpha")
    client = models.client("google")
    client.models.generate_content(model="gemini-m", contents="Hi")
    client.close()
    assert configured.requests[0].path.startswith("/v1alpha/")


def test_without_the_sdk_it_says_what_to_install(configured: LocalServer) -> None:
    program = (
        "import sys; sys.modules['google.genai'] = None\n"  # what the import system takes for: not there
        "from ember.api import models\n"
        "try: models.client('google')\n"
        "except ImportError as error: print(error)"
    )
    variables = {**os.environ, "GEMINI_API_KEY": KEY}
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True)
    assert "pip install 'ember-google[sdk]'" in done.stdout, done.stderr
