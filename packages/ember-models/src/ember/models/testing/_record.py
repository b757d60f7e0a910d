"""What the server saw: requests, and an account per key."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final

STATS_PATH: Final = "/_ember/stats"
"""Where a server tells its `Stats`; asking is not counted."""


@dataclass(slots=True, eq=False)
class Request:
    """A request that arrived whole.

    Header names are lower case; `path` has no query string. `at` is the arrival in seconds of `time.monotonic()`,
    `connection` counts connections from 1. `aborted` becomes True when the client goes away before the reply is whole,
    `done` when the server has done what it was told to.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    at: float = 0.0
    connection: int = 0
    aborted: bool = False
    done: bool = False

    @property
    def json(self) -> Any:
        """The body as JSON. Raises ValueError if it is not."""
        return json.loads(self.body)

    @property
    def key(self) -> str:
        """The credential as it was sent, "" for none."""
        bearer = self.headers.get("authorization", "")
        if bearer:
            return bearer.removeprefix("Bearer ")
        headers = self.headers
        return headers.get("x-api-key") or headers.get("api-key") or headers.get("x-goog-api-key") or ""


@dataclass(slots=True)
class Account:
    """What one key used. `requests` counts arrivals, `refused` those above a limit; the rest, answers sent whole."""

    requests: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Stats:
    """A server's counters at one moment. `cpu_seconds` is its whole process's."""

    requests: int
    in_flight: int
    high_water: int
    connections: int
    cpu_seconds: float
    ledger: dict[str, Account]

    def to_json(self) -> bytes:
        """Return the counters as JSON, for `from_json` in another process."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Stats:
        """Return what `to_json` wrote.

        >>> Stats.from_json(Stats(1, 0, 1, 1, 0.5, {"sk-a": Account(1)}).to_json()).ledger["sk-a"].requests
        1
        """
        fields = json.loads(text)
        ledger = {key: Account(**account) for key, account in fields.pop("ledger").items()}
        return cls(**fields, ledger=ledger)
