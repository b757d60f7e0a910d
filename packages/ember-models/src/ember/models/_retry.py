"""Whether and when a failed attempt is made again: one pure function, and the quota that keeps an outage from growing.

Made again are attempts that met HTTP 408, 409, 429, 500, 502, 503, 504 or 529, or a connection that could not be made
or broke before anything was handed out. Never again: credit that has run out, filtered content, anything after text was
handed out, and whatever the server forbids by `x-should-retry: false`.

The delay is what the server asks for, where there is time for it; else "full jitter", a random time up to
0.5 s x 2^n and at most 30 s (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). The quota is
that of the AWS SDKs' standard mode: a bucket of 500, from which a throttled attempt takes 5 and any other 14, and into
which an answer puts back what its last attempt took.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Final

from .errors import ConnectionFailed, ContentFilterError, ModelError, QuotaError, StreamIncomplete

STATUSES: Final = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
THROTTLES: Final = frozenset({429, 529})
OVERLOADS: Final = THROTTLES | {503}
LONGEST_WAIT: Final = 60.0
"""Seconds. A server that asks for more is not waited for: its error says what it asked."""


@dataclass(frozen=True, slots=True)
class Again:
    """Make another attempt after `delay` seconds; `price` is what it takes out of the quota."""

    delay: float
    price: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Make no other attempt, because of `why`."""

    why: str


def decide(
    attempt: int,
    error: ModelError,
    *,
    most: int,
    now: float,
    deadline: float,
    quota: float,
    random: Callable[[], float],
) -> Again | Stop:
    """Say what to do after `attempt` (from 1) of at most `most` failed with `error`.

    `now` and `deadline` are seconds on one clock, `quota` is what is left in the bucket, `random` gives numbers in
    [0, 1). What the server asked is in `error.retry_after` (seconds) and `error.should_retry`.
    """
    if not transient(error):
        return Stop("it would fail again")
    if attempt >= most:
        return Stop(f"{most} attempts were made")
    price = 5 if error.status in THROTTLES else 14
    if quota < price:
        return Stop("too much has failed lately: the retry quota is used up")
    asked = error.retry_after
    if asked is not None and asked > LONGEST_WAIT:
        return Stop("the server asks for a longer wait than Ember grants")
    delay = asked if asked is not None else random() * min(30.0, 0.5 * 2 ** (attempt - 1))
    if now + delay >= deadline:
        return Stop("the deadline comes first")
    return Again(delay, price)


def transient(error: ModelError) -> bool:
    """Whether the same request may well succeed a little later."""
    if isinstance(error, (QuotaError, ContentFilterError)):
        return False
    if isinstance(error, StreamIncomplete):
        return not error.partial_text  # nothing was handed out yet, so nothing can be handed out twice
    if error.should_retry is not None:
        return error.should_retry
    return isinstance(error, ConnectionFailed) or error.status in STATUSES


def heed(error: ModelError, headers: Mapping[str, str], now: float) -> None:
    """Take over what a reply's headers say of trying again. `now` is in seconds since the epoch."""
    asked = retry_after(headers, now)
    error.retry_after = error.retry_after if asked is None else asked
    error.should_retry = {"true": True, "false": False}.get(headers.get("x-should-retry", ""))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds a reply asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date; or None.

    >>> retry_after({"retry-after-ms": "50"}, 0.0), retry_after({"retry-after": "soon"}, 0.0)
    (0.05, None)
    >>> retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, 58.0)
    2.0
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if isfinite(seconds) and seconds >= 0:
            return seconds
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


class Quota:
    """How much may still be tried again at one endpoint, whoever calls. Used on the I/O loop only."""

    CAPACITY: Final = 500

    def __init__(self) -> None:
        self.left = self.CAPACITY

    def take(self, price: int) -> None:
        """Pay for another attempt."""
        self.left -= price

    def give_back(self, price: int) -> None:
        """Put back what an answer's last attempt took, or 1 for an answer at the first attempt."""
        self.left = min(self.CAPACITY, self.left + (price or 1))
