"""A stream of the Gemini API: responses of which each holds the next parts, and the last why the model stopped."""

from __future__ import annotations

from typing import Any, cast

from ember.models import Call, Completion, ServerEvent, ToolCall, errors
from ember.models.schemas import answer_text
from ember.models.wire import event_fields, incomplete, shown, stream_error, text_or_none

from ._content import candidate_in, finish_reason, parts_of, stop_word, usage_of
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
        self._text: list[str] = []
        self._tools: list[ToolCall] = []
        self._word: str | None = None
        self._usage: dict[str, Any] = {}
        self._told = False

    def feed(self, event: ServerEvent) -> str:
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
            return ""
        said, calls = parts_of(self._call, candidate, len(self._tools))
        self._text.append(said)
        self._tools += calls
        self._word = stop_word(candidate) or self._word
        return self._label() if self._call.choices else said

    def finish(self) -> Completion:
        whole, reason = "".join(self._text), self._reason()
        if reason is None:
            raise incomplete("" if self._call.choices else whole)
        return Completion(
            text=answer_text(self._call, whole, reason),
            model=self._model,
            finish_reason=reason,
            usage=usage_of(self._usage),
            request_id=self._id,
            tool_calls=tuple(self._tools),
        )

    def _label(self) -> str:
        """Return the chosen label once it is whole: it is decided by its last character."""
        if self._told or self._reason() is None:
            return ""
        try:
            label = answer_text(self._call, "".join(self._text), self._reason())
        except errors.InvalidResponse:
            return ""  # a reason came, and the rest of the answer may still do; if not, `finish` says so
        self._told = True
        return label

    def _reason(self) -> str | None:
        return finish_reason(self._word, bool(self._tools))
