"""Parquet and Arrow files, read through polars: only the columns and rows that are wanted leave it.

Rows are counted as they stand in the file, wanted or not, so that a place in it stays one whatever is pushed down.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ember.core.suggest import nearest

from ._by_column import by_column
from ._cursor import Bad, Piece, State
from ._decode import Columns, decoding
from ._expressions import Condition
from ._sharing import Shared, whole
from ._source import Reader
from .errors import SourceChanged, SourceError, UnknownColumn

if TYPE_CHECKING:
    from ._copies import Copy

COLUMNAR: Final = frozenset({"parquet", "arrow"})
_PIECE: Final = (
    4_096  # rows from one place that a state can name to the next: about what a processor's cache holds
)
_FIRST: Final = 16_384  # rows of the file that polars may be ahead by, before it is known how large they are
_LARGEST: Final = 262_144  # ... and at most
_AHEAD: Final = 16 << 20  # ... in bytes
_END: Final = 65_536  # bytes
_AT: Final = "__ember_row"


def require_polars() -> Any:
    """Import polars, or say how to install it."""
    try:
        import polars
    except ModuleNotFoundError as error:
        if error.name != "polars":
            raise
        raise SourceError('Parquet and Arrow files need polars: pip install "ember-data[parquet]"') from error
    return polars


@dataclass(frozen=True)
class ColumnFile(Reader):
    """The rows of a file in columns, `kind` being "parquet" or "arrow"."""

    path: str
    columns: Columns = None
    schema: Any = None
    kind: str = "parquet"
    where: Condition | None = None
    copy: Copy | None = field(
        default=None, repr=False, compare=False
    )  # what `path` is the path of, if it is one

    def pieces(self, start: State) -> Iterator[Piece | Bad]:
        return whole(self.every(start, 0, 1))

    def every(self, start: State, ahead: int, n: int) -> Iterator[Shared]:
        """Yield the pieces of every `n`-th row, the first of them `ahead` rows behind `start`; see `shared`."""
        polars = require_polars()
        begin, count = (0, None) if start is None else (start["row"], start["of"])
        try:
            frame = self._scan(polars, numbered=self.where is not None or n > 1)
            types = frame.collect_schema()
            known = types.names()
            total = frame.select(polars.len()).collect().item()
            if count is not None and count != total:
                raise SourceChanged(
                    f"{self.path} has {total:,} rows, and had {count:,} when the state was taken. Begin "
                    f"anew without it."
                )
            mark = self._mark()
            if start is not None and start["mark"] != mark:
                raise SourceChanged(
                    f"{self.path} is another file of {total:,} rows than when the state was taken. Begin anew without "
                    f"it, or give back the file as it was."
                )
            names = self._names(known)
            if self.where is not None:
                _require(known, sorted(self.where.columns()), self.path)
            make = _rows_of(names, self.schema, self.columns)
            # Rows are told by their numbers where not all of them come.
            ours = self._ours(polars, types, (begin + ahead) % n, n)
            wanted = names if ours is None else [*names, _AT]
            at, waiting = begin, None
            for batch in self._batches(frame, ours, wanted, range(begin, total)):
                waiting = batch if waiting is None else polars.concat([waiting, batch], rechunk=False)
                while waiting.height >= _PIECE:
                    piece, waiting = waiting.slice(0, _PIECE), waiting.slice(_PIECE)
                    row = at if ours is None else int(piece.get_column(_AT).item(0))
                    yield (
                        Piece(make(piece), {"row": row, "of": total, "mark": mark}),
                        (begin + ahead - row) % n,
                    )
                    at += _PIECE
            if waiting is not None and waiting.height:
                row = at if ours is None else int(waiting.get_column(_AT).item(0))
                yield Piece(make(waiting), {"row": row, "of": total, "mark": mark}), (begin + ahead - row) % n
            yield None, (begin + ahead - total) % n
        except polars.exceptions.PolarsError as error:
            raise self._unreadable(error) from error

    def _batches(self, frame: Any, ours: Any, wanted: list[str], rows: range) -> Iterator[Any]:
        """Yield the wanted rows and columns, in batches.

        A window of the file at a time: polars reads ahead of whoever takes its batches, as far as there is memory.
        """
        first, window = rows.start, _FIRST
        while first < rows.stop:
            part = frame.slice(first, window)
            if ours is not None:
                part = part.filter(ours)
            height = size = 0
            for batch in part.select(wanted).collect_batches(chunk_size=_PIECE, maintain_order=True):
                height, size = height + batch.height, size + batch.estimated_size()
                yield batch
            first += window
            window = min(_LARGEST, 2 * window if not size else max(_PIECE, _AHEAD * height // size))

    def counted(self) -> int:
        """Return how many rows there are, without making any."""
        polars = require_polars()
        try:
            frame = self._scan(polars, numbered=False)
            if self.where is not None:
                types = frame.collect_schema()
                _require(types.names(), sorted(self.where.columns()), self.path)
                frame = frame.filter(self._condition(types))
            return int(frame.select(polars.len()).collect().item())
        except polars.exceptions.PolarsError as error:
            raise self._unreadable(error) from error

    def _mark(self) -> int:
        """Return a number that tells whether it is still the same file: of its end, where it says what is in it."""
        with open(self.path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _END))
            return zlib.crc32(file.read())

    def _unreadable(self, error: Exception) -> SourceError:
        said = str(error).splitlines()
        return SourceError(f"{self.path} cannot be read as {self.kind}: {said[0] if said else error!r}.")

    def _ours(self, polars: Any, types: Any, i: int, n: int) -> Any:
        """Return what is true of the rows wanted, of those that the condition keeps and every `n`-th; None for all."""
        kept = None if self.where is None else self._condition(types)
        if n == 1:
            return kept
        shard = polars.col(_AT) % n == i
        return shard if kept is None else shard & kept

    def _condition(self, types: Any) -> Any:
        assert self.where is not None
        floats = frozenset(name for name in types.names() if types[name].is_float())
        return by_column(self.where, floats)

    def _scan(self, polars: Any, *, numbered: bool) -> Any:
        scan = polars.scan_parquet if self.kind == "parquet" else polars.scan_ipc
        path = self.path.replace("[", "[[]") if "[" in self.path else self.path
        index = _AT if numbered else None
        if self.kind == "parquet":
            return scan(path, row_index_name=index, glob=path != self.path)
        return scan(path, row_index_name=index)

    def _names(self, known: list[str]) -> list[str]:
        wanted = self.columns
        if wanted is None and self.schema is not None:
            fields = _fields(self.schema)
            return [name for name in known if name in fields]
        if wanted is None:
            return [name for name in known if name != _AT]
        _require(known, list(wanted), self.path)
        return list(wanted)


def _require(known: list[str], wanted: list[str], path: str) -> None:
    for name in wanted:
        if name not in known:
            raise UnknownColumn(name, nearest(name, known), f"of {path}")


def _fields(schema: Any) -> set[str]:
    pydantic: Any = getattr(schema, "model_fields", None)
    if pydantic is not None:
        return set(pydantic)
    kind: Any = msgspec.inspect.type_info(schema)
    return {field.encode_name for field in kind.fields}


def _rows_of(names: list[str], schema: Any, columns: Columns) -> Callable[[Any], list[Any]]:
    """Return a function from a batch to its rows.

    It is made for these columns, as a display `{"a": a, ...}` over the columns' lists: that takes half the time of
    polars' own rows, and of `dict(zip(...))`.
    """
    if schema is None:
        shape: Any = None if columns is None or isinstance(columns, tuple) else columns
    else:
        shape = schema
    if not names:
        return lambda batch: [{} for _ in range(batch.height)]
    variables = [f"c{n}" for n in range(len(names))]
    display = ", ".join(f"{name!r}: {variable}" for name, variable in zip(names, variables, strict=True))
    text = f"lambda lists: [{{{display}}} for {', '.join(variables)}, in zip(*lists)]"
    make = eval(text, {"zip": zip})  # the names stand in it as literals, made by repr

    def rows(batch: Any) -> list[Any]:
        found: list[Any] = make([batch.get_column(name).to_list() for name in names])
        return found

    if shape is None:
        return rows
    if hasattr(shape, "model_validate"):
        return lambda batch: [shape.model_validate(row) for row in rows(batch)]
    if isinstance(shape, dict):
        convert = decoding(columns, None).row
        return lambda batch: [convert(row) for row in rows(batch)]
    listed: Any = list[shape]
    return lambda batch: msgspec.convert(rows(batch), listed, strict=False)
