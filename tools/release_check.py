"""Check what would be released: metadata, wheel contents, and each public API against the distribution's last tag.

    python tools/release_check.py          # `make release-check` builds dist/ first

A distribution is tagged `<name>-v<version>`. Whoever breaks an API since that tag raises the minor version before 1.0,
the major one after; that is all this asks for.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.version import Version

from workspace import ROOT, Distribution, distributions

DIST = ROOT / "dist"


def run(*command: str) -> int:
    print(f"$ {Path(command[0]).name} {' '.join(command[1:])}", flush=True)
    return subprocess.run(command, cwd=ROOT).returncode


def script(name: str) -> str:
    """Return the path of a tool in this environment."""
    return str(Path(sys.executable).parent / name)


def last_tag(dist: Distribution, root: Path = ROOT) -> str | None:
    """Return the newest tag `<name>-v<version>` of `dist`, or None."""
    command = ["git", "tag", "--list", f"{dist.name}-v*"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True)
    return max(listed.stdout.split(), key=lambda tag: Version(tag.rpartition("-v")[2]), default=None)


def may_break(before: Version, now: Version) -> bool:
    """Whether `now` tells users that their code may have to follow.

    >>> may_break(Version("0.3.1"), Version("0.4.0")), may_break(Version("0.3.1"), Version("0.3.2"))
    (True, False)
    >>> may_break(Version("1.3.0"), Version("1.4.0")), may_break(Version("1.3.0"), Version("2.0.0"))
    (False, True)
    """
    return (
        now.release[:2] != before.release[:2] if before.major == now.major == 0 else now.major != before.major
    )


def api_problems(dist: Distribution) -> Iterator[str]:
    """Compare each portion of `dist` with its last tag."""
    tag = last_tag(dist)
    if tag is None:
        print(f"{dist.name}: no tag {dist.name}-v… yet, so no API to compare with")
        return
    before = Version(tag.rpartition("-v")[2])
    for portion in dist.portions:
        source = (dist.source.relative_to(ROOT)).as_posix()
        changed = run(script("griffe"), "check", portion, "--search", source, "--against", tag)
        if changed and not may_break(before, dist.version):
            yield f"{portion} breaks its API since {tag}, and {dist.version} does not say so"


def content_problems() -> Iterator[str]:
    """Check dist/ with twine and check-wheel-contents."""
    files = [
        str(path.relative_to(ROOT))
        for path in sorted(DIST.iterdir())
        if path.name.endswith((".whl", ".tar.gz"))
    ]
    if run(script("twine"), "check", "--strict", *files):
        yield "twine does not accept the metadata"
    for path in sorted(DIST.glob("*.whl")):
        # The meta-package holds no code, which is what W007 and W008 warn of.
        allowed = ["--ignore", "W007,W008"] if path.name.startswith("ember_ai-") else []
        if run(script("check-wheel-contents"), *allowed, str(path.relative_to(ROOT))):
            yield f"{path.name} does not hold what it should"


def main() -> int:
    found = list(content_problems())
    for dist in distributions():
        found += api_problems(dist)
    print("\n".join(found) if found else "release check: nothing wrong")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
