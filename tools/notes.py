"""Fold a distribution's fragments, changes/*.md, into its CHANGELOG.md under the version its sources state.

python tools/notes.py NAME [--draft]        # --draft only shows what would be written
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from workspace import ROOT, distributions


def main(name: str, *options: str) -> int:
    dist = next((dist for dist in distributions() if dist.name == name), None)
    if dist is None:
        print(f"no distribution {name!r}; there are {', '.join(dist.name for dist in distributions())}")
        return 2
    command = [
        str(Path(sys.executable).parent / "towncrier"),
        "build",
        "--config",
        str(ROOT / "pyproject.toml"),
    ]
    command += ["--dir", str(dist.folder), "--version", str(dist.version)]
    return subprocess.run([*command, *(options or ("--yes",))], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
