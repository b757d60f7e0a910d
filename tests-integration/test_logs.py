"""What is logged when everything logs everything."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ember.api import models
from ember.models import errors
from ember.models.testing import LocalServer

VENDORS = {
    "openai/gpt-4o": ("OPENAI", "/v1"),
    "anthropic/claude-haiku-4-5": ("ANTHROPIC", ""),
    "google/gemini-2.5-flash": ("GOOGLE", ""),
    "ollama/llama3": ("OLLAMA", ""),
}


@pytest.mark.parametrize("model", VENDORS)
def test_no_provider_logs_a_key_or_a_prompt_at_any_level(
    model: str,
    ember_home: Path,
    server: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    vendor, path = VENDORS[model]
    key = f"sk-{vendor.lower()}-0123456789abcdef"
    monkeypatch.setenv(f"{vendor}_API_KEY", key)
    monkeypatch.setenv(f"{vendor}_BASE_URL", f"{server.url}{path}")
    for name in ["", *logging.root.manager.loggerDict]:
        caplog.set_level(logging.DEBUG, name)
    models(model, "the-prompt-itself", system="the-system-itself")
    list(models.stream(model, "the-prompt-itself"))
    server.replies(401, body=f"the key {key} is wrong".encode())
    with pytest.raises(errors.AuthenticationError) as raised:
        models(model, "the-prompt-itself")
    assert caplog.text
    for secret in (key, "-itself"):
        assert secret not in caplog.text
    assert key not in f"{raised.value!r} {raised.value}"
