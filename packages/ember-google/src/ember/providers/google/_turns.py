"""A conversation as the Gemini API takes it: contents, of which each has the parts that one side said."""

from __future__ import annotations

from typing import Any, Final

from ember.models import Call, Part

from ._content import as_it_came

_FOR_URLS: Final = str.maketrans("+/", "-_")


def contents(call: Call) -> list[dict[str, Any]]:
    """Return the turns of a call."""
    return [
        as_it_came(message) or content(message.content, "model" if message.role == "assistant" else "user")
        for message in call.messages
    ]


def content(said: str | tuple[Part, ...], role: str = "user") -> dict[str, Any]:
    """Return what one side said.

    >>> content("Hi")
    {'parts': [{'text': 'Hi'}], 'role': 'user'}
    """
    parts = (said,) if isinstance(said, str) else said
    return {"parts": [_part(part) for part in parts], "role": role}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"text": part}
    # Names with underscores and the alphabet for URLs: what the official SDK sends; the API knows the others as well.
    if part.url is None:
        return {"inlineData": {"data": part.base64.translate(_FOR_URLS), "mime_type": part.media_type}}
    # Without an ending that says what it is, the API finds out by itself, or refuses.
    kind = {} if part.media_type is None else {"mime_type": part.media_type}
    return {"fileData": {"file_uri": part.url, **kind}}
