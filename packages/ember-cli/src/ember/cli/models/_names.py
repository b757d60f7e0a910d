"""The argument MODEL, and what completes it."""

from __future__ import annotations

import click


def complete_model(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the known models that begin so, with or without their provider's name."""
    from .._siblings import api

    names = [str(name) for name in api("models").list()]
    short = [name.partition("/")[2] for name in names]
    return [name for name in (*short, *names) if name.startswith(incomplete)]
