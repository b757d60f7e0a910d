"""Files: which there are, and how each is read, by what it holds before what it is called."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ember.core.suggest import nearest

from ._by_row import by_row
from ._bytes import content
from ._columnar import COLUMNAR, ColumnFile
from ._csv import Separated
from ._cursor import Bad, Cursor, Piece, PieceCursor, State
from ._decode import Columns
from ._expressions import Condition
from ._json import Document
from ._jsonl import JsonLines, TextLines
from ._remote import fetched_copy, is_remote, stamp
from ._reordered import Reordered
from ._run import Run
from ._said import said_plainly
from ._sharing import shared
from ._source import Reader, Source
from .errors import SourceChanged, SourceError, SourceNotFound, UnknownFormat

# Takes the path, the columns and the schema.
FORMATS: dict[str, Callable[[str, Columns, Any], Reader]] = {
    "jsonl": JsonLines,
    "json": Document,
    "csv": Separated,
    "tsv": partial(Separated, delimiter="\t"),
    "text": TextLines,
    "parquet": ColumnFile,
    "arrow": partial(ColumnFile, kind="arrow"),
}
_ENDINGS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
_PACKED = (".gz", ".zst", ".zstd", ".bz2", ".xz")
_MAGIC = {b"PAR1": "parquet", b"ARROW1": "arrow"}
_ARCHIVES = {b"PK\x03\x04": "zip", b"7z\xbc\xaf": "7z", b"Rar!": "rar"}
_HEAD = 64 * 1024


def format_of(path: str) -> str:
    """Return how the file at `path` is read: what its first bytes say, and where they leave it open, its name."""
    text = content(path)
    try:
        head = text.block(text.begin, _HEAD)
    finally:
        text.close()
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    for magic, name in _ARCHIVES.items():
        if head.startswith(magic):
            raise UnknownFormat(f"{path} is a {name} archive. Unpack it, and give stream() the files in it.")
    if head[257:262] == b"ustar":
        raise UnknownFormat(f"{path} is a tar archive. Unpack it, and give stream() the files in it.")
    ending = _ending(path)
    named = _ENDINGS.get(ending)
    if named in ("json", "jsonl", None):
        said = _json_or_lines(head)
        if said is not None:
            return said
    if named in ("parquet", "arrow") and head:
        raise UnknownFormat(f"{path} is called {ending} and is not: it begins with {head[:8]!r}.")
    if named is not None:
        return named
    if not head:
        return "jsonl"  # nothing, in any format
    raise UnknownFormat(
        f"What {path} holds cannot be told from its name or its first bytes ({head[:12]!r}). Name its format: "
        f"stream(..., format='jsonl'), or one of {', '.join(sorted(FORMATS))}."
    )


def _ending(path: str) -> str:
    parts = Path(path.lower())
    return Path(parts.stem).suffix if parts.suffix in _PACKED else parts.suffix


def _json_or_lines(head: bytes) -> str | None:
    import msgspec

    start = head.lstrip()
    if not start.startswith((b"{", b"[")):
        return None
    first, newline, rest = start.partition(b"\n")
    try:
        msgspec.json.decode(first)
    except ValueError:
        pass
    else:
        # `[...]` alone on one line is a document, whatever it is called; one object a line is lines.
        return "json" if first.startswith(b"[") and not rest.strip() else "jsonl"
    if not newline and len(head) >= _HEAD:
        return None  # one long line: the name has to say
    # A first line that is no value: a document over several lines, or lines of which the first is bad.
    return "json" if first.strip() in (b"{", b"[") or start.startswith(b"[") else None


@dataclass(frozen=True)
class Files(Reader):
    """The rows of files, one file after the other."""

    name: str
    paths: tuple[str, ...]
    columns: Columns = None
    schema: Any = None
    format: str | None = None
    where: Condition | None = None
    kept: tuple[str, ...] | None = (
        None  # the columns of each row, where the condition needs more of them read
    )
    share: tuple[int, int] | None = None  # every n-th record, from the i-th on

    def pieces(self, start: State) -> Iterator[Piece | Bad]:
        first = 0 if start is None else self._place(start)
        finish = self.finish()
        ahead = 0 if self.share is None else self.share[0] if start is None else start["ahead"]
        for number in range(first, len(self.paths)):
            path, before = self.paths[number], _mark(self.paths[:number])
            inner = None if start is None or number > first else start["at"]
            with said_plainly(path):
                reader = self.reader(path)
                if self.share is not None:
                    ahead = yield from self._shared(path, before, reader, inner, ahead)
                    continue
                # map() lets go of a piece when it has handed it on, as a loop's variable would not.
                yield from map(partial(_in_file, path, before, reader, finish), reader.pieces(inner))

    def _shared(
        self, path: str, before: int, reader: Reader, inner: State, ahead: int
    ) -> Generator[Piece | Bad, None, int]:
        """Yield the share of one file; return how many records ahead the next of ours is at its end."""
        assert self.share is not None
        finish, n = self.finish(), self.share[1]
        for found, ahead in shared(reader, inner, ahead, n):  # noqa: B020  # from there on it is what was yielded
            if found is not None:
                placed = _in_file(path, before, reader, finish, found)
                placed[1]["ahead"] = ahead
                yield placed
        return ahead

    def _place(self, start: State) -> int:
        path = start["file"]
        if path not in self.paths:
            raise SourceChanged(
                f"{path}, where the state was taken, is not among the files of {self.name!r} any more."
            )
        number = self.paths.index(path)
        if _mark(self.paths[:number]) != start["before"]:
            raise SourceChanged(
                f"The files before {path} are not those that were read when the state was taken. Begin "
                f"anew without it, or give new files names that come last."
            )
        return number

    def finish(self) -> Callable[[list[Any], Reader], list[Any]]:
        """Return what is done to the rows of a piece, where a reader of columns has not done it already."""
        if self.where is None:
            return lambda rows, reader: rows
        test, kept = by_row(self.where), self.kept

        def finish(rows: list[Any], reader: Reader) -> list[Any]:
            if isinstance(reader, ColumnFile):
                return rows
            rows = list(filter(test, rows))
            if kept is None:
                return rows
            return [{column: row[column] for column in kept if column in row} for row in rows]

        return finish

    def reader(self, path: str) -> Reader:
        """Return what reads the file at `path`, by what it holds."""
        kind = self.format or format_of(path)
        if kind in COLUMNAR:
            copy = fetched_copy(path) if is_remote(path) else None
            here = path if copy is None else copy.path
            return ColumnFile(here, self._columns_read(kind), self.schema, kind, self.where, copy)
        if kind not in FORMATS:
            raise UnknownFormat(
                f"{path} is {kind}, which is not read here. There are: {', '.join(sorted(FORMATS))}."
            )
        return FORMATS[kind](path, self._columns_read(kind), self.schema)

    def _columns_read(self, kind: str) -> Columns:
        # Of lines, what the condition asks for has to be read too; a reader of columns sees to that itself.
        if self.kept is None or self.where is None or kind in COLUMNAR:
            return self.columns if self.kept is None else self.kept
        return tuple(dict.fromkeys((*self.kept, *sorted(self.where.columns()))))

    def counted(self) -> int | None:
        """Return how many rows there are, if all files are in columns: that takes making none of them."""
        if self.share is not None:
            return None
        readers: list[ColumnFile] = []
        for path in self.paths:
            with said_plainly(path):
                reader = self.reader(path)
            if not isinstance(reader, ColumnFile):
                return None
            readers.append(reader)
        return sum(reader.counted() for reader in readers)

    def filtered(self, condition: Condition) -> Files | None:
        """Return these files without the rows that do not meet `condition`."""
        if isinstance(self.columns, tuple) and not condition.columns() <= set(self.kept or self.columns):
            return (
                None  # it asks for what was left out: a stage of its own says the same as in any other place
            )
        return replace(self, where=condition if self.where is None else self.where & condition)

    def narrowed(self, columns: tuple[str, ...]) -> Files | None:
        """Return these files read for `columns` alone."""
        if self.schema is not None or isinstance(self.columns, Mapping):
            return None
        if self.columns is not None and not set(columns) <= set(self.columns):
            return None
        return replace(self, columns=columns) if self.where is None else replace(self, kept=columns)

    def sharded(self, i: int, n: int) -> Files | None:
        """Return every `n`-th record of these files, from record `i` on."""
        return None if self.where is not None or self.share is not None else replace(self, share=(i, n))

    def reordered(self, seed: int, epoch: int) -> Source:
        """Return these files with their blocks in an order made of `seed` and `epoch`."""
        return self if self.share is not None else Reordered(self, seed, epoch)

    def reads(self) -> str:
        """Return what is read, and how, in words."""
        files = f"{len(self.paths):,} files" if len(self.paths) > 1 else "1 file"
        if self.share is not None:
            files += ", every {1}-th row from {0} on,".format(*self.share)
        kind = self.format or format_of(next(iter(self.paths)))
        if self.schema is not None:
            return f"reads {files} as {kind}, for {self.schema.__name__}"
        columns = self._columns_read(kind)
        names = "all columns" if columns is None else ", ".join(columns)
        if self.where is None:
            return f"reads {files} as {kind}, {names}"
        return f"reads {files} as {kind}, {names}, {'' if kind in COLUMNAR else 'then '}where {self.where!r}"

    def __fingerprint__(self) -> object:
        """Say what is read, for `cache()`: these files as they are now."""
        stats = [(path, *_stamp(path)) for path in self.paths]
        return stats, self.columns, self.schema, self.format, self.where, self.kept, self.share

    def open(self, run: Run) -> Cursor:
        return _Reading(self, run)

    def __repr__(self) -> str:
        return repr(self.name)


# What is done to the rows of a piece, where a reader of columns has not done it already.
_Finish = Callable[[list[Any], Reader], list[Any]]


def _in_file(path: str, before: int, reader: Reader, finish: _Finish, found: Piece | Bad) -> Piece | Bad:
    at = {"file": path, "before": before, "at": found[1]}
    return Piece(finish(found.rows, reader), at) if isinstance(found, Piece) else Bad(found.record, at)


class _Reading(PieceCursor):
    def __init__(self, files: Files, run: Run) -> None:
        super().__init__(files.pieces, run)
        self._files = files
        self._sizes: list[int] | None = None

    def fraction(self) -> float | None:
        at = self._start
        if at is None:
            return 0.0
        if not isinstance(at["at"], list):
            return None
        if self._sizes is None:
            self._sizes = [_size(path) for path in self._files.paths]
        number = self._files.paths.index(at["file"])
        done: int = sum(self._sizes[:number]) + min(at["at"][0], self._sizes[number])
        return done / (sum(self._sizes) or 1)


def _mark(paths: tuple[str, ...]) -> int:
    return zlib.crc32("\n".join(paths).encode("utf-8", "surrogateescape"))


def _size(path: str) -> int:
    if is_remote(path):
        return int(stamp(path)[0] or 0)
    return os.stat(path).st_size


def _stamp(path: str) -> tuple[Any, ...]:
    if is_remote(path):
        return stamp(path)
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def find(name: str) -> tuple[str, ...]:
    """Return the paths that `name`, a path or a pattern, stands for, in order of their names; a file once.

    Raises SourceNotFound, with the nearest names, and SourceError for a folder.
    """
    if os.path.isdir(name):
        inside = sorted({Path(entry).suffix for entry in os.listdir(name)} & _ENDINGS.keys()) or [".jsonl"]
        raise SourceError(
            f"{name} is a folder. Name the files in it: stream({os.path.join(name, '*' + inside[0])!r}), or "
            f"{os.path.join(name, '**', '*' + inside[0])!r} for those further down as well."
        )
    if os.path.lexists(name):
        return (name,)
    if any(character in name for character in "*?["):
        found = _matching(name)
        if found:
            return found
        raise SourceNotFound(name, (), "No file matches the pattern.")
    folder = os.path.dirname(name) or "."
    there = os.listdir(folder) if os.path.isdir(folder) else []
    near = nearest(os.path.basename(name), there)
    raise SourceNotFound(name, tuple(os.path.join(os.path.dirname(name), one) for one in near))


def _matching(pattern: str) -> tuple[str, ...]:
    # pathlib does not follow links to folders in `**`: a link to a folder above would be gone round and round.
    parts = Path(pattern).parts
    fixed = next(number for number, part in enumerate(parts) if any(sign in part for sign in "*?["))
    root = Path(*parts[:fixed])
    once: dict[str, str] = {}
    for path in sorted(root.glob(os.path.join(*parts[fixed:]))):
        hidden = any(part.startswith(".") for part in path.parts[fixed:])
        if not hidden and path.is_file():
            once.setdefault(os.path.realpath(path), str(path))
    return tuple(once.values())
