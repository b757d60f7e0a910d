"""`ember eval`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

import click

from . import _say, _show
from ._exits import FAILED, USAGE, Failure
from ._group import command
from ._siblings import api
from .models._names import complete_model

_METRICS: Final = ("exact", "contains", "number", "token_f1")


@command(
    examples="""
        ember eval gpt-4o-mini questions.jsonl --metric exact
        ember eval smollm2 questions.jsonl -n 20 --system "Answer in one word."
        ember eval mine.agents:answer questions.jsonl --page run.html
    """
)
@click.argument("subject", metavar="MODEL|MODULE:NAME", shell_complete=complete_model)
@click.argument("source", metavar="DATA")
@click.option(
    "--metric", "metrics", multiple=True, type=click.Choice(_METRICS), help="How answers are scored (exact)."
)
@click.option("--ask", default="question", metavar="FIELD", help="The field that is the question (question).")
@click.option("--answer", default="answer", metavar="FIELD", help="The field with the right answer (answer).")
@click.option("-n", "--rows", type=click.IntRange(min=1), help="Only the first rows.")
@click.option("-s", "--system", metavar="TEXT", help="The model's system prompt.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="The most tokens a model's answer may have.")
@click.option("--at-once", type=click.IntRange(min=1), default=16, help="How many questions at once (16).")
@click.option(
    "--results", metavar="PATH", help="Keep each item here; a run that was broken off goes on from it."
)
@click.option("--page", metavar="PATH", help="Write a page of it.")
@click.option("--json", "as_json", is_flag=True, help="Print {name, items, errors, metrics, cost_usd, ...}.")
def evaluate(
    subject: str,
    source: str,
    metrics: tuple[str, ...],
    ask: str,
    answer: str,
    rows: int | None,
    system: str | None,
    max_tokens: int | None,
    at_once: int,
    results: str | None,
    page: str | None,
    as_json: bool,
) -> None:
    """Ask a model, or an operator of yours, every question of DATA, and score the answers.

    DATA is the name of a data set or a file. Says the mean of each metric with its confidence interval, errors, time
    and cost. Exits with 1 if every item failed.
    """
    operators = api("operators")
    given = {"system": system, "max_tokens": max_tokens}
    member = _member(subject, {name: value for name, value in given.items() if value is not None})
    stream = api("stream")(source)
    items = stream if rows is None else stream.take(rows)
    scored = {name: getattr(operators, name)(answer) for name in metrics or ("exact",)}
    with _say.waiting(f"asking {subject}", _so_far):
        found = operators.evaluate(member, items, scored, ask=ask, limit=at_once, path=results)
    if page is not None:
        _say.note(f"Wrote {found.save(Path(page))}")
    if as_json:
        _show.as_json(_fields(found))
    else:
        _show.line(str(found))
    if found.items and found.errors == len(found.items):
        raise Failure(f"every item failed; the first with: {found.items[0].error}", FAILED)


def _so_far() -> str:
    from ember.core.siblings import present

    if not present("ember.models"):
        return "under way"
    used = api("models").usage()
    return f"{used.calls} calls, {used.cost:f} USD"


def _fields(found: Any) -> dict[str, object]:
    return {
        "name": found.name,
        "items": len(found.items),
        "errors": found.errors,
        "metrics": {
            name: {"mean": one.mean, "low": one.low, "high": one.high} for name, one in found.metrics.items()
        },
        "milliseconds": round(found.latency() * 1e3),
        "milliseconds_95": round(found.latency(0.95) * 1e3),
        "cost_usd": f"{found.cost:f}",
        "unpriced_calls": found.unpriced,
    }


def _member(subject: str, params: dict[str, Any]) -> Callable[..., Any]:
    """Return what is asked: the model of that name, or what `module:name` names."""
    module, colon, name = subject.partition(":")
    if not colon or "/" in module:  # "ollama/llama3:8b" is a model
        models = api("models")
        models.about(subject)  # an unknown one is told before anything is asked
        bound: Callable[..., Any] = models.instance(subject, **params)
        return bound
    sys.path.insert(0, "")  # as for `python -m`: the folder one is in
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise Failure(f"{subject} cannot be imported: {error}.", USAGE) from None
    if isinstance(found, type):
        found = found()
    if not callable(found):
        raise Failure(f"{subject} is not something that can be called.", USAGE)
    return cast("Callable[..., Any]", found)
