"""The ledger: what calls used, by day, provider, model and tags, added up on disk for all of this user's programs.

A subscriber takes each call's sums; nothing of what was said is in them. They are added in memory, which blocks nobody,
and one thread of the process adds them to the file: at once, and together what comes meanwhile. What cannot be written
stays in memory until it can. A process that is killed loses the calls of its last moment; one that exits, none.
"""

from __future__ import annotations

import atexit
import json
import os
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Any, Final, NamedTuple, TypeAlias, cast

from ember.core.errors import StorageError
from ember.core.events import CallFailed, CallFinished, subscribe
from ember.core.externals import refuse_io_loop
from ember.core.store import Store, is_busy

from ._scribe import Scribe

Tags: TypeAlias = tuple[tuple[str, str], ...]

_MARK: Final = 0x456D624C  # "EmbL"
_ABOUT: Final = "Ember cannot write down what calls use: its ledger"
_MOST_WAITING: Final = 10_000
_EXACT: Final = Context(prec=60)

_SCHEMA: Final = """
CREATE TABLE spent (
  day TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, tags TEXT NOT NULL,
  calls INTEGER NOT NULL, cached_calls INTEGER NOT NULL, failed_calls INTEGER NOT NULL,
  unpriced_calls INTEGER NOT NULL, requests INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL, cached_input_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL, cost TEXT NOT NULL,
  PRIMARY KEY (day, provider, model, tags)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """What calls used, from the ledger. `day`, `provider`, `model` and `tags` are None unless the sum is by them.

    `calls` counts answers, those from the cache (`cached_calls`) among them; `failed_calls` are not, but their
    `requests` are counted. Tokens are those that providers reported. `cost` is in US dollars, exactly, over the calls
    whose price is known; `unpriced_calls` says how many others there were.
    """

    day: date | None = None
    provider: str | None = None
    model: str | None = None
    tags: Mapping[str, str] | None = None
    calls: int = 0
    cached_calls: int = 0
    failed_calls: int = 0
    unpriced_calls: int = 0
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost: Decimal = Decimal(0)

    def plus(self, other: Spent) -> Spent:
        """Return both together.

        >>> Spent(calls=1, cost=Decimal("0.1")).plus(Spent(calls=2, cost=Decimal("0.02"))).cost
        Decimal('0.12')
        """
        sums = {name: getattr(self, name) + getattr(other, name) for name in _COUNTS}
        return replace(self, **sums, cost=_EXACT.add(self.cost, other.cost))


_COUNTS: Final = tuple(field.name for field in fields(Spent))[4:-1]
_COLUMNS: Final = ", ".join(_COUNTS)
_ADD: Final = f"""
INSERT INTO spent (day, provider, model, tags, {_COLUMNS}, cost) VALUES (?, ?, ?, ?, {"?, " * len(_COUNTS)}?)
ON CONFLICT (day, provider, model, tags)
DO UPDATE SET cost = excluded.cost, {", ".join(f"{name} = {name} + excluded.{name}" for name in _COUNTS)}
"""
_COST: Final = "SELECT cost FROM spent WHERE day = ? AND provider = ? AND model = ? AND tags = ?"


class _Line(NamedTuple):
    """What one sum of the ledger is of."""

    day: str
    provider: str
    model: str
    tags: str


def ordered(tags: Mapping[str, str]) -> Tags:
    """Return `tags` as events carry them.

    >>> ordered({"job": "nightly", "by": "ann"})
    (('by', 'ann'), ('job', 'nightly'))
    """
    return tuple(sorted(tags.items()))


def _sums(event: CallFinished | CallFailed) -> Spent:
    answered, usage = isinstance(event, CallFinished), event.usage
    return Spent(
        calls=int(answered),
        cached_calls=int(isinstance(event, CallFinished) and event.cached),
        failed_calls=int(not answered),
        unpriced_calls=int(event.cost is None and (answered or usage is not None)),
        requests=event.requests,
        input_tokens=(usage and usage.input_tokens) or 0,
        output_tokens=(usage and usage.output_tokens) or 0,
        cached_input_tokens=(usage and usage.cached_input_tokens) or 0,
        cache_write_tokens=(usage and usage.cache_write_tokens) or 0,
        reasoning_tokens=(usage and usage.reasoning_tokens) or 0,
        cost=event.cost or Decimal(0),
    )


class Ledger:
    """The ledger of one home."""

    def __init__(self) -> None:
        self._store = Store.at_home("usage", "ledger.sqlite", _MARK, _SCHEMA.strip())
        self._scribe = Scribe("ember-ledger", self._write, self._forget)
        self._forget()
        atexit.register(self._last)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[_Line, Spent] = {}

    def book(self, line: _Line, sums: Spent) -> None:
        """Add `sums` to the line, soon. Never blocks."""
        with self._lock:
            if line not in self._waiting and len(self._waiting) >= _MOST_WAITING:
                raise StorageError(
                    "The ledger cannot be written, and too much waits for it: a call is not booked."
                )
            self._add({line: sums})
        self._scribe.wake()

    def _add(self, lines: Mapping[_Line, Spent]) -> None:
        for line, sums in lines.items():
            known = self._waiting.get(line)
            self._waiting[line] = sums if known is None else known.plus(sums)

    def _write(self) -> None:
        with self._lock:
            lines, self._waiting = self._waiting, {}
        try:
            self._save_patiently(lines)
        except (sqlite3.Error, StorageError) as error:
            with self._lock:
                self._add(lines)
            self._store.complain(_ABOUT, error)

    def _last(self) -> None:
        # There may be room again for what could not be written while the program ran.
        if self._waiting:
            self._store.wake()
            self._write()

    def _save_patiently(self, lines: Mapping[_Line, Spent]) -> None:
        for last in (False, False, True):  # each waits for seconds while another process writes
            try:
                return self._save(lines)
            except sqlite3.OperationalError as error:
                if last or not is_busy(error):
                    raise

    def _save(self, lines: Mapping[_Line, Spent]) -> None:
        with self._store.transaction() as connection:
            for line, sums in lines.items():
                row = connection.execute(_COST, line).fetchone()
                cost = sums.cost if row is None else _EXACT.add(Decimal(row[0]), sums.cost)
                connection.execute(_ADD, (*line, *(getattr(sums, name) for name in _COUNTS), str(cost)))

    def rows(self, where: str, values: Sequence[str]) -> list[tuple[_Line, Spent]]:
        """Return the lines for which `where` holds, with what this process has booked and not written yet."""
        refuse_io_loop("models.spent")
        self._scribe.finish(10.0)
        if not self._store.path.exists():
            return []
        query = f"SELECT day, provider, model, tags, cost, {_COLUMNS} FROM spent WHERE {where} ORDER BY 1, 2, 3, 4"
        try:
            with self._store.connection() as connection:
                found = connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"The ledger {self._store.reason(error)}.") from error
        return [
            (_Line(*row[:4]), Spent(cost=Decimal(row[4]), **dict(zip(_COUNTS, row[5:], strict=True))))
            for row in found
        ]


_ledgers: dict[tuple[str | None, str | None], Ledger] = {}
_making = threading.Lock()


def _ledger() -> Ledger:
    place = os.environ.get("EMBER_HOME"), os.environ.get("HOME")
    found = _ledgers.get(place)
    if found is None:
        with _making:
            found = _ledgers[place] = _ledgers.get(place) or Ledger()
    return found


def _book(event: CallFinished | CallFailed) -> None:
    if event.tags is None:
        return
    provider, _, model = event.name.partition("/")
    day = datetime.fromtimestamp(event.at, UTC).date().isoformat()
    tags = json.dumps(dict(event.tags), ensure_ascii=False, separators=(",", ":"))
    _ledger().book(_Line(day, provider, model, tags), _sums(event))


def spent(
    by: Sequence[str],
    since: date | str | None,
    until: date | str | None,
    provider: str | None,
    model: str | None,
    tags: Mapping[str, str],
) -> tuple[Spent, ...]:
    """Return what `models.spent` does."""
    names = (by,) if isinstance(by, str) else tuple(by)
    for name in names:
        if name not in ("day", "provider", "model", "tags") and not name.startswith("tags."):
            raise ValueError(
                f"A sum is by 'day', 'provider', 'model', 'tags' or 'tags.<name>'; got {name!r}."
            )
    conditions = {
        "day >= ?": None if since is None else _day(since),
        "day <= ?": None if until is None else _day(until),
        "provider = ?": provider,
        "model = ?": model,
    }
    chosen = {condition: value for condition, value in conditions.items() if value is not None}
    groups: dict[tuple[Any, ...], Spent] = {}
    for line, sums in _ledger().rows(" AND ".join(chosen) or "1", list(chosen.values())):
        labels = cast("dict[str, str]", json.loads(line.tags))
        if any(labels.get(name) != value for name, value in tags.items()):
            continue
        group = _group(names, line, labels)
        key = (group.day, group.provider, group.model, None if group.tags is None else ordered(group.tags))
        groups[key] = groups.get(key, group).plus(sums)
    return tuple(groups[key] for key in sorted(groups)) if names else (groups.get((None,) * 4, Spent()),)


def _group(by: Sequence[str], line: _Line, labels: Mapping[str, str]) -> Spent:
    shown = {name: labels[name] for name in labels if "tags" in by or f"tags.{name}" in by}
    return Spent(
        date.fromisoformat(line.day) if "day" in by else None,
        line.provider if "provider" in by else None,
        line.model if "model" in by else None,
        shown if any(name.startswith("tags") for name in by) else None,
    )


def _day(value: Any) -> str:
    if isinstance(value, datetime):
        value = value.astimezone(UTC).date()
    return value.isoformat() if isinstance(value, date) else date.fromisoformat(value).isoformat()


subscribe(_book, CallFinished, CallFailed)
