"""The file that answers are kept in: read where the caller is, written by one thread of the process.

Reading takes one look-up by key. What is to be written waits in memory, where readers find it, for a moment only; what
is in that state when the process is killed is lost, and nothing else. The least recently used goes first when the
bound is reached.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ember.core.errors import StorageError
from ember.core.externals import refuse_io_loop
from ember.core.store import Store

from ._scribe import Scribe

_MARK: Final = 0x456D6243  # "EmbC"
_OVERHEAD: Final = 128  # bytes an entry takes beside what is kept
_MOST_WAITING: Final = 10_000
_TOUCHES_APART: Final = 1.0  # seconds between two writings of what was merely read
_ABOUT: Final = "Ember goes on without its cache of answers, which"

_SCHEMA: Final = """
CREATE TABLE answers (
  key BLOB PRIMARY KEY, data BLOB NOT NULL, size INTEGER NOT NULL, made REAL NOT NULL, used REAL NOT NULL
);
CREATE INDEX by_use ON answers (used);
CREATE TABLE total (bytes INTEGER NOT NULL);
INSERT INTO total VALUES (0);
CREATE TRIGGER added AFTER INSERT ON answers BEGIN UPDATE total SET bytes = bytes + NEW.size; END;
CREATE TRIGGER removed AFTER DELETE ON answers BEGIN UPDATE total SET bytes = bytes - OLD.size; END;
CREATE TRIGGER changed AFTER UPDATE OF size ON answers
BEGIN UPDATE total SET bytes = bytes + NEW.size - OLD.size; END
"""


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What is kept on disk, for all processes (`entries`, `bytes`), and how this process fared (`hits`, `misses`)."""

    path: Path
    entries: int
    bytes: int
    hits: int
    misses: int


class DiskCache:
    """Bytes by key, in one file of Ember's home, for all its processes."""

    def __init__(self) -> None:
        self._store = Store.at_home("cache", "answers.sqlite", _MARK, _SCHEMA.strip())
        self._scribe = Scribe("ember-cache", self._write, self._forget)
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[bytes, tuple[bytes, float]] = {}
        self._writing: dict[bytes, tuple[bytes, float]] = {}
        self._touched: dict[bytes, float] = {}
        self._touches_written = 0.0
        self._bound = 0
        self._hits = self._misses = 0

    def get(self, keys: Sequence[bytes], ttl: float) -> dict[bytes, bytes]:
        """Return what is kept under `keys` and is at most `ttl` seconds old. Never raises."""
        found: dict[bytes, bytes] = {}
        asked: list[bytes] = []
        now = time.time()
        for key in keys:
            waiting = self._waiting.get(key) or self._writing.get(key)
            if waiting is None or self._store.resting:
                asked.append(key)
            elif _fresh(waiting[1], now, ttl):
                found[key] = waiting[0]
        if asked:
            try:
                with self._store.connection() as connection:
                    for key in asked:
                        row = connection.execute(_FIND, (key,)).fetchone()
                        if row is not None and _fresh(row[1], now, ttl):
                            found[key] = row[0]
                            self._touched[key] = now
            except (sqlite3.Error, StorageError) as error:
                self._store.complain(_ABOUT, error)
        with self._lock:
            self._hits += len(found)
            self._misses += len(keys) - len(found)
        if self._touched and now - self._touches_written > _TOUCHES_APART:
            self._touches_written = now
            self._scribe.wake()
        return found

    def put(self, key: bytes, data: bytes, bound: int) -> None:
        """Keep `data`, soon; `bound` is the most bytes that all entries may take. Never raises, never waits."""
        if len(data) + _OVERHEAD > bound or self._store.resting:
            return
        with self._lock:
            if (
                len(self._waiting) >= _MOST_WAITING
            ):  # the disk does not keep up: better uncached than out of memory
                return
            self._waiting[key] = data, time.time()
            self._bound = bound
        self._scribe.wake()

    def clear(self) -> int:
        """Throw everything away and give the disk its room back; return how many entries there were."""
        refuse_io_loop("models.cache.clear")
        self._scribe.finish(10.0)
        try:
            if not self._store.path.exists():
                return 0
            with self._store.transaction() as connection:
                count = connection.execute("DELETE FROM answers").rowcount
            with suppress(sqlite3.OperationalError), self._store.connection() as connection:
                connection.execute(
                    "VACUUM"
                )  # not while another process reads: the room is used again all the same
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise StorageError(f"The cache of answers {self._store.reason(error)}.") from error
        return count

    def stats(self) -> CacheStats:
        """Return what there is."""
        refuse_io_loop("models.cache.stats")
        self._scribe.finish(10.0)
        entries = size = 0
        try:
            if self._store.path.exists():
                with self._store.connection() as connection:
                    entries, size = connection.execute(_COUNT).fetchone()
        except sqlite3.Error as error:
            raise StorageError(f"The cache of answers {self._store.reason(error)}.") from error
        return CacheStats(self._store.path, entries, size, self._hits, self._misses)

    def _write(self) -> None:
        with self._lock:
            self._writing, self._waiting = self._waiting, {}
            touched, self._touched = self._touched, {}
        try:
            self._save([(used, key) for key, used in list(touched.items())])
        except (sqlite3.Error, StorageError) as error:
            self._store.complain(_ABOUT, error)
        finally:
            self._writing = {}

    def _save(self, touched: list[tuple[float, bytes]]) -> None:
        with self._store.transaction() as connection:
            connection.executemany(_TOUCH, touched)
            rows = [
                (key, data, len(data) + _OVERHEAD, made, made) for key, (data, made) in self._writing.items()
            ]
            connection.executemany(_KEEP, rows)
            if rows:
                _evict(connection, self._bound)


_FIND: Final = "SELECT data, made FROM answers WHERE key = ?"
_COUNT: Final = "SELECT (SELECT count(*) FROM answers), bytes FROM total"
_TOUCH: Final = "UPDATE answers SET used = ? WHERE key = ?"
_KEEP: Final = """
INSERT INTO answers VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET data = excluded.data, size = excluded.size, made = excluded.made, used = excluded.used
"""


def _fresh(made: float, now: float, ttl: float) -> bool:
    # An entry from the future has an unknown age: the clock was set back since.
    return ttl == float("inf") or -1.0 <= now - made <= ttl


def _evict(connection: sqlite3.Connection, bound: int) -> None:
    """Delete the least recently used until the rest is within `bound` bytes."""
    excess = connection.execute("SELECT bytes FROM total").fetchone()[0] - bound
    while excess > 0:
        oldest = connection.execute("SELECT rowid, size FROM answers ORDER BY used LIMIT 100").fetchall()
        for rowid, size in oldest:
            connection.execute("DELETE FROM answers WHERE rowid = ?", (rowid,))
            excess -= size
            if excess <= 0:
                return
        if not oldest:
            return


_caches: dict[tuple[str | None, str | None], DiskCache] = {}
_making = threading.Lock()


def disk_cache() -> DiskCache:
    """Return the cache of Ember's home as it is now. Raises StorageError if there is no telling where that is."""
    place = os.environ.get("EMBER_HOME"), os.environ.get("HOME")
    found = _caches.get(place)
    if found is None:
        with _making:
            found = _caches[place] = _caches.get(place) or DiskCache()
    return found
