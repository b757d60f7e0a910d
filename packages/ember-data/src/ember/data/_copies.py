"""Copies of files elsewhere, in Ember's home: whole or not at all, one for each state of the file, up to a bound.

Who reads a copy holds a lock on it (`flock`), which the system takes back from a process that ends. What nobody reads
goes when there is more than `data.fetched_size`, the longest unused first.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

from ember.context import get_context
from ember.core.home import folder

from ._patience import of_the_disk
from .errors import SourceDenied, SourceError, SourceNotFound


class Copy:
    """A copy that stays for as long as this object does."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with suppress(OSError):  # there are file systems without locks
            fcntl.flock(self._fd, fcntl.LOCK_SH)
        os.utime(path)

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            os.close(self._fd)


def copied(url: str, state: Callable[[], str], fetch: Callable[[Path], None]) -> Copy:
    """Return a copy of the file at `url`, fetched now if there is none of it as it is.

    `state` asks for what tells whether it is the same, `fetch` writes it, or the rest of it, to a path. Where nobody
    answers, the last copy is taken.
    """
    root = folder("fetched")
    place = root / sha256(url.encode()).hexdigest()[:40]
    place.mkdir(mode=0o700, exist_ok=True)
    with FileLock(place / "lock", thread_local=False):
        try:
            said = sha256(state().encode()).hexdigest()[:20]
        except (SourceNotFound, SourceDenied):
            raise
        except SourceError:
            if last := sorted(place.glob("file-*"), key=lambda path: path.stat().st_mtime):
                return Copy(last[-1])
            raise
        whole, part = place / f"file-{said}", place / f"part-{said}"
        if whole.exists():
            return Copy(whole)
        try:
            fetch(part)
        except OSError as error:
            if not of_the_disk(error):
                raise
            raise SourceError(f"{place} cannot take the copy: {error.strerror}. Make room there.") from error
        os.replace(part, whole)
        copy = Copy(whole)
    _evict(root, get_context().get_config("data.fetched_size"))
    return copy


def _evict(root: Path, bound: int) -> None:
    """Delete what nobody reads and was not used the longest, until the rest is within `bound` bytes."""
    found: list[tuple[float, int, Path]] = []
    for path in (*root.glob("*/file-*"), *root.glob("*/part-*")):
        with suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    excess = sum(size for _, size, _ in found) - bound
    for _, size, path in sorted(found):
        if excess <= 0:
            return
        if _deleted(path):
            excess -= size


def _deleted(path: Path) -> bool:
    """Delete a copy, unless somebody reads or writes it; return whether it was."""
    try:
        with FileLock(path.parent / "lock", timeout=0, thread_local=False):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(fd)
    except (Timeout, OSError):
        return False
    return True
