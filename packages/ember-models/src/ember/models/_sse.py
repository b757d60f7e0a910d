"""Events from bytes: server-sent ones, by https://html.spec.whatwg.org/multipage/server-sent-events.html, sections
9.2.5-6, and lines of JSON.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its name ("message" if the server gave none) and its data, lines joined by line feeds."""

    data: str
    name: str = "message"


class Parser(Protocol):
    """Takes the bytes of one stream in any portions and gives whole events."""

    def feed(self, chunk: bytes) -> Iterator[ServerEvent]:
        """Yield the events that `chunk` completes. Raises UnicodeDecodeError for bytes that are not UTF-8."""
        ...


class LineParser:
    """A `Parser` of streams that hold an event on each line (NDJSON). A last line without its end is dropped.

    >>> parser = LineParser()
    >>> list(parser.feed(b'{"a"')), list(parser.feed(b': 1}\\n\\n'))
    ([], [ServerEvent(data='{"a": 1}', name='message')])
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        # The line that has begun, in pieces: joined only when its end is there, or a long line would cost its square.
        self._rest: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[ServerEvent]:
        """Yield the events that `chunk` completes. Raises UnicodeDecodeError for bytes that are not UTF-8."""
        first, *others = chunk.split(b"\n")
        self._rest.append(first)
        if not others:
            return
        lines = [b"".join(self._rest), *others]
        self._rest = [lines.pop()]
        for line in lines:
            if text := line.decode().strip():
                yield ServerEvent(text)


class EventParser:
    """Takes the bytes of a stream in any portions and gives whole events. An event cut off by the end is dropped.

    >>> parser = EventParser()
    >>> list(parser.feed(b'data: {"a"')), list(parser.feed(b': 1}\\r\\n\\r\\n'))
    ([], [ServerEvent(data='{"a": 1}', name='message')])
    """

    __slots__ = ("_data", "_decode", "_held", "_name", "_rest")

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("strict")
        # The line that has begun, in pieces: joined only when its end is there, or a long line would cost its square.
        self._rest: list[str] = []
        self._held = False
        self._name = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[ServerEvent]:
        """Yield the events that `chunk` completes. Raises UnicodeDecodeError for bytes that are not UTF-8."""
        text = self._decode.decode(chunk)
        if not self._held and "\n" not in text and "\r" not in text:
            self._rest.append(text)
            return
        text = "".join((*self._rest, "\r" if self._held else "", text))
        # A line ends at CR LF, LF or CR. A CR at the very end may be half of CR LF: it waits for what follows.
        self._held = text.endswith("\r")
        if self._held:
            text = text[:-1]
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = [lines.pop()]
        for line in lines:
            if line:
                self._take(line)
            elif self._data:
                yield ServerEvent("\n".join(self._data), self._name or "message")
                self._name, self._data = "", []
            else:
                self._name = ""

    def _take(self, line: str) -> None:
        label, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if label == "data":
            self._data.append(value)
        elif label == "event":
            self._name = value
