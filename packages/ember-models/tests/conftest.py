"""Fixtures of these tests: a local server, a fresh home, and no network."""

from ember.models.testing.plugin import (
    ember_home as ember_home,
    no_network as no_network,
    server as server,
)
