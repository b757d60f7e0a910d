"""`ember models show MODEL`."""

from __future__ import annotations

import click

from .. import _show
from .._group import command
from .._siblings import api
from ._names import complete_model


@command(
    examples="""
        ember models show gpt-4o
        ember models show anthropic/claude-haiku-4-5 --json
    """
)
@click.argument("model", shell_complete=complete_model)
@click.option("--json", "as_json", is_flag=True, help="Print one object.")
def show(model: str, as_json: bool) -> None:
    """Say who serves MODEL, what that provider can do, what it costs, and with which key it would be asked."""
    models = api("models")
    about = models.about(model)
    provider = models.about_provider(about.provider)
    key = provider.key
    found = {
        "id": f"{about.provider}/{about.model}",
        "provider": about.provider,
        "known": about.known,
        "input_usd_per_million_tokens": _money(about.input_price),
        "output_usd_per_million_tokens": _money(about.output_price),
        "supports": sorted(about.supports),
        "base_url": provider.base_url,
        "base_url_source": provider.base_url_source or "built in",
        "key": None if key is None else key.secret,
        "key_source": None if key is None else key.source,
        "problem": provider.problem or None,
    }
    if as_json:
        _show.as_json(found)
        return
    shown = {
        "model": found["id"],
        "known by name": "yes" if about.known else "no: whether there is one, the provider knows",
        "input": _price(about.input_price),
        "output": _price(about.output_price),
        "supports": ", ".join(sorted(about.supports)) or "-",
        "base url": f"{provider.base_url} ({provider.base_url_source or 'built in'})",
        "key": f"{key.secret} ({key.source})" if key else "missing" if provider.needs_key else "not needed",
        "problem": provider.problem,
    }
    width = max(map(len, shown))
    for name, value in shown.items():
        if value:
            _show.line(f"{name.ljust(width)}  {value}")


def _money(price: object) -> str | None:
    return None if price is None else f"{price:f}".rstrip("0").rstrip(".") or "0"


def _price(price: object) -> str:
    return "not known" if price is None else f"{_money(price)} USD per million tokens"
