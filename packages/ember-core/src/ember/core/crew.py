"""Work that ends together."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Protocol


class Cancellable(Protocol):
    """Something that can be told to end."""

    def cancel(self) -> None: ...


class Crew:
    """What `gather` cancels when one of its members fails. Crews may be members of crews."""

    def __init__(self) -> None:
        self._members: set[Cancellable] = set()
        self._lock = threading.Lock()
        self.cancelled = False

    def join(self, member: Cancellable) -> None:
        """Add a member; one that comes after the end is cancelled at once."""
        with self._lock:
            self._members.add(member)
            late = self.cancelled
        if late:
            member.cancel()

    def leave(self, member: Cancellable) -> None:
        """Take out a member that has ended."""
        with self._lock:
            self._members.discard(member)

    def cancel(self) -> None:
        """Cancel all that runs, and all that joins from now on."""
        with self._lock:
            self.cancelled = True
            members = tuple(self._members)
        for member in members:
            member.cancel()


crew: ContextVar[Crew | None] = ContextVar("ember_crew", default=None)
