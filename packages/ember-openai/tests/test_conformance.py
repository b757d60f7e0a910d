"""The conformance suite, once for each of OpenAI's two formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ember.models.testing.conformance import ProviderSuite


class TestChatCompletions(ProviderSuite):
    provider = "openai"
    model = "gpt-4o"


class TestResponses(ProviderSuite):
    provider = "openai"
    model = "gpt-4.1"
    settings: ClassVar[Mapping[str, Any]] = {"api": "responses"}
