"""Fixtures for what takes several distributions: a local server, an empty home, no way out to the network; a wheel."""

from __future__ import annotations

import re

import pytest

from ember.models.testing.plugin import ember_home, no_network, server
from workspace import ROOT

__all__ = ["ember_home", "no_network", "server"]


@pytest.fixture(scope="session")
def strangers_files() -> dict[str, str]:
    """The files that docs/how-to/write-a-provider.md has its reader make: each block after a line that names one."""
    text = (ROOT / "docs/how-to/write-a-provider.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^`([\w.]+)`\..*?^```\w+[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
