"""The floor is each distribution's own, and a file that no test imports is not forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coverage_table import measure, verdict
from trees import Tree
from workspace import Distribution


@pytest.fixture
def core(star: Tree) -> Distribution:
    return Distribution(star.root / "packages" / "ember-core")


def report(lines: int, missing: int) -> dict[str, Any]:
    return {
        "summary": {
            "num_statements": lines,
            "missing_lines": missing,
            "num_branches": 10,
            "missing_branches": 0,
        }
    }


def in_root(core: Distribution) -> Path:
    return core.folder.parent.parent


def test_lines_and_branches_are_added_up_per_distribution(core: Distribution) -> None:
    (core.source / "ember/core/__init__.py").write_text("x = 1\n")
    row = measure(core, {"packages/ember-core/src/ember/core/__init__.py": report(90, 20)}, in_root(core))
    assert (row.statements, row.branches, row.missed, row.percent) == (90, 10, 20, 80.0)
    assert verdict([row]) == ["ember-core: 80.0 % of its lines and branches ran, less than 90 %"]


def test_a_file_that_no_test_imports_is_named(core: Distribution) -> None:
    (core.source / "ember/core/forgotten.py").write_text("x = 1\n")
    row = measure(core, {}, in_root(core))
    assert verdict([row]) == ["packages/ember-core/src/ember/core/forgotten.py was imported by no test"]
