"""`ember test`."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import click

from . import _providers, _say, _show
from ._exits import KEY, OK, Failure, code_of
from ._group import command
from ._siblings import api
from .models._names import complete_model

_PROMPT = "Reply with one word: ready"


@command(
    examples="""
        ember test
        ember test --provider openai
        ember test --model gpt-4o-mini
        ember test --json
    """
)
@click.option("--provider", metavar="NAME", help="Check this one, set up or not.")
@click.option(
    "--model", metavar="MODEL", help="Call this model, for a few tokens.", shell_complete=complete_model
)
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), metavar="SECONDS", help="How long a check or call may take."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found.")
def test(provider: str | None, model: str | None, timeout: float | None, as_json: bool) -> None:
    """Check every provider that is set up, free of charge: it is asked for its models, with the key calls would use.

    With --model, make one real call, and say what it used and cost. Exits with 4 if a key is missing or refused, 5 if a
    provider cannot be reached or fails.
    """
    if model is not None:
        if provider is not None:
            raise click.UsageError("give --provider or --model, not both.")
        _call(model, timeout or 60.0, as_json)
        return
    from . import _validate

    facade = api("models")
    if provider is not None:
        names: list[str] = [_providers.known(provider)]
    else:
        names = [name for name in facade.providers() if _is_set_up(facade, name)]
        if not names:
            raise Failure(
                "no provider is set up. `ember setup` does it; `ember run smollm2` needs none.", KEY
            )
    from ember.core import gather

    check = partial(_validate.validate, timeout=timeout or _validate.TIMEOUT)
    with _say.waiting("asking the providers"):
        verdicts = gather([partial(check, name) for name in names])
    if as_json:
        _show.as_json([_plain(verdict) for verdict in verdicts])
    else:
        _show.table(
            ("PROVIDER", "RESULT", "TIME", "MODELS", "KEY", "FROM", "BASE URL"),
            [
                (
                    one.provider,
                    one.outcome,
                    f"{one.seconds * 1e3:.0f} ms" if one.seconds else "",
                    str(len(one.models)) if one.models else "",
                    "" if one.key is None else str(one.key),
                    one.key_source,
                    one.base_url,
                )
                for one in verdicts
            ],
        )
        for one in verdicts:
            if one.message:
                _say.note(f"{one.provider}: {one.message}")
    # A key to be mended goes before a server that may be back in a minute.
    codes = [one.code for one in verdicts if one.code != OK]
    if codes:
        raise click.exceptions.Exit(min(codes))


def _is_set_up(facade: Any, name: str) -> bool:
    from ember.core.errors import PluginError

    try:
        about = facade.about_provider(name)
    except PluginError as error:
        _say.warn(str(error))
        return False
    return _providers.is_set_up(about)


def _plain(verdict: Any) -> dict[str, object]:
    fields: dict[str, object] = {**verdict._asdict(), "models": len(verdict.models)}
    fields["milliseconds"] = round(float(verdict.seconds) * 1e3)
    del fields["seconds"]
    return fields


def _call(model: str, timeout: float, as_json: bool) -> None:
    models = api("models")
    begun = time.monotonic()
    try:
        with _say.waiting(f"asking {model}"):
            answer = models(model, _PROMPT, max_tokens=64, timeout=timeout)
    except Exception as error:
        if as_json:
            told = {
                "model": model,
                "ok": False,
                "error": type(error).__name__,
                "message": _say.redacted(str(error)),
            }
            _show.as_json({**told, "milliseconds": round((time.monotonic() - begun) * 1e3)})
            raise click.exceptions.Exit(code_of(error)) from error
        raise
    found = {
        "model": f"{answer.provider}/{answer.model}",
        "ok": True,
        "answer": str(answer),
        "input_tokens": answer.usage.input_tokens,
        "output_tokens": answer.usage.output_tokens,
        "cost_usd": None if answer.cost is None else f"{answer.cost:f}",
        "milliseconds": round(answer.latency * 1e3),
    }
    if as_json:
        _show.as_json(found)
        return
    tokens = f"{_count(answer.usage.input_tokens)} tokens in, {_count(answer.usage.output_tokens)} out"
    cost = "cost not known" if answer.cost is None else f"{answer.cost:f} USD"
    _show.line(
        f"{found['model']} answered {' '.join(str(answer).split())!r}: {tokens}, {cost}, {found['milliseconds']} ms"
    )


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else str(tokens)
