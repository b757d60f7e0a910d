"""Small private files: read warily, replaced all at once, never half written and never for other eyes."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .errors import StorageError
from .home import owned_by_us, reason
from .notice import say_once

LARGEST: Final = 1024 * 1024
_PRIVATE: Final = 0o600
# Zero where a system lacks them. O_NONBLOCK: opening a named pipe put in a file's place must not wait for a writer.
_READ: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_WRITE: Final = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
)


class Content:
    """The bytes of a file that may hold keys, and the file's mode. Shows neither when printed."""

    __slots__ = ("data", "mode")

    def __init__(self, data: bytes, mode: int = _PRIVATE) -> None:
        self.data, self.mode = data, mode

    def __repr__(self) -> str:
        return f"Content({len(self.data)} bytes)"


def read(path: Path) -> Content | None:
    """Return what stands in the file at `path`, or None if there is none.

    A place that cannot be looked into holds no file for us; that is said once. Raises StorageError for a file that is
    there and cannot be read, is larger than 1 MiB, is no regular file, or is in the hands of another user: whoever
    writes the settings decides where keys are sent.
    """
    try:
        link = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        say_once(f"Ember reads no settings from {path}: {reason(error)}.")
        return None
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:  # removed since, or a link to nothing
        return None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {reason(error)}.") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise StorageError(f"{path} is not a file. Move it away.")
        _require_trust(path, link)
        _require_trust(path, status)
        if status.st_size > LARGEST:
            raise StorageError(
                f"{path} is too large: {status.st_size:,} bytes, where {LARGEST:,} are allowed."
            )
        return Content(_read_all(descriptor), stat.S_IMODE(status.st_mode))
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"{path} cannot be read: {reason(error)}.") from error
    finally:
        os.close(descriptor)


def _read_all(descriptor: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(LARGEST + 1)


def _require_trust(path: Path, status: os.stat_result) -> None:
    # Root's files are trusted, as by ssh: whoever is root has our keys anyway. Root itself reads others' files, since
    # containers mount a user's home for a root process, but says so.
    if owned_by_us(status) or status.st_uid == 0:
        return
    if os.geteuid() != 0:
        raise StorageError(
            f"{path} belongs to another user, who could have keys sent elsewhere. "
            f"Take it over with chown, or set EMBER_HOME to a place of your own."
        )
    say_once(f"Ember reads {path}, which belongs to another user (id {status.st_uid}).")


def replace(path: Path, content: Content) -> None:
    """Make `content` what stands in the file at `path`, with mode 0600, at once: readers see the old file or the new.

    Call it under `lock(path)`: it also removes what a writer killed halfway left behind. Raises StorageError, leaving
    the old file as it was, if the disk is full, the place cannot be written, or the file is a link or another's.
    """
    _require_replaceable(path)
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        for stale in path.parent.glob(f".{path.name}.*.tmp"):
            stale.unlink(missing_ok=True)
        try:
            _write_new(temporary, content)
            os.replace(temporary, path)
        except BaseException:  # KeyboardInterrupt too: the file is ours to clear away
            temporary.unlink(missing_ok=True)
            raise
        _make_durable(path.parent)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {reason(error)}. What stood there before still does."
        ) from error


def _require_replaceable(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {reason(error)}.") from error
    if stat.S_ISLNK(status.st_mode):
        raise StorageError(
            f"Ember does not write through {path}, which is a symbolic link to {os.readlink(path)}. "
            f"Edit that file, or put a copy in the link's place."
        )
    if not stat.S_ISREG(status.st_mode):
        raise StorageError(f"{path} is not a file. Move it away.")
    if not owned_by_us(status):
        raise StorageError(f"Ember does not write {path}, which belongs to another user.")


def _write_new(path: Path, content: Content) -> None:
    descriptor = os.open(path, _WRITE, _PRIVATE)
    try:
        rest = memoryview(content.data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_durable(directory: Path) -> None:
    # The new name is in the directory, which is a file of its own to the disk. Not every file system can sync one.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def lock(path: Path, patience: float = 10.0) -> Iterator[None]:
    """Keep other processes (and threads) from changing the file at `path` meanwhile.

    Raises StorageError if another holds it for more than `patience` seconds, or the lock file cannot be made.
    """
    import filelock  # only writers need it

    guard = filelock.FileLock(path.with_name(f"{path.name}.lock"), timeout=patience, mode=_PRIVATE)
    try:
        guard.acquire()
    except filelock.Timeout as error:
        raise StorageError(
            f"{path} is being changed by another process for more than {patience:g} seconds. Try again."
        ) from error
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {reason(error)}.") from error
    try:
        yield
    finally:
        guard.release()
