"""`ember completion SHELL`."""

from __future__ import annotations

import click

from . import _show
from ._group import command

SHELLS = ("bash", "zsh", "fish")


@command(
    examples="""
        ember completion bash > ~/.local/share/bash-completion/completions/ember
        ember completion zsh > ~/.zfunc/_ember
        ember completion fish > ~/.config/fish/completions/ember.fish
    """
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that lets SHELL complete commands, options, settings, models and providers; never a value."""
    from click.shell_completion import ShellComplete, get_completion_class

    from ._main import COMPLETE
    from ._tree import ember

    kind = get_completion_class(shell)
    assert kind is not None
    # Not `kind.source`: click's starts a bash to see how old it is, and the script is as good without.
    _show.line(ShellComplete.source(kind(ember, {}, "ember", COMPLETE)).rstrip("\n"))
