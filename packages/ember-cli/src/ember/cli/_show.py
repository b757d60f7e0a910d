"""What a command was asked for, on stdout: a table for people, JSON for programs, and nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from . import _say


def line(text: str) -> None:
    """Print one line of data."""
    sys.stdout.write(f"{text}\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print `rows` below a heading, in columns. Those that are empty throughout are left out."""
    lines = [tuple(columns), *(tuple(row) for row in rows)]
    kept = [at for at in range(len(columns)) if any(row[at] for row in lines[1:])]
    widths = {at: max(len(row[at]) for row in lines) for at in kept}
    for row in lines:
        line("  ".join(row[at].ljust(widths[at]) for at in kept).rstrip())


def as_json(value: object, *, masked: bool = False) -> None:
    """Print `value` as JSON. Keys come as hints; with `masked`, what looks like one within a text is masked as well."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=False)
    line(_say.redacted(text) if masked else text)


def plain(value: object) -> Any:
    """Return `value` as JSON has it: mappings, lists, text, numbers."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in cast("Mapping[object, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in cast("Sequence[object]", value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "hint"):  # a Secret, whose class the help path does not load
        return {"set": True, "hint": str(value)}
    return str(value)


def setting(value: object) -> str:
    """Return a setting as a user would write it on the command line.

    >>> setting(("END", "STOP")), setting(True), setting(0.5), setting("gpt-4o")
    ('["END", "STOP"]', 'true', '0.5', 'gpt-4o')
    """
    if isinstance(value, str):
        return value
    if hasattr(value, "hint"):
        return str(value)
    return json.dumps(plain(value), ensure_ascii=False)


def harmless(text: str) -> str:
    """Return `text` without the control characters that a terminal would obey, if stdout is one."""
    if not sys.stdout.isatty():
        return text
    return "".join(char for char in text if char in "\n\t" or char.isprintable() or ord(char) > 0x9F)
