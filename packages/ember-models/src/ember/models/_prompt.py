"""From what a user wrote as a prompt to messages: one text, the parts of one message, or a conversation's turns."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast, get_args

from ember.core.suggest import nearest

from ._call import Message, Prompt, Role, ToolCall
from ._parts import Attachment, CachePoint, File, Image, Part, from_base64

_ROLES: Final = frozenset(get_args(Role)) | {"system", "developer"}


def conversation(prompt: Prompt) -> tuple[tuple[Message, ...], str | None]:
    """Return a prompt's messages, and its system prompt if a message is one."""
    if isinstance(prompt, str):
        if not prompt.strip():
            raise ValueError("The prompt is empty: there is nothing to answer.")
        return (Message("user", str(prompt)),), None
    turns = cast(object, prompt)
    if isinstance(turns, Attachment):
        raise TypeError(f"A prompt with an image or a file is a list: [text, {type(turns).__name__}(...)].")
    if isinstance(turns, (bytes, Mapping)) or not isinstance(turns, Sequence):
        raise TypeError(f"prompt is a string or a list of messages; got {type(prompt).__name__}.")
    items = cast("Sequence[object]", turns)
    if items and _is_part(items[0]):
        for position, item in enumerate(items):
            if isinstance(item, Message) or (isinstance(item, Mapping) and "role" in item):
                raise TypeError(
                    "The prompt begins like the parts of one message, and then has a message, at position "
                    f"{position}. A list is one or the other."
                )
        items = ({"role": "user", "content": items},)
    messages: list[Message] = []
    system: list[Message] = []
    for position, item in enumerate(items):
        turn, of_system = _turn(position, item)
        (system if of_system else messages).append(turn)
    if not messages:
        raise ValueError("The prompt has no message to answer: add one with role 'user'.")
    if any(turn.cache_points for turn in system):  # after the system prompt is before the first message
        messages[0] = replace(messages[0], cache_points=(0, *messages[0].cache_points))
    return tuple(messages), "\n\n".join(turn.text for turn in system) if system else None


def needs(messages: tuple[Message, ...]) -> Iterator[str]:
    """Yield what a provider must be able to do for these turns: one that cannot would leave holes in them."""
    for turn in messages:
        if turn.tool_calls or turn.role == "tool":
            yield "tools"
        if not isinstance(turn.content, str):
            if any(isinstance(part, Image) for part in turn.content):
                yield "images"
            if any(isinstance(part, File) for part in turn.content):
                yield "files"


_KEYS: Final = {"role", "content"}
_MORE_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "assistant": frozenset({"tool_calls", "opaque"}),
    "tool": frozenset({"tool_call_id"}),
}


def _turn(position: int, item: Any) -> tuple[Message, bool]:
    """Return a message, and whether it is a system prompt."""
    wanted = f"message {position} of the prompt is to be {{'role': ..., 'content': ...}}"
    fields: dict[object, Any]
    points: tuple[int, ...] = ()
    if isinstance(item, Message):
        points = item.cache_points
        names = ("role", "content", "tool_calls", "tool_call_id", "opaque")
        fields = {name: getattr(item, name) for name in names}
    else:
        if not isinstance(item, Mapping):
            raise TypeError(f"{wanted}; got {type(item).__name__}.")
        fields = dict(cast("Mapping[object, Any]", item))
        others = set(fields) - _MORE_KEYS.get(str(fields.get("role")), frozenset())
        if others | _KEYS != _KEYS or not set(fields) >= _KEYS:
            raise ValueError(f"{wanted}; its keys are {sorted(map(repr, fields))}.")
    role, content, call_id = fields["role"], fields["content"], fields.get("tool_call_id")
    if role not in _ROLES:
        raise ValueError(f"{wanted}, with a role of {', '.join(sorted(_ROLES))}; got {role!r}.")
    calls = _tool_calls(position, fields.get("tool_calls", ()))
    if content is None and calls:  # as vendors write a turn that only calls tools
        content = ""
    if isinstance(content, (list, tuple)):
        said, points = _content(position, role, cast("Sequence[object]", content), points)
    elif isinstance(content, str):
        said = str(content)
    else:
        raise TypeError(
            f"{wanted}, with a content that is a string or a list of parts; got {type(content).__name__}."
        )
    if call_id is not None and not isinstance(call_id, str):
        raise TypeError(f"{wanted}, with a tool_call_id that is a string; got {type(call_id).__name__}.")
    opaque = fields.get("opaque")
    if opaque is not None and not isinstance(opaque, Mapping):
        raise TypeError(f"{wanted}, with an opaque that is a mapping; got {type(opaque).__name__}.")
    if not all(0 <= point <= (1 if isinstance(said, str) else len(said)) for point in points):
        raise ValueError(f"the cache_points of message {position} are numbers of its parts; got {points}.")
    if role in ("system", "developer"):
        return Message("user", said, cache_points=points), True
    seen = cast("Mapping[str, Any] | None", opaque)
    return Message(role, said, calls, call_id, seen, points), False


