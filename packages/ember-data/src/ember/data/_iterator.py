"""The iterator of a stream: its rows, and where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from ._cursor import Cursor
from ._run import Run, Summary
from .errors import SharedIterator, StateMismatch

T = TypeVar("T")
_VERSION = 1


class StreamIterator(Generic[T]):
    """The rows of one run through a stream.

    `state_dict()` says, as JSON of a size that does not grow, where the iterator stands; a new iterator over the same
    chain that is given it by `load_state_dict()`, before its first row, goes on exactly there. After an exception the
    row that failed is the next one again, here and from a state taken then: nothing ends quietly.

    It belongs to one thread at a time; asked by two at once it raises SharedIterator. It cannot be pickled: send the
    stream and the state.
    """

    def __init__(self, open: Callable[[Run], Cursor], plan: list[str], run: Run) -> None:
        self._open, self._plan, self._run = open, plan, run
        self._cursor = open(run)
        self._begun = self._failed = False
        self._rows = self._begin()
        self._next: Callable[[], T] = self._rows.__next__

    def _begin(self) -> Iterator[T]:
        # A generator refuses to be entered by a second thread: that is what guards the C iterators below, which do not.
        self._begun = True
        yield from self._cursor.rows()

    def __iter__(self) -> StreamIterator[T]:
        return self

    def __next__(self) -> T:
        try:
            return self._next()
        except StopIteration:
            if self._failed:
                self._again()
                return next(self)
            raise
        except ValueError as error:
            if getattr(self._rows, "gi_running", False) and "already executing" in str(error):
                raise SharedIterator(
                    "Another thread is asking this iterator for a row. Give each thread its own: iter(stream), or "
                    "iter(stream.shard(i, n)) for a part of the rows."
                ) from None
            self._failed = True
            raise
        except BaseException:
            self._failed = True
            raise

    def _again(self) -> None:
        """Begin anew before the row that failed."""
        state = self._cursor.state(undo=True)
        self._cursor.close()
        self._cursor = self._open(self._run)
        self._cursor.load(state)
        self._failed = False
        self._rows = self._begin()
        self._next = self._rows.__next__

    def state_dict(self) -> dict[str, Any]:
        """Return where the next row comes from, as JSON. Ask between rows, in the thread that iterates."""
        return {
            "version": _VERSION,
            "plan": self._plan,
            "bad": self._run.summary.bad,
            "at": self._cursor.state(undo=self._failed),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken. Raises StateMismatch after the first row, or for another chain's state."""
        if self._begun:
            raise StateMismatch(
                "This iterator has given rows already. Load the state into a new one: iter(stream)."
            )
        if state.get("version") != _VERSION:
            raise StateMismatch(
                f"The state is of version {state.get('version')!r}, and this reads version {_VERSION}."
            )
        if state["plan"] != self._plan:
            raise StateMismatch(
                f"The state is of another chain: {'.'.join(state['plan'])}; this one is {'.'.join(self._plan)}."
            )
        self._run.summary.bad = state["bad"]
        self._cursor.load(state["at"])

    @property
    def summary(self) -> Summary:
        """The account of this run so far: bad records and time."""
        return self._run.done()

    def fraction(self) -> float | None:
        """Return how much of the source has been read, from 0 to 1, or None where nobody knows."""
        return self._cursor.fraction()

    def close(self) -> None:
        """Let go of files and threads. The rows end here."""
        if not getattr(self._rows, "gi_running", False):
            self._rows.close()  # type: ignore[attr-defined]
        self._cursor.close()

    def __reduce__(self) -> Any:
        raise TypeError(
            "An iterator over a stream cannot be pickled. Send the stream and state_dict(), and load that into a new "
            "iterator there."
        )
