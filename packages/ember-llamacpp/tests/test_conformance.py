"""The part of the conformance suite that needs no server: this provider has a transport of its own."""

from __future__ import annotations

from ember.models.testing.conformance import ModelSuite


class TestLlamaCpp(ModelSuite):
    provider = "local"
