"""CSV and TSV: the first record names the columns; values are text, or what a schema makes of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ember.core.suggest import nearest

from ._bytes import Content, content
from ._cursor import Bad, Piece, State
from ._decode import BAD, Columns, decoding, reason
from ._jsonl import LONGEST, mark, require_unchanged, whole_lines
from ._source import Reader
from .errors import BadRecord, SourceError, UnknownColumn

_ROWS = 512
_SHOWN = 2_000
_NEAR = 64


@dataclass(frozen=True)
class Separated(Reader):
    """The rows of a file of separated values. A quoted value may hold line ends."""

    path: str
    columns: Columns = None
    schema: Any = None
    delimiter: str | None = None

    def pieces(self, start: State) -> Iterator[Piece | Bad]:
        # The module's limit is 128 KiB for a value, less than one document of many a corpus.
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
        decode = decoding(self.columns, self.schema)
        text = content(self.path)
        try:
            delimiter = self.delimiter or _delimiter(text)
            lines = _Lines(text, text.begin, 1)
            header = self._header(lines, delimiter)
            if header is None:
                return
            if start is not None:
                require_unchanged(self.path, text, start[0], start[2])
                lines = _Lines(text, start[0], start[1])
            records = csv.reader(lines, delimiter=delimiter, strict=True)
            here = [lines.offset, lines.number, lines.near]
            rows: list[Any] = []
            while True:
                at, number = lines.offset, lines.number
                lines.begin()
                try:
                    record = next(records, None)
                    if record is None:
                        break
                    if record:
                        rows.append(decode.row(_row(header, record)))
                except (csv.Error, *BAD) as error:
                    if rows:
                        yield Piece(rows, here)
                        rows = []
                    said = str(error) if isinstance(error, csv.Error) else reason(error, lines.seen)
                    here = [lines.offset, lines.number, lines.near]
                    yield Bad(
                        BadRecord(self.path, number, at, said, lines.seen.rstrip(b"\r\n")[:_SHOWN]), here
                    )
                    records = csv.reader(lines, delimiter=delimiter, strict=True)
                    continue
                if len(rows) == _ROWS:
                    yield Piece(rows, here)
                    rows, here = [], [lines.offset, lines.number, lines.near]
            if rows:
                yield Piece(rows, here)
        finally:
            text.close()

    def _header(self, lines: _Lines, delimiter: str) -> list[str] | None:
        try:
            header = next(csv.reader(lines, delimiter=delimiter, strict=True), None)
        except (csv.Error, UnicodeDecodeError) as error:
            raise SourceError(
                f"The first record of {self.path} should name the columns, and cannot be read: {error}."
            ) from error
        if header is None:
            return None
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise SourceError(
                f"{self.path} has more than one column named {', '.join(map(repr, twice))}, and a row keeps one "
                f"value for a name. Rename them in the file's first line."
            )
        for column in self.columns or ():
            if column not in header:
                raise UnknownColumn(column, nearest(column, header), f"of {self.path}")
        return header


def _delimiter(text: Content) -> str:
    """Return what stands between the names of the columns: a comma, or else what there is most of."""
    first = text.block(text.begin, 4096).partition(b"\n")[0]
    return "," if b"," in first else max(";\t|", key=lambda sign: first.count(sign.encode()))


def _row(header: list[str], record: list[str]) -> dict[str, Any]:
    if len(record) != len(header):
        raise ValueError(f"{len(record)} values, where the first line names {len(header)} columns")
    return dict(zip(header, record))


class _Lines:
    """The lines of a file as text, one when asked; knows where the next begins."""

    def __init__(self, text: Content, offset: int, number: int) -> None:
        self._text = text
        self.offset, self.number = offset, number
        self._block: Iterator[bytes] = iter(())
        self._next_block = offset
        self.seen = b""  # of the record in hand

    @property
    def near(self) -> int:
        """The mark of what stands before the next line."""
        begin = max(self._text.begin, self.offset - _NEAR)
        return mark(self._text.block(begin, self.offset - begin)) if self.offset > self._text.begin else 0

    def begin(self) -> None:
        """Begin a record."""
        self.seen = b""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._block, None)
        if line is None:
            block = whole_lines(self._text, self._next_block)
            if isinstance(block, int):
                self._next_block = self.offset = block
                self.number += 1
                raise csv.Error(f"a line longer than {LONGEST:,} bytes")
            if not block:
                raise StopIteration
            self._next_block += len(block)
            self._block = iter(io.BytesIO(block))
            line = next(self._block)
        self.offset, self.number = self.offset + len(line), self.number + 1
        if len(self.seen) < _SHOWN:
            self.seen += line
        return line.decode()
