"""Room for tokens: the context that a model's calls share, given out so that they never run out of it together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Room:
    """`size` tokens, handed out in order of arrival.

    llama.cpp lets calls in as they come; when they fill the context between them, all of them fail at once. So a call
    waits until what it may need at most is free.

    >>> room = Room(100)
    >>> seat = room.take(60, lambda: False)
    >>> room.free
    40
    >>> seat.resize(10)
    >>> seat.leave()
    >>> room.free
    100
    """

    def __init__(self, size: int) -> None:
        self.size = self.free = size
        self._changed = threading.Condition()
        self._line: deque[object] = deque()

    def take(self, tokens: int, given_up: Callable[[], bool]) -> Seat | None:
        """Wait for room for `tokens` (no more than there is at all); return None if `given_up` while waiting."""
        tokens, me = min(tokens, self.size), object()
        with self._changed:
            self._line.append(me)
            try:
                self._changed.wait_for(lambda: given_up() or (self._line[0] is me and self.free >= tokens))
                if given_up():
                    return None
                self.free -= tokens
                return Seat(self, tokens)
            finally:
                self._line.remove(me)
                self._changed.notify_all()

    def look_again(self) -> None:
        """Have those who wait look whether they have given up."""
        with self._changed:
            self._changed.notify_all()

    def give_back(self, tokens: int) -> None:
        """Return `tokens`, or take more if negative: a call that turned out larger is inside already."""
        with self._changed:
            self.free += tokens
            self._changed.notify_all()


class Seat:
    """The tokens of one call."""

    def __init__(self, room: Room, tokens: int) -> None:
        self._room, self._tokens = room, tokens

    def resize(self, tokens: int) -> None:
        """Correct the estimate, once more is known."""
        tokens = min(tokens, self._room.size)
        before, self._tokens = self._tokens, tokens
        self._room.give_back(before - tokens)

    def leave(self) -> None:
        """Give everything back. Leaving twice is leaving once."""
        self.resize(0)
