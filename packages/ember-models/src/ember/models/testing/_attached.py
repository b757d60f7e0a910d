"""Images and files in a request, in the shapes of each API: whether they are well made, and what they count."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any, Final, cast

from ._dialect import BadRequest, count, text_of

_PLAIN: Final = str.maketrans("-_", "+/")

ATTACHED: Final = 100
"""Tokens that this server counts for an image or a file, whatever is in it."""


def tokens_of(content: Any) -> int:
    """Return the tokens of a message's content. Raises BadRequest for an image or a file that no API would take.

    >>> tokens_of([{"type": "text", "text": "Say hi"}, {"type": "input_image", "image_url": "https://example.org/a.png"}])
    102
    """
    words = count(text_of(content))
    if isinstance(content, list):
        words += ATTACHED * sum(map(_attached, cast("list[object]", content)))
    return words


def images_of(message: Mapping[str, Any]) -> int:
    """Return the tokens of a message's `images`, as Ollama has them beside the text."""
    given = cast("list[Any]", message.get("images") or [])
    for image in given:
        _base64(image)
    return ATTACHED * len(given)


def _attached(part: Any) -> bool:
    """Whether a part is an image or a file."""
    if not isinstance(part, Mapping):
        raise BadRequest("a part of a message is an object.")
    fields = cast("Mapping[str, Any]", part)
    kind = fields.get("type")
    if kind == "image_url":
        _url(_object(fields, "image_url").get("url"))
    elif kind == "input_image":
        _url(fields.get("image_url"))
    elif kind in ("file", "input_file"):
        file = _object(fields, "file") if kind == "file" else fields
        if "file_url" in file:
            _url(file["file_url"])
        else:
            _url(file.get("file_data"))
            _text(file, "filename")
    elif kind in ("image", "document"):
        _source(_object(fields, "source"))
    elif "inlineData" in fields:
        data = _object(fields, "inlineData")
        _text(data, "mime_type" if "mime_type" in data else "mimeType")
        _base64(data.get("data"))
    elif "fileData" in fields:
        file = _object(fields, "fileData")
        _url(file.get("file_uri") or file.get("fileUri"))
    else:
        return False
    return True


def _source(source: Mapping[str, Any]) -> None:
    kind = source.get("type")
    if kind == "url":
        _url(source.get("url"))
        return
    _text(source, "media_type")
    if kind == "text":
        _text(source, "data")
    elif kind == "base64":
        _base64(source.get("data"))
    else:
        raise BadRequest(f"a source is of the type base64, text or url, not {kind!r}.")


def _url(url: Any) -> None:
    if not isinstance(url, str) or not url.startswith(("https://", "http://", "data:")):
        raise BadRequest("an image or a file is at a URL: https, http or data.")
    if url.startswith("data:"):
        head, _, body = url.partition(",")
        if not head.endswith(";base64") or "/" not in head:
            raise BadRequest("a data URL says its type, and that it is base64.")
        _base64(body)


def _base64(text: Any) -> None:
    try:
        # In either alphabet: Google's API takes both, and its SDK sends the one for URLs.
        ok = isinstance(text, str) and bool(binascii.a2b_base64(text.translate(_PLAIN), strict_mode=True))
    except ValueError:
        ok = False
    if not ok:
        raise BadRequest("the content of an image or a file is base64.")


def _object(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if not isinstance(fields.get(name), Mapping):
        raise BadRequest(f"{name!r} is an object.")
    return cast("Mapping[str, Any]", fields[name])


def _text(fields: Mapping[str, Any], name: str) -> None:
    if not isinstance(fields.get(name), str) or not fields[name]:
        raise BadRequest(f"{name!r} is missing.")
