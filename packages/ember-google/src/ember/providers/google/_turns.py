"""A conversation as the Gemini API takes it: contents, of which each has the parts that one side said."""

from __future__ import annotations

from typing import Any, Final

from ember.models import Call, Part, Tool, ToolCall
from ember.models.turns import given_id, parsed_arguments, tool_name

from ._content import as_it_came
from ._schema import accepted_schema

_FOR_URLS: Final = str.maketrans("+/", "-_")

# Field names with underscores, and base64 in the alphabet for URLs: what the official SDK sends, where the API's
# documentation has others. The API takes both.


def contents(call: Call) -> list[dict[str, Any]]:
    """Return the turns of a call. The results of one answer's tools are all in the user's next turn, as the API wants.

    Raises `UnsupportedError` for a result whose call is not in the conversation, since the API knows it by its name.
    """
    made: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for position, message in enumerate(call.messages):
        if message.role == "tool":
            if not results:
                made.append({"parts": results, "role": "user"})
            answer = {"name": tool_name(call, position), "response": {"output": message.text}}
            id = given_id(message.tool_call_id)
            results.append({"functionResponse": answer if id is None else {"id": id, **answer}})
            continue
        results = []
        if message.role == "user":
            made.append(content(message.content))
            continue
        if (came := as_it_came(call, message)) is not None:
            made.append(came)
            continue
        turn = content(message.content, "model")
        if message.tool_calls:
            turn["parts"] = [part for part in turn["parts"] if part != {"text": ""}]
            turn["parts"] += map(_function_call, message.tool_calls)
        made.append(turn)
    return made


def content(said: str | tuple[Part, ...], role: str = "user") -> dict[str, Any]:
    """Return what one side said.

    >>> content("Hi")
    {'parts': [{'text': 'Hi'}], 'role': 'user'}
    """
    parts = (said,) if isinstance(said, str) else said
    return {"parts": [_part(part) for part in parts], "role": role}


def declarations(tools: tuple[Tool, ...]) -> list[dict[str, Any]] | None:
    """Return the functions as the API is told of them: all in one tool of Google's sense.

    >>> declarations((Tool("now", "Say the time."),))[0]["functionDeclarations"][0]["name"]
    'now'
    """
    if not tools:
        return None
    return [{"functionDeclarations": [_declaration(tool) for tool in tools]}]


def _declaration(tool: Tool) -> dict[str, Any]:
    said = {"description": tool.description} if tool.description else {}
    return {**said, "name": tool.name, "parameters_json_schema": accepted_schema(tool.schema)}


def _function_call(call: ToolCall) -> dict[str, Any]:
    id = given_id(call.id)
    known = {} if id is None else {"id": id}
    return {"functionCall": {**known, "args": parsed_arguments(call), "name": call.name}}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"text": part}
    if part.url is None:
        return {"inlineData": {"data": part.base64.translate(_FOR_URLS), "mime_type": part.media_type}}
    # Without an ending that says what it is, the API finds out by itself, or refuses.
    kind = {} if part.media_type is None else {"mime_type": part.media_type}
    return {"fileData": {"file_uri": part.url, **kind}}
