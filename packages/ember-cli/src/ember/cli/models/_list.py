"""`ember models` itself: what is known, or what a server says."""

from __future__ import annotations

from typing import Any

import click

from .. import _providers, _say, _show
from .._group import Group, Lazy
from .._siblings import api


def _complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return _providers.completed(incomplete)


def _list(ctx: click.Context, provider: str | None, providers: bool, live: bool, as_json: bool) -> None:
    """List the models that installed providers are known to serve, one on a line. Asks no network, but with --live.

    With --providers, list the providers: the key each would use, and the address calls go to.
    """
    if ctx.invoked_subcommand is not None:
        return
    facade = api("models")
    if provider is not None:
        _providers.known(provider)
    if providers:
        _list_providers(facade, (provider,) if provider else facade.providers(), as_json)
        return
    if live:
        if provider is None:
            raise click.UsageError("--live asks one server: name it with --provider.", ctx)
        with _say.waiting(f"asking {provider}"):
            names = facade.discover(provider)
    else:
        names = facade.list(provider)
    if as_json:
        _show.as_json([{"id": name, "provider": name.partition("/")[0]} for name in names])
        return
    for name in names:
        _show.line(name)
    if not names and provider and not live:
        _say.note(f"No models of {provider} are known by name. --live asks the server.")


def _list_providers(facade: Any, names: tuple[str, ...], as_json: bool) -> None:
    from ember.core.errors import PluginError

    found: list[dict[str, object]] = []
    for name in names:
        try:
            about = facade.about_provider(name)
        except PluginError as error:
            _say.warn(str(error))
            continue
        found.append(
            {
                "provider": name,
                "needs_key": about.needs_key,
                "key": None if about.key is None else about.key.secret,
                "key_source": None if about.key is None else about.key.source,
                "base_url": about.base_url,
                "base_url_source": about.base_url_source or "built in",
                "problem": about.problem or None,
            }
        )
    if as_json:
        _show.as_json(found)
        return
    _show.table(
        ("PROVIDER", "KEY", "FROM", "BASE URL"),
        [
            (
                str(one["provider"]),
                str(one["key"])
                if one["key"] is not None
                else "missing"
                if one["needs_key"]
                else "not needed",
                str(one["key_source"] or ""),
                str(one["base_url"] or "not set"),
            )
            for one in found
        ],
    )


models = Group(
    "models",
    callback=click.pass_context(_list),
    help=_list.__doc__,
    invoke_without_command=True,
    examples="""
        ember models --provider openai
        ember models --providers
        ember models --provider ollama --live
        ember models show gpt-4o
        ember models pull smollm2
    """,
    commands={
        "show": Lazy("ember.cli.models.show:show", "Say what is known of a model."),
        "pull": Lazy("ember.cli.models.pull:pull", "Fetch the weights of an embedded model."),
    },
    params=[
        click.Option(["--provider"], metavar="NAME", help="Those of one provider.", shell_complete=_complete),
        click.Option(["--providers"], is_flag=True, help="List providers instead."),
        click.Option(["--live"], is_flag=True, help="Ask the provider's server what it has."),
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            help="Print a list of {id, provider}; with --providers of {provider, needs_key, key, key_source, base_url, "
            "base_url_source, problem}.",
        ),
    ],
)
