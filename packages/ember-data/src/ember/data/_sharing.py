"""Every n-th record of a file, where a shard stands right behind it: a worker makes no rows for the others.

A bad record counts as one here, since only the worker whose it is finds out that it is bad. So all workers agree on
whose each record is, and each bad one is met once.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any, TypeAlias

from ._cursor import Bad, Piece, State
from ._source import Reader

# A piece with the rows that are ours, or a bad record of ours, and how many records stand between where reading goes
# on from (the piece's start, behind the bad record) and the next of ours. At the end None, and that number for what
# follows.
Shared: TypeAlias = tuple[Piece | Bad | None, int]


def shared(reader: Reader, start: State, ahead: int, n: int) -> Iterator[Shared]:
    """Yield every `n`-th record that `reader` has from `start` on, the first of them `ahead` records further."""
    every: Any = getattr(reader, "every", None)
    if every is not None:
        yield from every(start, ahead, n)
        return
    for found in reader.pieces(start):
        if isinstance(found, Piece):
            yield Piece(found.rows[ahead::n], found.start), ahead
            ahead = (ahead - len(found.rows)) % n
        else:
            is_ours, ahead = ahead == 0, (ahead - 1) % n
            if is_ours:
                yield found, ahead
    yield None, ahead


def whole(found: Iterator[Shared]) -> Iterator[Piece | Bad]:
    """Yield the pieces and bad records of `found`, of which none are left out."""
    return filter(None, map(itemgetter(0), found))
