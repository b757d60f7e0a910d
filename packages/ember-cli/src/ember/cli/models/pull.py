"""`ember models pull MODEL`."""

from __future__ import annotations

import click

from .. import _say, _show
from .._group import command
from .._vendors import EMBEDDED


def _complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in (EMBEDDED,) if name.startswith(incomplete)]


@command(examples="        ember models pull smollm2")
@click.argument("model", shell_complete=_complete)
def pull(model: str) -> None:
    """Fetch the weights of MODEL, an embedded one, and print where they are.

    Interrupted, it goes on where it stopped when it is run again. What is there already is checked, and kept.
    """
    from .._pull import pull as fetch

    progress = _say.Progress(model)
    try:
        path = fetch(model, progress)
    finally:
        progress.end()
    _show.line(str(path))
