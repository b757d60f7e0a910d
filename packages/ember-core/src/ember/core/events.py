"""What happens to external calls, told to whoever listens: started, retried, finished, failed.

One place emits, and every account of a call (usage totals, budgets, traces, progress, OpenTelemetry) is a subscriber.
An event carries names, times, tokens and money; never a prompt or an answer.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeVar, overload

from .secrets import scrub


class Scope:
    """Something calls are charged to: the process, or one `create_context` block.

    Scopes form a tree; a call is charged to its scope and to all of that scope's ancestors.

    >>> night = Scope(ROOT, "nightly")
    >>> [scope.name for scope in night.lineage()]
    ['nightly', 'process']
    """

    __slots__ = ("__weakref__", "name", "parent")

    def __init__(self, parent: Scope | None, name: str = "") -> None:
        self.parent, self.name = parent, name

    def lineage(self) -> tuple[Scope, ...]:
        """Return this scope and its ancestors, innermost first."""
        chain: list[Scope] = []
        scope: Scope | None = self
        while scope is not None:
            chain.append(scope)
            scope = scope.parent
        return tuple(chain)

    def __repr__(self) -> str:
        return f"Scope({' < '.join(scope.name or '?' for scope in self.lineage())})"


ROOT: Final = Scope(None, "process")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, as the provider counted them. None where the provider did not say; never a guess.

    `cached_input_tokens` and `cache_write_tokens` are parts of `input_tokens`, `reasoning_tokens` of `output_tokens`.

    >>> Usage(input_tokens=12, output_tokens=30).total_tokens
    42
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def total_tokens(self) -> int | None:
        """Input and output together, or None if either is unknown."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Event:
    """What all events share.

    `call` is the call's number in this process, and `parent` the number of the external call it was made in, if any.
    `kind` says what was called ("model", "tool", ...), `name` which one ("openai/gpt-4"). `at` is seconds since the
    epoch; `scope` is what the call is charged to.
    """

    call: int
    parent: int | None
    kind: str
    name: str
    at: float
    scope: Scope = field(repr=False)


@dataclass(frozen=True, slots=True)
class CallStarted(Event):
    """A call was accepted and is about to be made."""


@dataclass(frozen=True, slots=True)
class CallRetried(Event):
    """An attempt failed and another follows after `delay` seconds. `attempt` is the one that failed, from 1."""

    attempt: int
    delay: float
    error: str


@dataclass(frozen=True, slots=True)
class CallFinished(Event):
    """A call answered. `duration` is in seconds, `cost` in US dollars (None: unknown), `requests` counts attempts.

    One that was `cached` made none, and used nothing. `tags` are the labels under which the ledger books it, as pairs
    in order; None, if it does not.
    """

    duration: float
    usage: Usage | None = None
    cost: Decimal | None = None
    requests: int = 1
    cached: bool = False
    tags: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class CallFailed(Event):
    """A call ended without an answer: `error` is the exception's class name. Tokens it is known to have used count."""

    duration: float
    error: str
    usage: Usage | None = None
    cost: Decimal | None = None
    requests: int = 1
    tags: tuple[tuple[str, str], ...] | None = None


_E = TypeVar("_E", bound=Event)
_F = TypeVar("_F", bound=Event)
Subscriber = Callable[[Any], None]


class _Subscription:
    """One call of `subscribe`: the same function may be in several, each ended by itself."""

    __slots__ = ("complained", "subscriber")

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber, self.complained = subscriber, False


_KINDS: tuple[type[Event], ...] = (CallStarted, CallRetried, CallFinished, CallFailed)
# Tuples are replaced under the lock, never mutated, so that emitting needs none.
_subscriptions: dict[type[Event], tuple[_Subscription, ...]] = dict.fromkeys(_KINDS, ())
_lock = threading.Lock()
_numbers = itertools.count(1)


def next_call() -> int:
    """Return a number no other call of this process has."""
    return next(_numbers)


def _process() -> Scope:
    return ROOT


_charged: Callable[[], Scope] = _process


def current_scope() -> Scope:
    """Return what a call made here is charged to."""
    return _charged()


def charge_to(scope_here: Callable[[], Scope]) -> None:
    """Have `scope_here` say what calls are charged to. `ember.context` does, which core does not know; without it, a
    call is the process's.
    """
    global _charged
    _charged = scope_here


@overload
def subscribe(
    subscriber: Callable[[_E], None], kind: type[_E], /, *kinds: type[_E]
) -> Callable[[], None]: ...
@overload
def subscribe(
    subscriber: Callable[[_E | _F], None], kind: type[_E], other: type[_F], /
) -> Callable[[], None]: ...
@overload
def subscribe(subscriber: Callable[[Event], None], /) -> Callable[[], None]: ...
def subscribe(subscriber: Subscriber, /, *kinds: type[Event]) -> Callable[[], None]:
    """Call `subscriber` with every event of `kinds` (all, if none is named); return a function that ends it.

    Subscribers run on the thread that emits and must not block. An exception in one is logged once and dropped: an
    observer never changes what it observes.

    >>> seen = []
    >>> stop = subscribe(seen.append, CallFinished)
    >>> emit(CallFinished(1, None, "tool", "search", 0.0, ROOT, duration=0.2))
    >>> stop()
    >>> seen[0].name, seen[0].duration
    ('search', 0.2)
    """
    wanted = tuple(kind for kind in _KINDS if not kinds or issubclass(kind, kinds))
    if not wanted:
        raise TypeError(
            f"No event is of kind {kinds!r}: there are {', '.join(kind.__name__ for kind in _KINDS)}."
        )
    subscription = _Subscription(subscriber)
    with _lock:
        for kind in wanted:
            _subscriptions[kind] = (*_subscriptions[kind], subscription)

    def unsubscribe() -> None:
        with _lock:
            for kind in wanted:
                _subscriptions[kind] = tuple(one for one in _subscriptions[kind] if one is not subscription)

    return unsubscribe


def listening(kind: type[Event]) -> bool:
    """Whether anyone wants events of `kind`: ask before building one that costs something to build."""
    return bool(_subscriptions[kind])


def emit(event: Event) -> None:
    """Tell `event` to its subscribers, in the order they subscribed."""
    for subscription in _subscriptions[type(event)]:
        try:
            subscription.subscriber(event)
        except Exception as error:  # a plugin boundary: whatever a subscriber does wrong stays its own
            if not subscription.complained:
                subscription.complained = True
                _complain(subscription.subscriber, error)


def _complain(subscriber: Subscriber, error: Exception) -> None:
    import logging  # 3 ms of import that most programs never need

    logging.getLogger("ember.events").error(
        "Subscriber %s failed and will not be reported again: %s", scrub(repr(subscriber)), scrub(repr(error))
    )


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_after_fork)
