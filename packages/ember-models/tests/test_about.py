"""What is known of a provider and of a model without asking anybody."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from ember.context import with_context
from ember.core.errors import NotRegistered
from ember.models import errors, models
from ember.models.testing import LocalServer


def test_a_provider_tells_where_calls_go_and_with_which_key(acme: LocalServer) -> None:
    about = models.about_provider("acme")
    assert (about.base_url, about.base_url_source) == (f"{acme.url}/v1", "providers.acme.base_url")
    assert about.key is not None and about.key.source == "ACME_API_KEY"
    assert about.needs_key and about.variables == ("ACME_API_KEY",) and about.problem == ""
    assert not acme.requests
    with pytest.raises(NotRegistered, match="Did you mean 'acme'"):
        models.about_provider("acm")


def test_what_would_stop_a_call_is_told_and_not_raised(
    acme: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACME_BASE_URL")
    monkeypatch.delenv("ACME_API_KEY")
    missing = models.about_provider("acme")
    assert missing.key is None and "ACME_API_KEY" in missing.problem
    with with_context(providers={"acme": {"base_url": "http://example.com"}}):
        assert "in clear" in models.about_provider("acme").problem


def test_a_model_tells_who_serves_it_and_what_it_costs(openai_like: LocalServer, ember_home: Path) -> None:
    about = models.about("openai/gpt-4o")
    assert (about.provider, about.model) == ("openai", "gpt-4o")
    with with_context(models={"default": "fast", "aliases": {"fast": "openai/gpt-4o"}}):
        assert models.about("fast") == models.about(None) == about
    assert about.input_price is None or about.input_price > Decimal(0)
    with pytest.raises(errors.UnknownModel):
        models.about("nobody-has-this")
