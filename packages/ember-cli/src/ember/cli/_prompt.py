"""From what stands on the command line to a prompt: text, standard input, and files of every kind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from ._exits import FAILED, USAGE, Failure
from ._siblings import api

_LARGEST: Final = 20 * 1024 * 1024


def prompt(text: str | None, files: tuple[str, ...]) -> Any:
    """Return the prompt: `text`, or standard input for "-" or nothing; after the files, if there are any.

    Standard input is read only where something says so: a program that leaves it open is not waited for.
    """
    reads = [name for name in (text, *files) if name == "-"]
    if text is None and "-" not in files:
        if sys.stdin.isatty():
            raise Failure("give a PROMPT, or pipe one in.", USAGE)
        reads.append("-")
        text = "-"
    if len(reads) > 1:
        raise Failure("standard input can be read once: as PROMPT or as a file.", USAGE)
    parts = [_part(name) for name in files]
    said = _piped() if text == "-" else text
    if said:
        parts.append(said)
    if not any(parts):
        raise Failure("the prompt is empty.", USAGE)
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else parts


def _piped() -> str:
    data = sys.stdin.buffer.read(_LARGEST + 1)
    _require_small(data, "standard input")
    return data.decode("utf-8", "replace").rstrip("\n")


def _part(name: str) -> Any:
    """Return a file as a part of a prompt: text as text, an image as one, anything else as a document."""
    if name == "-":
        return _piped()
    path = Path(name)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise Failure(f"{name} cannot be read: {error.strerror}.", USAGE) from None
    _require_small(data, name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    if text and "\0" not in text and not data.startswith(b"%PDF"):
        return f"{path.name}:\n\n{text}"
    for kind in ("Image", "File"):
        try:
            return api(kind)(path)
        except ValueError:
            continue
    raise Failure(f"{name} is neither text nor an image (PNG, JPEG, GIF, WebP) nor a PDF.", FAILED)


def _require_small(data: bytes, name: str) -> None:
    if len(data) > _LARGEST:
        raise Failure(f"{name} is too large: more than {_LARGEST // 2**20} MiB.", FAILED)
