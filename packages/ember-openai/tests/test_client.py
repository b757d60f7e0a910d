"""`models.client("openai")`: OpenAI's own client, with the key and the base URL that calls would use."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ember.api import models
from ember.context import create_context, get_context, with_context
from ember.core.errors import ConfigError, CredentialError, CredentialNotFound, NotRegistered
from ember.models.testing import LocalServer

KEY = "sk-from-the-config-0123456789"


@pytest.fixture
def configured(server: LocalServer, ember_home: Path) -> LocalServer:
    """A server whose address and key stand in the configuration, and nowhere else."""
    get_context().set_config("providers.openai.base_url", f"{server.url}/v1")
    get_context().set_config("credentials.openai_api_key", KEY)
    return server


def test_it_talks_to_the_configured_server_with_the_configured_key(configured: LocalServer) -> None:
    pytest.importorskip("openai", reason="the extra [sdk]")
    before = models.usage().calls
    with models.client("openai") as client:
        answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert (type(client).__name__, answer.choices[0].message.content) == ("OpenAI", "Hi")
    assert configured.requests[0].key == KEY
    assert models.usage().calls == before


def test_it_can_be_awaited(configured: LocalServer) -> None:
    pytest.importorskip("openai", reason="the extra [sdk]")

    async def main() -> str:
        async with models.client("openai", asynchronous=True) as client:
            answer = await client.responses.create(model="m", input="Hi")
            return str(answer.output_text)

    assert asyncio.run(main()) == "Hi"
    assert configured.requests[0].key == KEY


def test_the_context_decides_as_it_does_for_calls(
    configured: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openai", reason="the extra [sdk]")
    with create_context(credentials={"openai_api_key": "sk-of-a-block-0123456789"}):
        inside = models.client("openai")
    outside = models.client("openai")
    assert (inside.api_key, outside.api_key) == ("sk-of-a-block-0123456789", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment-012345")
    assert models.client("openai").api_key == "sk-of-the-environment-012345"
    for client in (inside, outside):
        client.close()


def test_it_is_a_new_one_each_time_so_that_closing_one_closes_no_other(configured: LocalServer) -> None:
    pytest.importorskip("openai", reason="the extra [sdk]")
    first, second = models.client("openai"), models.client("openai")
    first.close()
    assert first.is_closed() and not second.is_closed()
    second.close()


def test_a_key_goes_to_no_base_url_it_was_not_configured_with(
    configured: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{configured.url}/v2")
    with pytest.raises(CredentialError, match="was not sent"):
        models.client("openai")
    with (
        with_context(providers={"openai": {"base_url": "http://203.0.113.7/v1"}}),
        pytest.raises(ConfigError, match="in clear"),
    ):
        models.client("openai")


def test_without_a_key_it_asks_for_one_and_never_looks_for_it_itself(
    server: LocalServer, ember_home: Path
) -> None:
    with pytest.raises(CredentialNotFound):
        models.client("openai")
    pytest.importorskip("openai", reason="the extra [sdk]")
    with with_context(providers={"openai": {"base_url": f"{server.url}/v1"}}), models.client("openai") as own:
        assert own.api_key == "none"


def test_a_provider_there_is_not_says_which_there_are(ember_home: Path) -> None:
    with pytest.raises(NotRegistered, match="openia"):
        models.client("openia")


def test_without_the_sdk_it_says_what_to_install(configured: LocalServer) -> None:
    program = (
        "import sys; sys.modules['openai'] = None\n"  # what the import system takes for: not there
        "from ember.api import models\n"
        "try: models.client('openai')\n"
        "except ImportError as error: print(error)"
    )
    variables = {**os.environ, "OPENAI_API_KEY": KEY}
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True)
    assert "pip install 'ember-openai[sdk]'" in done.stdout, done.stderr


def test_calls_load_no_sdk(configured: LocalServer) -> None:
    program = (
        "import sys\nfrom ember.api import models\nprint(models('gpt-4o', 'Hi'), 'openai' in sys.modules)\n"
    )
    variables = {**os.environ, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{configured.url}/v1"}
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True)
    assert done.stdout == "Hi False\n", done.stderr
