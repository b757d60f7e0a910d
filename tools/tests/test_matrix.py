"""A Python counts as found when it starts and is the one it is called."""

from __future__ import annotations

import os
from pathlib import Path

from matrix import matrix, works


def shim(folder: Path, name: str, says: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{says}\n")
    file.chmod(0o755)


def test_the_rows_are_those_of_hatch_toml() -> None:
    assert matrix() == ["3.11", "3.12", "3.13"]


def test_a_shim_that_fails_or_starts_another_python_is_not_found(tmp_path: Path) -> None:
    shim(tmp_path, "python3.11", "echo 3.11")
    shim(tmp_path, "python3.12", "echo 'not installed' >&2; exit 127")
    shim(tmp_path, "python3.13", "echo 3.11")
    env = dict(os.environ, PATH=str(tmp_path))
    assert [works(version, env) for version in ("3.11", "3.12", "3.13", "3.14")] == [
        True,
        False,
        False,
        False,
    ]
