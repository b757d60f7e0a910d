"""`ember usage`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

import click

from . import _say, _show
from ._exits import USAGE, Failure
from ._group import command
from ._siblings import api


@command(
    examples="""
        ember usage
        ember usage --by model --since 2026-11-01
        ember usage --by tags.job --json
    """
)
@click.option(
    "--by",
    default="day,model",
    metavar="NAMES",
    help="day, model, provider, tags, tags.NAME; commas between.",
)
@click.option("--since", metavar="DAY", help="From this day on (UTC), as 2026-11-22.")
@click.option("--until", metavar="DAY", help="Up to this day, included.")
@click.option("--model", metavar="MODEL", help="Of one model only.")
@click.option("--provider", metavar="NAME", help="Of one provider only.")
@click.option("--json", "as_json", is_flag=True, help="Print {ledger, rows, total}.")
def usage(
    by: str, since: str | None, until: str | None, model: str | None, provider: str | None, as_json: bool
) -> None:
    """Say what calls used and cost: those of all programs of yours, while `usage.ledger` was set."""
    from ember.context import get_context

    models = api("models")
    names = [name.strip() for name in by.split(",") if name.strip()]
    wanted: dict[str, Any] = {"since": since, "until": until, "model": model, "provider": provider}
    shown = ["provider", *names] if "model" in names and "provider" not in names else names
    try:
        rows = models.spent(by=tuple(shown), **wanted)
        (total,) = models.spent(**wanted) or (None,)
    except ValueError as error:
        raise Failure(f"{error}", USAGE) from None
    on = bool(get_context().get_config("usage.ledger"))
    if as_json:
        told = [_fields(row, names) for row in rows]
        _show.as_json({"ledger": on, "rows": told, "total": None if total is None else _fields(total, ())})
    elif rows:
        _print(rows, total, names)
    else:
        _say.note("Nothing is booked" + (" for these days." if since or until else "."))
    if not on:
        _say.note("The ledger is off, and calls are not booked: ember configure set usage.ledger true")


def _fields(row: Any, by: Sequence[str]) -> dict[str, object]:
    fields = asdict(row)
    named = {name: fields.pop(name) for name in ("day", "provider", "model", "tags")}
    cost = f"{fields.pop('cost'):f}"
    about = {name: value for name, value in named.items() if name in {word.partition(".")[0] for word in by}}
    if "model" in by:
        about["model"] = f"{named['provider']}/{named['model']}"
    if "day" in about:
        about["day"] = str(about["day"])
    return {**about, **fields, "cost_usd": cost}


def _print(rows: Sequence[Any], total: Any, by: Sequence[str]) -> None:
    def about(row: Any) -> list[str]:
        fields = _fields(row, by)
        return [_shown(fields.get(name.partition(".")[0])) for name in by]

    def counts(row: Any) -> list[str]:
        unpriced = str(row.unpriced_calls) if row.unpriced_calls else ""
        numbers = (row.calls, row.failed_calls, row.input_tokens, row.output_tokens)
        return [*(f"{number:,}" for number in numbers), f"{row.cost:f}", unpriced]

    lines = [[*about(row), *counts(row)] for row in rows]
    if len(lines) > 1 and total is not None:
        lines.append(["total", *[""] * (len(by) - 1), *counts(total)])
    heads = [*(name.upper() for name in by), "CALLS", "FAILED", "TOKENS IN", "OUT", "USD", "NOT PRICED"]
    _show.table(heads, lines)


def _shown(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    tags = cast("dict[str, str]", value)
    return ", ".join(f"{name}={tags[name]}" for name in sorted(tags))
