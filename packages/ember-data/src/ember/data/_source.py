"""Where rows come from.

How a source is made
--------------------
A source is an immutable, picklable description with `open(run)`, which returns a new `Cursor` (see `_cursor`), and a
`repr` as the user would write it. Nothing is read before the first row is asked for. Most sources read in pieces; they
subclass `Reader` and write one generator:

    @dataclass(frozen=True)
    class Groups(Reader):
        path: str

        def pieces(self, start: State) -> Iterator[Piece | Bad]:
            with open_groups(self.path) as groups:
                for number in range(0 if start is None else start["group"], len(groups)):
                    yield Piece(groups.rows(number), {"group": number})      # some hundred rows, as a list

`start` is None at the beginning, else the `start` of a `Piece` (or the `after` of a `Bad`) that this generator once
yielded, back from JSON: reading from it begins with the very rows of that piece. Rows within a piece are counted
for you. A record that cannot be read is yielded as `Bad(BadRecord(...), after)`; the stream's `on_error` decides.
What is wrong with the whole (missing, truncated, changed) is raised. File handles belong into the generator: they
close with it.

A source may offer `narrowed(columns)`, `filtered(condition)` and `sharded(i, n)`, each returning a source that does
that part itself, or None, and `reordered(seed, epoch)`, which returns one whose parts come in another order;
`explain()` says so.

A loader (`Loader`) is the simplest of all, and what a registry keeps: a function of options that returns rows, a path,
or a source.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Protocol, TypeAlias, runtime_checkable

from ._cursor import Bad, CountingCursor, Cursor, Piece, PieceCursor, State
from ._run import Run
from .errors import DataError


@runtime_checkable
class Source(Protocol):
    """Where rows come from: an immutable description that can be opened as often as one likes."""

    def open(self, run: Run) -> Cursor:
        """Return a new cursor at the beginning. Reads nothing yet."""
        ...


class Reader(ABC):
    """A source that is read in pieces."""

    @abstractmethod
    def pieces(self, start: State) -> Iterator[Piece | Bad]:
        """Yield the rows from `start` on, or from the beginning where it is None."""

    def open(self, run: Run) -> Cursor:
        return PieceCursor(self.pieces, run)


Loaded: TypeAlias = "Iterable[Any] | str | PathLike[str] | Source"


class Loader(Protocol):
    """What a registry keeps under a name: called with the options of `stream(name, **options)`, it says where
    the rows are.
    """

    def __call__(self, *args: Any, **options: Any) -> Loaded: ...  # of whatever options the loader names


@dataclass(frozen=True)
class Held(Reader):
    """The rows of a sequence that is in memory already."""

    data: Sequence[Any]

    def pieces(self, start: State) -> Iterator[Piece | Bad]:
        yield Piece(self.data if isinstance(self.data, list) else list(self.data), None)

    def __repr__(self) -> str:
        return f"<{type(self.data).__name__} of {len(self.data):,}>"


@dataclass(frozen=True)
class Iterated:
    """The rows of any iterable, or of what a generator function returns. One that can be used only once says so."""

    make: Callable[[], Iterable[Any]] | None
    iterable: Iterable[Any] | None = None

    def open(self, run: Run) -> Cursor:
        return CountingCursor(self._start)

    def _start(self) -> Iterator[Any]:
        if self.make is not None:
            return iter(self.make())
        assert self.iterable is not None
        return iter(self.iterable)

    def __repr__(self) -> str:
        if self.make is not None:
            return getattr(self.make, "__qualname__", repr(self.make))
        return f"<{type(self.iterable).__name__}>"


class Once:
    """The rows of an iterator, which can be had only once."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows = rows
        self._used = False

    def open(self, run: Run) -> Cursor:
        return CountingCursor(self._start)

    def _start(self) -> Iterator[Any]:
        if self._used:
            raise DataError(
                f"This stream reads an iterator ({type(self._rows).__name__}), which can be gone through only "
                f"once, and was. Give stream() a list, a path, or a function that makes the iterator anew."
            )
        self._used = True
        return self._rows

    def __reduce__(self) -> Any:
        raise TypeError(
            f"A stream over an iterator ({type(self._rows).__name__}) cannot be sent to another process. Give stream() "
            f"a path or a function that is defined in a module."
        )

    def __repr__(self) -> str:
        return f"<{type(self._rows).__name__}>"
