"""What calls may use at most: US dollars, tokens, calls; exact in threads and tasks, asked before a request is sent.

Before a call is admitted it claims what it is known to use at least, its floor, in every budget in force where it was
made; if that does not fit into one of them, it is refused. When it ends, the claim is given back and what it used is
paid. How much a call will use beyond its floor nobody knows before, so calls that are under way together may exceed a
limit of dollars or tokens by what they use; a limit of calls is never exceeded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from threading import Lock
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast, get_args
from weakref import WeakKeyDictionary

from ember.context import EmberContext
from ember.core.events import Usage
from ember.core.suggest import nearest

from . import _cost
from ._call import Budget, Call, EmbedCall
from ._provider import BaseProvider
from .errors import BudgetExceeded, UnsupportedError

Unit: TypeAlias = Literal["usd", "tokens", "calls"]
_UNITS: Final[tuple[Unit, ...]] = get_args(Unit)


@dataclass(frozen=True, slots=True)
class Spending:
    """US dollars, tokens and calls.

    >>> Spending(Decimal("0.5"), 10, 1) + Spending(tokens=5)
    Spending(usd=Decimal('0.5'), tokens=15, calls=1)
    """

    usd: Decimal = Decimal(0)
    tokens: int = 0
    calls: int = 0

    def __add__(self, other: Spending) -> Spending:
        return Spending(self.usd + other.usd, self.tokens + other.tokens, self.calls + other.calls)

    def __sub__(self, other: Spending) -> Spending:
        return Spending(self.usd - other.usd, self.tokens - other.tokens, self.calls - other.calls)


_NOTHING: Final = Spending()


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget that is in force: whose it is, its limits, what was spent, and what calls under way have claimed."""

    source: str
    limit: Budget
    spent: Spending
    reserved: Spending

    @property
    def left(self) -> Budget:
        """What is neither spent nor claimed, where there is a limit; below 0 where the last calls took more."""
        taken, limit = self.spent + self.reserved, self.limit
        return Budget(
            usd=None if limit.usd is None else limit.usd - taken.usd,
            tokens=None if limit.tokens is None else limit.tokens - taken.tokens,
            calls=None if limit.calls is None else limit.calls - taken.calls,
            allow_unknown=limit.allow_unknown,
        )


class Account:
    """What was spent of one budget, and claimed by calls under way. Changed under the lock only."""

    __slots__ = ("__weakref__", "reserved", "source", "spent", "unmetered")

    def __init__(self, source: str) -> None:
        self.source = source
        self.spent = self.reserved = _NOTHING
        self.unmetered: set[str] = set()
        """Models that answered without saying what that took."""


class Claim(NamedTuple):
    """A budget as one call sees it: the limits now, and the account they are of."""

    account: Account
    limit: Budget


_lock = Lock()
_process = Account("the configuration")
_blocks: WeakKeyDictionary[Any, Account] = WeakKeyDictionary()
_generation = 0


def own(value: Any) -> Claim:
    """Return the budget of one call, with an account of its own; a claim that has one already, as it is."""
    return value if isinstance(value, Claim) else Claim(Account("this call"), budget(value))


def budget(value: Any) -> Budget:
    """Return what a user wrote as a budget: a number is US dollars. Raises TypeError or ValueError.

    >>> budget(0.1), budget({"calls": 5}).calls
    (Budget(usd=0.1), 5)
    """
    if isinstance(value, Budget):
        for unit in _UNITS:
            if (most := getattr(value, unit)) is not None and most < 0:
                raise ValueError(f"{unit} of a budget is at least 0; got {most}.")
        return value
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        known = (*_UNITS, "allow_unknown")
        for name in fields:
            if name not in known:
                near = nearest(str(name), known, 1)
                hint = f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(known)}."
                raise TypeError(f"a budget has no {name!r}. {hint}")
        return budget(Budget(**fields))
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return budget(Budget(usd=value))
    raise TypeError(
        f"budget is a number of US dollars, a Budget, or a mapping of its fields; got {type(value).__name__}."
    )


def claims(context: EmberContext) -> tuple[Claim, ...]:
    """Return the budgets in force in `context`: of each block around, innermost first, then the process's."""
    found: list[Claim] = []
    for level in context.levels("models.budget"):
        with _lock:
            account = _process if level.owner is None else _blocks.get(level.owner)
            if account is None:
                account = _blocks[level.owner] = Account(level.source)
        found.append(Claim(account, budget({k: v for k, v in level.value.items() if v is not None})))
    return tuple(found)


def states(context: EmberContext) -> tuple[BudgetState, ...]:
    """Return how the budgets in force in `context` stand."""
    in_force = claims(context)
    with _lock:
        return tuple(
            BudgetState(claim.account.source, claim.limit, claim.account.spent, claim.account.reserved)
            for claim in in_force
        )


