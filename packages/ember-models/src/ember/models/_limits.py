"""What providers' replies say of limits that are used up: OpenAI's and Anthropic's rate-limit headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from ._retry import LONGEST_WAIT

# What is left, and when there will be more again: a duration ("6m0s", "120ms") or a time (RFC 3339).
_PAIRS: Final = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
)
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")


def rest(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds for which another request would be refused, by a reply's headers; None if none would.

    `now` is in seconds since the epoch. A wait of more than 60 s is not believed: it is tried sooner.

    >>> rest({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30.5s"}, now=0.0)
    60.0
    >>> rest({"x-ratelimit-remaining-requests": "7", "x-ratelimit-reset-requests": "20ms"}, now=0.0)
    """
    waits = [_seconds(headers.get(reset, ""), now) for left, reset in _PAIRS if headers.get(left) == "0"]
    known = [wait for wait in waits if wait is not None and wait > 0]
    return min(LONGEST_WAIT, max(known)) if known else None


def _seconds(text: str, now: float) -> float | None:
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        return datetime.fromisoformat(text).timestamp() - now
    except ValueError:
        return None
