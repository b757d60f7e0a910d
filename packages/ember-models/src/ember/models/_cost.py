"""What tokens cost, in US dollars, from the prices that genai-prices keeps. None where it does not know; never a guess."""

from __future__ import annotations

import threading
from decimal import Decimal
from functools import cache
from typing import Any

from ember.core.events import Usage

from ._provider import BaseProvider


def cost(provider: BaseProvider, models: tuple[str, ...], usage: Usage) -> Decimal | None:
    """Return what `usage` costs at `provider`, by the first of `models` (as answered, as asked for) that has a price.

    None if the price or a token count is not known; 0 only where a provider says it is free of charge.
    """
    if provider.free:
        return Decimal(0)
    if provider.prices is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    prices = _prices()
    counted = prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_input_tokens or None,
        cache_write_tokens=usage.cache_write_tokens or None,
    )
    for model in models:
        try:
            total = prices.calc_price(counted, model, provider_id=provider.prices).total_price
        except LookupError:
            continue
        return Decimal(total)
    return None


@cache
def _prices() -> Any:
    import genai_prices

    return genai_prices


_warming = threading.Event()


def warm() -> None:
    """Begin to load the prices on a thread, once: half a second of CPU better spent while the first answer is awaited."""
    if not _warming.is_set():
        _warming.set()
        threading.Thread(target=_prices, name="ember-prices", daemon=True).start()
