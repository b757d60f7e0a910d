"""A stream of the Messages API: a message begins, its blocks grow one after the other, and it stops."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any, Final

from ember.models import Call, Completion, Piece, ReasoningDelta, ServerEvent, ToolCall, ToolCallDelta
from ember.models.wire import Fields, event_fields, incomplete, malformed, mapping, text, text_or_none

from ._message import finish_reason, kept, raise_error_in, thinking_in, usage_of

# The piece of a block that each delta brings, and the field of the block that it adds to.
_GROWS: Final = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "input_json_delta": ("partial_json", "input"),
}


class MessageStream:
    """Adds up the blocks. The answer is whole with `message_stop`, after an event that said why the model stopped.

    Events and deltas of kinds that are not known here (citations, pings) are skipped.
    """

    def __init__(self, call: Call) -> None:
        self.done = False
        self._call = call
        self._model = call.model
        self._text: list[str] = []
        self._blocks: dict[int, _Block] = {}
        self._stop_reason: str | None = None
        self._usage: dict[str, Any] = {}
        self._tools = 0
        self._take: dict[str, Callable[[Fields], tuple[Piece, ...]]] = {
            "message_start": self._begin,
            "content_block_start": self._begin_block,
            "content_block_delta": self._grow_block,
            "message_delta": self._change,
            "message_stop": self._stop,
        }

    def feed(self, event: ServerEvent) -> tuple[Piece, ...]:
        body = event_fields(event, *self._take)
        raise_error_in(body)
        take = self._take.get(text_or_none(body, "type") or event.name)
        return () if take is None else take(body)

    def finish(self) -> Completion:
        whole = "".join(self._text)
        if not self.done or self._stop_reason is None:
            raise incomplete(whole)
        blocks = [block.whole() for _, block in sorted(self._blocks.items())]
        return Completion(
            text=whole,
            model=self._model,
            finish_reason=finish_reason(self._stop_reason),
            usage=usage_of(self._usage),
            tool_calls=tuple(
                # A tool without parameters gets no piece of input at all.
                ToolCall(block.fields["id"], block.fields["name"], block.grown("input") or "{}")
                for _, block in sorted(self._blocks.items())
                if block.tool is not None
            ),
            reasoning=thinking_in(blocks),
            opaque=kept(blocks),
        )

    def _begin(self, body: Fields) -> tuple[Piece, ...]:
        message = mapping(body, "message")
        self._model = text_or_none(message, "model") or self._model
        self._count(message)
        return ()

    def _begin_block(self, body: Fields) -> tuple[Piece, ...]:
        fields = mapping(body, "content_block")
        block = self._blocks[_index(body)] = _Block(fields)
        kind = text(fields, "type")
        if kind == "text":
            return self._say(text(fields, "text"))
        if kind == "tool_use":
            block.tool = ToolCallDelta(self._tools, text(fields, "id"), text(fields, "name"), "")
            self._tools += 1
            return (block.tool,)
        return ()

    def _grow_block(self, body: Fields) -> tuple[Piece, ...]:
        delta = mapping(body, "delta")
        kind = text(delta, "type")
        if kind not in _GROWS:
            return ()
        name, field = _GROWS[kind]
        added = text(delta, name)
        block = self._blocks.get(_index(body))
        if block is None:  # some servers do not say that a block of text begins
            block = self._blocks[_index(body)] = _Block({"type": name})
        block.add(field, added)
        if kind == "text_delta":
            return self._say(added)
        if kind == "thinking_delta":
            return (ReasoningDelta(added),)
        # A tool that Anthropic runs itself streams its input too; it is nobody's to call.
        if kind == "input_json_delta" and (tool := block.tool) is not None:
            return (ToolCallDelta(tool.index, tool.id, tool.name, added),)
        return ()

    def _say(self, words: str) -> tuple[Piece, ...]:
        self._text.append(words)
        return (words,) if words else ()

    def _change(self, body: Fields) -> tuple[Piece, ...]:
        self._stop_reason = text_or_none(mapping(body, "delta"), "stop_reason") or self._stop_reason
        self._count(body)
        return ()

    def _stop(self, body: Fields) -> tuple[Piece, ...]:
        self.done = True
        return ()

    def _count(self, body: Fields) -> None:
        """Take the counts of an event. They are totals so far: a later one replaces an earlier one."""
        if isinstance(body.get("usage"), dict):
            self._usage |= {name: value for name, value in body["usage"].items() if value is not None}


class _Block:
    """A block as it began, and the pieces that came to it."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.tool: ToolCallDelta | None = None
        self._pieces: dict[str, list[str]] = {}

    def add(self, field: str, piece: str) -> None:
        self._pieces.setdefault(field, []).append(piece)

    def grown(self, field: str) -> str:
        return "".join(self._pieces.get(field, ()))

    def whole(self) -> Fields:
        """Return the block as it would have come without streaming."""
        made = dict(self.fields)
        for field in self._pieces:
            if field != "input":
                made[field] = str(made.get(field) or "") + self.grown(field)
                continue
            # Of broken input the call has the text as it came, and whoever runs it is told.
            with contextlib.suppress(ValueError, RecursionError):
                made[field] = json.loads(self.grown(field) or "{}")
        return made


def _index(body: Fields) -> int:
    index = body.get("index")
    if not isinstance(index, int):
        raise malformed(body, "index", "a number")
    return index
