"""Turns that call tools, for APIs without ids: which call a result belongs to, and ids where a vendor gives none.

Ember knows a call of a tool by its id. Some APIs know it by the tool's name and the order only; their codecs make ids,
and leave those out again when the conversation goes back.
"""

from __future__ import annotations

import json
from typing import Any, Final, cast

from ._call import Call, ToolCall
from .errors import UnsupportedError

_MADE: Final = "ember-call-"


def made_id(call: Call, number: int) -> str:
    """Return an id for the `number`-th tool that the answer to `call` calls (from 0), where the vendor gave none.

    The same answer to the same conversation always has the same ids, and none that the conversation has already.

    >>> made_id(Call("m", ()), 1)
    'ember-call-1'
    """
    taken = [
        int(each.id.removeprefix(_MADE)) + 1
        for message in call.messages
        for each in message.tool_calls
        if given_id(each.id) is None and each.id.removeprefix(_MADE).isdecimal()
    ]
    return f"{_MADE}{max(taken, default=0) + number}"


def given_id(id: str | None) -> str | None:
    """Return the id of a call as the vendor gave it, None if the vendor gave none.

    >>> given_id("call_7"), given_id(made_id(Call("m", ()), 0))
    ('call_7', None)
    """
    return None if not id or id.startswith(_MADE) else id


def tool_name(call: Call, position: int) -> str:
    """Return the name of the tool whose result is the message at `position`.

    Raises `UnsupportedError` if no turn before it calls a tool with that id: the API wants the name.
    """
    wanted = call.messages[position].tool_call_id
    for message in reversed(call.messages[:position]):
        for each in message.tool_calls:
            if wanted is not None and each.id == wanted:
                return each.name
    raise UnsupportedError(
        "this API takes the result of a tool with the tool's name: give the message the tool_call_id of a call in a "
        "turn before it."
    )


def parsed_arguments(call: ToolCall) -> dict[str, Any]:
    """Return the arguments of a call as the API takes them, a JSON object; none at all are an empty one.

    Raises `UnsupportedError` if what the model wrote is no JSON object.

    >>> parsed_arguments(ToolCall("c", "add", '{"a": 1}')), parsed_arguments(ToolCall("c", "now", ""))
    ({'a': 1}, {})
    """
    try:
        arguments = json.loads(call.text or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise UnsupportedError(
            f"this API takes the arguments of a tool's call as a JSON object, which those of {call.name!r} are not."
        )
    return cast("dict[str, Any]", arguments)
