"""Run mypy --strict and pyright strict over every portion, every tests folder, the tools, examples and benchmarks.

    python tools/check_types.py [NAME …]        # only these distributions, mypy only

What is checked is read from the tree, so nothing new can be left off. mypy wants portions by name (`-p ember` does not
find its way into a namespace) and each folder of tests by itself, since two of them may hold files of one name.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from workspace import ROOT, distributions

# Folders of loose modules beside the distributions. Not all of them exist in every state of the tree.
LOOSE = ("tests-integration", "tools", "tools/tests", "examples", "benchmarks")


def portions(only: tuple[str, ...], root: Path = ROOT) -> list[str]:
    """Return the portions of the distributions named in `only`, or of all."""
    chosen = [dist for dist in distributions(root) if not only or dist.name in only]
    return [
        name for dist in chosen for name in dist.portions if _has_code(dist.source.joinpath(*name.split(".")))
    ]


def _has_code(folder: Path) -> bool:
    return (folder / "__init__.py").exists()


def folders(only: tuple[str, ...], root: Path = ROOT) -> Iterator[Path]:
    """Yield each folder whose Python files mypy checks in one run: one namespace of loose modules."""
    tops = [dist.folder / "tests" for dist in distributions(root) if not only or dist.name in only]
    tops += [] if only else [root / name for name in LOOSE]
    seen: set[Path] = set()
    for top in tops:
        for folder in sorted({path.parent for path in top.rglob("*.py")}):
            if folder not in seen:
                seen.add(folder)
                yield folder


def mypy(arguments: list[str], folder: Path = ROOT) -> bool:
    """Run mypy from `folder`, so that siblings there import each other; say what was checked."""
    environment = dict(os.environ, MYPYPATH=str(ROOT / "tools") if folder != ROOT / "tools" else "")
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    command += ["--cache-dir", str(ROOT / ".mypy_cache"), "--show-absolute-path", "--no-error-summary"]
    done = subprocess.run([*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    print(done.stdout.replace(f"{ROOT}/", ""), end="")
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode < 0:  # it says nothing itself: some recursive types are more than its stack holds
        print(f"mypy was ended by signal {-done.returncode} on {' '.join(arguments)}", file=sys.stderr)
    return done.returncode == 0


def main(only: tuple[str, ...]) -> int:
    names = portions(only)
    good = True
    if names:  # the meta-package has none
        good = mypy([part for name in names for part in ("-p", name)])
        print(f"mypy: {', '.join(names)}")
    for folder in folders(only):
        good &= mypy([path.name for path in sorted(folder.glob("*.py"))], folder)
        print(f"mypy: {folder.relative_to(ROOT)}")
    if not only:
        done = subprocess.run([sys.executable, "-m", "pyright", "--pythonpath", sys.executable], cwd=ROOT)
        good &= done.returncode == 0
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:])))
