"""Rows as bytes and back, in blocks that tell whether they are whole.

A row of plain values is a pickle that no class can be named in, neither when it is made nor when it is read: so reading
one runs nothing, and it is made and read at the speed of C. Any other row is written by `ember.core.exact`, or refused.
"""

from __future__ import annotations

import json
import pickle
import struct
import zlib
from io import BytesIO
from typing import Any, BinaryIO, Final, NamedTuple

from ember.core.exact import pack, unpack

_HEAD: Final = struct.Struct(">4sIIII")  # tag, bytes of states, bytes of rows, checksum of both, rows
_BLOCK: Final = b"EmbB"
_END: Final = b"EmbE"
_ROW: Final = struct.Struct(">I")
_EXACT: Final = 1 << 31
_LONGEST: Final = 1 << 30


class _Plain(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        # Asked for everything that is not of a built-in type exactly.
        raise pickle.PicklingError


class _PlainReader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} in rows of plain values")


def row_bytes(row: Any) -> bytes:
    """Return a row as bytes. Raises `Unkeepable` for one that would not come back the same."""
    out = BytesIO(b"\0\0\0\0")
    out.seek(_ROW.size)
    try:
        _Plain(out, 5).dump(row)
        data, flag = out.getvalue()[_ROW.size :], 0
    except pickle.PicklingError:
        data, flag = pack(row), _EXACT
    if len(data) >= _LONGEST:
        raise ValueError(f"a row of {len(data):,} bytes")
    return _ROW.pack(len(data) | flag) + data


def _rows(data: bytes) -> list[Any]:
    rows: list[Any] = []
    at = 0
    while at < len(data):
        (size,) = _ROW.unpack_from(data, at)
        exact, size = bool(size & _EXACT), size & ~_EXACT
        at += _ROW.size
        piece = data[at : at + size]
        at += size
        rows.append(unpack(piece) if exact else _PlainReader(BytesIO(piece)).load())
    return rows


class Block(NamedTuple):
    """Rows, the states before the first and after the last of them, and where the next block begins in the file."""

    rows: list[Any]
    before: Any
    after: Any
    next: int


def block_bytes(rows: bytes, count: int, before: Any, after: Any) -> bytes:
    """Return a block of `rows`, which `row_bytes` made and which stand one after the other."""
    states = json.dumps([before, after], separators=(",", ":")).encode()
    return (
        _HEAD.pack(_BLOCK, len(states), len(rows), zlib.crc32(rows, zlib.crc32(states)), count)
        + states
        + rows
    )


def end_bytes() -> bytes:
    """Return what stands at the end of a whole file."""
    return _HEAD.pack(_END, 0, 0, 0, 0)


def read_block(file: BinaryIO, at: int) -> Block | None:
    """Return the block at the offset `at`, or None if there is none that is whole."""
    file.seek(at)
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    tag, states_size, size, checksum, count = _HEAD.unpack(head)
    if tag != _BLOCK:
        return None
    body = file.read(states_size + size)
    if len(body) < states_size + size or zlib.crc32(body) != checksum:
        return None
    before, after = json.loads(body[:states_size])
    rows = _rows(body[states_size:])
    return Block(rows, before, after, at + _HEAD.size + len(body)) if len(rows) == count else None


def is_end(file: BinaryIO, at: int) -> bool:
    """Whether the file is whole, and ends at the offset `at`."""
    file.seek(at)
    return file.read(_HEAD.size) == end_bytes()