class Hold:
    """What one call has claimed, in all budgets that it counts in."""

    __slots__ = ("_claims", "_floor", "_generation", "_held", "_name", "answering")

    def __init__(self, in_force: tuple[Claim, ...], provider: BaseProvider, call: Call | EmbedCall) -> None:
        self._claims, self._name = in_force, f"{provider.name}/{call.model}"
        tokens, price = _floor_tokens(call), None
        if any(claim.limit.usd is not None for claim in in_force):
            price = _floor_price(provider, call.model, tokens)
            for claim in in_force:
                if price is None and claim.limit.usd is not None and not claim.limit.allow_unknown:
                    raise _unkeepable(claim, provider.name, call.model, "the model's price is not known")
        self._floor = Spending(price or Decimal(0), tokens, 1)
        self._held: Spending | None = None
        self._generation = _generation
        self.answering = False
        """Whether part of an answer came: then at least the floor was used, whatever becomes of the rest."""

    def of(self, provider: BaseProvider, call: Call | EmbedCall) -> Hold:
        """Return a place in the same budgets for another call."""
        return Hold(self._claims, provider, call)

    def check(self) -> None:
        """Raise `BudgetExceeded` if the call does not fit any more: there is no point in waiting for its turn."""
        with _lock:
            if self._held is None:
                self._refuse_beyond(self._floor)

    def reserve(self) -> None:
        """Claim the floor, for the first attempt; those after it go on from there. Raises `BudgetExceeded`."""
        with _lock:
            if self._held is None:
                self._hold(self._floor)

    def go_on(self, usage: Usage | None, cost: Decimal | None) -> None:
        """Claim another answer to the same call, after those that used this. Raises `BudgetExceeded`."""
        with _lock:
            used = self._used(usage, cost)
            self._hold(Spending(used.usd + self._floor.usd, used.tokens + self._floor.tokens, 1))

    def settle(self, usage: Usage | None, cost: Decimal | None, *, answered: bool) -> None:
        """Give the claim back, and pay what was used. A call that was never sent pays nothing."""
        with _lock:
            held, self._held = self._held, None
            if held is None or self._generation != _generation:  # or a parent's call, which the parent pays
                return
            used = _NOTHING
            if answered or self.answering or usage is not None:
                used = self._used(usage, cost)
                used = Spending(used.usd, used.tokens, int(answered or self.answering))
            for account, limit in self._claims:
                account.reserved -= held
                account.spent += used
                unknown = usage is None or usage.total_tokens is None
                if answered and (unknown if limit.usd is None else cost is None):
                    account.unmetered.add(self._name)

    def _hold(self, wanted: Spending) -> None:
        held = self._held or _NOTHING
        self._refuse_beyond(wanted, held)
        for account, _ in self._claims:
            account.reserved += wanted - held
        self._held = wanted

    def _used(self, usage: Usage | None, cost: Decimal | None) -> Spending:
        """Return what is known to have been used; where the provider did not say, that is the floor."""
        read = None if usage is None else usage.input_tokens
        made = None if usage is None else usage.output_tokens
        tokens = (self._floor.tokens if read is None else read) + (made or 0)
        return Spending(self._floor.usd if cost is None else cost, tokens)

    def _refuse_beyond(self, wanted: Spending, held: Spending = _NOTHING) -> None:
        for claim in self._claims:
            account, limit = claim
            provider, _, model = self._name.partition("/")
            metered = limit.usd is not None or limit.tokens is not None
            if metered and self._name in account.unmetered and not limit.allow_unknown:
                why = "an earlier answer of the model did not say what it used"
                raise _unkeepable(claim, provider, model, why)
            reserved = account.reserved - held
            for unit in _UNITS:
                most = getattr(limit, unit)
                spent, claimed, needed = (getattr(part, unit) for part in (account.spent, reserved, wanted))
                if most is not None and spent + claimed + needed > most:
                    raise BudgetExceeded(
                        account.source,
                        unit=unit,
                        limit=most,
                        spent=spent,
                        reserved=claimed,
                        floor=needed,
                        provider=provider,
                        model=model,
                    )


def _unkeepable(claim: Claim, provider: str, model: str, why: str) -> UnsupportedError:
    return UnsupportedError(
        f"the budget of {claim.account.source} ({claim.limit}) cannot be kept: {why}. No request was made. Limit the "
        "calls instead, or let such models go uncounted with allow_unknown.",
        provider=provider,
        model=model,
    )


def _floor_tokens(call: Call | EmbedCall) -> int:
    """Return how many tokens a call reads at least. No token spans two texts, so each text is one or more; how many,
    only the vendor's tokenizer knows. Of an answer nothing is known: it may be empty.
    """
    if isinstance(call, EmbedCall):
        return len(call.texts)
    said = sum(bool(message.content or message.tool_calls) for message in call.messages)
    return max(1, said + bool(call.system))


def _floor_price(provider: BaseProvider, model: str, tokens: int) -> Decimal | None:
    """Return what that many tokens of input cost at least, in US dollars; None if the price is not known."""
    prices = [
        _cost.cost(provider, (model,), usage)
        for usage in (Usage(tokens, 0), Usage(tokens, 0, cached_input_tokens=tokens))
    ]
    return min((price for price in prices if price is not None), default=None)


def _after_fork() -> None:
    global _lock, _generation
    _lock = Lock()  # another thread of the parent may have held it
    _generation += 1
    # What was spent counts in the child too; what the parent's calls have claimed, the parent pays.
    for account in (_process, *_blocks.values()):
        account.reserved = _NOTHING


os.register_at_fork(after_in_child=_after_fork)
