"""A conversation as the Messages API takes it: calls of tools and their results are blocks of turns."""

from __future__ import annotations

from typing import Any, Final

from ember.models import Call, File, Message, Part, Tool, errors
from ember.models.turns import parsed_arguments

from ._message import FORMAT, said_in, tool_calls_in

CACHED: Final = {"type": "ephemeral"}


def turns(call: Call) -> list[dict[str, Any]]:
    """Return the turns of a call. The results of one answer's tools are all in the user's next turn, as the API wants.

    Raises `UnsupportedError` for a result without the id of its call, and for arguments that are no JSON object.
    """
    made: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for message in call.messages:
        if message.role == "tool":
            if not results:
                made.append({"role": "user", "content": results})
            results.append(_result(call, message))
            continue
        results = []
        if (came := _as_it_came(message)) is not None:
            made.append({"role": "assistant", "content": came})
            continue
        blocks = [
            {"type": "tool_use", "id": each.id, "name": each.name, "input": parsed_arguments(each)}
            for each in message.tool_calls
        ]
        if not isinstance(message.content, str):
            blocks = [*map(_block, message.content), *blocks]
        elif blocks and message.content:
            blocks.insert(0, {"type": "text", "text": message.content})
        if 0 in message.cache_points and made:
            mark(made[-1])
        made.append({"role": message.role, "content": blocks or message.content})
        for point in message.cache_points:
            if point:
                mark(made[-1], point - 1)
    return made


def mark(turn: dict[str, Any], block: int = -1) -> None:
    """Set a cache point after a block of a turn, the last if none is said; its content becomes blocks for that."""
    if isinstance(turn["content"], str):
        if not turn["content"]:
            return  # the API refuses blocks of text without text
        turn["content"] = [{"type": "text", "text": turn["content"]}]
    blocks: list[dict[str, Any]] = turn["content"]
    blocks[block] = {**blocks[block], "cache_control": CACHED}  # a new one: the old may be the caller's


def _as_it_came(message: Message) -> list[Any] | None:
    """Return the blocks that a turn came as, if it still says the same; None if it is to be written anew."""
    blocks: Any = (message.opaque or {}).get(FORMAT)
    if not blocks or said_in(blocks) != message.content:
        return None
    same = [each.id for each in tool_calls_in(blocks)] == [each.id for each in message.tool_calls]
    return list(blocks) if same else None


def _block(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    source: dict[str, Any]
    if part.url is not None:
        source = {"type": "url", "url": part.url}
    elif isinstance(part, File) and part.text is not None:
        source = {"type": "text", "media_type": part.media_type, "data": part.text}
    else:
        source = {"type": "base64", "media_type": part.media_type, "data": part.base64}
    if isinstance(part, File):
        return {"type": "document", "source": source} | ({} if part.name is None else {"title": part.name})
    return {"type": "image", "source": source}


def tool_fields(tool: Tool) -> dict[str, Any]:
    """Return a tool as the API is told of it.

    >>> tool_fields(Tool("now", "Say the time."))["input_schema"]
    {'type': 'object', 'properties': {}}
    """
    fields: dict[str, Any] = {"name": tool.name, "description": tool.description, "input_schema": tool.schema}
    return {name: value for name, value in fields.items() if value != ""}


def _result(call: Call, message: Message) -> dict[str, Any]:
    if message.tool_call_id is None:
        raise errors.UnsupportedError(
            "Anthropic takes the result of a tool with the id of its call: give the message its tool_call_id.",
            provider="anthropic",
            model=call.model,
        )
    return {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.text}
