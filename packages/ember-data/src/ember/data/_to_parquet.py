"""Write rows as a parquet file, a group of them at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from contextvars import copy_context
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ._columnar import require_polars
from .errors import DataError

_GROUP: Final = 10_000  # rows in memory at once


class MixedTypes(DataError, TypeError):
    """Rows that do not fit into one table: a column of several types, or not the columns of the rows before."""


def write_parquet(rows: Iterator[Any], path: str) -> None:
    """Write `rows`, which are dicts, to `path`, which has its name when it is whole.

    The first 10,000 say which columns there are and of what types.
    """
    polars = require_polars()
    first = _group(rows, 0)
    if not first:
        raise DataError(f"There are no rows to write to {path}, and so no columns either.")
    frame = _frame(polars, first, None, 0)
    failures: list[BaseException] = []
    context = copy_context()  # polars asks from a thread of its own

    def groups(columns: Any, predicate: Any, n_rows: Any, batch_size: Any) -> Iterator[Any]:
        yield frame
        done = len(first)
        try:
            while group := context.run(_group, rows, done):
                yield _frame(polars, group, frame.schema, done)
                done += len(group)
        except BaseException as error:  # carried over to the thread that asked for the file
            failures.append(error)

    from polars.io.plugins import register_io_source

    folder = os.path.dirname(os.path.abspath(path))
    handle, new = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", suffix=".part", dir=folder)
    os.close(handle)
    try:
        source = register_io_source(groups, schema=frame.schema, is_pure=False)
        source.sink_parquet(new, compression="zstd", maintain_order=True, mkdir=False)
        if failures:
            raise failures[0]
        with suppress(OSError):
            os.chmod(new, Path(path).stat().st_mode & 0o777 if os.path.exists(path) else 0o666 & ~_umask())
        os.replace(new, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(new)
        if isinstance(error, polars.exceptions.PolarsError):
            said = str(error).splitlines()
            raise DataError(f"{path} cannot be written: {said[0] if said else error!r}.") from error
        raise
    finally:
        failures.clear()


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _group(rows: Iterator[Any], done: int) -> list[Any]:
    group = list(islice(rows, _GROUP))
    for number, row in enumerate(group):
        if not isinstance(row, dict):
            raise MixedTypes(
                f"to_parquet() writes rows that are dicts, and row {done + number} is {type(row).__name__}. Make "
                f"dicts of them by transform()."
            )
    return group


def _frame(polars: Any, group: list[Any], schema: Any, done: int) -> Any:
    if schema is not None:
        known = set(schema)
        for number, row in enumerate(group):
            if not known.issuperset(row):
                extra = sorted(set(row) - known)
                raise MixedTypes(
                    f"Row {done + number} has the column {extra[0]!r}, which none of the first {_GROUP:,} rows has. "
                    f"Name the columns to be written by select()."
                )
    names = list(dict.fromkeys(name for row in group for name in row)) if schema is None else list(schema)
    columns: list[Any] = []
    for name in names:
        values = [row.get(name) for row in group]
        try:
            columns.append(_column(polars, name, values, None if schema is None else schema[name]))
        except (polars.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise MixedTypes(
                f"The column {name!r} of rows {done:,} to {done + len(group) - 1:,} does not fit into one table: "
                f"{said}. A column has values of one type: make them so by transform()."
            ) from error
    return polars.DataFrame(columns)


def _column(polars: Any, name: str, values: list[Any], kind: Any) -> Any:
    # Whole numbers among fractions are fractions; text among numbers is a mistake, which polars would make text of all.
    kinds: set[type[Any]] = {type(value) for value in values if value is not None}
    if float in kinds and kinds <= {int, float} and kind in (None, polars.Float64):
        return polars.Series(
            name, [None if value is None else float(value) for value in values], polars.Float64
        )
    if kinds == {int} and kind == polars.Float64:
        return polars.Series(
            name, [None if value is None else float(value) for value in values], polars.Float64
        )
    return polars.Series(name, values, kind, strict=True)
