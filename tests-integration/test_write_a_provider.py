"""docs/how-to/write-a-provider.md: its files are a provider, and it passes the suite.

`make isolated` builds the very wheel and runs the suite beside what the wheel declares: test_installations.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


@pytest.fixture
def folder(strangers_files: dict[str, str], tmp_path: Path) -> Path:
    """A folder with the page's files in it."""
    for name, content in strangers_files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


def test_the_page_takes_three_files_and_fewer_than_eighty_lines(strangers_files: dict[str, str]) -> None:
    assert list(strangers_files) == ["pyproject.toml", "parrot_for_ember.py", "test_parrot.py"]
    lines = [line for content in strangers_files.values() for line in content.splitlines() if line.strip()]
    assert len(lines) < 80, f"{len(lines)} lines"


def test_the_provider_of_the_page_passes_the_suite_as_the_page_runs_it(folder: Path) -> None:
    # As `pip install -e .` would: the folder on the path, and what its pyproject says in a dist-info.
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head, encoding="utf-8")
    (point,) = project["entry-points"]["ember.providers"].items()
    (info / "entry_points.txt").write_text(f"[ember.providers]\n{' = '.join(point)}\n", encoding="utf-8")
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed is not None and int(passed[1]) > 80
