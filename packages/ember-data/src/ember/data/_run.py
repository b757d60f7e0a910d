"""One run through a stream: what is done with bad records, and the account of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from ._spending import Spending
from .errors import BadRecord

OnError = Literal["raise", "skip", "quarantine"]
# Enough to see what is wrong; a run over a file of nothing but bad lines must not grow for it.
_KEPT = 20


@dataclass
class Summary:
    """The account of one run: what was bad, and how long it took (seconds, while somebody iterated).

    `failed` counts the rows that `map_concurrent` passed over. `calls` and `cost` (US dollars) are of the external
    calls made inside it, as model calls; `unpriced_calls` are those whose cost is not known.
    """

    bad: int = 0
    first_bad: list[BadRecord] = field(default_factory=list[BadRecord])
    quarantine: str | None = None
    seconds: float = 0.0
    failed: int = 0
    first_failed: list[BadRecord] = field(default_factory=list[BadRecord])
    calls: int = 0
    unpriced_calls: int = 0
    cost: Decimal = Decimal(0)

    def __str__(self) -> str:
        if self.failed or self.calls:
            told = [f"{self.failed:,} rows failed"] if self.failed else []
            told += [f"{self.calls:,} calls for ${self.cost:.4f}"] if self.calls else []
            return f"{self.bad:,} bad records, {', '.join(told)}, {self.seconds:.1f} s"
        if not self.bad:
            return f"no bad records, {self.seconds:.1f} s"
        kept = f", kept in {self.quarantine}" if self.quarantine else ""
        first = self.first_bad[0] if self.first_bad else None
        where = f" (first: {first.file}, line {first.line}: {first.reason})" if first else ""
        return f"{self.bad:,} bad record{'s'[: self.bad != 1]}{kept}{where}, {self.seconds:.1f} s"


class Run:
    """What all stages of one iterator share. A source hands each `BadRecord` to `meet`."""

    def __init__(
        self, on_error: OnError = "raise", quarantine: Callable[[BadRecord], Any] | None = None
    ) -> None:
        self.on_error = on_error
        self.summary = Summary()
        self._quarantine = quarantine
        self._started = time.perf_counter()
        self._spendings: list[Spending] = []

    def meet(self, bad: BadRecord) -> None:
        """Raise `bad`, or count it and put it aside, as the stream's `on_error` says."""
        if self.on_error == "raise":
            raise bad
        if self._quarantine is not None:
            self._quarantine(bad)
        self.summary.bad += 1
        if len(self.summary.first_bad) < _KEPT:
            self.summary.first_bad.append(bad)

    def fail(self, record: BadRecord, aside: bool) -> None:
        """Count a row that a stage's function failed for, and put it aside."""
        if aside and self._quarantine is not None:
            self._quarantine(record)
        self.summary.failed += 1
        if len(self.summary.first_failed) < _KEPT:
            self.summary.first_failed.append(record)

    def spending(self) -> Spending:
        """Return a new account of external calls, which the summary includes."""
        self._spendings.append(Spending())
        return self._spendings[-1]

    def done(self) -> Summary:
        """Return the account so far."""
        self.summary.calls = sum(each.calls for each in self._spendings)
        self.summary.unpriced_calls = sum(each.unpriced for each in self._spendings)
        self.summary.cost = sum((each.cost for each in self._spendings), Decimal(0))
        self.summary.seconds = time.perf_counter() - self._started
        return self.summary
