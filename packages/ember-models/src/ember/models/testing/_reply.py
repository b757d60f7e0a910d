"""What a test asks the server to say, as data."""

from __future__ import annotations

import json as _json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

Event: TypeAlias = bytes | str | Mapping[str, Any] | tuple[str, str | Mapping[str, Any]]
"""One server-sent event: raw bytes, data, data as JSON, or (name, data). A name of "" is left out."""

Fault = Literal["drop", "reset", "hang", "end"]


class How(TypedDict, total=False):
    """The keywords of `replies` and `then`.

    What is said; with none of these the server answers by itself, in the dialect of the path:
    `text` is the model's answer in that dialect; `json` and `body` are whole bodies; `sse` is a stream of events;
    `raw` are the very bytes of the reply, head included; `size` makes a body of that many bytes out of nothing.
    `change` is applied to the dialect's own answer before it is encoded: a dict, or a list of events.

    How it travels: `latency` seconds before the head; pieces of `chunk` bytes, `delay` seconds between pieces (a piece
    is an event if `chunk` is not given); or `rate` bytes per second. `chunked` sends a body without its length. `gzip`
    is "ok", or "bad" for a broken one. `crlf` ends the lines of events with CR LF, `comments` puts one before each.

    How it goes wrong: `fault` is "drop" (close the connection), "reset" (RST), "hang" (silence until the client goes)
    or "end" (end in good order, but early); before the head, or `after` so many bytes of the body or events of the
    stream. `close` closes the connection after the reply, without saying so.
    """

    text: str
    json: Any
    body: bytes
    sse: Sequence[Event]
    raw: bytes
    size: int
    change: Callable[[Any], Any]
    latency: float
    chunk: int
    delay: float
    rate: float
    chunked: bool
    gzip: Literal["ok", "bad"]
    crlf: bool
    comments: bool
    fault: Fault
    after: int
    close: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply; see `How` for the fields."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    text: str | None = None
    body: bytes | None = None
    sse: tuple[Event, ...] | None = None
    raw: bytes | None = None
    size: int | None = None
    change: Callable[[Any], Any] | None = None
    latency: float | None = None
    chunk: int | None = None
    delay: float = 0.0
    chunked: bool = False
    gzip: Literal["ok", "bad"] | None = None
    crlf: bool = False
    comments: bool = False
    fault: Fault | None = None
    after: int | None = None
    close: bool = False

    @property
    def plain(self) -> bool:
        """Whether this is only a status, headers and a text: nothing about how it travels."""
        return not (self.chunk or self.delay or self.fault or self.close or self.chunked)


def reply(status: int, headers: Mapping[str, str] | None, how: How) -> Reply:
    """Return the reply that the arguments of `replies` describe. Raises TypeError for two bodies.

    >>> reply(200, None, {"json": {"a": 1}}).body
    b'{"a": 1}'
    """
    given: dict[str, Any] = dict(how)
    said = [name for name in ("text", "json", "body", "sse", "raw", "size") if name in given]
    if len(said) > 1:
        raise TypeError(f"a reply has one body: give {said[0]} or {said[1]}, not both")
    lowered = {name.lower(): value for name, value in (headers or {}).items()}
    if "json" in given:
        given["body"] = _json.dumps(given.pop("json")).encode()
        lowered.setdefault("content-type", "application/json")
    if "sse" in given:
        given["sse"] = tuple(given["sse"])
    if "rate" in given:
        # Ten pieces a second look like a slow line, whole seconds of silence would look like a stall.
        rate = given.pop("rate")
        given["chunk"] = max(1, int(rate / 10))
        given["delay"] = given["chunk"] / rate
    if given.get("fault") == "end" and "after" not in given:
        raise TypeError('fault="end" needs after=, the number of bytes or events that are sent')
    return Reply(status, MappingProxyType(lowered), **given)


class Script:
    """What one path, or every path, answers in order. The last reply is repeated for ever."""

    def __init__(self, first: Reply, times: int) -> None:
        self._steps = [first] * times
        self._next = 0

    def then(
        self,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        times: int = 1,
        **how: Unpack[How],
    ) -> Script:
        """Add the reply that comes next, `times` times; from now on the last reply is this one."""
        self._steps += [reply(status, headers, how)] * times
        return self

    def take(self) -> Reply:
        """Return the reply whose turn it is."""
        step = self._steps[min(self._next, len(self._steps) - 1)]
        self._next += 1
        return step
