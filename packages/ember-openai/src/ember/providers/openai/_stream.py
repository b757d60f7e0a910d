"""A stream of the Responses API: typed events, of which few matter to an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ember.models import Call, Completion, Piece, ReasoningDelta, ServerEvent, ToolCallDelta
from ember.models.wire import Fields, event_fields, incomplete, mapping, stream_error, text, text_or_none

from ._responses import BETWEEN, completion, raise_failure


class ResponsesStream:
    """Adds up the text, and takes everything else from the `response` object of the last event.

    Only that event makes the answer whole. Events of types that are not known here are skipped: the API adds new ones.
    """

    def __init__(self, call: Call) -> None:
        self.done = False
        self._call = call
        self._text: list[str] = []
        self._items: list[Fields] = []
        self._calls: dict[object, ToolCallDelta] = {}
        self._reasoned = False
        self._answer: Completion | None = None
        self._take: dict[str, Callable[[Fields], tuple[Piece, ...]]] = {
            "response.output_text.delta": self._say,
            "response.refusal.delta": self._say,
            "response.reasoning_summary_part.added": self._between,
            "response.reasoning_summary_text.delta": self._reason,
            "response.reasoning_text.delta": self._reason,
            "response.output_item.added": self._begin_item,
            "response.function_call_arguments.delta": self._argue,
            "response.custom_tool_call_input.delta": self._argue,
            "response.output_item.done": self._end_item,
            "response.completed": self._end,
            "response.incomplete": self._end,
            "response.failed": self._end,
        }

    def feed(self, event: ServerEvent) -> tuple[Piece, ...]:
        if event.data.startswith("[DONE]"):
            self.done = True
            return ()
        body = event_fields(event, *self._take)
        kind = text_or_none(body, "type") or event.name
        take = self._take.get(kind)
        if take is not None:
            return take(body)
        if kind == "error" or body.get("error"):
            error = mapping(body, "error") if body.get("error") else body
            raise stream_error(
                text_or_none(error, "message") or "the server gave no reason",
                f"{error.get('type') or ''} {error.get('code') or ''}",
            )
        return ()

    def finish(self) -> Completion:
        if self._answer is None:
            raise incomplete("".join(self._text))
        return self._answer

    def _say(self, body: Fields) -> tuple[Piece, ...]:
        added = text(body, "delta")
        self._text.append(added)
        return (added,)

    def _between(self, body: Fields) -> tuple[Piece, ...]:
        return (ReasoningDelta(BETWEEN),) if self._reasoned else ()

    def _reason(self, body: Fields) -> tuple[Piece, ...]:
        self._reasoned = True
        return (ReasoningDelta(text(body, "delta")),)

    def _begin_item(self, body: Fields) -> tuple[Piece, ...]:
        item = mapping(body, "item")
        if text_or_none(item, "type") not in ("function_call", "custom_tool_call"):
            return ()
        call = ToolCallDelta(len(self._calls), text(item, "call_id"), text(item, "name"), "")
        self._calls[body.get("output_index")] = call
        return (call,)

    def _argue(self, body: Fields) -> tuple[Piece, ...]:
        call = self._calls.get(body.get("output_index"))
        # Without its beginning nobody could tell whose arguments these are; the last event has all of them.
        return () if call is None else (replace(call, arguments=text(body, "delta")),)

    def _end_item(self, body: Fields) -> tuple[Piece, ...]:
        self._items.append(mapping(body, "item"))
        return ()

    def _end(self, body: Fields) -> tuple[Piece, ...]:
        response = mapping(body, "response")
        self.done = True
        raise_failure(response)
        # Some servers leave the last event's output empty: the finished items were told one by one before.
        if not response.get("output"):
            response = {**response, "output": self._items}
        self._answer = completion(self._call, response)
        whole = "".join(self._text)
        if not whole:
            return (self._answer.text,)  # nothing of the text has been told yet
        self._answer = replace(self._answer, text=whole)
        return ()
