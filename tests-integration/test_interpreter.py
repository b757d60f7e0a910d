"""A matrix that runs one Python three times passes three times. Here it does not."""

import os
import sys

import pytest


@pytest.mark.skipif(
    "EMBER_EXPECT_PYTHON" not in os.environ, reason="only the matrix says which Python it wants"
)
def test_a_matrix_row_runs_on_its_own_python() -> None:
    assert ".".join(map(str, sys.version_info[:2])) == os.environ["EMBER_EXPECT_PYTHON"]
