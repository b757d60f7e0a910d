"""The argument KEY, and what completes it: names only, so that no shell shows a value."""

from __future__ import annotations

from typing import Any

import click


def _complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from ember.context import known_settings

    from .._vendors import VENDORS

    found: list[str] = []
    for key in known_settings():
        found += [key.replace("<name>", name, 1) for name in VENDORS] if "<name>" in key else [key]
    return sorted(key for key in found if key.startswith(incomplete) and "<" not in key)


def key_argument(function: Any) -> Any:
    """Give a command the argument KEY."""
    return click.argument("key", shell_complete=_complete)(function)
