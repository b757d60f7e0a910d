"""A tree of distributions, made small for one test."""

from __future__ import annotations

from pathlib import Path


class Tree:
    """A root folder with packages/, to which a test adds distributions as they should not be."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pin("")

    def pin(self, text: str) -> None:
        """Write tools/constraints.txt."""
        (self.root / "tools").mkdir(parents=True, exist_ok=True)
        (self.root / "tools" / "constraints.txt").write_text(text)

    def add(
        self,
        name: str,
        portion: str | None,
        needs: tuple[str, ...] = (),
        version: str = "0.1.0",
        code: str = "",
        extras: str = "",
    ) -> Path:
        """Add distribution `name`, sound unless the arguments make it otherwise; return its folder."""
        folder = self.root / "packages" / name
        folder.mkdir(parents=True)
        lines = ", ".join(f'"{line}"' for line in needs)
        folder.joinpath("pyproject.toml").write_text(
            f"""
[build-system]
requires = ["hatchling>=1.27,<2"]
build-backend = "hatchling.build"
[project]
name = "{name}"
version = "{version}"
requires-python = ">=3.11"
dependencies = [{lines}]
{extras}
[tool.hatch.build.targets.wheel]
{"bypass-selection = true" if portion is None else 'packages = ["src/ember"]'}
"""
        )
        if portion is not None:
            home = folder.joinpath("src", *portion.split("."))
            home.mkdir(parents=True)
            home.joinpath("__init__.py").write_text(code)
            home.joinpath("py.typed").touch()
            typing = folder / "tests" / "typing"
            typing.mkdir(parents=True)
            typing.joinpath("names.py").write_text("from typing import assert_type\nassert_type(1, int)\n")
        return folder
