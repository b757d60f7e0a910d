"""Print line and branch coverage of each distribution from coverage.json; exit 1 if one is under the floor.

Fails too when a source file was never imported by any test: such a file would otherwise be missing from the sum.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workspace import ROOT, Distribution, distributions

FLOOR = 90.0


@dataclass(frozen=True)
class Row:
    """How much of one distribution ran."""

    name: str
    statements: int
    branches: int
    missed: int
    unseen: tuple[Path, ...]

    @property
    def percent(self) -> float:
        total = self.statements + self.branches
        return 100.0 if total == 0 else 100.0 * (total - self.missed) / total


def measure(dist: Distribution, files: dict[str, Any], root: Path = ROOT) -> Row:
    """Add up the files of `dist` in `files`, coverage's own JSON report keyed by path relative to the root."""
    statements = branches = missed = 0
    unseen: list[Path] = []
    for module in dist.modules():
        path = module.relative_to(root)
        report = files.get(path.as_posix())
        if report is None:
            if module.read_text(encoding="utf-8").strip():
                unseen.append(path)
            continue
        summary = report["summary"]
        statements += summary["num_statements"]
        branches += summary["num_branches"]
        missed += summary["missing_lines"] + summary["missing_branches"]
    return Row(dist.name, statements, branches, missed, tuple(unseen))


def verdict(rows: list[Row]) -> list[str]:
    """Return what is wrong with `rows`, as one line each."""
    found = [f"{path} was imported by no test" for row in rows for path in row.unseen]
    found += [
        f"{row.name}: {row.percent:.1f} % of its lines and branches ran, less than {FLOOR:.0f} %"
        for row in rows
        if row.percent < FLOOR
    ]
    return found


def main() -> int:
    files = json.loads((ROOT / "coverage.json").read_text(encoding="utf-8"))["files"]
    rows = [measure(dist, files) for dist in distributions() if dist.portions]
    print(f"\n{'distribution':<20}{'lines':>8}{'branches':>10}{'missed':>8}{'covered':>10}")
    for row in rows:
        print(f"{row.name:<20}{row.statements:>8}{row.branches:>10}{row.missed:>8}{row.percent:>9.1f}%")
    wrong = verdict(rows)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
