"""What the server says by itself: each API it speaks, by the end of the path.

A dialect is a pure function from the request's JSON and a way to find the answer's text to an `Answer`. Tokens are
words, so that a test can count them by eye: "Say hi" is two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ._reply import Event

Say: TypeAlias = Callable[[str], str]
"""Gives the answer's text for the text of the last user message."""


THOUGHTS = "First it thinks."
"""What this server's models think, where a request asks them to: three tokens."""
SIGNATURE = "c2lnbmVkIGhlcmU="
"""What stands for the signature of that, or for its encrypted form."""


class BadRequest(Exception):
    """The request's JSON is not one that the API accepts; the argument says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: `content` is the JSON body, or the list of events where a stream was asked for."""

    content: dict[str, Any] | list[Event]
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Dialect:
    """An API: how it answers, how it words an error, which header carries its request id ("": none does), and what its
    streams are."""

    answer: Callable[[Mapping[str, Any], Say], Answer]
    error: Callable[[int, str], dict[str, Any]]
    id_header: str = ""
    stream_type: str = "text/event-stream"


_WORD = re.compile(r"\S+\s*|\s+")


def words(text: str) -> list[str]:
    """Return `text` in pieces that join to it again: the tokens of this server.

    >>> words("Say  hi!")
    ['Say  ', 'hi!']
    """
    return _WORD.findall(text)


def count(text: str) -> int:
    """Return the number of tokens in `text`."""
    return len(text.split()) or len(text[:1])


def required(asked: Mapping[str, Any], name: str) -> Any:
    """Return a field of the request. Raises BadRequest if it is missing or empty."""
    if not asked.get(name):
        raise BadRequest(f"Missing required parameter: '{name}'.")
    return asked[name]


def text_of(content: Any) -> str:
    """Return the text of a message's content: a string, or a list of parts of which some are text."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if not isinstance(content, list):
        raise BadRequest("a message's content is a string or a list of parts.")
    parts: list[Mapping[str, Any]] = content  # pyright: ignore[reportUnknownVariableType]
    return "".join(str(part.get("text", "")) for part in parts)


def last_user_text(messages: Any) -> str:
    """Return the text of the last message a user wrote, "" if there is none."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return text_of(message.get("content"))
    return ""


def cut(text: str, limit: Any) -> tuple[list[str], bool]:
    """Return the answer's tokens within `limit` (None: no limit), and whether any were left out."""
    pieces = words(text)
    if limit is None or len(pieces) <= limit:
        return pieces, False
    return pieces[:limit], True
