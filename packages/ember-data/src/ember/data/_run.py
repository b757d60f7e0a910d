"""One run through a stream: what is done with bad records, and the account of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

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
    """The account of one run: what was bad, and how long it took (seconds, from the first row asked for)."""

    bad: int = 0
    first_bad: list[BadRecord] = field(default_factory=list[BadRecord])
    quarantine: str | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
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
        self._begun: float | None = None
        where = policy.quarantine
        if isinstance(where, str):
            self._aside = _Aside(where)
            self.summary.quarantine = where

    def beside(self, policy: Policy) -> Run:
        """Return the run of another stream that takes part in this one, with its own policy and the same account."""
        run = Run(policy, self.summary)
        self._beside.append(run)
        return run

    def meet(self, bad: BadRecord) -> None:
        """Raise `bad`, or count it and put it aside, as the stream's `on_error` says."""
        if self.policy.on_error == "raise":
            raise bad
        if self._aside is not None:
            self._aside.put(bad)
        elif callable(self.policy.quarantine):
            self.policy.quarantine(bad)
        self.summary.bad += 1
        if len(self.summary.first_bad) < _KEPT:
            self.summary.first_bad.append(bad)

    def begin(self) -> None:
        """Start the clock."""
        if self._begun is None:
            self._begun = time.perf_counter()

    def account(self) -> Summary:
        """Return the account so far."""
        if self._begun is not None:
            self.summary.seconds = time.perf_counter() - self._begun
        return self.summary

    def state(self) -> Any:
        """Return how many were bad, and how long each file of those put aside is."""
        return {"bad": self.summary.bad, "aside": self._lengths()}

    def _lengths(self) -> list[Any]:
        own = None if self._aside is None else self._aside.length
        return [own, *(run._lengths() for run in self._beside)]

    def load(self, state: Any) -> None:
        """Go on counting from `state`; what was put aside after it was taken is taken back."""
        self.summary.bad = state["bad"]
        self._cut(state["aside"])

    def _cut(self, lengths: list[Any]) -> None:
        if self._aside is not None:
            self._aside.length = lengths[0] or 0
        for run, inner in zip(self._beside, lengths[1:]):
            run._cut(inner)


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
