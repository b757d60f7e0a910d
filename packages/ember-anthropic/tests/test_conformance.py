"""The conformance suite."""

from __future__ import annotations

from ember.models.testing.conformance import ProviderSuite


class TestAnthropic(ProviderSuite):
    provider = "anthropic"
