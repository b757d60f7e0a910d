"""The conformance suite, once for each of OpenAI's two formats."""

from __future__ import annotations

from ember.models.testing.conformance import ProviderSuite


class TestChatCompletions(ProviderSuite):
    provider = "openai"
    model = "gpt-4o"


class TestResponses(ProviderSuite):
    provider = "openai"
    model = "gpt-4.1"
    settings = {"api": "responses"}
