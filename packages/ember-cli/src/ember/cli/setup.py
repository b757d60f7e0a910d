"""`ember setup`, and which of its forms runs: unattended, plain questions, or the wizard."""

from __future__ import annotations

import sys

import click

from . import _providers, _say
from ._exits import USAGE, Failure
from ._group import command
from .models._names import complete_model


def _complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return _providers.completed(incomplete)


@command(
    examples="""
        ember setup
        ember setup --plain --provider anthropic
        pass show openai | ember setup --non-interactive --provider openai --key-stdin
        ember setup --non-interactive --provider local --pull
    """
)
@click.option("--plain", is_flag=True, help="Ask line by line, on any terminal.")
@click.option("--non-interactive", "unattended", is_flag=True, help="Ask nothing.")
@click.option("--provider", metavar="NAME", help="Which provider to set up.", shell_complete=_complete)
@click.option("--base-url", metavar="URL", help="Where its API is, if not at the vendor's.")
@click.option("--key-stdin", is_flag=True, help="Read its key from standard input.")
@click.option("--key-env", metavar="VARIABLE", help="Store the key that this variable holds.")
@click.option(
    "--default-model", metavar="MODEL", help="What calls without a model ask.", shell_complete=complete_model
)
@click.option("--pull", is_flag=True, help="Fetch the embedded model's weights (98 MB).")
@click.option("--no-verify", is_flag=True, help="Store without asking the provider first.")
def setup(
    plain: bool,
    unattended: bool,
    provider: str | None,
    base_url: str | None,
    key_stdin: bool,
    key_env: str | None,
    default_model: str | None,
    pull: bool,
    no_verify: bool,
) -> None:
    """Set up a provider's key, a default model and the embedded model.

    The key is checked with the provider, at the address that is shown, before anything is written. It goes to
    credentials.yaml, address and model to config.yaml. Interrupted, setup has written nothing.
    """
    if provider is not None:
        _providers.known(provider)
    if unattended:
        from ._unattended import Wanted, run

        run(Wanted(provider, base_url, key_stdin, key_env, default_model, pull, not no_verify))
        return
    if key_stdin or key_env or no_verify:
        raise click.UsageError("--key-stdin, --key-env and --no-verify go with --non-interactive.")
    if not (sys.stdin.isatty() and sys.stderr.isatty() and sys.stdout.isatty()) or _providers.ci():
        raise Failure(
            "setup asks questions, and nobody is here to answer. Instead: "
            "ember setup --non-interactive --provider openai --key-env OPENAI_API_KEY",
            USAGE,
        )
    if not plain:
        from ._ink import Wanted as Said, draw

        left = draw(Said(provider=provider, base_url=base_url, default_model=default_model, pull=pull))
        if isinstance(left, int):
            sys.exit(left)
        _say.note(f"Plain questions, for {left}.")
    from ._plain import walk

    walk(provider, base_url, default_model, pull=pull)
