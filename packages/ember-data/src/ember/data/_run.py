"""One run through a stream: what is done with bad records, and the account of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import msgspec

from ._spending import Spending
from .errors import BadRecord

OnError = Literal["raise", "skip", "quarantine"]
# Enough to see what is wrong; a run over a file of nothing but bad lines must not grow for it.
_KEPT = 20


@dataclass(frozen=True)
class Policy:
    """What is done with bad records, and where the place is kept."""

    on_error: OnError = "raise"
    quarantine: str | Callable[[BadRecord], object] | None = None
    checkpoint: str | None = None


@dataclass
class Summary:
    """The account of one run: what was bad, and how long it took (seconds, from the first row asked for).

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

    def __init__(self, policy: Policy, summary: Summary | None = None) -> None:
        self.policy = policy
        self.summary = Summary() if summary is None else summary
        self._aside: _Aside | None = None
        self._beside: list[Run] = []
        self._opened = 0  # of those beside, by the cursors that are open now
        self.met = 0  # bad records of this run's own source
        self._spendings: list[Spending] = []
        self._begun: float | None = None
        where = policy.quarantine
        if isinstance(where, str):
            self._aside = _Aside(where)
            self.summary.quarantine = where

    def beside(self, policy: Policy) -> Run:
        """Return the run of another stream that takes part in this one, with its own policy and the same account."""
        if self._opened == len(self._beside):
            self._beside.append(Run(policy, self.summary))
        self._opened += 1
        return self._beside[self._opened - 1]

    def reopen(self) -> None:
        """Say that the cursors are opened anew, in the same order, after a failure."""
        self._opened = 0
        for run in self._beside:
            run.reopen()

    def meet(self, bad: BadRecord) -> None:
        """Raise `bad`, or count it and put it aside, as the stream's `on_error` says."""
        if self.policy.on_error == "raise":
            raise bad
        self._put_aside(bad)
        self.met += 1
        self.summary.bad += 1
        if len(self.summary.first_bad) < _KEPT:
            self.summary.first_bad.append(bad)

    def _put_aside(self, record: BadRecord) -> None:
        if self._aside is not None:
            self._aside.put(record)
        elif callable(self.policy.quarantine):
            self.policy.quarantine(record)

    def fail(self, record: BadRecord, *, aside: bool) -> None:
        """Count a row that a stage's function failed for, and put it aside if so said."""
        if aside:
            self._put_aside(record)
        self.summary.failed += 1
        if len(self.summary.first_failed) < _KEPT:
            self.summary.first_failed.append(record)

    def spending(self) -> Spending:
        """Return a new account of external calls, which the summary includes."""
        self._spendings.append(Spending())
        return self._spendings[-1]

    def begin(self) -> None:
        """Start the clock."""
        if self._begun is None:
            self._begun = time.perf_counter()

    def account(self) -> Summary:
        """Return the account so far."""
        if self._begun is not None:
            self.summary.seconds = time.perf_counter() - self._begun
        spendings = [each for run in (self, *self._beside) for each in run._spendings]
        self.summary.calls = sum(each.calls for each in spendings)
        self.summary.unpriced_calls = sum(each.unpriced for each in spendings)
        self.summary.cost = sum((each.cost for each in spendings), Decimal(0))
        return self.summary

    def state(self) -> Any:
        """Return how many bad records each source met, and how long each file of those put aside is."""
        aside = None if self._aside is None else self._aside.length
        return [self.met, aside, *(run.state() for run in self._beside)]

    def load(self, state: Any) -> None:
        """Go on counting from `state`; what was put aside after it was taken is taken back."""
        self.met, aside, *beside = state
        self.summary.bad += self.met
        if self._aside is not None:
            self._aside.length = aside or 0
        for run, inner in zip(self._beside, beside):
            run.load(inner)


class _Aside:
    """The JSONL file of the records put aside. Written anew, or from the length that a state says."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.length = 0
        self._fd = -1

    def put(self, bad: BadRecord) -> None:
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
            os.ftruncate(self._fd, self.length)
            os.lseek(self._fd, self.length, os.SEEK_SET)
        record = {
            "file": bad.file,
            "line": bad.line,
            "offset": bad.offset,
            "reason": bad.reason,
            "content": bad.content.decode("utf-8", "backslashreplace"),
        }
        line = msgspec.json.encode(record) + b"\n"
        os.write(self._fd, line)
        self.length += len(line)

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
