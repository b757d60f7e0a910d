"""A stream of the Messages API: a message begins, its blocks grow one after the other, and it stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ember.models import Call, Completion, ServerEvent, ToolCall
from ember.models.schemas import answer_text
from ember.models.wire import Fields, event_fields, incomplete, malformed, mapping, text, text_or_none

from ._message import finish_reason, raise_error_in, usage_of


class MessageStream:
    """Adds up the blocks. The answer is whole with `message_stop`, after an event that said why the model stopped.

    Events and deltas of kinds that are not known here (thinking, citations, pings) are skipped.
    """

    def __init__(self, call: Call) -> None:
        self.done = False
        self._call = call
        self._model = call.model
        self._text: list[str] = []
        self._stop_reason: str | None = None
        self._usage: dict[str, Any] = {}
        self._tools: dict[int, dict[str, str]] = {}
        self._take: dict[str, Callable[[Fields], str]] = {
            "message_start": self._begin,
            "content_block_start": self._begin_block,
            "content_block_delta": self._grow_block,
            "message_delta": self._change,
            "message_stop": self._stop,
        }

    def feed(self, event: ServerEvent) -> str:
        body = event_fields(event, *self._take)
        raise_error_in(body)
        take = self._take.get(text_or_none(body, "type") or event.name)
        return "" if take is None else take(body)

    def finish(self) -> Completion:
        whole = "".join(self._text)
        if not self.done or self._stop_reason is None:
            raise incomplete("" if self._call.choices else whole)
        reason = finish_reason(self._stop_reason)
        return Completion(
            text=answer_text(self._call, whole, reason),
            model=self._model,
            finish_reason=reason,
            usage=usage_of(self._usage),
            tool_calls=tuple(
                # A tool without parameters gets no piece of input at all.
                ToolCall(tool["id"], tool["name"], tool["arguments"] or "{}")
                for _, tool in sorted(self._tools.items())
            ),
        )

    def _begin(self, body: Fields) -> str:
        message = mapping(body, "message")
        self._model = text_or_none(message, "model") or self._model
        self._count(message)
        return ""

    def _begin_block(self, body: Fields) -> str:
        block = mapping(body, "content_block")
        kind = text(block, "type")
        if kind == "text":
            return self._say(text(block, "text"))
        if kind == "tool_use":
            self._tools[_index(body)] = {
                "id": text(block, "id"),
                "name": text(block, "name"),
                "arguments": "",
            }
        return ""

    def _grow_block(self, body: Fields) -> str:
        delta = mapping(body, "delta")
        kind = text(delta, "type")
        if kind == "text_delta":
            return self._say(text(delta, "text"))
        # A tool that Anthropic runs itself streams its input too; it is nobody's to call.
        if kind == "input_json_delta" and (tool := self._tools.get(_index(body))) is not None:
            tool["arguments"] += text(delta, "partial_json")
        return ""

    def _change(self, body: Fields) -> str:
        self._stop_reason = text_or_none(mapping(body, "delta"), "stop_reason") or self._stop_reason
        self._count(body)
        return ""

    def _stop(self, body: Fields) -> str:
        self.done = True
        if not self._call.choices or self._stop_reason is None:
            return ""
        # A label is decided by its last character: it is told whole, or not at all.
        return answer_text(self._call, "".join(self._text), finish_reason(self._stop_reason))

    def _say(self, words: str) -> str:
        self._text.append(words)
        return "" if self._call.choices else words

    def _count(self, body: Fields) -> None:
        """Take the counts of an event. They are totals so far: a later one replaces an earlier one."""
        if isinstance(body.get("usage"), dict):
            self._usage |= {name: value for name, value in body["usage"].items() if value is not None}


def _index(body: Fields) -> int:
    index = body.get("index")
    if not isinstance(index, int):
        raise malformed(body, "index", "a number")
    return index
