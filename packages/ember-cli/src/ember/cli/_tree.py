"""All commands: where each is, and what it does in a line."""

from __future__ import annotations

import click

from . import _show
from ._exits import OK, TOLD
from ._group import Group, Lazy
from ._version import __version__


def _version(context: click.Context, _: click.Parameter, given: bool) -> None:
    # Mostly answered by _start, which loads nothing; here it stands in the help, and among other options.
    if given:
        _show.line(f"ember {__version__}")
        context.exit(OK)


ember = Group(
    "ember",
    help="Call language models, see what is available, and know what is wrong.",
    plugins=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    examples="""
        ember setup                              keys, a default model, a first answer
        ember run smollm2 "Say hello."           ask a model
        ember models --providers                 who can be asked, and with which key
        ember configure set models.default gpt-4o
    """,
    commands={
        "setup": Lazy("ember.cli.setup:setup", "Set up keys, a default model and the embedded model."),
        "configure": Lazy("ember.cli.configure:configure", "Read and change settings and keys."),
        "test": Lazy("ember.cli.test:test", "Check every configured provider, or call a model."),
        "models": Lazy("ember.cli.models:models", "List models and providers."),
        "doctor": Lazy("ember.cli.doctor:doctor", "Say what is wrong with this installation."),
        "run": Lazy("ember.cli.run:run", "Ask a model once."),
        "chat": Lazy("ember.cli.chat:chat", "Talk with a model."),
        "usage": Lazy("ember.cli.usage:usage", "Say what calls used and cost."),
        "data": Lazy("ember.cli.data:data", "List, show and read data sets."),
        "eval": Lazy("ember.cli.evaluate:evaluate", "Score a model or an operator on a data set."),
        "trace": Lazy("ember.cli.trace:trace", "Look at recorded runs."),
        "completion": Lazy("ember.cli.completion:completion", "Print a shell's completion script."),
    },
    sections={
        "Get started": ("setup", "test", "doctor"),
        "Ask": ("run", "chat", "models"),
        "Work": ("data", "eval", "trace"),
        "Look after": ("configure", "usage", "completion"),
    },
    epilog=TOLD,
    params=[
        click.Option(
            ["-V", "--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Print the version and exit.",
        )
    ],
)
