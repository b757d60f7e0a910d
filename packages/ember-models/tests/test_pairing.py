"""A key goes only where it was configured to go."""

from __future__ import annotations

from pathlib import Path

import pytest

from ember.context import get_context, with_context
from ember.core.errors import ConfigError, CredentialError
from ember.models import models
from ember.models.testing import LocalServer


@pytest.mark.parametrize("file", ["config.yaml", "credentials.yaml"])
def test_an_environment_variable_cannot_send_the_key_at_home_elsewhere(
    acme: LocalServer, ember_home: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.delenv("ACME_API_KEY")
    ember_home.mkdir(mode=0o700, exist_ok=True)
    text = "acme_api_key: sk-home-0123456789\n"
    (ember_home / file).touch(0o600)
    (ember_home / file).write_text(text if file == "credentials.yaml" else f"credentials:\n  {text}")
    get_context().reload()
    with pytest.raises(CredentialError, match=r"ACME_BASE_URL.*was not sent") as raised:
        models("acme-small", "Hello")
    assert "sk-home" not in str(raised.value)
    assert acme.requests == []


@pytest.mark.parametrize("file", ["config.yaml", "credentials.yaml"])
def test_a_url_that_stands_beside_the_key_may_be_said_again_by_a_variable(
    acme: LocalServer, ember_home: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.delenv("ACME_API_KEY")
    key, url = "acme_api_key: sk-home-0123456789\n", f"providers:\n  acme:\n    base_url: {acme.url}/v1\n"
    ember_home.mkdir(mode=0o700, exist_ok=True)
    for name in ("config.yaml", "credentials.yaml"):
        (ember_home / name).touch(0o600)
    (ember_home / "config.yaml").write_text(url + (f"credentials:\n  {key}" if file == "config.yaml" else ""))
    (ember_home / "credentials.yaml").write_text(key if file == "credentials.yaml" else "")
    get_context().reload()
    models("acme-small", "the same URL in the file and in the variable")
    assert acme.requests[-1].key == "sk-home-0123456789"
    monkeypatch.setenv("ACME_BASE_URL", f"{acme.url}/elsewhere/v1")
    with pytest.raises(CredentialError, match=r"ACME_BASE_URL.*was not sent"):
        models("acme-small", "another URL in the variable")
    assert len(acme.requests) == 1


def test_a_key_and_a_url_from_one_place_go_together(
    acme: LocalServer, ember_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{acme.url}/v1"
    assert models("acme-small", "both in the environment")
    with pytest.raises(CredentialError):
        with with_context(providers={"acme": {"base_url": url + "/"}}):
            models("acme-small", "the URL of a block, the key of the environment")
    with with_context(
        providers={"acme": {"base_url": url}}, credentials={"acme_api_key": "sk-block-0123456789"}
    ):
        assert models("acme-small", "both in a block")
    monkeypatch.delenv("ACME_BASE_URL")
    get_context().set_config("providers.acme.base_url", url)
    assert models("acme-small", "the URL at home, the key above it")
    monkeypatch.delenv("ACME_API_KEY")
    get_context().set_config("credentials.acme_api_key", "sk-home-0123456789")
    assert models("acme-small", "both at home")
    assert [request.key for request in acme.requests][1:] == [
        "sk-block-0123456789",
        acme.requests[0].key,
        "sk-home-0123456789",
    ]


def test_plain_http_leaves_the_machine_only_where_that_is_allowed(acme: LocalServer) -> None:
    away = {"acme": {"base_url": "http://203.0.113.7/v1"}}
    keys = {"acme_api_key": "sk-block-0123456789"}
    with with_context(providers=away, credentials=keys), pytest.raises(ConfigError, match="allow_http"):
        models("acme-small", "Hello")
    for url in (
        "http://localhost.evil.example/v1",
        "http://127.0.0.1.evil.example/v1",
        "http://127.1@evil.example/",
    ):
        with (
            with_context(providers={"acme": {"base_url": url}}, credentials=keys),
            pytest.raises(ConfigError),
        ):
            models("acme-small", "Hello")
    port = acme.url.rpartition(":")[2]
    with with_context(providers={"acme": {"base_url": f"http://localhost:{port}/v1"}}, credentials=keys):
        assert models("acme-small", "Hello") == "Hello"
