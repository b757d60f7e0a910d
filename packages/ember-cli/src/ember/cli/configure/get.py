"""`ember configure get KEY`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import click

from .. import _settings, _show
from .._exits import FAILED, USAGE, Failure
from .._group import command
from ._keys import key_argument


@command(
    examples="""
        ember configure get models.default
        ember configure get credentials.openai_api_key --reveal
        ember configure get providers --json
    """
)
@key_argument
@click.option("--reveal", is_flag=True, help="Print a key in clear.")
@click.option("--json", "as_json", is_flag=True, help="Print {key, value, layer, source}.")
def get(key: str, reveal: bool, as_json: bool) -> None:
    """Print the value of KEY, e.g. models.default.

    Of a section, prints all of it as JSON. Exits with 1 if KEY is not set. A key of a provider is printed with
    --reveal only.
    """
    tree = _level(key)
    if tree is not None:
        _show.as_json({"key": key, "value": tree} if as_json else tree)
        return
    row = _settings.row(key)
    secret = hasattr(row.value, "reveal")
    if secret and reveal:
        from .. import _say

        _say.detail(f"{key} comes from {row.source}")
        row = row._replace(value=row.value.reveal())
    if as_json:
        _show.as_json(
            {"key": key, "value": row.value, "layer": row.layer or None, "source": row.source or None}
        )
    elif row.value is None:
        raise Failure(f"{key} is not set.", FAILED)
    elif secret and not reveal:
        raise Failure(f"{key} is set ({row.value}, from {row.source}). --reveal prints it.", USAGE)
    else:
        _show.line(_show.setting(row.value))
    if row.value is None:
        raise click.exceptions.Exit(FAILED)


def _level(key: str) -> Mapping[str, object] | None:
    """Return what stands at `key` if that is several settings."""
    from ember.context import get_context
    from ember.core.errors import ConfigError, ConfigFileError, UnknownKey

    context = get_context()
    try:
        context.explain(key)
        return None
    except (ConfigFileError, UnknownKey):
        return None  # told by who explains the key
    except ConfigError:
        pass  # no key at all, or one that holds several
    try:
        found = context.get_config(key)
    except ConfigError:
        return None
    return _settings.masked(key, cast("object", found)) if isinstance(found, Mapping) else None
