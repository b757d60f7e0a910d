"""`ember configure import`."""

from __future__ import annotations

import sys

import click

from .. import _ask, _say, _show
from .._exits import FAILED, USAGE, Failure
from .._group import command


@command(
    examples="""
        ember configure import --from env --dry-run
        ember configure import --from dotenv --file .env --yes
        ember configure import --from llm
    """
)
@click.option(
    "--from", "source", required=True, type=click.Choice(("env", "dotenv", "llm")), help="Where keys are now."
)
@click.option("--file", metavar="PATH", help="The dotenv file, which is never searched for.")
@click.option("--overwrite", is_flag=True, help="Replace keys that are stored already.")
@click.option("--yes", is_flag=True, help="Store what was found without asking.")
@click.option("--dry-run", is_flag=True, help="Print what would be stored, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print {steps, retired, conflicts, left_out}.")
def import_(source: str, file: str | None, overwrite: bool, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Store keys that other programs have, and the addresses that go with them: the environment's, a file's, llm's.

    Only the providers Ember knows by name are looked for. Keys that are stored already stay, unless --overwrite.
    """
    from ember.core.home import home

    from .. import _import, _migration

    if (source == "dotenv") != (file is not None):
        raise click.UsageError("--from dotenv and --file PATH go together.")
    found = _import.found(source, file)
    place = home()
    plan = _migration.merged(_migration.today(place), [found], overwrite=overwrite)
    if as_json:
        _show.as_json(_migration.fields(plan), masked=True)
    else:
        for line in _migration.lines(plan):
            _show.line(line)
    if plan.empty:
        _say.note(
            "There is nothing to store."
            if found.keys
            else f"No key of a known provider was found in {found.place}."
        )
        return
    if dry_run:
        _say.note("Nothing was changed.")
        return
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise Failure("nobody is here to say yes. --yes stores what was found.", USAGE)
        if not _ask.confirm("Store this?", default=True):
            raise Failure("nothing was changed.", FAILED)
    for done in _migration.apply(place, plan):
        _say.note(done)
