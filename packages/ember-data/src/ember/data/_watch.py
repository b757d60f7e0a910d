"""Stages that look on: tee, progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from shutil import get_terminal_size
from typing import Any, BinaryIO, TextIO

import msgspec

from ember.core.events import CallFailed, CallFinished, Event, subscribe

from ._cursor import Cursor, State, Through
from ._run import Run
from ._stage import Rowwise, named


@dataclass(frozen=True)
class Tee:
    """Hand each row to a function, or write it to a JSONL file, on its way."""

    to: Callable[[Any], object] | str

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        if isinstance(self.to, str):
            return _Copying(upstream, self.to)
        return Rowwise(upstream, self._handing)

    def _handing(self, rows: Iterator[Any]) -> Iterator[Any]:
        assert not isinstance(self.to, str)
        for row in rows:
            self.to(row)
            yield row

    def __repr__(self) -> str:
        return f"tee({self.to!r})" if isinstance(self.to, str) else f"tee({named(self.to)})"

    @property
    def signature(self) -> str:
        return repr(self) if isinstance(self.to, str) else "tee"


class _Copying(Through):
    """The place is also how long the copy was: going on cuts off what was written after it."""

    def __init__(self, upstream: Cursor, path: str) -> None:
        super().__init__(upstream)
        self._path = path
        self._length = self._before = 0
        self._file: BinaryIO | None = None

    def rows(self) -> Iterator[Any]:
        encode = msgspec.json.Encoder().encode
        with open(self._path, "r+b" if self._length else "wb") as file:
            self._file = file
            file.truncate(self._length)
            file.seek(self._length)
            for row in self.upstream.rows():
                line = encode(row) + b"\n"
                self._before = self._length
                file.write(line)
                self._length += len(line)
                yield row
                self._before = self._length

    def state(self, undo: bool = False) -> State:
        if self._file is not None and not self._file.closed:
            self._file.flush()
        return {"length": self._before if undo else self._length, "up": self.upstream.state(undo)}

    def load(self, state: State) -> None:
        self._length = self._before = state["length"]
        self.upstream.load(state["up"])


@dataclass(frozen=True)
class Progress:
    """A line on stderr that says how far the rows are, how fast they come, and when they will have come."""

    label: str
    every: float
    file: TextIO | None

    def open(self, upstream: Cursor, run: Run) -> Cursor:
        return _Progressing(upstream, self, run)

    def __repr__(self) -> str:
        return "progress()"


class _Progressing(Through):
    def __init__(self, upstream: Cursor, progress: Progress, run: Run) -> None:
        super().__init__(upstream)
        self._progress, self._run = progress, run
        self.passed = 0

    def rows(self) -> Iterator[Any]:
        with _Line(self._progress, self._run, self) as line:
            # The clock is looked at after so many rows as came in about a tenth of the interval.
            look, asked = self.passed + 1, self.passed
            for row in self.upstream.rows():
                asked = self.passed = self.passed + 1
                if asked >= look:
                    look = asked + line.look(asked)
                yield row
            line.show(self.passed, last=True)

    def state(self, undo: bool = False) -> State:
        return {"rows": self.passed, "up": self.upstream.state(undo)}

    def load(self, state: State) -> None:
        self.passed = state["rows"]
        self.upstream.load(state["up"])


class _Line:
    """What is shown, and what it is reckoned from."""

    def __init__(self, progress: Progress, run: Run, cursor: _Progressing) -> None:
        self._progress, self._run, self._cursor = progress, run, cursor
        self._file = progress.file or sys.stderr
        self._begun = self._shown = self._looked = time.monotonic()
        self._first_row = self._last_row = cursor.passed
        self._first_fraction = cursor.fraction()
        self._cost = Decimal(0)
        self._calls = self._failed = 0
        self._over = False

    def __enter__(self) -> _Line:
        # A terminal's line is written over; a log gets few lines, each whole.
        self._live = self._file.isatty()
        self._every = self._progress.every if self._live else max(self._progress.every, 10.0)
        self._unsubscribe = subscribe(self._heard, CallFinished, CallFailed)
        return self

    def __exit__(self, *_: object) -> None:
        self._unsubscribe()
        if self._live and not self._over and self._shown > self._begun:
            print(file=self._file)

    def _heard(self, event: Event) -> None:
        self._calls += 1
        if isinstance(event, CallFailed):
            self._failed += 1
        self._cost += getattr(event, "cost", None) or 0

    def look(self, rows: int) -> int:
        """Show what there is, if it is time; return after how many rows to look again."""
        now = time.monotonic()
        came, took = rows - self._last_row, now - self._looked
        self._last_row, self._looked = rows, now
        if now - self._shown >= self._every:
            self.show(rows)
        return max(1, min(100_000, int(came * self._every / 10 / took))) if took > 0 else max(1, came)

    def show(self, rows: int, last: bool = False) -> None:
        now = time.monotonic()
        self._shown, self._over = now, last
        took = now - self._begun
        parts = [f"{rows:,} rows"]
        fraction = 1.0 if last else self._cursor.fraction()
        if took > 0:
            parts.append(f"{(rows - self._first_row) / took:,.0f}/s")
        if fraction is not None and not last:
            done = fraction - (self._first_fraction or 0)
            parts.insert(0, f"{fraction:.0%}")
            if done > 0:
                parts.append(f"{_clock(took * (1 - fraction) / done)} left")
        if last:
            parts.append(f"in {_clock(took)}")
        if self._run.summary.bad:
            parts.append(f"{self._run.summary.bad:,} bad")
        if self._calls:
            failed = f", {self._failed:,} failed" if self._failed else ""
            parts.append(f"{self._calls:,} calls{failed}, ${self._cost:.4f}")
        text = f"{self._progress.label}: {' · '.join(parts)}"
        if self._live:
            width = get_terminal_size((100, 24)).columns
            print(
                f"\r{text[: width - 1]:<{width - 1}}", end="\n" if last else "", file=self._file, flush=True
            )
        else:
            print(text, file=self._file, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
