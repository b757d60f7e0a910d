"""The file that keeps a stream's place.

Two slots are written in turn, each with a number and a checksum: whenever the writer is killed, one of them is whole.
A write is one system call into the page cache, which outlives the process (a power cut may cost the last seconds).
"""

from __future__ import annotations

import os
import zlib
from typing import Any

import msgspec

from .errors import DataError, SourceError, StateMismatch

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None  # type: ignore[assignment]

_SLOT = 4096


class Checkpoint:
    """The checkpoint file at `path`, held by this process alone until it is closed.

    Raises StateMismatch for a file that is something else, DataError if another process has it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._number = 0
        self._size = _SLOT
        self._open()
        self.state: dict[str, Any] | None = self._read()

    def _open(self) -> None:
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        except OSError as error:
            raise SourceError(f"The checkpoint {self.path} cannot be opened: {error.strerror}.") from error
        if fcntl is not None:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(self._fd)
                self._fd = -1
                raise DataError(
                    f"The checkpoint {self.path} is in use by another iterator. Give each run its own file, or close "
                    f"the other."
                ) from None

    def _read(self) -> dict[str, Any] | None:
        size = os.fstat(self._fd).st_size
        data = os.read(self._fd, size)
        if not data.strip(b"\0"):
            return None
        self._size = size // 2
        newest: dict[str, Any] | None = None
        for slot in (data[: self._size], data[self._size :]):
            mark, _, body = slot.partition(b"\n")[0].partition(b" ")
            if mark == b"%08x" % zlib.crc32(body):
                kept: dict[str, Any] = msgspec.json.decode(body)
                if kept["number"] > self._number:
                    self._number, newest = kept["number"], kept["state"]
        if newest is None:
            raise StateMismatch(f"{self.path} is no checkpoint. Name another file, or remove it.")
        return newest

    def save(self, state: dict[str, Any]) -> None:
        """Keep `state`, in place of the one before the last."""
        self._number += 1
        self.state = state
        body = msgspec.json.encode({"number": self._number, "state": state})
        line = b"%08x %s\n" % (zlib.crc32(body), body)
        if len(line) > self._size or self._number == 1:
            self._replace(line)
        else:
            os.lseek(self._fd, self._number % 2 * self._size, os.SEEK_SET)
            os.write(self._fd, line)

    def _replace(self, line: bytes) -> None:
        """Make a new file with room for `line`."""
        while len(line) > self._size:
            self._size *= 2
        slots = bytearray(2 * self._size)
        at = self._number % 2 * self._size
        slots[at : at + len(line)] = line
        if self._number == 1:
            os.write(self._fd, slots)
            return
        temporary = f"{self.path}.{os.getpid()}.tmp"
        with open(temporary, "wb") as file:
            file.write(slots)
        os.replace(temporary, self.path)
        os.close(self._fd)
        self._open()

    def close(self) -> None:
        """Let another have the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self.close()
