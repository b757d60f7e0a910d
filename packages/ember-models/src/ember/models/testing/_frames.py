"""From a reply to what goes on the wire: a head, pieces with pauses between them, and how it ends."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from itertools import chain, islice
from typing import Any, Literal, TypeAlias

from ._reply import Event, Reply

_BLOCK = b"x" * 65_536
_REASONS = {status.value: status.phrase for status in HTTPStatus}

Content: TypeAlias = bytes | int | Iterable[Event]
"""A whole body, the size of one to be made up, or events."""


@dataclass(slots=True)
class Frames:
    """A reply ready to be sent: `head`, then `pieces` with `delay` seconds between them, then `ending`."""

    head: bytes
    pieces: Iterable[bytes]
    latency: float = 0.0
    delay: float = 0.0
    ending: Literal["keep", "drop", "reset", "hang"] = "keep"
    at_once: bool = False
    bill: tuple[int, int] | None = None
    """Input and output tokens to book when all is sent."""


def dumped(value: Any) -> str:
    """Return JSON that UTF-8 can carry: with half a surrogate pair in it, escaped as real servers send that."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


def encode_event(event: Event, *, crlf: bool = False, comment: bool = False) -> bytes:
    r"""Return one server-sent event as bytes; bytes are passed through.

    >>> encode_event(("ping", {"n": 1}))
    b'event: ping\ndata: {"n": 1}\n\n'
    """
    if isinstance(event, bytes):
        return event
    name, data = event if isinstance(event, tuple) else ("", event)
    text = data if isinstance(data, str) else dumped(data)
    lines = [": comment"] if comment else []
    lines += [f"event: {name}"] if name else []
    lines += [f"data: {line}" for line in text.split("\n")]
    whole = "\n".join(lines) + "\n\n"
    return (whole.replace("\n", "\r\n") if crlf else whole).encode()


def frames(reply: Reply, content: Content, head: Mapping[str, str], latency: float) -> Frames:
    """Return `content` as the reply says it travels. `head` holds the headers that the reply does not set itself."""
    pause = latency if reply.latency is None else reply.latency
    ending: Literal["keep", "drop", "reset", "hang"] = "drop" if reply.close else "keep"
    if reply.fault is not None and reply.fault != "end":
        ending = reply.fault
        if reply.after is None:
            return Frames(b"", (), pause, 0.0, ending)
    if reply.raw is not None:
        return Frames(b"", _split([reply.raw], reply.chunk), pause, reply.delay, ending)
    headers = {**head, **reply.headers}
    if reply.plain and reply.gzip is None and isinstance(content, bytes):
        # The common case, and the one whose cost is measured: one write.
        headers.setdefault("content-length", str(len(content)))
        return Frames(encode_head(reply.status, headers) + content, (), pause, at_once=True)

    size, pieces = _body(reply, content)
    if reply.gzip is not None:
        headers.setdefault("content-encoding", "gzip")
    if reply.after is not None:
        # Events are counted one by one, everything else by the byte.
        pieces = islice(pieces, reply.after) if size is None else _first(pieces, reply.after)
        if reply.fault == "end" and size is not None:
            size = min(size, reply.after)
    pieces = _split(pieces, reply.chunk)
    if size is None or reply.chunked:
        headers.setdefault("transfer-encoding", "chunked")
        pieces = map(_chunk, pieces)
        if ending == "keep" or reply.close:
            pieces = chain(pieces, [b"0\r\n\r\n"])
    else:
        headers.setdefault("content-length", str(size))
    start = encode_head(reply.status, headers)
    if reply.plain and size is None:
        return Frames(start + b"".join(pieces), (), pause, at_once=True)
    return Frames(start, pieces, pause, reply.delay, ending)


def encode_head(status: int, headers: Mapping[str, str]) -> bytes:
    """Return the status line and headers as bytes."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    return f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\n{lines}\r\n".encode("latin-1")


def _body(reply: Reply, content: Content) -> tuple[int | None, Iterable[bytes]]:
    """Return the body's size (None for a stream of events) and its pieces."""
    if isinstance(content, int):
        if reply.gzip is None:
            return content, _filler(content)
        content = _gzipped_filler(content)
    elif isinstance(content, bytes):
        if reply.gzip is not None:
            content = _gzip([content])
    else:
        events = (encode_event(event, crlf=reply.crlf, comment=reply.comments) for event in content)
        if reply.gzip is None:
            return None, events
        content = _gzip(events)
    if reply.gzip == "bad":
        middle = len(content) // 2
        content = content[:middle] + b"\xff\x00\xff\x00" + content[middle + 4 :]
    return len(content), [content]


def _filler(size: int) -> Iterator[bytes]:
    for left in range(size, 0, -len(_BLOCK)):
        yield _BLOCK if left >= len(_BLOCK) else _BLOCK[:left]


def _gzip(pieces: Iterable[bytes]) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return b"".join([*map(packer.compress, pieces), packer.flush()])


@lru_cache(maxsize=4)
def _gzipped_filler(size: int) -> bytes:
    return _gzip(_filler(size))


def _first(pieces: Iterable[bytes], count: int) -> Iterator[bytes]:
    """Yield the first `count` bytes."""
    for piece in pieces:
        if count <= 0:
            return
        yield piece[:count]
        count -= len(piece)


def _split(pieces: Iterable[bytes], size: int | None) -> Iterable[bytes]:
    """Return the same bytes in pieces of `size`, cut across the borders of the given ones."""
    return pieces if size is None else _resized(pieces, size)


def _resized(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    held = b""
    for piece in pieces:
        held += piece
        whole = len(held) - len(held) % size
        for start in range(0, whole, size):
            yield held[start : start + size]
        held = held[whole:]
    if held:
        yield held


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)
