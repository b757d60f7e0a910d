"""A stream of the Gemini API: responses of which each holds the next parts, and the last why the model stopped."""

from __future__ import annotations

from typing import Any, cast

from ember.models import (
    Call,
    Completion,
    Piece,
    ReasoningDelta,
    ServerEvent,
    TokenLogprob,
    ToolCall,
    ToolCallDelta,
)
from ember.models.wire import Fields, event_fields, incomplete, shown, stream_error, text, text_or_none

from ._content import (
    candidate_in,
    finish_reason,
    is_thought,
    kept,
    logprobs_of,
    parts_of,
    said_in,
    stop_word,
    thoughts_in,
    tool_calls_in,
    usage_of,
)
from ._faults import raise_error_in


class ContentStream:
    """Adds up the parts. The answer is whole once a finish reason came.

    There is no end mark, and the stream is read until the server ends it: some models give their reason with every
    piece, so that the first one proves nothing.
    """

    def __init__(self, call: Call) -> None:
        self.done = False
        self._call = call
        self._model = call.model
        self._id: str | None = None
        self._parts: list[Fields] = []
        self._tools: list[ToolCall] = []
        self._word: str | None = None
        self._likely: tuple[TokenLogprob, ...] | None = None
        self._usage: dict[str, Any] = {}

    def feed(self, event: ServerEvent) -> tuple[Piece, ...]:
        body = event_fields(event)
        if event.name == "error":
            raise_error_in(body)
            raise stream_error(f"the stream failed: {shown(event.data)}", "")
        candidate = candidate_in(body)
        self._model = text_or_none(body, "modelVersion") or self._model
        self._id = text_or_none(body, "responseId") or self._id
        if isinstance(body.get("usageMetadata"), dict):
            # Counts are totals so far: a later one replaces an earlier one.
            counts = cast("dict[str, Any]", body["usageMetadata"])
            self._usage |= {name: value for name, value in counts.items() if value is not None}
        if candidate is None:
            return ()
        self._word = stop_word(candidate) or self._word
        if self._call.logprobs is not None and (likely := logprobs_of(candidate)) is not None:
            self._likely = (self._likely or ()) + likely
        return tuple(piece for part in parts_of(candidate) if (piece := self._take(part)))

    def finish(self) -> Completion:
        whole, reason = said_in(self._parts), finish_reason(self._word, bool(self._tools))
        if reason is None:
            raise incomplete(whole)
        return Completion(
            text=whole,
            model=self._model,
            finish_reason=reason,
            usage=usage_of(self._usage),
            request_id=self._id,
            tool_calls=tuple(self._tools),
            reasoning=thoughts_in(self._parts) or None,
            opaque=kept(self._parts),
            logprobs=self._likely,
        )

    def _take(self, part: Fields) -> Piece:
        self._parts.append(part)
        if "text" in part:
            added = text(part, "text")
            return ReasoningDelta(added) if is_thought(part) else added
        calls = tool_calls_in(self._call, (part,), len(self._tools))  # each comes whole
        self._tools += calls
        for call in calls:
            return ToolCallDelta(len(self._tools) - 1, call.id, call.name, call.text)
        return ""
