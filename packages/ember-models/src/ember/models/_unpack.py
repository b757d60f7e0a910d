"""Bodies, decompressed and counted as they are, so that a few kilobytes cannot unpack into gigabytes."""

from __future__ import annotations

import zlib
from typing import Final

from .errors import InvalidResponse, ResponseTooLarge

MOST_BYTES: Final = 32 * 1024 * 1024
"""The largest body read, in bytes after decompression. Ten thousand pages of text; a longer answer is an accident."""

ACCEPTED: Final = "gzip, deflate"
"""What may be answered with, as `accept-encoding` says it."""


class Unpacker:
    """Decompresses a body in portions, and counts what comes out."""

    def __init__(self, encoding: str) -> None:
        self._left = MOST_BYTES
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
        if self._inflate is not None:
            try:
                # One byte more than is left tells "too much" from "just enough" without unpacking the rest.
                portion = self._inflate.decompress(portion, self._left + 1)
            except zlib.error:
                raise InvalidResponse("the answer's compression is broken.") from None
        self._left -= len(portion)
        if self._left < 0:
            raise ResponseTooLarge(
                f"the answer is larger than {MOST_BYTES // 1024 // 1024} MiB, and was not read on."
            )
        return portion

    def finish(self) -> None:
        """Raise `InvalidResponse` if the compressed data ended too soon."""
        if self._inflate is not None and not self._inflate.eof and self._left < MOST_BYTES:
            raise InvalidResponse("the answer's compressed data is cut off.")
