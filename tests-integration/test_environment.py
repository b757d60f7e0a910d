"""Where the suite runs is what it believes: a wrong Python or a missing oracle would pass, or skip, unnoticed."""

import importlib.util
import os
import sys

import pytest


@pytest.mark.skipif(
    "EMBER_EXPECT_PYTHON" not in os.environ, reason="only the matrix says which Python it wants"
)
def test_a_matrix_row_runs_on_its_own_python() -> None:
    assert ".".join(map(str, sys.version_info[:2])) == os.environ["EMBER_EXPECT_PYTHON"]


@pytest.mark.parametrize("sdk", ["openai", "anthropic", "google.genai", "ollama"])
def test_the_vendors_sdks_are_here_so_no_oracle_test_is_skipped(sdk: str) -> None:
    assert importlib.util.find_spec(sdk) is not None
