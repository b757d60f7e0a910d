"""Keep the rows of a chain on disk: `cache()`.

What is kept stands under a digest of everything that goes into it: the files' names, sizes and times, and the stages
with their functions' code. One run at a time writes; others that come meanwhile go on without. A run that is
interrupted leaves whole blocks behind, each with where its upstream stood, and the next one goes on behind them.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from ember.context import get_context
from ember.core.errors import ConfigWarning
from ember.core.exact import Unkeepable
from ember.core.fingerprint import Unknowable, fingerprint
from ember.core.home import folder
from ember.core.notice import say_once

from ._cursor import Cursor, State, Through
from ._kept import Block, block_bytes, end_bytes, is_end, read_block, row_bytes
from ._run import Run
from ._source import Source
from ._stage import Stage
from .errors import DataError

if TYPE_CHECKING:
    from filelock import FileLock

DEFAULT_SIZE: Final = 50_000_000_000
"""Bytes that all that is cached in a folder may take, when `size` does not say."""

_FORM: Final = 1
_BLOCK_BYTES: Final = 1 << 20
_BLOCK_SECONDS: Final = 1.0  # rows that wait longer are written: they may have been dear


class Uncacheable(DataError, TypeError):
    """A chain that cannot be told apart from others with certainty, or rows that would not come back the same."""


@dataclass(frozen=True)
class Cache:
    """Keep the rows that come here, and read them from there the next time."""

    source: Source
    stages: tuple[Stage, ...]
    where: str | None = None
    size: int = DEFAULT_SIZE
    key: str | None = None

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Cached(upstream, self)

    def place(self) -> Path:
        """Return the folder of these rows, made now if need be."""
        try:
            parts = self.stages if self.key is None else (self.key,)
            # What the context says is part of it, for models that are called on the way.
            digest = fingerprint("cache", _FORM, self.source, parts, get_context()).hex()
        except Unknowable as error:
            raise Uncacheable(
                f"cache() cannot tell what goes into it. {error} Put it before that, or name "
                f"the stages by cache(key=...)."
            ) from error
        root = folder("datasets") if self.where is None else Path(self.where)
        place = root / digest[:40]
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place

    def __repr__(self) -> str:
        return f"cache({self.where!r})" if self.where else "cache()"

    @property
    def signature(self) -> str:
        return "cache()"


class _Cached(Through):
    def __init__(self, upstream: Cursor, stage: Cache) -> None:
        super().__init__(upstream)
        self._stage = stage
        self._at: int | None = (
            None  # where in the file the block of the next row begins; None: it is in no file
        )
        self._before: State = None  # the upstream's state before that block; None: its beginning
        self._row = 0  # rows of that block that were handed over
        self._in_hand = self._asking = False
        self._reading: BinaryIO | None = None
        self._writer: _Writer | None = None
        self._passing = False

    def rows(self) -> Iterator[Any]:
        try:
            yield from self._all()
        finally:
            self._let_go()

    def _all(self) -> Iterator[Any]:
        place, loaded = self._stage.place(), self._before is not None or self._row > 0
        skip = self._row
        whole = _opened(place / "rows")
        if whole is None:
            self._writer = _Writer.of(place, self._stage)
            whole = _opened(place / "rows")  # another may have finished it just now
        if whole is not None:
            self._leave()
            os.utime(place)
        self._reading = whole if self._writer is None else self._writer.file
        at = 0 if not loaded else self._at
        after: State = None
        begun = loaded
        if self._reading is not None and at is not None:
            while (block := read_block(self._reading, at)) is not None and self._fits(
                block, begun, after, loaded
            ):
                begun, loaded = True, False
                self._at, self._before = at, block.before
                yield from self._given(block.rows, skip)
                skip, at, after = 0, block.next, block.after
            if whole is not None and not loaded:
                if is_end(whole, at):
                    return
                shutil.rmtree(place, ignore_errors=True)  # damaged on disk: the rest is made anew
                at = None
        if loaded:  # the place is in no file, or not in this one
            if self._writer is not None and at is not None and not self._writer.reaches(at, self._before):
                at = None
            if self._before is not None:
                self.upstream.load(self._before)
        elif after is not None:
            self.upstream.load(after)
        if self._writer is not None and at is not None:
            self._writer.begin(at)
        yield from self._made(skip)

    def _fits(self, block: Block, begun: bool, after: State, loaded: bool) -> bool:
        wanted = self._before if loaded else after
        return not begun or bool(block.before == wanted)

    def _given(self, rows: list[Any], skip: int) -> Iterator[Any]:
        self._row = skip
        for row in rows[skip:]:
            self._row += 1
            self._in_hand = True
            yield row
            self._in_hand = False

    def _made(self, skip: int) -> Iterator[Any]:
        """Hand over the upstream's rows, and write them down if this is the run that does."""
        upstream, writer = self.upstream, self._writer
        rows = upstream.rows()
        if writer is None:
            for _ in range(skip):
                next(rows, None)
            self._passing = True
            for row in rows:
                yield row
            return
        self._at, self._before, self._row = writer.at, upstream.state(), 0
        while True:
            self._asking = True
            try:
                row = next(rows)
            except StopIteration:
                break
            self._asking = False
            if (
                self._row < skip
            ):  # handed over before the state was taken; they belong into the block all the same
                writer.put(row)
                self._row += 1
                continue
            skip = 0
            if writer.put(row):
                self._row += 1
                self._in_hand = True
                yield row
                self._in_hand = False
                if writer.is_due():
                    writer.flush(self._before, upstream.state())
                    self._at, self._before, self._row = writer.at, upstream.state(), 0
            else:
                self._passing = True
                self._in_hand = False
                yield row
                yield from rows
                return
        writer.finish(self._before, upstream.state())
        self._leave(flush=False)
        self._at, self._before, self._row, self._passing = None, upstream.state(), 0, True

    def _leave(self, flush: bool = True) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            if (
                flush
                and self._row
                and not self._passing
                and self._reading is writer.file
                and writer.is_open()
            ):
                writer.flush(self._before, self.upstream.state(undo=self._asking))
            writer.close()

    def state(self, undo: bool = False) -> State:
        if self._passing:
            return {"at": None, "row": 0, "up": self.upstream.state(undo)}
        return {"at": self._at, "row": self._row - (undo and self._in_hand), "up": self._before}

    def load(self, state: State) -> None:
        self._at, self._row, self._before = state["at"], state["row"], state["up"]

    def fraction(self) -> float | None:
        if self._reading is not None and self._writer is None and self._at is not None:
            return self._at / max(1, os.fstat(self._reading.fileno()).st_size)
        return super().fraction()

    def _let_go(self) -> None:
        self._leave()
        if self._reading is not None:
            self._reading.close()

    def close(self) -> None:
        self._let_go()
        super().close()


