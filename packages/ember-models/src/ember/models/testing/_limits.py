"""Limits that the server enforces: requests and tokens in a window, requests at once, each per key and model."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from ._record import Request
from ._reply import Reply

Style = Literal["openai", "anthropic"]


@dataclass(frozen=True, slots=True)
class Limit:
    """What one key may do with one model; see `LocalServer.limit` for the fields."""

    requests: int | None = None
    tokens: int | None = None
    concurrency: int | None = None
    per: float = 60.0
    headers: Style | None = None
    retry_after: bool = True
    status: int = 429


@dataclass(slots=True)
class Meter:
    """What one key has done with one model in the window: (when, tokens) of each request that was let through."""

    seen: deque[list[float]] = field(default_factory=deque[list[float]])
    under_way: int = 0

    def forget(self, before: float) -> None:
        """Drop what has left the window."""
        while self.seen and self.seen[0][0] <= before:
            self.seen.popleft()


class Limits:
    """All limits of a server. Only requests that are let through use them up."""

    def __init__(self) -> None:
        self.rules: dict[tuple[str | None, str | None], Limit] = {}
        self._meters: dict[tuple[str, str], Meter] = {}
        self._held: dict[Request, tuple[Limit, Meter, list[float]]] = {}

    def admit(self, request: Request) -> Reply | None:
        """Return the refusal of a request, or None and count it."""
        key, model = request.key, _model(request)
        found = (self.rules.get(names) for names in ((key, model), (key, None), (None, model), (None, None)))
        rule = next((rule for rule in found if rule is not None), None)
        if rule is None:
            return None
        meter = self._meters.setdefault((key, model), Meter())
        meter.forget(request.at - rule.per)
        if rule.concurrency is not None and meter.under_way >= rule.concurrency:
            return Reply(rule.status, text="too many requests at once", latency=0.0)
        wait = _wait(rule, meter, request.at)
        if wait is not None:
            head = _headers(rule, meter, request.at)
            if rule.retry_after:
                head["retry-after"] = f"{math.ceil(wait * 1e3) / 1e3:g}"
            return Reply(rule.status, head, text="the limit of this minute is used up", latency=0.0)
        entry = [request.at, 0.0]
        meter.seen.append(entry)
        meter.under_way += 1
        self._held[request] = rule, meter, entry
        return None

    def spend(self, request: Request, bill: tuple[int, int] | None) -> bytes:
        """Count the tokens of a request that was let through; return its rate-limit headers as lines."""
        held = self._held.get(request)
        if held is None:
            return b""
        rule, meter, entry = held
        entry[1] = float(sum(bill or ()))
        lines = (f"{name}: {value}\r\n" for name, value in _headers(rule, meter, request.at).items())
        return "".join(lines).encode()

    def leave(self, request: Request) -> None:
        """Take note that a request is not under way any more."""
        held = self._held.pop(request, None)
        if held is not None:
            held[1].under_way -= 1


def _model(request: Request) -> str:
    try:
        named = json.loads(request.body)["model"]
    except (ValueError, KeyError, TypeError):
        return request.path.rpartition("/")[2].partition(":")[0]
    return str(named)


def _wait(rule: Limit, meter: Meter, now: float) -> float | None:
    """Return the seconds until the next request would be let through; None if one would be now."""
    wait = 0.0
    if rule.requests is not None and len(meter.seen) >= rule.requests:
        wait = meter.seen[len(meter.seen) - rule.requests][0] + rule.per - now
    if rule.tokens is not None:
        excess = sum(entry[1] for entry in meter.seen) - rule.tokens
        for at, tokens in meter.seen:
            if excess < 0:
                break
            excess -= tokens
            wait = max(wait, at + rule.per - now)
    return wait or None


_NAMES: Final[Mapping[Style, str]] = {
    "openai": "x-ratelimit-{what}-{of}",
    "anthropic": "anthropic-ratelimit-{of}-{what}",
}


def _headers(rule: Limit, meter: Meter, now: float) -> dict[str, str]:
    """Return what a vendor says of its limits: how much is left, and when all of it will be there again."""
    if rule.headers is None:
        return {}
    name = _NAMES[rule.headers]
    whole = meter.seen[-1][0] + rule.per - now if meter.seen else 0.0
    reset = f"{max(1, math.ceil(whole * 1e3))}ms"
    if rule.headers == "anthropic":
        reset = datetime.fromtimestamp(time.time() + whole, UTC).isoformat().replace("+00:00", "Z")
    used = {"requests": len(meter.seen), "tokens": int(sum(entry[1] for entry in meter.seen))}
    head: dict[str, str] = {}
    for of, most in (("requests", rule.requests), ("tokens", rule.tokens)):
        if most is not None:
            said = {"limit": str(most), "remaining": str(max(0, most - used[of])), "reset": reset}
            head |= {name.format(what=what, of=of): value for what, value in said.items()}
    return head
