"""`ember configure migrate`."""

from __future__ import annotations

import click

from .. import _say, _show
from .._exits import FAILED
from .._group import command


@command(
    examples="""
        ember configure migrate --dry-run
        ember configure migrate
        ember configure migrate --check || echo "old settings are left"
    """
)
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@click.option("--check", is_flag=True, help="As --dry-run; exit with 1 if there is something to do.")
@click.option("--move-keys", is_flag=True, help="Move keys of config.yaml to credentials.yaml as well.")
@click.option("--json", "as_json", is_flag=True, help="Print {steps, retired, conflicts, left_out}.")
def migrate(dry_run: bool, check: bool, move_keys: bool, as_json: bool) -> None:
    """Bring settings of older forms into config.yaml and credentials.yaml.

    Read are `credentials`, `config.json`, and old forms in config.yaml itself. What today's files say stays; each value
    that loses to another is named. Files that change are kept as NAME.bak.N, for your eyes only, and old ones are put
    aside under such a name. Interrupted, it is completed by running it again.
    """
    from ember.core.home import home

    from .. import _migration

    place = home()
    plan = _migration.plan(place, move_keys=move_keys)
    if as_json:
        _show.as_json(_migration.fields(plan), masked=True)
    else:
        for line in _migration.lines(plan):
            _show.line(line)
    if plan.empty:
        _say.note("There is nothing to migrate.")
        return
    if dry_run or check:
        _say.note("Nothing was changed.")
        if check:
            raise click.exceptions.Exit(FAILED)
        return
    for done in _migration.apply(place, plan):
        _say.note(done)
