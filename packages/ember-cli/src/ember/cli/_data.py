"""`ember data list`, `show` and `head`."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any

import click

from . import _say, _show
from ._group import command
from ._siblings import api


@command(examples="        ember data list\n        ember data list --json")
@click.option("--json", "as_json", is_flag=True, help="Print a list of {name, distribution}.")
def list_(as_json: bool) -> None:
    """List the data sets that installed distributions have, by name."""
    from ember.core import plugins

    api("data")  # without which nobody could read them
    found = plugins.installed("ember.datasets")
    rows = [{"name": name, "distribution": claims[0].distribution} for name, claims in sorted(found.items())]
    if as_json:
        _show.as_json(rows)
    elif rows:
        _show.table(("NAME", "FROM"), [(row["name"], row["distribution"]) for row in rows])
    else:
        _say.note(
            "No installed distribution has data sets. Files are read by their path: ember data head FILE"
        )


@command(examples="        ember data show questions.jsonl\n        ember data show table.csv --json")
@click.argument("source")
@click.option("--json", "as_json", is_flag=True, help="Print what was found.")
def show(source: str, as_json: bool) -> None:
    """Say what is in SOURCE, the name of a data set or a file: rows, columns, types, values. Reads all of it."""
    rows = api("stream")(source)
    with _say.waiting(f"reading {source}"):
        found = rows.describe()
    if as_json:
        _show.as_json(asdict(found) if is_dataclass(found) and not isinstance(found, type) else str(found))
        return
    _show.line(str(found))


@command(
    examples="        ember data head questions.jsonl -n 3\n        ember data head questions.jsonl | jq .question"
)
@click.argument("source")
@click.option("-n", "--rows", type=click.IntRange(min=1), default=10, help="How many (10).")
def head(source: str, rows: int) -> None:
    """Print the first rows of SOURCE, the name of a data set or a file: JSON, a row on each line."""
    for row in api("stream")(source).take(rows):
        _show.line(json.dumps(row, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
