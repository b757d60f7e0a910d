"""A whole reply out of a stream's chunks, for what SmolLM2 itself never says: tool calls, and thoughts."""

from __future__ import annotations

import json
from typing import Any

from ember.models import Call, HttpReply
from ember.providers.llamacpp import LlamaCpp
from ember.providers.llamacpp._reply import Reply


def chunk(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "big", "choices": [{"index": 0, "delta": delta, "finish_reason": None, **more}]}


def test_tool_calls_that_come_in_parts_are_put_together() -> None:
    reply = Reply()
    reply.add(chunk({"role": "assistant", "content": None}))
    first = {
        "index": 0,
        "id": "a1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city":'},
    }
    reply.add(chunk({"tool_calls": [first]}))
    reply.add(chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Rome"}'}}]}))
    reply.add(
        chunk({"tool_calls": [{"index": 1, "id": "a2", "function": {"name": "now", "arguments": "{}"}}]})
    )
    reply.add(chunk({}, finish_reason="tool_calls"))
    answer = LlamaCpp().decode(Call("big", ()), HttpReply(200, {}, json.dumps(reply.whole()).encode()))
    assert [(call.id, call.name, call.text) for call in answer.tool_calls] == [
        ("a1", "get_weather", '{"city":"Rome"}'),
        ("a2", "now", "{}"),
    ]
    assert (answer.text, answer.finish_reason) == ("", "tool_calls")


def test_thoughts_stay_apart_from_the_answer() -> None:
    reply = Reply()
    for delta in (
        {"reasoning_content": "Hm"},
        {"reasoning_content": "..."},
        {"content": "Yes"},
        {"content": "."},
    ):
        reply.add(chunk(delta))
    message = reply.whole()["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Hm...", "Yes.")
