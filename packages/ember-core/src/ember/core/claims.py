"""Who makes a call that several want: one of them at a time, of all threads and processes that know a file.

Of the threads of a process the first leads, and the others wait for its `Flight`. Between processes, who leads holds a
lock on one byte of a file, at the place that the call's key says. The kernel takes the lock back when the process ends,
however it ends, so that there is no lease to renew and none to wait out.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

_OPEN: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_FIRST_PAUSE: Final = (
    0.005  # seconds between two looks, doubled each time: a lock is asked for in a microsecond
)
_LONGEST_PAUSE: Final = 0.1


class Flight:
    """A call on its way, for those who want the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = False
        self._waiting: list[Callable[[], object]] = []

    def end(self) -> None:
        """Wake all who wait."""
        with self._lock:
            self._ended = True
        for wake in self._waiting:
            with suppress(RuntimeError):  # the loop of one who waited is closed
                wake()

    def wait(self) -> None:
        """Block until it has ended."""
        woken = threading.Event()
        self._wake(woken.set)
        woken.wait()

    async def aio(self) -> None:
        """Await its end, without a thread: those may all be needed by the calls that are waited for."""
        from asyncio import Event, get_running_loop

        loop, woken = get_running_loop(), Event()
        self._wake(lambda: loop.call_soon_threadsafe(woken.set))
        await woken.wait()

    def _wake(self, wake: Callable[[], object]) -> None:
        with self._lock:
            if not self._ended:
                self._waiting.append(wake)
                return
        wake()


class Claims:
    """The calls that are being made, by their keys (bytes that are as good as random), with the locks in `path`.

    Have it from `claims_at`: a process that opened the file twice would lose its locks when it closed one of them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self.forget()

    def forget(self) -> None:
        """Begin anew in a child made by fork, which has none of its parent's locks."""
        self._lock = threading.Lock()
        self._flights: dict[bytes, Flight] = {}
        self._locked: set[bytes] = set()

    def lead(self, key: bytes) -> Flight | None:
        """Return None if the caller leads, and has to `land` the call; else the one of this process on its way."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                self._flights[key] = Flight()
            return flight

    def elsewhere(self, key: bytes) -> Iterator[float]:
        """Yield the seconds to wait before the next look, for as long as another process has the call.

        Who leads comes through here; afterwards no other process makes the call until it is landed.
        """
        pause = _FIRST_PAUSE
        while not self._take(key):
            yield pause
            pause = min(2 * pause, _LONGEST_PAUSE)

    def land(self, key: bytes) -> None:
        """Say that the call has ended, well or not."""
        with self._lock:
            flight = self._flights.pop(key)
            if key in self._locked:
                self._locked.discard(key)
                with suppress(OSError):
                    fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, _place(key))
        flight.end()

    def _take(self, key: bytes) -> bool:
        """Lock the key's byte; return False if another process has it. Where no locks are to be had, nobody waits."""
        with self._lock:
            try:
                if self._fd < 0:
                    self._fd = os.open(self._path, _OPEN, 0o600)
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
            except (BlockingIOError, PermissionError):  # which of the two says so is the system's choice
                return self._fd < 0
            except OSError:
                return True
            self._locked.add(key)
            return True

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


def _place(key: bytes) -> int:
    return int.from_bytes(key[:8], "big") >> 2  # an offset has 63 bits


_claims: WeakValueDictionary[str, Claims] = WeakValueDictionary()
_finding: Any = threading.Lock()


def claims_at(path: Path) -> Claims:
    """Return the claims whose locks are in the file at `path`, the same to all who ask while anybody has them."""
    with _finding:
        name = os.path.realpath(path)
        found = _claims.get(name)
        if found is None:
            found = _claims[name] = Claims(path)
        return found


def _after_fork() -> None:
    global _finding
    _finding = threading.Lock()  # another thread of the parent may have held it, and theirs
    for claims in list(_claims.values()):
        claims.forget()


os.register_at_fork(after_in_child=_after_fork)
