"""Ember's home directory, `~/.ember`, and the private folders in it. Nobody else builds paths there."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path
from typing import Final

from .errors import StorageError

_PRIVATE: Final = 0o700
_FOLDER: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")


def home() -> Path:
    """Return Ember's home: `EMBER_HOME`, or `~/.ember`. It need not exist.

    Raises StorageError if there is no telling where it is.
    """
    named = os.environ.get("EMBER_HOME", "").strip()
    if named:
        path = Path(os.path.expanduser(named))
        if not path.is_absolute():
            raise StorageError(f"EMBER_HOME must be an absolute path, and is {named!r}.")
        return path
    path = Path(os.path.expanduser("~/.ember"))
    if (
        not path.is_absolute()
    ):  # neither HOME nor an entry for this user: a container with an arbitrary user id
        raise StorageError("There is no home directory to keep ~/.ember in. Set HOME, or EMBER_HOME.")
    return path


def folder(name: str) -> Path:
    """Return the private folder `name` of Ember's home, made now if need be (mode 0700).

    A folder may be a symbolic link of its owner's to another disk. Raises StorageError if it cannot be made, or
    belongs to or can be changed by somebody else.
    """
    if not _FOLDER.fullmatch(name):
        raise StorageError(f"{name!r} is no name for a folder in Ember's home: use a-z, 0-9, '-' and '_'.")
    path = prepare(home()) / name
    _make(path)
    _require_ours(path, follow=True)
    return path


def prepare(path: Path) -> Path:
    """Return the home directory `path`, made now if need be (mode 0700), once it is safe to write in."""
    _make(path)
    _require_ours(path, follow=False)
    return path


def owned_by_us(status: os.stat_result) -> bool:
    """Whether a file is this user's own. Systems without user ids have nothing to tell apart."""
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


def reason(error: OSError) -> str:
    """Return the system's own words for `error`, without the path, which the message around it names."""
    return error.strerror or type(error).__name__


def _make(path: Path) -> None:
    try:
        missing = [place for place in (path, *path.parents) if not os.path.lexists(place)]
        for place in reversed(missing):
            # Private from the start, and made one by one: mkdir(parents=True) would give parents the umask's mode.
            with contextlib.suppress(FileExistsError):  # another thread or process was faster
                place.mkdir(_PRIVATE)
    except OSError as error:
        raise StorageError(f"Ember cannot make its folder {path}: {reason(error)}. {_ELSEWHERE}") from error


def _require_ours(path: Path, *, follow: bool) -> None:
    try:
        link = path.lstat()
        status = path.stat() if follow else link
    except OSError as error:
        raise StorageError(f"Ember cannot use its folder {path}: {reason(error)}. {_ELSEWHERE}") from error
    if stat.S_ISLNK(status.st_mode):
        raise StorageError(
            f"Ember does not write through {path}, which is a symbolic link. Set EMBER_HOME to the place it points to."
        )
    if not stat.S_ISDIR(status.st_mode):
        raise StorageError(f"Ember keeps its files in the folder {path}, which is not a folder. {_ELSEWHERE}")
    if not (owned_by_us(link) and owned_by_us(status)):
        raise StorageError(f"Ember does not write in {path}, which belongs to another user. {_ELSEWHERE}")
    if status.st_mode & 0o022:
        raise StorageError(
            f"Ember does not write in {path}, where other users can write too. Run: chmod 700 {path}"
        )


_ELSEWHERE: Final = "Move it away, or set EMBER_HOME to another place."
