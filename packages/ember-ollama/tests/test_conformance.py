"""The conformance suite, for Ollama's own API and for servers that speak OpenAI's."""

from __future__ import annotations

from ember.models.testing.conformance import ProviderSuite


class TestOllama(ProviderSuite):
    provider = "ollama"


class TestCompatible(ProviderSuite):
    provider = "compatible"
