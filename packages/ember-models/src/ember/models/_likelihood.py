"""How likely tokens were, and what that says about labels.

A model is asked for a label by a key of one letter, since most labels are several tokens, and a server tells only of
the likeliest tokens at each place of the answer that it gave. At the one place where the letter stands, they are the
whole distribution: the probability of each label is that of its letter, given that the answer is one of them (J.
Robinson and D. Wingate, "Leveraging Large Language Models for Multiple Choice Question Answering", ICLR 2023).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ._call import Call

KEYS: Final = "ABCDEFGHIJKLMNOPQRST"
"""The keys of labels. Servers tell of 20 tokens at a place: of more labels, some could not be among them."""

_BEFORE: Final = re.compile(r'"choice"\s*:\s*"')


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of an answer and the natural logarithm of its probability.

    `top` are the likeliest tokens at its place, as many as were asked for, itself mostly among them.
    """

    token: str
    logprob: float
    top: tuple[TokenLogprob, ...] = ()


def key_of(call: Call, said: str) -> str | None:
    """Return the label whose key is `said`, None if it is no key."""
    place = KEYS.find(said) if len(said) == 1 else -1
    return call.choices[place] if 0 <= place < len(call.choices) else None


def instruction(choices: tuple[str, ...]) -> str:
    """Return what tells a model of the choices and their keys.

    >>> instruction(("yes", "no"))
    'Answer with the letter of one of these choices.\\nA: yes\\nB: no'
    """
    listed = "".join(f"\n{key}: {label}" for key, label in zip(KEYS, choices, strict=False))
    return f"Answer with the letter of one of these choices.{listed}"


def probabilities(
    call: Call, text: str, tokens: tuple[TokenLogprob, ...] | None
) -> Mapping[str, float] | None:
    """Return the probability of each label of `call`, in their order and of sum 1; None if `tokens` do not tell.

    A label whose key is not among the likeliest tokens gets the most that it can have: no more than the least likely of
    those, and no more than its share of what they leave.
    """
    found = _place(text, tokens or ())
    if found is None:
        return None
    token, before = found
    listed = {each.token: math.exp(min(each.logprob, 0.0)) for each in (token, *token.top)}
    keys = KEYS[: len(call.choices)]
    known: dict[str, float] = {}
    for written, probability in listed.items():
        key = written.removeprefix(before).strip(' \t\n"}')
        if written.startswith(before) and key and key in keys:
            known[key] = known.get(key, 0.0) + probability
    missing = len(keys) - len(known)
    left = max(0.0, 1.0 - sum(listed.values()))
    most = min(min(listed.values()), left / missing) if missing else 0.0
    whole = sum(known.values()) + most * missing
    if not known or not whole:
        return None
    return {label: known.get(key, most) / whole for key, label in zip(keys, call.choices, strict=True)}


def _place(text: str, tokens: tuple[TokenLogprob, ...]) -> tuple[TokenLogprob, str] | None:
    """Return the token in which the key stands, and what of that token stands before the key."""
    label = _BEFORE.search(text)
    target = label.end() if label is not None else len(text) - len(text.lstrip())
    # Some servers tell of the tokens of the model's reasoning too, which come first.
    start = "".join(each.token for each in tokens).rfind(text)
    if start < 0 or not text.strip():
        return None
    target += start
    at = 0
    for each in tokens:
        if at <= target < at + len(each.token):
            return each, each.token[: target - at]
        at += len(each.token)
    return None
