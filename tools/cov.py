"""Run the tests under coverage, child processes included; combine, and print a table per distribution.

    python tools/cov.py [pytest arguments]

Every process writes a data file of its own. They go to a folder that any user may write to: some tests start children
that become somebody else, and coverage's complaint in such a child would be taken for our own output.

Coverage writes without SQLite's journal. A child that is killed meanwhile leaves a broken file, and one that can be
opened but not read to its end would make `combine` fail: broken files are left out.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from workspace import ROOT


def coverage(*arguments: str, **environment: str) -> int:
    command = [sys.executable, "-m", "coverage", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}).returncode


def is_whole(file: Path) -> bool:
    """Whether SQLite can read all of a data file."""
    try:
        with closing(sqlite3.connect(file)) as connection:
            return bool(connection.execute("PRAGMA quick_check").fetchall() == [("ok",)])
    except sqlite3.DatabaseError:
        return False


def main(*arguments: str) -> int:
    with tempfile.TemporaryDirectory(prefix="ember-coverage-") as folder:
        Path(folder).chmod(0o1777)
        failed = coverage("run", "-m", "pytest", *arguments, COVERAGE_FILE=str(Path(folder) / ".coverage"))
        for file in Path(folder).glob(".coverage.*"):
            if not is_whole(file):
                print(f"left out {file.name}: its process was killed while it wrote")
                file.unlink()
        coverage("erase")
        if coverage("combine", "--quiet", folder) or coverage("json", "--quiet"):
            return failed or 1
    table = subprocess.run([sys.executable, str(ROOT / "tools" / "coverage_table.py")], cwd=ROOT)
    return failed or table.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
