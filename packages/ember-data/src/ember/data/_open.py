"""`stream(...)`: from what the user names to where the rows are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast, overload

from ember.core.suggest import nearest

from ._files import FORMATS, Files, find
from ._hub import Hub
from ._registry import OFFERED, DataRegistry
from ._remote import find_remote, is_remote, shown
from ._run import OnError, Policy
from ._source import Held, Iterated, Once, Source
from ._stream import Stream
from .errors import BadRecord, SourceNotFound, UnknownFormat

T = TypeVar("T")
S = TypeVar("S")
Path = str | os.PathLike[str]


@overload
def stream(
    source: Path,
    /,
    *,
    schema: type[S],
    columns: None = None,
    format: str | None = None,
    on_error: OnError = "raise",
    quarantine: Path | Callable[[BadRecord], object] | None = None,
    checkpoint: Path | None = None,
) -> Stream[S]: ...
@overload
def stream(
    source: Path,
    /,
    *,
    schema: None = None,
    columns: Sequence[str] | Mapping[str, Any] | None = None,
    format: str | None = None,
    on_error: OnError = "raise",
    quarantine: Path | Callable[[BadRecord], object] | None = None,
    checkpoint: Path | None = None,
    **options: Any,
) -> Stream[dict[str, Any]]: ...
@overload
def stream(source: Callable[[], Iterable[T]], /, *, checkpoint: Path | None = None) -> Stream[T]: ...
@overload
def stream(source: Iterable[T], /, *, checkpoint: Path | None = None) -> Stream[T]: ...
@overload
def stream(
    source: Source, /, *, on_error: OnError = "raise", checkpoint: Path | None = None
) -> Stream[Any]: ...
def stream(
    source: Any,
    /,
    *,
    schema: Any = None,
    columns: Sequence[str] | Mapping[str, Any] | None = None,
    format: str | None = None,
    on_error: OnError = "raise",
    quarantine: Path | Callable[[BadRecord], object] | None = None,
    checkpoint: Path | None = None,
    **options: Any,
) -> Stream[Any]:
    """Return the rows of `source`, lazily: nothing is read before a row is asked for.

    `source` is a path, a pattern (`"logs/*.jsonl.gz"`), any iterable, or a function that returns one. Formats
    and compression are told by what a file holds. Rows of files are plain dicts; `columns=` (names, or names with
    types) reads those alone, and `schema=` (a dataclass, TypedDict, msgspec Struct or pydantic model) makes
    instances of it: both are faster.

    A record that cannot be read is raised as BadRecord, passed over (`on_error="skip"`) or put aside
    (`on_error="quarantine"`, in the JSONL file `quarantine=`, or handed to the function that is given there); how
    many there were is in the summary.
    With `checkpoint=` the iterator keeps its place in that file, and goes on from it after a crash.

    Raises SourceNotFound at once if there is no such file.

    >>> stream([3, 1, 2]).filter(lambda n: n > 1).transform(str).to_list()
    ['3', '2']
    """
    if on_error not in ("raise", "skip", "quarantine"):
        raise ValueError(f'on_error is "raise", "skip" or "quarantine", and was {on_error!r}.')
    if (quarantine is None) == (on_error == "quarantine"):
        raise ValueError(
            'on_error="quarantine" and quarantine=, the file for the records put aside, go together.'
        )
    if schema is not None and columns is not None:
        raise ValueError("schema= names the columns already; give one of schema= and columns=.")
    if isinstance(columns, str):
        raise TypeError(f"columns= takes a list of names: [{columns!r}].")
    if columns is not None and not isinstance(columns, Mapping):
        columns = tuple(columns)
    if format is not None and format not in FORMATS:
        raise UnknownFormat(f"There is no format {format!r}. There are: {', '.join(sorted(FORMATS))}.")
    policy = Policy(
        on_error,
        quarantine if callable(quarantine) or quarantine is None else os.fspath(quarantine),
        None if checkpoint is None else os.fspath(checkpoint),
    )
    return Stream(_source(source, cast("Any", columns), schema, format, options), (), policy)


def _source(source: Any, columns: Any, schema: Any, format: str | None, options: dict[str, Any]) -> Source:
    if isinstance(source, (str, os.PathLike)):
        name = os.fsdecode(cast("Path", source))
        if isinstance(source, str) and (found := _named(name, columns, schema, options)) is not None:
            return found
        if options:
            raise TypeError(
                f"{', '.join(options)}: such options are for data sets that are known by name; {name!r} is none."
            )
        if is_remote(name):
            return Files(shown(name), find_remote(name), columns, schema, format)
        return Files(name, find(name), columns, schema, format)
    if columns is not None or schema is not None or format is not None or options:
        raise TypeError("columns=, schema= and format= are for files; rows in memory are what they are.")
    if isinstance(source, Stream):
        raise TypeError("That is a stream already.")
    if isinstance(source, Source):
        return source
    if isinstance(source, (bytes, bytearray, Mapping)):
        raise _no_source(cast("object", source))
    if isinstance(source, Sequence):
        return Held(cast("Sequence[object]", source))
    if isinstance(source, Iterator):
        return Once(cast("Iterator[object]", source))
    if isinstance(source, Iterable):
        return Iterated(None, cast("Iterable[object]", source))
    if callable(source):
        return Iterated(cast("Callable[[], Iterable[Any]]", source))
    raise _no_source(source)


def _named(name: str, columns: Any, schema: Any, options: dict[str, Any]) -> Source | None:
    """Return the source of a data set that is known by name, None where `name` is a path or an address."""
    if name.startswith("hf://"):
        id, _, subset = name.removeprefix("hf://").removeprefix("datasets/").partition(":")
        return Hub(id, subset or options.get("subset", ""), options.get("split", ""), columns, schema)
    if os.path.lexists(name) or is_remote(name):
        return None  # what is there goes before what is known
    known, _, subset = name.partition(":")
    if not DataRegistry.has(known):
        if known in OFFERED:
            DataRegistry.get(known)  # raises, and says what to install
        looks_named = not set(name) & set("/\\.*?[")
        if looks_named and (near := nearest(known, (*DataRegistry.names(), *OFFERED))):
            raise SourceNotFound(name, near)
        return None
    given = {**options, "subset": subset} if subset else options
    loaded = DataRegistry.get(known)(**given)
    if isinstance(loaded, Hub) and (columns is not None or schema is not None):
        return replace(loaded, columns=columns, schema=schema)
    is_path = isinstance(loaded, (str, os.PathLike))
    return _source(loaded, columns if is_path else None, schema if is_path else None, None, {})


def _no_source(source: object) -> TypeError:
    return TypeError(
        f"stream() takes a path, rows, or a function that returns rows, and was given {type(source).__name__}."
    )
