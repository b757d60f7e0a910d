"""The conformance suite at the vendors' own services: every provider whose key is set, for a cent each at most.

    make live            all of them
    make live T="-k OpenAI"    one of them

Nothing else runs this: not `make test`, and never CI. Who has no key is skipped by name.
"""

from __future__ import annotations

import os
import sys
from typing import Final

import pytest

from ember.models import models
from ember.models.testing.conformance import LiveSuite

# The cheapest known models that answer at once: one that thinks first would think until its few tokens are over.
CHEAPEST: Final = {
    "openai": ("gpt-4.1-nano", "text-embedding-3-small"),
    "anthropic": ("claude-haiku-5-5", ""),
    "google": ("gemini-2.5-flash-lite", "gemini-embedding-001"),
}


class TestOpenAI(LiveSuite):
    provider = "openai"
    model, embed_model = CHEAPEST["openai"]


class TestAnthropic(LiveSuite):
    provider = "anthropic"
    model, embed_model = CHEAPEST["anthropic"]


class TestGoogle(LiveSuite):
    provider = "google"
    model, embed_model = CHEAPEST["google"]


def main(*options: str) -> int:
    if os.environ.get("CI"):
        print("make live: not in CI, where nobody sees what is spent.", file=sys.stderr)
        return 2
    # Cut off from the tree's own conftest, which takes keys and homes away.
    alone = ["--confcutdir", os.path.dirname(__file__), "-p", "no:cacheprovider", "-q", "-r", "fE"]
    code = pytest.main([__file__, *alone, *options])
    used = models.usage()
    print(f"make live: {used.calls} calls, {100 * used.cost:.4f} cents in all")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
