"""What the system says about a file, said plainly."""

from __future__ import annotations

import errno
import os
from typing import Any

from .errors import SourceDenied, SourceError, SourceNotFound


class said_plainly:
    """What the system says about a file, with what to do."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, OSError) and not isinstance(error, SourceError):
            raise _plainly(self._path, error) from error


def _plainly(path: str, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return SourceNotFound(path, (), "It was there when the stream was made.")
    if isinstance(error, PermissionError):
        return SourceDenied(
            f"{path} may not be read by this user: {os.strerror(error.errno or errno.EACCES)}."
        )
    if error.errno == errno.ELOOP:
        return SourceError(f"{path} is a symbolic link that leads back to itself.")
    return SourceError(f"{path} cannot be read: {error.strerror or error}.")
