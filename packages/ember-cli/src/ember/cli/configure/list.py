"""`ember configure list`."""

from __future__ import annotations

import click

from .. import _say, _settings, _show
from .._group import command


@command(
    examples="""
        ember configure list
        ember configure list --all
        ember configure list --json
    """
)
@click.option("--all", "everything", is_flag=True, help="Defaults too.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of {key, value, layer, source}.")
def list_(everything: bool, as_json: bool) -> None:
    """List what is set, the value and what says so: a file and line, or a variable."""
    rows = _settings.rows(unset=everything)
    _settings.tell_of_old_files()
    if as_json:
        _show.as_json(
            [{"key": r.key, "value": r.value, "layer": r.layer, "source": r.source} for r in rows],
            masked=True,
        )
    elif rows:
        _show.table(
            ("KEY", "VALUE", "SOURCE"),
            [(r.key, _say.redacted(_show.setting(r.value)), r.source) for r in rows],
        )
    else:
        _say.note("Nothing is set. `ember setup` begins; `ember configure show models` lists what there is.")
