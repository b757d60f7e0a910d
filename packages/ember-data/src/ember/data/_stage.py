"""What is done to rows on their way.

How a stage is made
-------------------
A stage is an immutable description: a frozen dataclass with `open(upstream, run)`, which returns the cursor that does
the work (see `_cursor` for what a cursor promises), and a `repr` as the user would write it. A stage that makes at most
one row of one row and remembers nothing has no state of its own:

    @dataclass(frozen=True)
    class Upper:
        def open(self, upstream: Cursor, run: Run) -> Cursor:
            return Rowwise(upstream, lambda rows: map(str.upper, rows))

One that remembers something subclasses `Through` and says where it stands, its upstream's state within its own:

    class _Taking(Through):
        def __init__(self, upstream, n):
            super().__init__(upstream)
            self.n, self.asked = n, 0

        def rows(self):
            rows = self.upstream.rows()
            while self.asked < self.n:
                self.asked += 1                 # counted when asked for, so that undo is the same after a failure
                try:
                    row = next(rows)
                except StopIteration:
                    return
                yield row

        def state(self, undo=False):
            return {"asked": self.asked - (undo and self.asked > 0), "up": self.upstream.state(undo)}

        def load(self, state):
            self.asked = state["asked"]
            self.upstream.load(state["up"])

Three rules keep resuming exact. Ask the upstream only for what is needed now: a row read ahead is a row lost,
unless the state is from before it. A stage that holds rows back (a window, a shuffle) keeps the upstream's state
from before the first of them and counts what it handed over since; loading it reads those rows again. A stage that
makes several rows of one uses `upstream.state(undo=True)`, which is the state before the row in hand. `state()` is
asked between rows, `state(undo=True)` also after a failure, and never while a row is being made.

A state belongs to a chain: the stages' signatures must be those that it was taken with. A signature is the `repr`,
where a stage has no attribute `signature`; one that shows a function has one without it, so that a function may be
renamed.

Two attributes let a stage work with the reader. `pushed(source)` returns a source that does the stage's work, or None:
the first stages of a chain are asked. `orderless = True` says that the stage does the same whatever order rows come
in, so that a shuffle behind it may have the blocks of files come in another order.

`Stream.through(stage)` adds any stage; a stage with a method on `Stream` is one line there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

from ._cursor import Cursor, Through
from ._run import Run


@runtime_checkable
class Stage(Protocol):
    """What is done to rows on their way: an immutable description."""

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        """Return a new cursor that takes its rows from `upstream`. Asks for none yet."""
        ...


class Rowwise(Through):
    """The cursor of a stage without a memory, given as a function from rows to rows."""

    def __init__(self, upstream: Cursor, make: Callable[[Iterator[Any]], Iterator[Any]]) -> None:
        super().__init__(upstream)
        self._make = make

    def rows(self) -> Iterator[Any]:
        return self._make(self.upstream.rows())


def named(function: object) -> str:
    """Return how a function is called in a plan."""
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return "<lambda>" if name.endswith("<lambda>") else str(name).rpartition("<locals>.")[2]


def signature(stage: Stage) -> str:
    """Return what has to be the same in the chain that loads a state."""
    return str(getattr(stage, "signature", None) or repr(stage))
