"""Build every distribution's sdist, and its wheel from that sdist, into dist/.

    python tools/build.py UV

The wheel comes out of the sdist, so what an sdist forgets is missed here and not by whoever installs it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

from workspace import ROOT, distributions

DIST = ROOT / "dist"


def main(uv: str) -> None:
    shutil.rmtree(DIST, ignore_errors=True)
    for dist in distributions():
        subprocess.run([uv, "build", "--quiet", str(dist.folder), "--out-dir", str(DIST)], check=True)
    for path in sorted(DIST.glob("*.whl")):
        print(f"built dist/{path.name}")


if __name__ == "__main__":
    main(sys.argv[1])
