"""`ember configure show SECTION`."""

from __future__ import annotations

import click

from .. import _say, _settings, _show
from .._exits import USAGE, Failure
from .._group import command


def _complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in _settings.SECTIONS if name.startswith(incomplete)]


@command(
    examples="""
        ember configure show models
        ember configure show providers.openai
    """
)
@click.argument("section", shell_complete=_complete)
@click.option("--json", "as_json", is_flag=True, help="Print a list of {key, value, layer, source, about}.")
def show(section: str, as_json: bool) -> None:
    """Show every setting of SECTION: what it is, its value or default, and what says so."""
    from ember.core.errors import UnknownKey

    try:
        rows = _settings.rows(section, unset=True)
    except UnknownKey as error:
        raise Failure(f"{error} Sections: {', '.join(_settings.SECTIONS)}.", USAGE) from None
    if not rows and not as_json:
        if section in _settings.SECTIONS:
            _say.note(f"Nothing of {section} is set.")
            return
        raise Failure(f"Ember has no settings {section!r}.", USAGE)
    if as_json:
        _show.as_json(
            [
                {
                    "key": r.key,
                    "value": r.value,
                    "layer": r.layer or None,
                    "source": r.source or None,
                    "about": r.about,
                }
                for r in rows
            ],
            masked=True,
        )
        return
    shown = [
        (r.key, "-" if r.value is None else _say.redacted(_show.setting(r.value)), r.source, r.about)
        for r in rows
    ]
    _show.table(("KEY", "VALUE", "SOURCE", "WHAT IT IS"), shown)
