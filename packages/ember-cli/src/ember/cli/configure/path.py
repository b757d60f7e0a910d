"""`ember configure path`."""

from __future__ import annotations

import click

from .. import _show
from .._group import command


@command(
    examples="""
        ember configure path
        cat "$(ember configure path)"
        ember configure path --credentials
    """
)
@click.option("--credentials", is_flag=True, help="That of credentials.yaml.")
@click.option("--home", "folder", is_flag=True, help="That of the folder they are in.")
@click.option("--json", "as_json", is_flag=True, help="Print {home, config, credentials}.")
def path(credentials: bool, folder: bool, as_json: bool) -> None:
    """Print where config.yaml is, whether or not it exists."""
    from ember.core.home import home

    place = home()
    if as_json:
        _show.as_json(
            {"home": place, "config": place / "config.yaml", "credentials": place / "credentials.yaml"}
        )
    else:
        _show.line(str(place if folder else place / ("credentials.yaml" if credentials else "config.yaml")))
