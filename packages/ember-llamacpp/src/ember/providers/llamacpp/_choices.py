"""Choosing by probability: how likely the model is to give each label as its answer.

A small model made to write down a label is hardly better than a coin; asked how likely each label is, it is right most
of the time. A label's score is the sum of the log probabilities of all its tokens, each given the prompt and the tokens
before it, and of the answer ending there: so "New" does not win over "New York" by being its beginning. The
probabilities are the scores' softmax, that is: given that the answer is one of the labels, the chance of each. They are
not corrected for length: a long label is one that the model is less likely to say.

Where the label goes depends on how the prompt ends. After a colon ("Review: ... Sentiment:") the label is the next
word of that very text, as on a form, without the chat template: that is where examples in the prompt help. Otherwise
it is the assistant's whole answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from ._model import BATCH, Loaded

# Far above any logit: the sampler then has one token to take. Reported probabilities are those before this is added.
_FORCED: Final = 1e6
# How many of the likeliest tokens to look at for the other ways to end a line.
_LIKELIEST: Final = 50


class Refused(Exception):
    """llama.cpp answered with an error."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        error: Any = body.get("error")
        fields: Mapping[str, Any] = cast("Mapping[str, Any]", error) if isinstance(error, dict) else {}
        self.message = str(fields.get("message") or "llama.cpp reported an error")
        code = fields.get("code")
        self.status = code if isinstance(code, int) and 400 <= code <= 599 else 500
        self.body = body
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class Scores:
    """The result: probabilities in the order of the labels, and the tokens it took."""

    probabilities: Mapping[str, float]
    prompt_tokens: int
    scored_tokens: int

    @property
    def best(self) -> str:
        return max(self.probabilities, key=self.probabilities.__getitem__)


def score(
    loaded: Loaded, messages: Sequence[Mapping[str, str]], labels: Sequence[str], given_up: Callable[[], bool]
) -> Scores | None:
    """Score every label; None if `given_up` on the way. Raises `Refused`."""
    form = _form(messages)
    if form is not None:
        prompt = _tokens(loaded, form, special=True, parsed=False)
        sequences = [_tokens(loaded, f" {label}") for label in labels]
    else:
        rendered = _answered(loaded.ask("/apply-template", {"messages": list(messages)}))["prompt"]
        prompt = _tokens(loaded, rendered, special=True, parsed=True)
        sequences = [_tokens(loaded, label) for label in labels]
    scorer = _Scorer(loaded, prompt, given_up)
    if not scorer.prepared():
        return None
    sums: list[float] = []
    for sequence in sequences:
        total = 0.0
        for place, token in enumerate(sequence):
            if given_up():
                return None
            total += scorer.next_is(tuple(sequence[:place]), token)
        sums.append(total + scorer.ends(tuple(sequence), at_newline=form is not None))
    highest = max(sums)
    weights = [math.exp(value - highest) for value in sums]
    whole = sum(weights)
    probabilities = {label: weight / whole for label, weight in zip(labels, weights, strict=True)}
    return Scores(probabilities, len(prompt), scorer.steps)


def _form(messages: Sequence[Mapping[str, str]]) -> str | None:
    """Return the conversation as one text to be continued, if its end asks for that."""
    if not messages[-1]["content"].rstrip().endswith(":"):
        return None
    text = ""
    for message in messages:
        # An answer stands on its question's line, as the label will on the last one's.
        joint = " " if message["role"] == "assistant" and text.endswith(":") else "\n\n"
        text += (joint if text else "") + message["content"].strip()
    return text


def _tokens(loaded: Loaded, text: str, *, special: bool = False, parsed: bool = False) -> list[int]:
    """Return the tokens of `text`. `parsed`: what looks like a control token is one, as in a rendered template."""
    asked = {"content": text, "add_special": special, "parse_special": parsed}
    return cast("list[int]", _answered(loaded.ask("/tokenize", asked))["tokens"])


def _answered(body: Any) -> Mapping[str, Any]:
    if "error" in body:
        raise Refused(body)
    return cast("Mapping[str, Any]", body)


class _Scorer:
    """Asks for the probability of one token at a time; llama.cpp has what stands before it in its cache."""

    def __init__(self, loaded: Loaded, prompt: list[int], given_up: Callable[[], bool]) -> None:
        self._loaded, self._prompt, self._given_up = loaded, prompt, given_up
        self._known: dict[tuple[tuple[int, ...], int], float] = {}
        self.steps = 0

    def prepared(self) -> bool:
        """Have a long prompt computed, in steps between which the caller may leave; whether it is still there."""
        if len(self._prompt) > BATCH:
            self._complete((), {"stream": True, "return_progress": True})
        return not self._given_up()

    def next_is(self, before: tuple[int, ...], token: int) -> float:
        """Return the log probability that `token` comes after the prompt and `before`."""
        if (before, token) not in self._known:
            self.steps += 1
            found = self._complete(before, {"logprobs": 1, "logit_bias": [[token, _FORCED]]})
            # A token that is part of a character is not reported when it comes alone; the list of all tokens has it.
            self._known[before, token] = (
                found["logprob"] if found is not None else self._among_all(before, token)
            )
        return self._known[before, token]

    def ends(self, before: tuple[int, ...], *, at_newline: bool) -> float:
        """Return the log probability that it ends there: by the likeliest end token, or on a form by a new line."""
        self.steps += 1
        found = self._complete(before, {"logprobs": _LIKELIEST, "grammar": 'root ::= ""'})
        if found is None:
            raise Refused(
                {"error": {"message": "llama.cpp reported no probability for the end of an answer"}}
            )
        ways = [found["logprob"]]
        if at_newline:
            # Each way of ending is small; those not among the likeliest tokens would not change the sum.
            tops = cast("list[Mapping[str, Any]]", found["top_logprobs"])
            ways += [top["logprob"] for top in tops if top["bytes"][:1] == [10] and top["id"] != found["id"]]
        return math.log(math.fsum(map(math.exp, ways)))

    def _among_all(self, before: tuple[int, ...], token: int) -> float:
        found = self._complete(before, {"logprobs": 10_000_000, "grammar": 'root ::= ""'})
        for top in found["top_logprobs"] if found is not None else ():
            if top["id"] == token:
                return float(top["logprob"])
        return -math.inf

    def _complete(self, before: tuple[int, ...], settings: dict[str, Any]) -> Mapping[str, Any] | None:
        """Generate one token; return what llama.cpp reports about it."""
        seen: list[Any] = []

        def take(body: Any) -> bool:
            seen.append(body)
            return self._given_up()

        asked = {"prompt": [*self._prompt, *before], "max_tokens": 1, "temperature": 0, **settings}
        self._loaded.native.handle_completions(asked, take)
        if not seen or "stream" in settings:
            return None
        logprobs = _answered(seen[-1])["choices"][0]["logprobs"]
        return logprobs["content"][0] if logprobs and logprobs["content"] else None
