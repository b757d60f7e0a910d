"""The pieces in which an answer comes: what a stream's `.events()` gives.

Decoders give text as plain `str`, since most pieces are text and most readers want nothing else; `TextDelta` is made of
it for those who read events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from ember.core.events import Usage


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's text."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of the model's reasoning, or of its vendor's summary of it."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of a tool call: `arguments` is the text that is added, "" where the call only begins.

    `index` tells the calls of one answer apart; `id` and `name` are what is known of this one so far.
    """

    index: int
    id: str
    name: str
    arguments: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The last event: the answer is whole. Why the model stopped, the tokens, and US dollars (None: not known)."""

    finish_reason: str | None
    usage: Usage
    cost: Decimal | None


Piece: TypeAlias = str | ReasoningDelta | ToolCallDelta
"""What a `StreamDecoder` makes of an event; text is a plain `str`."""

StreamEvent: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta | StreamEnd
"""What a stream's `.events()` gives."""
