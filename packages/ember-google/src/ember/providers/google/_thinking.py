"""How much Gemini is to think: a level, or as earlier models want it, a budget of tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ember.models import Call, errors

# Up to generation 2.5 models think within a budget. The numbers are those that Google's own server of OpenAI's format
# takes for these words: https://ai.google.dev/gemini-api/docs/openai#thinking
_BY_BUDGET: Final = re.compile(r"(?:models/)?gemini-[12]\b.*")
_BUDGETS: Final[Mapping[str, int]] = {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576}
_LEVELS: Final = ("minimal", "low", "medium", "high", "xhigh")


def thinking_config(call: Call) -> dict[str, Any] | None:
    """Return the request's `thinkingConfig`.

    >>> thinking_config(Call("gemini-3.5-flash", (), reasoning="low"))
    {'includeThoughts': True, 'thinkingLevel': 'LOW'}
    >>> thinking_config(Call("gemini-2.5-flash", (), reasoning="low"))
    {'includeThoughts': True, 'thinkingBudget': 1024}
    """
    asked = call.reasoning
    if asked is None:
        return None
    if asked in ("none", 0):
        return {"thinkingBudget": 0}
    if isinstance(asked, int):
        return {"includeThoughts": True, "thinkingBudget": asked}
    budgeted = _BY_BUDGET.fullmatch(call.model) is not None
    known = tuple(_BUDGETS) if budgeted else _LEVELS
    if asked not in known:
        raise errors.UnsupportedError(
            f'{call.model} has no reasoning={asked!r}; it has "none", {", ".join(map(repr, known))} and a number of '
            "tokens.",
            provider="google",
            model=call.model,
        )
    if budgeted:
        return {"includeThoughts": True, "thinkingBudget": _BUDGETS[asked]}
    return {"includeThoughts": True, "thinkingLevel": asked.upper()}
