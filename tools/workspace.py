"""What the tree holds: the distributions under packages/, read from their sources; nothing is imported."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Distribution:
    """One folder under packages/."""

    folder: Path

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "pyproject.toml").read_text(encoding="utf-8"))

    @cached_property
    def name(self) -> NormalizedName:
        return canonicalize_name(self.pyproject["project"]["name"])

    @cached_property
    def version(self) -> Version:
        """The version as the sources state it, which an old editable installation may not have noticed."""
        if "version" in self.pyproject["project"]:
            return Version(self.pyproject["project"]["version"])
        path: str = self.pyproject["tool"]["hatch"]["version"]["path"]
        text = (self.folder / path).read_text(encoding="utf-8")
        found = re.search(r"""^__version__\s*=\s*["']([^"']+)["']""", text, re.MULTILINE)
        if found is None:
            raise ValueError(f'{self.folder / path} has no line `__version__ = "…"`')
        return Version(found[1])

    @cached_property
    def dependencies(self) -> tuple[Requirement, ...]:
        return tuple(Requirement(line) for line in self.pyproject["project"].get("dependencies", ()))

    @cached_property
    def extras(self) -> dict[str, tuple[Requirement, ...]]:
        table: dict[str, list[str]] = self.pyproject["project"].get("optional-dependencies", {})
        return {extra: tuple(Requirement(line) for line in lines) for extra, lines in table.items()}

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """Everything it may ask for: its dependencies and those of all its extras."""
        return (*self.dependencies, *(line for lines in self.extras.values() for line in lines))

    @cached_property
    def portions(self) -> tuple[str, ...]:
        """The packages it brings, as dotted names: the topmost folders with an `__init__.py` or a `py.typed`.

        Folders above them (`ember`, `ember.providers`) belong to nobody.
        """
        return tuple(
            sorted(".".join(folder.relative_to(self.source).parts) for folder in self._portion_folders())
        )

    @property
    def source(self) -> Path:
        return self.folder / "src"

    def modules(self) -> Iterator[Path]:
        """Every source file of it."""
        yield from sorted(self.source.rglob("*.py"))

    def _portion_folders(self) -> Iterator[Path]:
        below = [self.source / "ember"] if (self.source / "ember").is_dir() else []
        while below:
            for folder in sorted(path for path in below.pop().iterdir() if path.is_dir()):
                if folder.name == "__pycache__":
                    continue
                if any((folder / mark).exists() for mark in ("__init__.py", "py.typed")):
                    yield folder
                else:
                    below.append(folder)


def distributions(root: Path = ROOT) -> tuple[Distribution, ...]:
    """Return the distributions under `root`/packages, by folder name."""
    return tuple(Distribution(path.parent) for path in sorted(root.glob("packages/*/pyproject.toml")))
