"""A journal of calls: what was done once, and paid for, is not done again, whatever became of the process meanwhile.

    labels = Journal("labels.journal").of(label)
    labels(row)          # calls label(row), and writes down what it returned
    labels(row)          # ... which this returns, now and in any later process

A call is known by what its function does and what it is given (`ember.core.fingerprint`). What a function returned is
on disk before anybody sees it, so a process that is killed at any moment has lost nothing that it had handed on; calls
that were on their way are made again. Errors are not written down, nor is anything in which a known secret stands.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, ParamSpec, TypeVar, cast
from weakref import WeakSet

from .claims import claims_at
from .errors import ConfigWarning, EmberError, StorageError
from .exact import HoldsSecret, Unkeepable, pack, unpack
from .externals import refuse_io_loop
from .fingerprint import Unknowable, fingerprint, is_async, label
from .notice import say_once
from .pool import in_pool
from .secrets import scrub
from .store import Store, is_busy

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_SIZE: Final = 10_000_000_000
"""Bytes a journal may take, when `size` does not say."""

_MARK: Final = 0x456D624A  # "EmbJ"
_OVERHEAD: Final = 128  # bytes an entry takes beside what is kept
_PATIENCE: Final = (
    60.0  # seconds to wait for other processes' writing: nobody wants to pay twice for impatience
)

_SCHEMA: Final = """
CREATE TABLE done (
  number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, function TEXT NOT NULL, data BLOB NOT NULL,
  size INTEGER NOT NULL, made REAL NOT NULL
);
CREATE TABLE total (bytes INTEGER NOT NULL);
INSERT INTO total VALUES (0);
CREATE TRIGGER added AFTER INSERT ON done BEGIN UPDATE total SET bytes = bytes + NEW.size; END;
CREATE TRIGGER removed AFTER DELETE ON done BEGIN UPDATE total SET bytes = bytes - OLD.size; END
"""
_FIND: Final = "SELECT data FROM done WHERE key = ?"
_KEEP: Final = """
INSERT INTO done (key, function, data, size, made) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING
"""


class JournalError(EmberError, TypeError):
    """A call or a result that a journal cannot hold. It is never an item's own error: the program is to be changed."""

    systemic = True


class Found(NamedTuple):
    """What a journal has for a call."""

    value: Any


@dataclass(frozen=True, slots=True)
class JournalStats:
    """What is kept, for all processes (`entries`, `bytes`), and how this object fared (`hits`, `misses`)."""

    path: Path
    entries: int
    bytes: int
    hits: int
    misses: int


@dataclass(eq=False, slots=True)
class _Entry:
    """A result on its way to the disk."""

    row: tuple[bytes, str, bytes, int, float]
    written: bool = False
    error: Exception | None = field(default=None)


