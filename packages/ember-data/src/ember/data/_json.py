"""JSON documents: the rows are the members of a list, or the one object that there is. The whole is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from ._bytes import BLOCK, Content, content
from ._cursor import Bad, Piece, State
from ._decode import BAD, Columns, decoding, reason, salvaged
from ._jsonl import mark
from ._source import Reader
from .errors import BadRecord, SourceChanged, SourceError

LARGEST = 1024**3
_ROWS = 512


@dataclass(frozen=True)
class Document(Reader):
    """The rows of one JSON document."""

    path: str
    columns: Columns = None
    schema: Any = None

    def pieces(self, start: State) -> Iterator[Piece | Bad]:
        decode = decoding(self.columns, self.schema)
        text = content(self.path)
        try:
            data = self._all(text)
        finally:
            text.close()
        if not data.strip():
            return
        members = self._members(data)
        number = 0 if start is None else int(start["member"])
        if start is not None and (number > len(members) or start != _place(members, number)):
            raise SourceChanged(
                f"{self.path} is not what it was when the state was taken: what stands before its member {number:,} "
                f"differs. Begin anew without the state, or give back the file as it was."
            )
        rows: list[Any] = []
        first = number
        while number < len(members):
            raw = bytes(members[number])
            number += 1
            try:
                rows.append(salvaged(raw, decode))
            except BAD as error:
                if rows:
                    yield Piece(rows, _place(members, first))
                yield Bad(self._bad(data, members, number - 1, reason(error, raw)), _place(members, number))
                rows, first = [], number
            if len(rows) == _ROWS:
                yield Piece(rows, _place(members, first))
                rows, first = [], number
        if rows:
            yield Piece(rows, _place(members, first))

    def _all(self, text: Content) -> bytes:
        parts: list[bytes] = []
        at = text.begin
        while part := text.block(at, 16 * BLOCK):
            parts.append(part)
            at += len(part)
            if at > LARGEST:
                raise SourceError(
                    f"{self.path} is one JSON document of more than {LARGEST:,} bytes, which would have to be in "
                    f"memory at once. Write it as JSON lines."
                )
        return b"".join(parts)

    def _members(self, data: bytes) -> list[Any]:
        if not data.lstrip().startswith(b"["):
            return [data]
        try:
            return msgspec.json.decode(data, type=list[msgspec.Raw])
        except msgspec.DecodeError as error:
            if b"NaN" not in data and b"Infinity" not in data:
                raise SourceError(f"{self.path} is no whole JSON document: {error}.") from error
        import json  # takes NaN and Infinity, as Python writes them

        try:
            return [json.dumps(member).encode() for member in json.loads(data)]
        except ValueError as error:
            raise SourceError(f"{self.path} is no whole JSON document: {error}.") from error

    def _bad(self, data: bytes, members: list[Any], number: int, why: str) -> BadRecord:
        offset = 0
        for member in members[: number + 1]:
            begin = data.find(bytes(member), offset)
            offset = begin + len(bytes(member))
        begin = max(0, offset - len(bytes(members[number])))
        return BadRecord(
            self.path, data.count(b"\n", 0, begin) + 1, begin, why, bytes(members[number])[:2_000]
        )


def _place(members: list[Any], number: int) -> State:
    """Return where a member stands: its number, and a mark of the one before."""
    return {"member": number, "near": mark(bytes(members[number - 1])) if number else 0}
