"""Bodies, decompressed and counted as they are, so that a few kilobytes cannot unpack into gigabytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from .errors import InvalidResponse, ResponseTooLarge

MOST_BYTES: Final = 32 * 1024 * 1024
"""The largest body read, in bytes after decompression. Ten thousand pages of text; a longer answer is an accident."""
MOST_STREAMED: Final = 8 * MOST_BYTES
"""The same of a stream, where a few hundred bytes carry each word. Its text and any one event may have `MOST_BYTES`."""
_PIECE: Final = 1024 * 1024

ACCEPTED: Final = "gzip, deflate"
"""What may be answered with, as `accept-encoding` says it."""


def too_large(what: str, most: int) -> ResponseTooLarge:
    """Return the error for what is larger than `most` bytes."""
    return ResponseTooLarge(f"{what} is larger than {most // 1024 // 1024} MiB, and was not read on.")


class Unpacker:
    """Decompresses a body in portions, and counts what comes out."""

    def __init__(self, encoding: str, most: int = MOST_BYTES) -> None:
        self._most = self._left = most
        coding = encoding.strip().lower()
        self._inflate = None
        if coding in ("gzip", "x-gzip"):
            self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        elif coding == "deflate":
            self._inflate = zlib.decompressobj()
        elif coding not in ("", "identity"):
            raise InvalidResponse(f"the answer is compressed by {coding!r}, which was not asked for.")

    def feed(self, portion: bytes) -> bytes:
        """Return what `portion` unpacks to."""
        # One byte more than is left tells "too much" from "just enough" without unpacking the rest.
        return self._counted(portion, self._left + 1)

    def pieces(self, portion: bytes) -> Iterator[bytes]:
        """Yield what `portion` unpacks to, little by little."""
        while portion:
            piece = self._counted(portion, min(_PIECE, self._left + 1))
            if piece:
                yield piece
            portion = b"" if self._inflate is None else self._inflate.unconsumed_tail

    def _counted(self, portion: bytes, most: int) -> bytes:
        if self._inflate is not None:
            try:
                portion = self._inflate.decompress(portion, most)
            except zlib.error:
                raise InvalidResponse("the answer's compression is broken.") from None
        self._left -= len(portion)
        if self._left < 0:
            raise too_large("the answer", self._most)
        return portion

    def finish(self) -> None:
        """Raise `InvalidResponse` if the compressed data ended too soon."""
        if self._inflate is not None and not self._inflate.eof and self._left < self._most:
            raise InvalidResponse("the answer's compressed data is cut off.")
