"""Files inside installed packages, found without importing those."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ember.data import SourceNotFound


def file_of(package: str, inside: str, install: str) -> Path:
    """Return the path of the file `inside` a package. Raises SourceNotFound with the command that installs it."""
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / inside
        if path.is_file():
            return path
    raise SourceNotFound(f"{package}/{inside}", (), f"It comes with another package: {install}")