def _content(
    position: int, role: str, items: Sequence[object], known: tuple[int, ...]
) -> tuple[str | tuple[Part, ...], tuple[int, ...]]:
    """Return the parts of a list, as one string where all of them are text; and where its cache points are."""
    place = f"of message {position}"
    parts: list[Part] = []
    points: list[int] = list(known)
    for number, item in enumerate(items):
        part = _part(f"part {number} {place}", item)
        if isinstance(part, CachePoint):
            points.append(len(parts))
        elif part != "":
            parts.append(part)
    if not parts:
        raise ValueError(f"The content {place} is an empty list: there is nothing to answer.")
    if points and role not in ("user", "system", "developer"):
        raise ValueError(
            f"The content {place} has a cache point; only a user's message and a system prompt can, not {role!r}."
        )
    cached = tuple(sorted(set(points)))
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):
        if set(cached) <= {0, len(parts)} or role != "user":
            return "\n".join(texts), tuple(min(point, 1) for point in cached)
        return tuple(parts), cached
    if role != "user":
        raise ValueError(
            f"The content {place} has an image or a file; only a user's message can, not {role!r}."
        )
    return tuple(parts), cached


def _is_part(item: object) -> bool:
    if isinstance(item, Mapping):
        return "type" in item and "role" not in item
    return isinstance(item, (str, Attachment, CachePoint, bytes, os.PathLike))


_WRITE: Final = (
    'a string, Image(...), File(...), or {"type": "text", "text": ...}, {"type": "image" or "file", '
    '"url" or "data": ...}'
)
_SOURCES: Final = ("url", "data")
# What vendors call parts, and what each of them is here.
_VENDORS: Final[Mapping[str, str]] = {
    "image_url": '{"type": "image", "url": ...}',
    "input_image": '{"type": "image", "url": ...}',
    "input_text": '{"type": "text", "text": ...}',
    "output_text": '{"type": "text", "text": ...}',
    "input_file": '{"type": "file", "data": ..., "name": ...}',
    "document": '{"type": "file", "data": ..., "name": ...}',
}


def _part(what: str, item: object) -> Part | CachePoint:
    if isinstance(item, str):
        return str(item)
    if isinstance(item, (Image, File, CachePoint)):
        return item
    if isinstance(item, (bytes, os.PathLike)):
        found = type(cast(object, item)).__name__
        raise TypeError(f"{what} is {found}: say what it is, Image(...) or File(...).")
    if not isinstance(item, Mapping):
        raise TypeError(f"{what} is {_WRITE}; got {type(item).__name__}.")
    fields = cast("Mapping[str, Any]", item)
    kind = fields.get("type")
    if kind == "text" and set(fields) == {"type", "text"} and isinstance(fields["text"], str):
        return str(fields["text"])
    if kind in ("image", "file"):
        return _attachment(what, kind, fields)
    if kind == "cache_point" and len(fields) == 1:
        return CachePoint()
    raise ValueError(f"{what} is {_WRITE}; {_meant(fields)}")


