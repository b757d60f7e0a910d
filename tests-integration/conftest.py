"""Fixtures for what takes several distributions: a local server, an empty home, no way out to the network."""

from ember.models.testing.plugin import ember_home, no_network, server

__all__ = ["ember_home", "no_network", "server"]
