"""What tokens cost, in US dollars, by the prices in genai-prices. None where it does not know; never a guess."""

from __future__ import annotations

import os
import threading
import time
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

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
    minute = int(time.time() // 60)
    for model in models:
        try:
            rates = _rates(provider.prices, model, minute)
            return _calculated(provider.prices, model, usage) if rates is None else rates.cost(usage)
        except LookupError:
            continue
        except (ValueError, ArithmeticError):  # counts that contradict each other: more cached than sent, say
            return None
    return None


class _Rates(NamedTuple):
    """US dollars per token. A cached or written token replaces an ordinary input token."""

    input: Decimal
    output: Decimal
    cached: Decimal
    written: Decimal

    def cost(self, usage: Usage) -> Decimal:
        cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens or 0
        plain = (usage.input_tokens or 0) - cached - written
        if plain < 0:
            raise ValueError("more tokens are counted as cached than were sent")
        output = usage.output_tokens or 0
        return self.input * plain + self.cached * cached + self.written * written + self.output * output


_MILLION: Final = 1_000_000


@lru_cache(maxsize=1024)
def _rates(provider: str, model: str, minute: int) -> _Rates | None:
    """Return the rates of `model`, or None if its price is no sum of them. Raises LookupError if there is no price.

    genai-prices takes 55 us a call to work out a price from its rules, more than it takes to send a request; where the
    rules come to one rate per kind of token, they are asked once a minute (some prices have hours).
    """
    price = _calculation(provider, model, Usage(_MILLION, 0)).model_price
    tiered = any(hasattr(getattr(price, name), "tiers") for name in dir(price) if name.endswith("_mtok"))
    if tiered or _calculated(provider, model, Usage(0, 0)):  # or a fee per request
        return None
    return _Rates(
        _calculated(provider, model, Usage(_MILLION, 0)) / _MILLION,
        _calculated(provider, model, Usage(0, _MILLION)) / _MILLION,
        _calculated(provider, model, Usage(_MILLION, 0, cached_input_tokens=_MILLION)) / _MILLION,
        _calculated(provider, model, Usage(_MILLION, 0, cache_write_tokens=_MILLION)) / _MILLION,
    )


def _calculated(provider: str, model: str, usage: Usage) -> Decimal:
    return Decimal(_calculation(provider, model, usage).total_price)


def _calculation(provider: str, model: str, usage: Usage) -> Any:
    prices = _prices()
    counted = prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_input_tokens or None,
        cache_write_tokens=usage.cache_write_tokens or None,
    )
    return prices.calc_price(counted, model, provider_id=provider)


@cache
def _prices() -> Any:
    import genai_prices

    return genai_prices


_warming: threading.Thread | None = None


def warm() -> None:
    """Begin to load the prices on a thread, once: half a second of CPU, while the first answer is awaited."""
    global _warming
    if _warming is None:
        _warming = threading.Thread(target=_prices, name="ember-prices", daemon=True)
        _warming.start()


def _before_fork() -> None:
    # A child that is forked in the middle of an import finds the module's lock taken by a thread it does not have, and
    # waits for it for ever.
    if _warming is not None and _warming.is_alive():
        _warming.join(timeout=10.0)


os.register_at_fork(before=_before_fork)