def _meant(fields: Mapping[str, Any]) -> str:
    kind = str(fields.get("type"))
    if "cache_control" in fields:
        return 'for "cache_control", put {"type": "cache_point"} or CachePoint() after the part.'
    if kind in _VENDORS:
        return f"for {kind!r}, write {_VENDORS[kind]}."
    if "inline_data" in fields or "inlineData" in fields or "file_data" in fields or "fileData" in fields:
        return 'for Gemini\'s data, write {"type": "image", "data": ...} or {"type": "image", "url": ...}.'
    near = nearest(kind, ("text", "image", "file", "cache_point"), 1)
    if near and near[0] != kind:
        return f"its type is {kind!r}. Did you mean {near[0]!r}?"
    return f"its keys are {sorted(map(repr, fields))}."


def _attachment(what: str, kind: str, fields: Mapping[str, Any]) -> Part:
    allowed = {"type", *_SOURCES, *(("name",) if kind == "file" else ())}
    given = [name for name in _SOURCES if fields.get(name) is not None]
    if len(given) != 1 or not set(fields) <= allowed:
        hint = _vendor_source(kind, fields)
        raise ValueError(f'{what} is {{"type": "{kind}"}} with either "url" or "data"; {hint}')
    [name] = given
    source: Any = fields[name]
    if name == "url" and not (
        isinstance(source, str) and source.lower().startswith(("http:", "https:", "data:"))
    ):
        raise ValueError(f'the "url" of {what} begins with http, https or data.')
    if name == "data" and isinstance(source, str):
        source = from_base64(source, f'the "data" of {what}')
    if name == "data" and not isinstance(source, (bytes, bytearray, memoryview)):
        raise TypeError(f'the "data" of {what} is bytes or base64; got {type(source).__name__}.')
    try:
        made_of = cast(Any, source)
        return Image(made_of) if kind == "image" else File(made_of, name=fields.get("name"))
    except (TypeError, ValueError) as error:
        error.add_note(f"This is {what}.")
        raise


def _vendor_source(kind: str, fields: Mapping[str, Any]) -> str:
    if "path" in fields:
        # Messages come from other people's programs too: one that names a file would have it read and sent away.
        return f"plain data does not name files of this machine: write {kind.title()}(path)."
    if isinstance(fields.get("source"), Mapping):
        return f'for Anthropic\'s "source", write {{"type": "{kind}"}} with "data" or "url".'
    if kind == "file" and isinstance(fields.get("file"), Mapping):
        return 'for OpenAI\'s "file", write {"type": "file", "data": ..., "name": ...}.'
    return f"its keys are {sorted(map(repr, fields))}."


def _tool_calls(position: int, calls: Any) -> tuple[ToolCall, ...]:
    if isinstance(calls, (str, bytes)) or not isinstance(calls, Sequence):
        raise TypeError(f"the tool_calls of message {position} are a list; got {type(calls).__name__}.")
    return tuple(_tool_call(position, call) for call in cast("Sequence[object]", calls))


_CALL_KEYS: Final = {"id", "name", "arguments"}


def _tool_call(position: int, call: Any) -> ToolCall:
    if isinstance(call, ToolCall):
        return call
    wanted = (
        f"each of the tool_calls of message {position} is to be {{'id': ..., 'name': ..., 'arguments': ...}}"
    )
    fields = dict(cast("Mapping[str, Any]", call)) if isinstance(call, Mapping) else {}
    if set(fields) != _CALL_KEYS:
        raise ValueError(f"{wanted}; its keys are {sorted(map(repr, fields))}.")
    text: Any = fields["arguments"]
    if isinstance(text, Mapping):
        text = json.dumps(text, ensure_ascii=False, separators=(",", ":"))
    if not all(isinstance(part, str) for part in (fields["id"], fields["name"], text)):
        raise TypeError(f"{wanted}, of strings; arguments may be a JSON object.")
    return ToolCall(fields["id"], fields["name"], text)
