"""Commands that are loaded when they are named, with help that shows examples, and a guess at what a typo meant."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Final, NamedTuple, cast

import click

from . import _say
from ._exits import Failure

GROUP: Final = "ember.commands"


class Lazy(NamedTuple):
    """A command that is not loaded yet: the module and name it has, and its line in the help."""

    target: str
    help: str


def _set_level(to: int) -> Callable[[click.Context, click.Parameter, bool], None]:
    def set_level(_: click.Context, __: click.Parameter, given: bool) -> None:
        if given:
            _say.set_level(to)

    return set_level


def _how_much_is_said(hidden: bool) -> list[click.Parameter]:
    """Return the options that every command takes, wherever in the line they stand."""
    wanted = (
        ("--quiet", "-q", _say.QUIET, "Say nothing but data, warnings and errors."),
        ("--verbose", "-v", _say.VERBOSE, "Say more."),
        ("--debug", None, _say.DEBUG, "Say everything; show where an error comes from."),
    )
    return [
        click.Option(
            [name for name in (long, short) if name],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            hidden=hidden,
            help=about,
            callback=_set_level(to),
        )
        for long, short, to, about in wanted
    ]


class Command(click.Command):
    """A command whose help is: what it does, usage, examples, options."""

    def __init__(self, *arguments: Any, examples: str = "", **known: Any) -> None:
        super().__init__(*arguments, **known)
        self.examples = examples
        self.params += _how_much_is_said(hidden=True)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_help(self, ctx, formatter)
        self.format_options(ctx, formatter)


class Group(click.Group):
    """Commands by name, each loaded when it is named. `sections` orders them in the help; plugins may add some."""

    def __init__(
        self,
        *arguments: Any,
        commands: Mapping[str, Lazy],
        sections: Mapping[str, Sequence[str]] | None = None,
        examples: str = "",
        plugins: bool = False,
        **known: Any,
    ) -> None:
        super().__init__(*arguments, **known)
        self.lazy, self.examples = commands, examples
        self.sections = sections or {"Commands": tuple(commands)}
        self._plugins = plugins
        self.params += _how_much_is_said(hidden=not plugins)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.lazy, *self._theirs()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if (ours := self.lazy.get(cmd_name)) is not None:
            module, _, name = ours.target.partition(":")
            return cast(click.Command, getattr(import_module(module), name))
        return self._their(cmd_name) if cmd_name in self._theirs() else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name.startswith("-") or ctx.resilient_parsing or self.get_command(ctx, name) is not None:
            return super().resolve_command(ctx, args)
        from ember.core.suggest import nearest

        near = nearest(name, self.list_commands(ctx))
        meant = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise click.UsageError(f"{ctx.command_path} has no command {name!r}.{meant}", ctx)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_help(self, ctx, formatter)
        theirs = self._theirs()
        width = max(map(len, (*self.lazy, *theirs)))
        for title, names in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), self.lazy[name].help) for name in names])
        if theirs:
            with formatter.section("Commands of other distributions"):
                formatter.write_dl([(name.ljust(width), f"from {theirs[name]}") for name in theirs])
        click.Command.format_options(self, ctx, formatter)
        self.format_epilog(ctx, formatter)

    def _theirs(self) -> dict[str, str]:
        """Return the names of plugins' commands, and the distributions they come from."""
        if not self._plugins or not _may_be_there():
            return {}
        from ember.core import plugins

        found = plugins.installed(GROUP)
        return {name: claims[0].distribution for name, claims in found.items() if name not in self.lazy}

    def _their(self, name: str) -> click.Command:
        from ember.core import plugins

        plugin = plugins.find(GROUP, name)
        assert plugin is not None
        command = plugin.load()
        if not isinstance(command, click.Command):
            raise Failure(f"{plugin.broken('is not a click.Command.')}")
        return command


def command(*, examples: str) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command; its docstring is the help."""

    def make(function: Callable[..., Any]) -> Command:
        # The first paragraph is for --help; the rest of a docstring is for those who read the code.
        return click.command(cls=Command, examples=examples)(function)

    return make


def _write_help(shown: Command | Group, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    from inspect import cleandoc

    for paragraph in cleandoc(shown.help or "").split("\n\n"):
        formatter.write_text(paragraph)
        formatter.write_paragraph()
    shown.format_usage(ctx, formatter)
    if shown.examples:
        with formatter.section("Examples"):
            for example in cleandoc(shown.examples).splitlines():
                formatter.write(f"  {example}\n")


def _may_be_there() -> bool:
    """Whether any distribution here says that it has commands.

    Asking importlib.metadata takes as long as the whole of `ember --help`; looking for the words in the files it would
    parse takes a few milliseconds.
    """
    for place in sys.path:
        try:
            with os.scandir(place or ".") as entries:
                folders = [
                    entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))
                ]
        except OSError:  # a zip file, or a folder that is gone
            continue
        for folder in folders:
            try:
                with open(os.path.join(folder, "entry_points.txt"), "rb") as file:
                    if b"[ember.commands]" in file.read():
                        return True
            except OSError:
                continue
    return False