def _opened(path: Path) -> BinaryIO | None:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        return None


class _Writer:
    """The one run that writes: its file, the lock that says so, and the block at hand."""

    def __init__(self, place: Path, stage: Cache, lock: FileLock, file: BinaryIO) -> None:
        self._place, self._stage, self._lock, self.file = place, stage, lock, file
        self.at = 0
        self._open = False
        self._rows = bytearray()
        self._count = 0
        self._since = 0.0

    @classmethod
    def of(cls, place: Path, stage: Cache) -> _Writer | None:
        """Return the writer of these rows, or None if another run writes them, or the disk cannot be written."""
        from filelock import FileLock, Timeout

        lock = FileLock(place / "lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        except OSError as error:
            _complain(f"{place} cannot be written ({error.strerror})")
            return None
        try:
            file = open(  # noqa: SIM115  # closed with the writer
                os.open(place / "part", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b", buffering=0
            )
        except OSError as error:
            lock.release()
            _complain(f"{place} cannot be written ({error.strerror})")
            return None
        return cls(place, stage, lock, file)

    def reaches(self, at: int, before: State) -> bool:
        """Whether there are whole blocks up to the offset `at`, after which the upstream stood at `before`."""
        here, after = 0, before
        while here < at and (block := read_block(self.file, here)) is not None:
            here, after = block.next, block.after
        return here == at and after == before

    def begin(self, at: int) -> None:
        """Go on writing behind the last whole block."""
        self.at, self._open = at, True
        self.file.truncate(at)
        self.file.seek(at)

    def is_open(self) -> bool:
        return self._open

    def put(self, row: Any) -> bool:
        """Take a row, before anybody can change it. Return whether rows are still kept."""
        if not self._open:
            return False
        try:
            data = row_bytes(row)
        except Unkeepable as error:
            self._give_up()
            raise Uncacheable(f"cache() cannot keep this row. {error}") from error
        except ValueError as error:
            self._give_up(str(error))
            return False
        if not self._rows:
            self._since = time.monotonic()
        self._rows += data
        self._count += 1
        return True

    def is_due(self) -> bool:
        return len(self._rows) >= _BLOCK_BYTES or time.monotonic() - self._since > _BLOCK_SECONDS

    def flush(self, before: State, after: State) -> None:
        """Write the block at hand."""
        if not self._open or not self._count:
            return
        data = block_bytes(bytes(self._rows), self._count, before, after)
        self._rows.clear()
        self._count = 0
        self._write(data)

    def _write(self, data: bytes) -> None:
        if self.at + len(data) > self._stage.size:
            self._give_up(f"the rows take more than its {self._stage.size:,} bytes")
            return
        try:
            view = memoryview(data)
            while view:
                view = view[self.file.write(view) :]
        except OSError as error:
            self._give_up(f"the disk would not take more ({error.strerror})")
            return
        self.at += len(data)

    def _give_up(self, why: str = "") -> None:
        """Keep nothing of these rows; they go on all the same."""
        if why:
            _complain(why)
        self._open = False
        with suppress(OSError):
            self.file.truncate(0)

    def finish(self, before: State, after: State) -> None:
        """Give the file its name: all rows are in it."""
        self.flush(before, after)
        if not self._open:
            return
        try:
            self.file.write(end_bytes())
            os.fsync(self.file.fileno())
            os.replace(self._place / "part", self._place / "rows")
        except OSError as error:
            self._give_up(f"the disk would not take more ({error.strerror})")
            return
        _evict(self._place.parent, self._stage.size, self._place)

    def close(self) -> None:
        self._open = False
        self.file.close()
        self._lock.release()


def _complain(why: str) -> None:
    with suppress(ConfigWarning):  # where warnings are errors: a cache is not worth a row
        say_once(f"Rows go on without being cached: {why}.")


def _evict(root: Path, bound: int, but: Path) -> None:
    """Delete what was not used the longest until the rest is within `bound` bytes."""
    entries: list[tuple[float, int, Path]] = []
    for place in root.iterdir():
        rows = place / "rows"
        with suppress(OSError):
            entries.append((place.stat().st_mtime, rows.stat().st_size, place))
    excess = sum(size for _, size, _ in entries) - bound
    for _, size, place in sorted(entries):
        if excess <= 0:
            return
        if place != but:
            shutil.rmtree(place, ignore_errors=True)
            excess -= size
