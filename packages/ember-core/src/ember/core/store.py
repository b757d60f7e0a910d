"""A private SQLite file: made with care, shared by threads and processes, closed before a fork.

Connections are kept in a small pool and lent to one thread at a time. None is ever carried into a child process:
SQLite's locks are the process's, and a child that believed it held its parent's would spoil the file.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import stat
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from weakref import WeakSet

from .errors import ConfigWarning, StorageError
from .home import folder, home, owned_by_us, reason
from .notice import say_once

_VERSION: Final = 1
_CONNECTIONS: Final = 4  # at once: each holds file descriptors, and a look-up takes microseconds
_PATIENCE: Final = 5.0  # seconds to wait for another process's transaction
_REST: Final = 30.0  # seconds a file that cannot be used is left alone
_CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | os.O_CLOEXEC


class Unusable(StorageError):
    """The file is not ours, or broken, or cannot be reached."""


class Store:
    """The SQLite file at `path`.

    `mark` is the number by which Ember knows its file (SQLite's application_id), `schema` what begins one. What is
    committed survives the end of the process; if `durable`, that of the machine too, and each commit waits for the
    disk. `patience` is for how many seconds another process's transaction is waited for.
    """

    def __init__(
        self,
        path: Path,
        mark: int,
        schema: str,
        *,
        place: str | None = None,
        durable: bool = False,
        patience: float = _PATIENCE,
    ) -> None:
        self.path = path
        self._place, self._mark, self._schema = place, mark, schema
        self._synchronous, self._patience = "FULL" if durable else "NORMAL", patience
        self._idle: deque[sqlite3.Connection] = deque()
        self._free = threading.Semaphore(_CONNECTIONS)
        self._file: tuple[int, int] | None = None
        self._failure: Exception | None = None
        self._failed_at = 0.0
        _stores.add(self)

    @classmethod
    def at_home(
        cls,
        place: str,
        name: str,
        mark: int,
        schema: str,
        *,
        durable: bool = False,
        patience: float = _PATIENCE,
    ) -> Store:
        """Return the file `name` in the folder `place` of Ember's home, as that home is now."""
        return cls(home() / place / name, mark, schema, place=place, durable=durable, patience=patience)

    @property
    def resting(self) -> bool:
        """Whether the file could not be used a moment ago, and is left alone."""
        return self._failure is not None and time.monotonic() - self._failed_at < _REST

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection in autocommit mode. Raises sqlite3.Error or StorageError, the same for a while after."""
        _turnstile.enter()
        try:
            with self._free:
                if self._failure is not None and self.resting:
                    raise self._failure.with_traceback(None)
                connection = self._lent() or self._opened()
                try:
                    yield connection
                except BaseException as error:
                    connection.close()
                    if isinstance(error, sqlite3.DatabaseError):
                        self._rest(error)
                    raise
                self._idle.append(connection)
        finally:
            _turnstile.leave()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection in a transaction that may write, committed at the end of the block."""
        self._renew()
        with self.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def wake(self) -> None:
        """Leave the file alone no longer: the next one who wants it tries it."""
        self._failure = None

    def complain(self, what: str, error: Exception) -> None:
        """Warn, once, that `what` is not to be had because of `error`."""
        with suppress(ConfigWarning):  # where warnings are errors: a file of ours is never worth an answer
            say_once(f"{what} {self.reason(error)}.")

    def reason(self, error: Exception) -> str:
        """Return what is wrong with the file, as the end of a sentence."""
        if not isinstance(error, sqlite3.Error):
            return f"cannot be used: {str(error).rstrip('.')}"
        said = str(error)
        if "not a database" in said or "malformed" in said:
            return f"cannot be used: {self.path} is broken ({said}); delete it"
        return f"cannot be used: {said} ({self.path})"

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            with suppress(IndexError, sqlite3.Error):
                self._idle.pop().close()

    def __del__(self) -> None:
        if hasattr(self, "_idle"):
            self.close()

    def _lent(self) -> sqlite3.Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _renew(self) -> None:
        """Let go of connections to a file that was moved away or deleted: what is written there nobody reads."""
        try:
            status = self.path.stat()
        except OSError:
            here = None
        else:
            here = status.st_dev, status.st_ino
        if self._file is not None and here != self._file:
            self.close()

    def _opened(self) -> sqlite3.Connection:
        try:
            path = self.path if self._place is None else folder(self._place) / self.path.name
            self._make(path)
            connection = sqlite3.connect(
                path, timeout=self._patience, isolation_level=None, check_same_thread=False
            )
            try:
                self._begin(connection)
                connection.execute(f"PRAGMA synchronous = {self._synchronous}")
                status = path.stat()
                self._file = status.st_dev, status.st_ino
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            self._rest(error)
            raise
        self._failure = None
        return connection

    def _rest(self, error: Exception) -> None:
        if not is_busy(error):
            self._failure, self._failed_at = error, time.monotonic()

    def _make(self, path: Path) -> None:
        try:
            os.close(
                os.open(path, _CREATE, 0o600)
            )  # private from the start; SQLite's -wal and -shm take this mode
        except FileExistsError:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or not owned_by_us(status):
                raise Unusable(f"{path} is not a file of yours; move it away") from None
        except OSError as error:
            why = reason(error) if path.parent.is_dir() else f"there is no folder {path.parent}"
            raise Unusable(f"{path} cannot be made: {why}") from error

    def _begin(self, connection: sqlite3.Connection) -> None:
        """See that the file is one of ours, and write the schema into an empty one."""
        until = time.monotonic() + self._patience
        while not self._is_ours(connection):
            # Several processes may find it empty at once, and SQLite does not wait where it changes to WAL.
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("BEGIN IMMEDIATE")
                if not self._is_ours(connection):
                    for statement in self._schema.split(";\n"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA application_id = {self._mark}")
                    connection.execute(f"PRAGMA user_version = {_VERSION}")
                connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if not is_busy(error) or time.monotonic() > until:
                    raise
                time.sleep(0.01)

    def _is_ours(self, connection: sqlite3.Connection) -> bool:
        """Whether the file has our schema; False if it is empty. Raises `Unusable` for anybody else's."""
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not tables and not connection.in_transaction:
            return False  # or another process writes it just now: to be looked at again in the transaction
        mark = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if (mark, version) == (self._mark, _VERSION):
            return True
        if mark or version or tables:
            whose = "another version of Ember" if mark == self._mark else "another program"
            raise Unusable(f"{self.path} is a database of {whose}; move it away")
        return False


def is_busy(error: Exception) -> bool:
    """Whether `error` only says that another connection holds the file."""
    if not isinstance(error, sqlite3.Error):
        return False
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class _Turnstile:
    """Lets threads in to use connections, except while the process forks."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._inside = self._forks = 0
        self.spoilt = False

    def enter(self) -> None:
        with self._changed:
            while self._forks:
                self._changed.wait()
            if self.spoilt:
                raise Unusable("Ember's files were in use when this process was forked")
            self._inside += 1

    def leave(self) -> None:
        with self._changed:
            self._inside -= 1
            if self._forks:
                self._changed.notify_all()

    def before_fork(self) -> None:
        with self._changed:
            self._forks += 1
            self._changed.wait_for(lambda: not self._inside, timeout=2 * _PATIENCE)
            if not self._inside:
                _close_all()

    def after_fork(self) -> None:
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()

    def in_child(self) -> None:
        busy = self._inside > 0
        self.__init__()  # type: ignore[misc]  # another thread of the parent may have held its lock
        self.spoilt = busy


_stores: WeakSet[Store] = WeakSet()


@atexit.register
def _close_all() -> None:
    for store in list(_stores):
        store.close()


_turnstile: Final = _Turnstile()
os.register_at_fork(
    before=_turnstile.before_fork,
    after_in_parent=_turnstile.after_fork,
    after_in_child=_turnstile.in_child,
)
