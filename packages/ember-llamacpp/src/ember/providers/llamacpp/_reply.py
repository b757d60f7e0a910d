"""A whole reply out of the chunks of a stream."""

from __future__ import annotations

from typing import Any, cast

Fields = dict[str, Any]


class Reply:
    """Collects chat completion chunks into the reply that would have come without streaming.

    >>> reply = Reply()
    >>> for text in ("Hel", "lo"):
    ...     reply.add({"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {"content": text}}]})
    >>> reply.add({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}})
    >>> reply.whole()["choices"][0]["message"]["content"], reply.whole()["usage"]
    ('Hello', {'prompt_tokens': 3})
    """

    def __init__(self) -> None:
        self._fields: Fields = {}
        self._choices: dict[int, Fields] = {}

    def add(self, chunk: Fields) -> None:
        """Take the next chunk."""
        for part in chunk.pop("choices", ()):
            choice = self._choices.setdefault(
                part["index"],
                {
                    "index": part["index"],
                    "message": {"role": "assistant", "content": ""},
                    "finish_reason": None,
                },
            )
            _add_delta(choice["message"], _object(part, "delta"))
            choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]
            logprobs = _object(part, "logprobs").get("content")
            if logprobs:
                choice.setdefault("logprobs", {"content": []})["content"] += logprobs
        usage, before = _object(chunk, "usage"), _object(self._fields, "usage")
        if usage and before:  # one of several answers (`n`): each tells of its own tokens only
            made = usage.get("completion_tokens", 0) + before.get("completion_tokens", 0)
            chunk["usage"] = {**usage, "completion_tokens": made}
        self._fields |= chunk

    def whole(self) -> Fields:
        """Return the reply. A model that ended at once has said the empty text."""
        return {
            **self._fields,
            "object": "chat.completion",
            "choices": [self._choices[index] for index in sorted(self._choices)],
        }


def _object(fields: Fields, name: str) -> Fields:
    """Return the object `fields[name]`, an empty one if it is absent or null."""
    return cast("Fields", fields.get(name) or {})


def _add_delta(message: Fields, delta: Fields) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            for part in value:
                _add_tool_call(message.setdefault("tool_calls", []), part)
        elif name != "role" and isinstance(value, str):
            message[name] = message.get(name, "") + value


def _add_tool_call(calls: list[Fields], part: Fields) -> None:
    while len(calls) <= part["index"]:
        calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    call = calls[int(part["index"])]
    function = _object(part, "function")
    call["id"] = part.get("id") or call["id"]
    for name in ("name", "arguments"):
        call["function"][name] += function.get(name) or ""
