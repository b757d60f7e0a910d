"""`ember data list`, `show` and `head`."""

from __future__ import annotations

import json
from typing import Any

import click

from ember.core.errors import EmberError

from . import _say, _show
from ._group import command
from ._siblings import api


def _complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in api("data").DataRegistry.names() if name.startswith(incomplete)]


@command(examples="        ember data list\n        ember data list --json")
@click.option("--json", "as_json", is_flag=True, help="Print a list of {name, description, licence, rows}.")
def list_(as_json: bool) -> None:
    """List the data sets there are by name: those of installed distributions, and well-known ones at the hub."""
    registry = api("data").DataRegistry
    rows: list[dict[str, str | int]] = []
    for name in registry.names():
        try:
            card = registry.card(name)
        except EmberError as error:  # a stranger's that is broken hides none of the others
            _say.warn(str(error))
            continue
        rows.append(
            {
                "name": name,
                "description": "" if card is None else card.description,
                "licence": "" if card is None else card.licence,
                "rows": 0 if card is None else sum(card.splits.values()),
            }
        )
    if as_json:
        _show.as_json(rows)
        return
    _show.table(
        ("NAME", "ROWS", "LICENCE", "WHAT IT IS"),
        [
            (
                str(one["name"]),
                f"{one['rows']:,}" if one["rows"] else "",
                str(one["licence"]),
                str(one["description"]),
            )
            for one in rows
        ],
    )


@command(examples="        ember data show gsm8k\n        ember data show table.csv --json")
@click.argument("source", shell_complete=_complete)
@click.option("--json", "as_json", is_flag=True, help="Print the card, or {rows, columns}.")
def show(source: str, as_json: bool) -> None:
    """Say what SOURCE is.

    Of a data set's name, prints its card, and reads none of it; of a file, what is in its rows, reading all of them:
    columns, their types and values.
    """
    registry = api("data").DataRegistry
    card = registry.card(source) if registry.has(source) else None
    if card is not None:
        if as_json:
            names = ("description", "licence", "source", "splits", "columns", "size")
            _show.as_json({name: getattr(card, name) for name in names})
        else:
            _show.line(str(card))
        return
    with _say.waiting(f"reading {source}"):
        found = api("stream")(source).describe()
    if not as_json:
        _show.line(str(found))
        return
    columns = {
        name: {"types": dict(one.types), "least": one.least, "most": one.most, "mean": one.mean}
        for name, one in found.columns.items()
    }
    _show.as_json({"rows": found.rows, "columns": columns})


@command(
    examples="""
        ember data head questions.jsonl -n 3
        ember data head questions.jsonl | jq .question
    """
)
@click.argument("source", shell_complete=_complete)
@click.option("-n", "--rows", type=click.IntRange(min=1), default=10, help="How many (10).")
def head(source: str, rows: int) -> None:
    """Print the first rows of SOURCE, the name of a data set or a file: JSON, a row on each line."""
    for row in api("stream")(source).take(rows):
        _show.line(json.dumps(row, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
