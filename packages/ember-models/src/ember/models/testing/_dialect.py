"""What the server says by itself: each API it speaks, by the end of the path.

A dialect is a pure function from the request's JSON and a way to find the answer's text to an `Answer`. Tokens are
words, so that a test can count them by eye: "Say hi" is two. Whoever writes one for a vendor of their own

- asks `say` for the text, with that of the last user message, and cuts it by the request's limit (`cut`);
- counts what it was given with `count`, and puts the same numbers into the answer and into `Answer`;
- returns a dict where a whole answer is asked for, a list of events where a stream is;
- answers a request that the API would refuse by raising `BadRequest`;
- where models call tools, makes calls of those in `calls_in(said)`, each of which counts as one token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ._reply import Event

Say: TypeAlias = Callable[[str], str]
"""Gives the answer's text for the text of the last user message; a `Said` where the model calls tools."""


class Said(str):
    """What a model says, and the tools that it calls: the text, then each tool's name and arguments.

    >>> Said("Let me see.", add={"a": 1, "b": 2}).calls
    (('add', {'a': 1, 'b': 2}),)
    """

    calls: tuple[tuple[str, Mapping[str, Any]], ...]

    def __new__(cls, text: str = "", **calls: Mapping[str, Any]) -> Said:
        self = super().__new__(cls, text)
        self.calls = tuple(calls.items())
        return self


THOUGHTS = "First it thinks."
"""What this server's models think, where a request asks them to: three tokens."""
SIGNATURE = "c2lnbmVkIGhlcmU="
"""What stands for the signature of that, or for its encrypted form."""


def likelihoods(pieces: list[str], top: int) -> list[dict[str, Any]]:
    """Return how likely each token was, as OpenAI and Ollama tell it: the same for all, and less for `top` others."""

    def told(token: str, place: int) -> dict[str, Any]:
        return {"token": token, "logprob": -0.1 - 3.0 * place, "bytes": list(token.encode())}

    return [
        {
            **told(piece, 0),
            "top_logprobs": [told(piece if place == 0 else f"~{place}", place) for place in range(top)],
        }
        for piece in pieces
    ]


class BadRequest(Exception):
    """The request's JSON is not one that the API accepts; the argument says why. It becomes the API's status 400."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: `content` is the JSON body, or the list of events where a stream was asked for."""

    content: Mapping[str, Any] | list[Event]
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Dialect:
    """An API: how it answers, how it words an error, which header carries its request id ("": none does), and what its
    streams are.

    >>> def speak(asked, say):
    ...     pieces, short = cut(say(asked["text"]), asked.get("words"))
    ...     return Answer({"said": "".join(pieces)}, count(asked["text"]), len(pieces))
    >>> parrot = Dialect(speak, lambda status, message: {"error": message})
    >>> parrot.answer({"text": "Hello there, you", "words": 2}, str)
    Answer(content={'said': 'Hello there, '}, input_tokens=3, output_tokens=2)
    """

    answer: Callable[[Mapping[str, Any], Say], Answer]
    error: Callable[[int, str], Mapping[str, Any]]
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


def calls_in(said: str) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """Return the tools that are called in what `Say` gave: each one's name and arguments."""
    return said.calls if isinstance(said, Said) else ()


def as_json(arguments: Mapping[str, Any]) -> str:
    """Return arguments as a model writes them."""
    return json.dumps(arguments, ensure_ascii=False)


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
