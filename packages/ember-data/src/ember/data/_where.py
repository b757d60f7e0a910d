"""Keep the rows that meet a condition."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import cast

from ._by_row import by_row
from ._cursor import Cursor
from ._expressions import Condition
from ._run import Run
from ._source import Source
from ._stage import Rowwise


@dataclass(frozen=True)
class Where:
    """Keep the rows of which `condition` is true: neither false nor unknown."""

    condition: Condition
    orderless = True

    def pushed(self, source: Source) -> Source | None:
        """Return `source` with the condition in it, if it leaves out rows itself."""
        filtered = getattr(source, "filtered", None)
        return None if filtered is None else cast("Source | None", filtered(self.condition))

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return Rowwise(upstream, partial(filter, by_row(self.condition)))

    def __repr__(self) -> str:
        return f"where({self.condition!r})"
