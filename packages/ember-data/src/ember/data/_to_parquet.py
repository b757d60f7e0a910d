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
    except BaseException:
        with suppress(OSError):
            os.unlink(new)
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
                f"to_parquet() writes rows that are dicts, and row {done + number} is {type(row).__name__}. Make dicts of "
                f"them by transform()."
            )
    return group


def _frame(polars: Any, group: list[Any], schema: Any, done: int) -> Any:
    if schema is not None:
        known = set(schema)
        for number, row in enumerate(group):
            if not known.issuperset(row):
                extra = sorted(set(row) - known)
                raise MixedTypes(
                    f"Row {done + number} has the column {extra[0]!r}, which none of the first {_GROUP:,} rows has. Name "
                    f"the columns to be written by select()."
                )
    try:
        return polars.DataFrame(group, schema=schema, infer_schema_length=None, strict=True)
    except (polars.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MixedTypes(
            f"Rows {done:,} to {done + len(group) - 1:,} do not fit into one table: {said}. A column has values of one "
            f"type: make them so by transform()."
        ) from error
