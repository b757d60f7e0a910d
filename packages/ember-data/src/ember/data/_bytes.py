"""The bytes of a file as UTF-8, from any offset on: decompressed by what it holds, not by what it is called."""

from __future__ import annotations

import bz2
import codecs
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ._remote import RemoteContent, is_remote
from .errors import SourceError

# Rows of so much text stay in the processor's cache from their decoding to their use; 256 KiB take a fifth longer.
BLOCK = 32 * 1024
_OUT = 256 * 1024
_FEED = 64 * 1024
_KEPT = 4096  # before what is asked for, since somebody may look back a little
MAGIC: dict[bytes, str] = {
    b"\x1f\x8b": "gz",
    b"\x28\xb5\x2f\xfd": "zst",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
}
_UTF8 = codecs.BOM_UTF8
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Content(Protocol):
    """What is read from: `block` returns up to `size` bytes from `offset` on, none at the end."""

    begin: int
    size: int | None

    def block(self, offset: int, size: int) -> bytes: ...
    def close(self) -> None: ...


def compression(head: bytes) -> str | None:
    """Return how what begins with `head` is compressed, or None.

    >>> compression(b'\\x1f\\x8b\\x08'), compression(b'{"a": 1}')
    ('gz', None)
    """
    return next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)


def content(path: str) -> Content:
    """Open the file at `path`. Raises SourceError, or OSError where it cannot be opened."""
    plain = RemoteContent(path) if is_remote(path) else Plain(path)
    head = plain.block(0, 8)
    kind = compression(head)
    utf16 = _utf16(head)
    if kind is None and utf16 is None:
        plain.begin = len(_UTF8) if head.startswith(_UTF8) else 0
        return plain
    plain.close()
    return Unpacked(path, kind)


def _utf16(head: bytes) -> str | None:
    for mark, encoding in _UTF16.items():
        if head.startswith(mark):
            return encoding
    # Without a mark: every other byte of ASCII text is zero.
    if len(head) >= 4 and head[1] == head[3] == 0 and head[0] and head[2]:
        return "utf-16-le"
    if len(head) >= 4 and head[0] == head[2] == 0 and head[1] and head[3]:
        return "utf-16-be"
    return None


class Plain:
    """A file as it is. Reads at explicit offsets, so that a forked process does not move its parent's place."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
        self.begin = 0
        self.size: int | None = os.fstat(self._fd).st_size

    def block(self, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._fd, size, offset)
        os.lseek(self._fd, offset, os.SEEK_SET)
        return os.read(self._fd, size)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        if hasattr(self, "_fd"):  # it could be opened
            self.close()


class Unpacked:
    """A compressed or UTF-16 file. Offsets are of the text; going back, and going on after a fork, begins anew."""

    begin = 0
    size: int | None = None  # of the text: not known before its end

    def __init__(self, path: str, kind: str | None) -> None:
        self._path, self._kind = path, kind
        self._restart()

    def _restart(self) -> None:
        self._pid = os.getpid()
        self._chunks = _text(_unpacked(self._path, self._kind), self._path)
        self._held, self._held_at = b"", 0
        self._fault: Exception | None = None

    def block(self, offset: int, size: int) -> bytes:
        if offset < self._held_at or self._pid != os.getpid():
            self._restart()
        held = self._held
        while self._fault is None and offset + size > self._held_at + len(held):
            gone = min(len(held), offset - self._held_at - _KEPT)
            if gone > 0:
                held, self._held_at = held[gone:], self._held_at + gone
            try:
                more = next(self._chunks, None)
            except (SourceError, OSError) as error:
                self._fault = error
                break
            if more is None:
                break
            held += more
        self._held = held
        at = offset - self._held_at
        part = held[at : at + size]
        # What came before the fault is given first.
        if not part and self._fault is not None:
            raise self._fault
        return part

    def close(self) -> None:
        self._chunks = iter(())


def _text(chunks: Iterator[bytes], path: str) -> Iterator[bytes]:
    """Yield `chunks` as UTF-8 without its mark."""
    first = next(chunks, b"")
    while 0 < len(first) < 4 and (more := next(chunks, b"")):
        first += more
    encoding = _utf16(first)
    if encoding is None:
        yield first.removeprefix(_UTF8)
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        yield decoder.decode(first).removeprefix("\ufeff").encode()
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        raise SourceError(f"{path} begins as {encoding.upper()} and does not go on so: {error}.") from error


def _opened(path: str) -> Any:
    return _Sequential(RemoteContent(path)) if is_remote(path) else open(path, "rb", buffering=0)


class _Sequential:
    """A file elsewhere from beginning to end."""

    def __init__(self, content: RemoteContent) -> None:
        self._content, self._at = content, 0

    def read(self, size: int) -> bytes:
        data = self._content.block(self._at, size)
        self._at += len(data)
        return data

    def __enter__(self) -> _Sequential:
        return self

    def __exit__(self, *_: object) -> None: ...


def _unpacked(path: str, kind: str | None) -> Iterator[bytes]:
    """Yield the bytes of a file in pieces of bounded size, whatever it inflates to."""
    make = _UNPACKERS[kind] if kind else None
    with _opened(path) as file:
        if make is None:
            while data := file.read(_OUT):
                yield data
            return
        unpack = make()
        packed = file.read(_FEED)
        try:
            while True:
                out, packed, ended = unpack(packed)
                if out:
                    yield out
                if ended:
                    # Another member may follow; padding is no member.
                    packed = packed.lstrip(b"\0") or file.read(_FEED).lstrip(b"\0")
                    if not packed:
                        return
                    unpack = make()
                elif not out and not packed:
                    packed = file.read(_FEED)
                    if not packed:
                        raise SourceError(
                            f"{path} is cut off: its {kind} data ends before its end mark. "
                            f"All rows before that were given. Fetch the file again."
                        )
        except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(f"{path} is damaged: its {kind} data cannot be unpacked ({error}).") from error


# Takes packed bytes; returns what they hold, the packed bytes that are left, and whether a member has ended.
_Unpack = Callable[[bytes], "tuple[bytes, bytes, bool]"]


def _gz() -> _Unpack:
    inner = zlib.decompressobj(wbits=31)

    def unpack(packed: bytes) -> tuple[bytes, bytes, bool]:
        out = inner.decompress(packed, _OUT)
        return out, inner.unused_data if inner.eof else inner.unconsumed_tail, inner.eof

    return unpack


def _with_needs_input(inner: Any) -> _Unpack:
    def unpack(packed: bytes) -> tuple[bytes, bytes, bool]:
        out = inner.decompress(packed, _OUT)
        return out, inner.unused_data if inner.eof else b"", inner.eof

    return unpack


def _zst() -> _Unpack:
    try:
        import zstandard
    except ModuleNotFoundError as error:
        if error.name != "zstandard":
            raise
        raise SourceError('Reading zst needs zstandard: pip install "ember-data[zstd]"') from error
    inner = zstandard.ZstdDecompressor().decompressobj()

    def unpack(packed: bytes) -> tuple[bytes, bytes, bool]:
        # There is no limit to ask for: so few bytes at a time hold at most some megabytes.
        now, later = packed[:512], packed[512:]
        try:
            out = inner.decompress(now)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
        return out, inner.unused_data + later if inner.eof else later, inner.eof

    return unpack


_UNPACKERS: dict[str, Callable[[], _Unpack]] = {
    "gz": _gz,
    "bz2": lambda: _with_needs_input(bz2.BZ2Decompressor()),
    "xz": lambda: _with_needs_input(lzma.LZMADecompressor()),
    "zst": _zst,
}
