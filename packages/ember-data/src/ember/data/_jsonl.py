"""JSON lines, a block at a time.

A block begins where the one before ended and is decoded by one call; only a block with something wrong in it is
gone through line by line. Which blocks there are depends on where one begins and on nothing else.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from ember.core.suggest import nearest

from ._bytes import BLOCK, Content, content
from ._cursor import Bad, Piece, State
from ._decode import BAD, Columns, Decoding, decoding, reason, salvaged
from ._sharing import Shared, whole
from ._source import Reader
from .errors import BadRecord, SourceChanged, SourceError, UnknownColumn

# A longer record is a bad one: nobody's row, and a file without line ends must not fill the memory.
LONGEST = 128 * 1024 * 1024
_SHOWN = 2_000
_NEAR = 64
_LONG = 240
_SPACE = 32
_BLANK = re.compile(rb"\n\s")


@dataclass(frozen=True)
class Lines(Reader):
    """A file of lines: where each block of whole lines begins, and what is made of it is for a subclass to say."""

    path: str
    columns: Columns = None
    schema: Any = None

    def rows(self, body: bytes, decode: Decoding) -> list[Any] | None:
        """Return the rows of a block, one for each of its lines, or None if they have to be read one by one."""
        raise NotImplementedError

    def row(self, line: bytes, decode: Decoding) -> Any:
        """Return the row of one line. Raises one of BAD."""
        raise NotImplementedError

    def keeps(self, line: bytes) -> bool:
        """Return whether there is a row in `line`."""
        return bool(line.strip())

    def records(self, lines: list[bytes]) -> list[bytes]:
        """Return those of `lines` that there are rows in, as `keeps` does of one."""
        return list(filter(bytes.strip, lines))

    def pieces(self, start: State) -> Iterator[Piece | Bad]:
        return self.between(0, None, start)

    def between(self, begin: int, end: int | None, start: State) -> Iterator[Piece | Bad]:
        """Yield the rows of the lines that begin from `begin` on and before `end`; line numbers count from there."""
        return whole(self._blocks(begin, end, start, 0, 1))

    def every(self, start: State, ahead: int, n: int) -> Iterator[Shared]:
        """Yield every `n`-th line, the first of them `ahead` lines behind `start`; see `shared`."""
        return self._blocks(0, None, start, ahead, n)

    def _blocks(self, begin: int, end: int | None, start: State, ahead: int, n: int) -> Iterator[Shared]:
        decode = decoding(self.columns, self.schema)
        text = content(self.path)
        try:
            if start is None:
                first = text.begin if begin <= text.begin else _after_newline(text, begin - 1)
                offset, line, near = first, 1, 0
            else:
                offset, line, near = start
                require_unchanged(self.path, text, offset, near)
            fresh = start is None and begin <= text.begin
            while (end is None or offset < end) and (block := whole_lines(text, offset)):
                if isinstance(block, int):  # where the line after one that is too long begins
                    record = BadRecord(
                        self.path, line, offset, f"longer than {LONGEST:,} bytes", text.block(offset, _SHOWN)
                    )
                    offset, line = block, line + 1
                    is_ours, ahead, near = ahead == 0, (ahead - 1) % n, 0
                    if is_ours:
                        before = mark(text.block(max(text.begin, offset - _NEAR), _NEAR))
                        yield Bad(record, [offset, line, before]), ahead
                    continue
                if offset and not near:
                    near = mark(text.block(max(text.begin, offset - _NEAR), min(_NEAR, offset - text.begin)))
                if end is not None and (last := block.find(b"\n", max(0, end - offset - 1)) + 1):
                    block = block[:last]
                here = [offset, line, near]
                offset, near = offset + len(block), mark(block[-_NEAR:])
                count, all_lines, ours = 0, 0, block
                if n > 1:
                    lines = block.removesuffix(b"\n").split(b"\n")
                    records = self.records(lines)
                    count, all_lines, ours = len(records), len(lines), b"\n".join([*records[ahead::n], b""])
                    del lines, records
                rows = self.rows(ours, decode) if ours else []
                if rows is None:
                    line += block.count(b"\n")
                    ahead = yield from self._one_by_one(block, here, decode, ahead, n)
                else:
                    line += all_lines or len(rows)
                    if fresh and self.columns is not None:
                        _require_columns(self.columns, rows, ours)
                    found, rows = (Piece(rows, here), ahead), None
                    yield found
                    del found
                    ahead = (ahead - count) % n
                fresh = False
            yield None, ahead
        finally:
            text.close()

    def _one_by_one(
        self, block: bytes, start: list[int], decode: Decoding, ahead: int, n: int
    ) -> Generator[Shared, None, int]:
        rows: list[Any] = []
        offset, number, _ = start
        at, first = 0, ahead
        for line in _lines(block):
            at, number_here = at + len(line), number
            number += 1
            if not self.keeps(line):
                continue
            is_ours, ahead = ahead == 0, (ahead - 1) % n
            if not is_ours:
                continue
            try:
                rows.append(self.row(line, decode))
            except BAD as error:
                if rows:
                    yield (Piece(rows, start), first)
                    rows = []
                content = line.rstrip(b"\r\n")[:_SHOWN]
                record = BadRecord(
                    self.path, number_here, offset + at - len(line), reason(error, line), content
                )
                start = [offset + at, number, mark(block[max(0, at - _NEAR) : at])]
                first = ahead
                yield Bad(record, start), first
        if rows:
            yield Piece(rows, start), first
        return ahead


def _lines(block: bytes) -> list[bytes]:
    if b"\r" not in block:
        return block.splitlines(keepends=True)
    # Only \n ends a line: splitlines() would also end one at a bare \r, which JSON allows as white space.
    lines = [line + b"\n" for line in block.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _after_newline(text: Content, at: int) -> int:
    """Return where the line after the first line end from `at` on begins."""
    while block := text.block(at, BLOCK):
        end = block.find(b"\n") + 1
        if end:
            return at + end
        at += len(block)
    return at


def mark(near: bytes) -> int:
    """Return a number that tells whether what stands before an offset is still the same."""
    return zlib.crc32(near) or 1


def require_unchanged(path: str, text: Content, offset: int, near: int) -> None:
    """Raise SourceChanged unless what stands before `offset` is what stood there."""
    if offset > text.begin and near:
        begin = max(text.begin, offset - _NEAR)
        before = text.block(begin, offset - begin)
        # A mark covers the 64 bytes before, or what there was of them in the block.
        if not any(mark(before[-n:]) == near for n in range(len(before), 0, -1)):
            raise SourceChanged(
                f"{path} is not what it was when the state was taken: what stands before byte {offset:,} differs. "
                f"Begin anew without the state, or give back the file as it was. (Lines may be appended.)"
            )


def whole_lines(text: Content, offset: int) -> bytes | int:
    """Return whole lines from `offset` on, about a block of them; none at the end.

    Where one line is longer than LONGEST, returns instead the offset of the next.
    """
    block = text.block(offset, BLOCK)
    end = block.rfind(b"\n") + 1
    if len(block) < BLOCK:
        try:
            if not text.block(offset + len(block), 1):
                return block
        except SourceError:
            if not end:
                raise
            return block[:end]  # the whole lines before what is wrong; it is met again after them
    if end:
        return block[:end]
    parts, size = [block], len(block)
    while True:
        block = text.block(offset + size, max(BLOCK, min(size, 64 * BLOCK)))
        end = block.find(b"\n") + 1
        if end or not block:
            if parts and size + end <= LONGEST:
                return b"".join((*parts, block[:end]))
            return offset + size + end
        size += len(block)
        parts = [*parts, block] if parts and size <= LONGEST else []


def _require_columns(columns: Any, rows: list[Any], block: bytes) -> None:
    unseen = set(columns)
    for row in rows[:1_000]:
        unseen.difference_update(row)
        if not unseen:
            return
    if rows:
        known: set[str] = set()
        for row in decoding(None, None).block(block)[:1_000]:
            known.update(row)
        column = next(name for name in columns if name in unseen)
        raise UnknownColumn(column, nearest(column, known), f"of the first {min(len(rows), 1_000):,}")


@dataclass(frozen=True)
class JsonLines(Lines):
    """One JSON value a line; blank lines are none."""

    def rows(self, body: bytes, decode: Decoding) -> list[Any] | None:
        try:
            rows = decode.block(body)
        except BAD:
            return None
        # Otherwise there are blank lines, values over several lines, or several in one.
        return rows if _are_lines(body, len(rows)) else None

    def row(self, line: bytes, decode: Decoding) -> Any:
        return salvaged(line.rstrip(b"\r\n"), decode)


def _are_lines(body: bytes, n: int) -> bool:
    """Return whether `body` is `n` lines none of which is blank, or begins as a blank one may."""
    if len(body) < _LONG * n:
        lines = body.count(b"\n") + (not body.endswith(b"\n"))
        return lines == n and body[:1] > b" " and not _BLANK.search(body)
    # Over long lines, looking for one after the other takes a quarter of the time of counting bytes.
    find, at = body.find, 0
    for _ in repeat(None, n):
        if body[at] <= _SPACE:
            return False
        at = find(b"\n", at) + 1
        if not at:
            return False
    return at == len(body)


@dataclass(frozen=True)
class TextLines(Lines):
    """One row a line, `{"text": line}`, without the line end."""

    def rows(self, body: bytes, decode: Decoding) -> list[Any] | None:
        try:
            return [
                {"text": line.decode().removesuffix("\r")} for line in body.removesuffix(b"\n").split(b"\n")
            ]
        except UnicodeDecodeError:
            return None

    def row(self, line: bytes, decode: Decoding) -> Any:
        return {"text": line.rstrip(b"\r\n").decode()}

    def keeps(self, line: bytes) -> bool:
        return True

    def records(self, lines: list[bytes]) -> list[bytes]:
        return lines
