"""How much Claude is to think: an effort, or as earlier models want it, a budget of tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ember.models import Call, errors

_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
# Up to the generation of 4.5, models think within a budget only. All of these are within the limit of an answer that
# has none of its own, which they are a part of.
_BY_BUDGET: Final = re.compile(r"claude-(?:\d.*|[a-z]+-4(?:-[015])?(?:-\d{8})?)")
_BUDGETS: Final[Mapping[str, int]] = {"low": 1_024, "medium": 4_096, "high": 8_192}


def thinking_fields(call: Call) -> tuple[dict[str, Any] | None, str | None]:
    """Return the request's `thinking`, and the effort that goes into its `output_config`.

    >>> thinking_fields(Call("claude-opus-5", (), reasoning="high"))
    ({'type': 'adaptive', 'display': 'summarized'}, 'high')
    >>> thinking_fields(Call("claude-haiku-4-5", (), reasoning="high"))
    ({'type': 'enabled', 'budget_tokens': 8192}, None)
    """
    asked = call.reasoning
    if asked is None:
        return None, None
    if asked in ("none", 0):
        return {"type": "disabled"}, None
    if isinstance(asked, int):
        return {"type": "enabled", "budget_tokens": asked}, None
    budgeted = _BY_BUDGET.fullmatch(call.model) is not None
    known = tuple(_BUDGETS) if budgeted else _EFFORTS
    if asked not in known:
        raise errors.UnsupportedError(
            f'{call.model} has no reasoning={asked!r}; it has "none", {", ".join(map(repr, known))} and a number of '
            "tokens.",
            provider="anthropic",
            model=call.model,
        )
    if budgeted:
        return {"type": "enabled", "budget_tokens": _BUDGETS[asked]}, None
    # Without this the newest models think in silence.
    return {"type": "adaptive", "display": "summarized"}, asked