class Journal:
    """Results of calls in one SQLite file, for many threads and processes at once.

    `path` is the file, made on first use and readable by nobody else; without one it is in Ember's home. It takes up to
    `size` bytes: beyond that the oldest results go, which is said. A function is known by its code and what that refers
    to, so one that was changed is called anew, and so is every one after an upgrade of Python to another minor version.
    With `version`, any text, functions are known by their names and that text instead: change it when results should be
    new.

    Equal calls are one call, made at once by whatever threads and processes: the others wait for the first. A function
    that is to be asked the same several times, for several answers, needs an argument that tells them apart. What the
    context says that changes a model's answers, as its default or its temperature, is part of a call.

    Results are returned as they were, type by type: plain values, dataclasses, arrays and what else `exact.pack` takes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        size: int = DEFAULT_SIZE,
        version: str | None = None,
    ) -> None:
        if size < 1:
            raise ValueError(f"size is the bytes a journal may take, at least 1; got {size!r}.")
        schema = _SCHEMA.strip()
        if path is None:
            store = Store.at_home("journal", "calls.sqlite", _MARK, schema, durable=True, patience=_PATIENCE)
        else:
            where = Path(path).expanduser().absolute()
            store = Store(where, _MARK, schema, durable=True, patience=_PATIENCE)
        self._store, self._size, self.version = store, size, version
        self.claims = claims_at(store.path.with_name(f"{store.path.name}-claims"))
        self._forget()
        _journals.add(self)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._commits = threading.Lock()
        self._waiting: list[_Entry] = []
        self._hits = self._misses = 0

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._store.path

    def of(self, function: Callable[P, R]) -> Journalled[P, R]:
        """Return `function`, `async` or not, with this journal: called the same, it looks here first.

        It goes wherever the function does, as in `xcs.vmap(journal.of(label))(rows)`. Raises `JournalError`.
        """
        return (AwaitedJournalled if is_async(function) else Journalled)(self, function)

    def find(self, key: bytes) -> Found | None:
        """Return what is kept under `key`. Raises StorageError if the file cannot be read."""
        try:
            with self._store.connection() as connection:
                row = connection.execute(_FIND, (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        if row is not None:
            # What cannot be read is as if it were not there: a class that has moved, or lost a field.
            with suppress(ValueError):
                return Found(unpack(row[0]))
        return None

    def count(self, *, found: bool) -> None:
        """Count a call for `stats`."""
        with self._lock:
            self._hits += found
            self._misses += not found

    def keep(self, key: bytes, value: object, function: str = "") -> None:
        """Write `value` down under `key`, and return when the disk has it.

        What is there already stays. Raises `JournalError` for what cannot be kept, and StorageError if the disk will
        not take it.
        """
        try:
            data = pack(value)
        except HoldsSecret:
            with suppress(ConfigWarning):
                say_once(
                    f"A result of {function or 'a call'} is not in the journal, for a secret stands in it."
                )
            return
        except Unkeepable as error:
            raise JournalError(
                f"The journal cannot hold what {function or 'a call'} returns. {error}"
            ) from error
        entry = _Entry((key, scrub(function), data, len(data) + _OVERHEAD, time.time()))
        with self._lock:
            self._waiting.append(entry)
        # One at a time writes, and takes along what has gathered meanwhile: the disk is waited for once for all.
        with self._commits:
            if not entry.written and entry.error is None:
                self._commit()
        if entry.error is not None:
            raise self._unusable(entry.error) from entry.error

    def _commit(self) -> None:
        with self._lock:
            entries, self._waiting = self._waiting, []
        try:
            with self._store.transaction() as connection:
                connection.executemany(_KEEP, [entry.row for entry in entries])
                _evict(connection, self._size, self.path)
        except (sqlite3.Error, StorageError) as error:
            for entry in entries:
                entry.error = error
        else:
            for entry in entries:
                entry.written = True

    def _unusable(self, error: Exception) -> StorageError:
        if isinstance(error, sqlite3.Error):
            wait = " Another process has held it for a minute." if is_busy(error) else ""
            return StorageError(f"The journal {self._store.reason(error)}.{wait}")
        return StorageError(str(error))

    def stats(self) -> JournalStats:
        """Return what there is."""
        refuse_io_loop("Journal.stats")
        entries = size = 0
        if self.path.exists():
            try:
                with self._store.connection() as connection:
                    counts = "SELECT (SELECT count(*) FROM done), bytes FROM total"
                    entries, size = connection.execute(counts).fetchone()
            except sqlite3.Error as error:
                raise self._unusable(error) from error
        return JournalStats(self.path, entries, size, self._hits, self._misses)

    def clear(self) -> int:
        """Throw everything away and give the disk its room back; return how many results there were."""
        refuse_io_loop("Journal.clear")
        if not self.path.exists():
            return 0
        try:
            with self._store.transaction() as connection:
                count = connection.execute("DELETE FROM done").rowcount
            # Not while another process reads: the room is used again all the same.
            with suppress(sqlite3.OperationalError), self._store.connection() as connection:
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return int(count)

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        self._store.close()

    def __fingerprint__(self) -> str:
        return ""  # where results are kept does not change them

    def __repr__(self) -> str:
        return f"Journal({str(self.path)!r})"


class Journalled(Generic[P, R]):
    """A function with a journal. Calls of the same, made at once, are one."""

    def __init__(self, journal: Journal, function: Callable[P, R]) -> None:
        self.journal, self.function, self.name = journal, function, label(function)
        self.__name__ = self.name.rpartition(".")[2]
        try:
            if journal.version is None:
                self._identity = fingerprint("code", function)
            else:
                self._identity = fingerprint("version", self.name, journal.version)
        except Unknowable as error:
            raise JournalError(
                f"The journal cannot tell what {self.name} does. {error} Give Journal(..., version=...), or the "
                "object's class a method __fingerprint__."
            ) from error

    def key(self, *args: P.args, **kwargs: P.kwargs) -> bytes:
        """Return the key of the call with these arguments, made here. Raises `JournalError`."""
        try:
            return fingerprint(self._identity, args, dict(sorted(kwargs.items())), surroundings())
        except Unknowable as error:
            raise JournalError(f"The journal cannot tell calls of {self.name} apart. {error}") from error

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the journal has for this call, or make it and write down what it returns."""
        journal, claims, key = self.journal, self.journal.claims, self.key(*args, **kwargs)
        while (found := journal.find(key)) is None:
            if (flight := claims.lead(key)) is not None:
                flight.wait()
                continue
            try:
                for pause in claims.elsewhere(key):
                    time.sleep(pause)
                # Another may have landed it between the looking and the leading.
                if (found := journal.find(key)) is None:
                    journal.count(found=False)
                    value = self.function(*args, **kwargs)
                    journal.keep(key, value, self.name)
                    return value
            finally:
                claims.land(key)
            break
        journal.count(found=True)
        return cast(R, found.value)

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """As the call itself, of an `async` function. The disk is waited for in a thread."""
        from asyncio import sleep  # whoever awaits this has it

        journal, claims, key = self.journal, self.journal.claims, self.key(*args, **kwargs)
        while (found := await in_pool(journal.find, (key,), {})) is None:
            if (flight := claims.lead(key)) is not None:
                await flight.aio()
                continue
            try:
                for pause in claims.elsewhere(key):
                    await sleep(pause)
                if (found := await in_pool(journal.find, (key,), {})) is None:
                    journal.count(found=False)
                    value = await cast("Coroutine[Any, Any, Any]", self.function(*args, **kwargs))
                    await in_pool(journal.keep, (key, value, self.name), {})
                    return value
            finally:
                claims.land(key)
            break
        journal.count(found=True)
        return found.value

    def __repr__(self) -> str:
        return f"<{self.name} with {self.journal!r}>"


