"""What providers' replies say of their limits: OpenAI's and Anthropic's rate-limit headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from ._retry import LONGEST_WAIT

_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
# What is left, and when all of it will be there again: a duration ("6m0s", "120ms") or a time (RFC 3339).
_PAIRS: Final = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
)

_TRAVEL: Final = 0.5
"""Seconds that a request may have taken to the server, connecting included."""
_REQUESTS: Final = tuple(
    tuple(name.format(what) for what in ("remaining", "limit", "reset"))
    for name in ("x-ratelimit-{}-requests", "anthropic-ratelimit-requests-{}")
)

_SAYING: Final = frozenset({name for names in _REQUESTS for name in names[:1]} | {name for name, _ in _PAIRS})


def silent(headers: Mapping[str, str]) -> bool:
    """Whether a reply says nothing of limits: most do not, and need no further look."""
    return _SAYING.isdisjoint(headers)


class Left(NamedTuple):
    """How many of `limit` requests are left, and the seconds until all of them are there again, at most 60."""

    remaining: int
    limit: int
    reset: float


def left(headers: Mapping[str, str], now: float, asked: float) -> Left | None:
    """Return what a reply says of requests, None if it says nothing.

    `now` and `asked`, when the request was made, are in seconds since the epoch: limits are told as they were then.

    >>> said = {"remaining": "7", "limit": "500", "reset": "1.5s"}
    >>> left({f"x-ratelimit-{name}-requests": value for name, value in said.items()}, now=9.0, asked=8.0)
    Left(remaining=7, limit=500, reset=1.0)
    """
    for remaining, limit, reset in _REQUESTS:
        much, most = headers.get(remaining, ""), headers.get(limit, "")
        if much.isdecimal() and most.isdecimal():
            seconds = _seconds(headers.get(reset, ""), now, asked)
            if seconds is not None:
                return Left(int(much), int(most), min(LONGEST_WAIT, max(0.0, seconds)))
    return None


def rest(headers: Mapping[str, str], now: float, asked: float) -> float | None:
    """Return the seconds for which every request would be refused, by a reply's headers; None if none would.

    `now` and `asked` are in seconds since the epoch. A wait of more than 60 s is not believed: it is tried sooner.

    >>> rest({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m30.5s"}, 0.0, 0.0)
    60.0
    >>> rest({"x-ratelimit-remaining-requests": "7", "x-ratelimit-reset-requests": "20ms"}, 0.0, 0.0)
    """
    waits = [
        _seconds(headers.get(reset, ""), now, asked) for left, reset in _PAIRS if headers.get(left) == "0"
    ]
    known = [wait for wait in waits if wait is not None and wait > 0]
    return min(LONGEST_WAIT, max(known)) if known else None


def _seconds(text: str, now: float, asked: float) -> float | None:
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        # From when the server began to count: that was not before the request came to it, however long the answer took.
        return sum(float(number) * _UNITS[unit] for number, unit in parts) - max(0.0, now - asked - _TRAVEL)
    try:
        # A time in whole seconds may have been rounded down, and all that wait would come a second too early.
        return datetime.fromisoformat(text).timestamp() - now + (0 if "." in text else 1)
    except ValueError:
        return None
