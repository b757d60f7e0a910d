"""Files with their blocks in another order: what lets a shuffle mix rows that stand far apart.

A block is the lines that begin in a range of bytes, or a whole file where nothing can be read from its middle
(compressed, documents, columns). No index is made: a line is found by the line end before it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from ._bytes import Plain, content
from ._cursor import Bad, Cursor, Piece, PieceCursor, State
from ._jsonl import Lines
from ._run import Run
from ._said import said_plainly
from ._source import Reader
from .errors import BadRecord, SourceChanged

if TYPE_CHECKING:
    from ._files import Files

_SMALLEST, _LARGEST, _MANY = 64 * 1024, 1024 * 1024, 256


class _Block(NamedTuple):
    path: str
    begin: int
    end: int | None  # None: the whole file


@dataclass(frozen=True)
class Reordered(Reader):
    """The rows of `files`, block by block, in an order made of `seed` and `epoch`."""

    files: Files
    seed: int
    epoch: int

    def pieces(self, start: State) -> Iterator[Piece | Bad]:
        readers: dict[str, Reader] = {}
        for path in self.files.paths:
            with said_plainly(path):
                readers[path] = self.files.reader(path)
        blocks = self._blocks(readers)
        mark = zlib.crc32(repr(blocks).encode("utf-8", "surrogateescape"))
        if start is not None and start["of"] != mark:
            raise SourceChanged(
                f"The files of {self.files.name!r}, or their sizes, are not those of the state, and under a shuffle "
                f"their blocks come in another order then. Begin anew without it."
            )
        Random(f"{self.seed}/{self.epoch}/blocks").shuffle(blocks)
        first = 0 if start is None else start["block"]
        finish, numbers = self.files.finish(), _LineNumbers()
        for place in range(first, len(blocks)):
            block = blocks[place]
            inner = None if start is None or place > first else start["at"]
            reader = readers[block.path]

            def placed(found: Piece | Bad, place: int = place, reader: Reader = reader) -> Piece | Bad:
                at = {"of": mark, "block": place, "blocks": len(blocks), "at": found[1]}
                if isinstance(found, Piece):
                    return Piece(finish(found.rows, reader), at)
                return Bad(numbers.absolute(found.record, blocks[place]), at)

            with said_plainly(block.path):
                if block.end is None or not isinstance(reader, Lines):
                    yield from map(placed, reader.pieces(inner))
                else:
                    yield from map(placed, reader.between(block.begin, block.end, inner))

    def _blocks(self, readers: dict[str, Reader]) -> list[_Block]:
        sizes = {path: _divisible(path, reader) for path, reader in readers.items()}
        total = sum(size for size in sizes.values() if size is not None)
        size = min(_LARGEST, max(_SMALLEST, total // _MANY))
        blocks: list[_Block] = []
        for path, length in sizes.items():
            if length is None:
                blocks.append(_Block(path, 0, None))
            else:
                blocks += [_Block(path, at, min(at + size, length)) for at in range(0, length, size)]
        return blocks

    def reads(self) -> str:
        """Return what is read, and how, in words."""
        return f"{self.files.reads()}, its blocks in another order"

    def open(self, run: Run) -> Cursor:
        return _Reading(self, run)

    def __repr__(self) -> str:
        return repr(self.files)


def _divisible(path: str, reader: Reader) -> int | None:
    """Return the size of a file that can be read from any line on; None for another."""
    if not isinstance(reader, Lines):
        return None
    text = content(path)
    try:
        return text.size if isinstance(text, Plain) else None
    finally:
        text.close()


class _Reading(PieceCursor):
    def __init__(self, blocks: Reordered, run: Run) -> None:
        super().__init__(blocks.pieces, run)

    def fraction(self) -> float | None:
        return 0.0 if self._start is None else self._start["block"] / self._start["blocks"]


class _LineNumbers:
    """How many lines stand before a block: counted only where a bad record asks for it."""

    def __init__(self) -> None:
        self._known: dict[str, dict[int, int]] = {}

    def absolute(self, bad: BadRecord, block: _Block) -> BadRecord:
        """Return `bad` with its line counted from the beginning of its file."""
        if not block.begin:
            return bad
        known = self._known.setdefault(block.path, {0: 0})
        # The first line of a block begins behind the first line end from its last byte before on.
        at = max(offset for offset in known if offset <= block.begin - 1)
        lines, last = known[at], block.begin - 1
        with open(block.path, "rb") as file:
            file.seek(at)
            while at < last and (data := file.read(min(_LARGEST, last - at))):
                lines += data.count(b"\n")
                at += len(data)
        known[last] = lines
        return BadRecord(bad.file, bad.line + lines + 1, bad.offset, bad.reason, bad.content)