class AwaitedJournalled(Journalled[P, R]):
    """An `async` function with a journal."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:  # type: ignore[override]
        """Return what the journal has for this call, or await it and write down what it returns."""
        return await self.aio(*args, **kwargs)


def surroundings() -> object:
    """Return the context that a call made here is made in, which is known by what in it changes answers."""
    # By name: core does not know it, and a program that reads no journal need not have it.
    return import_module("ember.context").get_context()


def _evict(connection: sqlite3.Connection, bound: int, path: Path) -> None:
    """Delete the oldest until the rest is within `bound` bytes."""
    excess = connection.execute("SELECT bytes FROM total").fetchone()[0] - bound
    if excess > 0:
        with suppress(ConfigWarning):
            say_once(
                f"The journal {path} has reached its {bound:,} bytes: its oldest results go, and would be paid for "
                "again. Give it a larger size, or throw it away with clear()."
            )
    while excess > 0:
        oldest = connection.execute("SELECT number, size FROM done ORDER BY number LIMIT 100").fetchall()
        if not oldest:
            return
        for number, size in oldest:
            connection.execute("DELETE FROM done WHERE number = ?", (number,))
            excess -= size
            if excess <= 0:
                break


_journals: WeakSet[Journal] = WeakSet()


def _after_fork() -> None:
    for journal in list(_journals):
        journal._forget()  # pyright: ignore[reportPrivateUsage]  # another thread of the parent may have held its locks


os.register_at_fork(after_in_child=_after_fork)
