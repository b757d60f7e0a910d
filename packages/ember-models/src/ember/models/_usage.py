"""Running totals of what calls used: one subscriber to the event stream, by scope."""

from __future__ import annotations

import os
from dataclasses import dataclass
from decimal import Decimal
from threading import Lock
from weakref import WeakKeyDictionary

from ember.core.events import ROOT, CallFailed, CallFinished, Scope, subscribe


@dataclass(frozen=True, slots=True)
class Totals:
    """What the calls of a context have used so far.

    `calls` counts answers and `requests` the attempts made for them and for calls that failed. Tokens are those that
    providers reported. `cost` is in US dollars over the calls whose price is known; `unpriced_calls` says how many
    others used tokens.
    """

    calls: int = 0
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    unpriced_calls: int = 0

    def plus(self, event: CallFinished | CallFailed) -> Totals:
        """Return the totals with `event` added."""
        answered = isinstance(event, CallFinished)
        usage = event.usage
        return Totals(
            self.calls + answered,
            self.requests + event.requests,
            self.input_tokens + ((usage.input_tokens or 0) if usage else 0),
            self.output_tokens + ((usage.output_tokens or 0) if usage else 0),
            self.cost + (event.cost or 0),
            self.unpriced_calls + (event.cost is None and (answered or usage is not None)),
        )


_lock = Lock()
_totals: WeakKeyDictionary[Scope, Totals] = WeakKeyDictionary()


def _charge(event: CallFinished | CallFailed) -> None:
    if event.kind != "model":
        return
    with _lock:
        for scope in event.scope.lineage():
            _totals[scope] = _totals.get(scope, Totals()).plus(event)


def totals(scope: Scope = ROOT) -> Totals:
    """Return what the calls of `scope` and of the scopes in it have used."""
    with _lock:
        return _totals.get(scope, Totals())


def _after_fork() -> None:
    global _lock, _totals
    _lock = Lock()  # another thread of the parent may have held it
    # What the parent's calls used, the parent reports. Both telling it would count it twice.
    _totals = WeakKeyDictionary()


subscribe(_charge, CallFinished, CallFailed)
os.register_at_fork(after_in_child=_after_fork)
