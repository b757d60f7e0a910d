"""A stream of the Responses API: typed events, of which few matter to an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ember.models import Call, Completion, ServerEvent
from ember.models.schemas import answer_text
from ember.models.wire import Fields, event_fields, incomplete, mapping, stream_error, text, text_or_none

from ._responses import completion, raise_failure

_TEXT: Final = ("response.output_text.delta", "response.refusal.delta")
_ITEM: Final = "response.output_item.done"
_LAST: Final = ("response.completed", "response.incomplete", "response.failed")


class ResponsesStream:
    """Adds up the text, and takes everything else from the `response` object of the last event.

    Only that event makes the answer whole. Events of types that are not known here are skipped: the API adds new ones.
    """

    def __init__(self, call: Call) -> None:
        self.done = False
        self._call = call
        self._text: list[str] = []
        self._items: list[Fields] = []
        self._answer: Completion | None = None

    def feed(self, event: ServerEvent) -> str:
        if event.data.startswith("[DONE]"):
            self.done = True
            return ""
        body = event_fields(event, *_TEXT, *_LAST, _ITEM)
        kind = text_or_none(body, "type") or event.name
        if kind in _TEXT:
            self._text.append(text(body, "delta"))
            return "" if self._call.choices else self._text[-1]
        if kind == _ITEM:
            self._items.append(mapping(body, "item"))
        elif kind in _LAST:
            return self._end(mapping(body, "response"))
        elif kind == "error" or body.get("error"):
            error = mapping(body, "error") if body.get("error") else body
            raise stream_error(
                text_or_none(error, "message") or "the server gave no reason",
                f"{error.get('type') or ''} {error.get('code') or ''}",
            )
        return ""

    def finish(self) -> Completion:
        if self._answer is None:
            raise incomplete("" if self._call.choices else "".join(self._text))
        return self._answer

    def _end(self, response: Fields) -> str:
        self.done = True
        raise_failure(response)
        # Some servers leave the last event's output empty: the finished items were told one by one before.
        if not response.get("output"):
            response = {**response, "output": self._items}
        answer = completion(self._call, response)
        whole = "".join(self._text)
        if not whole or self._call.choices:
            # Nothing of the text has been told yet.
            self._answer = answer
            return answer.text
        self._answer = replace(answer, text=answer_text(self._call, whole, answer.finish_reason))
        return ""
