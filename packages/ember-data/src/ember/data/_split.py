"""Parts of a stream by the hash of a key: a row is in the same part wherever it stands, and whatever is added."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any

import msgspec

from ._cursor import Cursor
from ._rowwise import kept
from ._run import Run
from ._sample import By, key_of
from ._stage import Rowwise

_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True)
class Part:
    """The rows whose hash is from `low` to below `high`, both between 0 and 1."""

    name: str
    low: float
    high: float
    by: By | None
    seed: int
    orderless = True

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return Rowwise(upstream, partial(kept, self._keeps()))

    def _keeps(self) -> Callable[[Any], bool]:
        key = None if self.by is None else key_of(self.by)
        low, high, seed = self.low, self.high, str(self.seed).encode()

        def keeps(row: Any) -> bool:
            return low <= place(row if key is None else key(row), seed) < high

        return keeps

    def __repr__(self) -> str:
        return f"split[{self.name!r}]"

    @property
    def signature(self) -> str:
        return f"split({self.low:g}-{self.high:g}, seed={self.seed})"


def place(key: object, seed: bytes) -> float:
    """Return the hash of `key` as a number from 0 to below 1: the first 53 bits of BLAKE2b of its JSON."""
    try:
        data = _encode(key)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"split() goes by the JSON of a row, and {type(key).__name__} has none: {error}. Give by=, the name of a "
            f"column or a function that returns the row's id."
        ) from error
    return (int.from_bytes(blake2b(data, digest_size=8, salt=seed[:16]).digest(), "big") >> 11) / 2**53


def parts(fractions: Mapping[str, float], by: By | None, seed: int) -> Iterator[Part]:
    """Yield a part for each name. Raises ValueError unless the fractions are positive and sum to 1."""
    if not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-9:
        raise ValueError(f"split() takes fractions above 0 that sum to 1, and was given {dict(fractions)}.")
    low = 0.0
    names = list(fractions)
    for name in names:
        high = 1.0 if name == names[-1] else low + fractions[name]
        yield Part(name, low, high, by, seed)
        low = high
