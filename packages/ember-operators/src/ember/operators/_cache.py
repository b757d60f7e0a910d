"""Answers kept in memory, and calls spread over time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, cast

from ._fields import static
from ._steps import Budget, Do, Member, Stepped, Steps

if TYPE_CHECKING:
    from ._race import Signal


class Cache(Stepped, kw_only=False):
    """Call `op` once for each question, and answer from memory after that.

    `key` says what makes two calls the same, from their arguments; by default these themselves, containers and
    dataclasses looked into. The same calls made at once are one: the others wait for it, and if it fails each tries
    itself. At most `size` answers are kept, those used last, for `max_age` seconds if that is given. Failures are not
    kept. It is the object itself that is kept: do not change what you get.

    >>> asked = []
    >>> cached = Cache(lambda question: asked.append(question) or len(question))
    >>> cached("why?"), cached("why?"), asked
    (4, 4, ['why?'])
    """

    op: Member
    key: Callable[..., Hashable] | None = None
    size: int = 1024
    max_age: float | None = None
    budget: Budget | None = None
    _kept: Kept = static(default_factory=lambda: Kept())

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        # The member is part of it: a changed copy of this operator has the same memory.
        key = self.key(*args, **kwargs) if self.key is not None else fingerprint((args, kwargs))
        place = id(self.op), key
        while True:
            entry, leader = self._kept.enter(place, self.op, self.max_age)
            if leader:
                break
            if entry.landed is not None:
                yield Do(entry.landed)
            if entry.answered:
                return entry.value
        try:
            value = yield Do(self.op, args, kwargs)
        except BaseException:
            self._kept.drop(place, entry)
            raise
        self._kept.keep(place, entry, value, self.size)
        return value

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()


@dataclass(slots=True)
class _Entry:
    """A call that was made, or is under way: then `landed` is what the others wait for, if there are any."""

    op: Any  # held, so that its id is nobody else's
    answered: bool = False
    value: Any = None
    at: float = 0.0
    landed: Signal | None = None

    def too_old(self, max_age: float | None) -> bool:
        return self.answered and max_age is not None and time.monotonic() - self.at > max_age


class Kept:
    """The memory of a `Cache`. A copy of it made by pickle or deepcopy begins empty."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def enter(self, key: Hashable, op: Any, max_age: float | None) -> tuple[_Entry, bool]:
        """Return what is known of a call, and whether it is the caller's to make."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.too_old(max_age):
                entry = None
            if entry is None:
                entry = self._entries[key] = _Entry(op)
                return entry, True
            self._entries.move_to_end(key)
            if not entry.answered and entry.landed is None:
                from ._race import Signal

                entry.landed = Signal()
            return entry, False

    def keep(self, key: Hashable, entry: _Entry, value: Any, size: int) -> None:
        """Keep what came of a call, and tell those who wait for it."""
        with self._lock:
            entry.value, entry.answered, entry.at = value, True, time.monotonic()
            while len(self._entries) > size:
                self._entries.popitem(last=False)
        _tell(entry)

    def drop(self, key: Hashable, entry: _Entry) -> None:
        """Forget a call that failed, and tell those who wait for it."""
        with self._lock:
            if self._entries.get(key) is entry:
                del self._entries[key]
        _tell(entry)

    def clear(self) -> None:
        """Forget what was answered; what is under way goes on."""
        with self._lock:
            for key in [key for key, entry in self._entries.items() if entry.answered]:
                del self._entries[key]

    def __len__(self) -> int:
        return len(self._entries)

    def __reduce__(self) -> Any:
        return Kept, ()

    def __repr__(self) -> str:
        return (
            "Kept()"  # always: operators are known by how they print, to those who go on with an evaluation
        )


def _tell(entry: _Entry) -> None:
    landed = entry.landed
    if landed is not None:
        landed.set()


def fingerprint(value: object) -> Hashable:
    """Return something hashable that is equal for equal arguments: types count, so 1, 1.0 and True differ.

    Raises TypeError for what can neither be hashed nor looked into.

    >>> fingerprint({"a": [1, 2]}) == fingerprint({"a": [1, 2]}), fingerprint([1]) == fingerprint([True])
    (True, False)
    """
    if isinstance(value, str):
        return "str", str(value)  # a model's answer is the text it is
    other: Any = value
    kind = _type(value)
    if isinstance(value, Mapping):
        items = cast("dict[Any, Any]", value).items()
        return kind, frozenset((fingerprint(name), fingerprint(inner)) for name, inner in items)
    if isinstance(value, (list, tuple)):
        return kind, tuple(map(fingerprint, cast("list[Any]", value)))
    if isinstance(value, (set, frozenset)):
        return kind, frozenset(map(fingerprint, cast("set[Any]", value)))
    if is_dataclass(value) and not isinstance(value, type):
        return kind, tuple(fingerprint(getattr(value, one.name)) for one in fields(value))
    if hasattr(other, "model_dump"):  # pydantic's
        return kind, fingerprint(other.model_dump())
    if hasattr(other, "tobytes") and hasattr(other, "shape"):  # an array
        return kind, str(getattr(other, "dtype", "")), tuple(other.shape), other.tobytes()
    try:
        hash(value)
    except TypeError:
        raise TypeError(
            f"A {type(other).__name__} among the arguments cannot be told from others. Say with Cache(key=...) what "
            "makes two calls the same."
        ) from None
    return kind, other


def _type(value: object) -> Any:
    return type(value)
