"""A first answer: the call that shows that setup worked."""

from __future__ import annotations

from typing import NamedTuple

from ._siblings import api

HELLO = "Say hello to somebody who has just set you up, in one short sentence."


class Answer(NamedTuple):
    """The answer's text, and what it took, in words."""

    text: str
    summary: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: str | None
    milliseconds: int


def first(model: str | None, prompt: str = HELLO, *, timeout: float = 60.0) -> Answer:
    """Call `model` (None: the default) once, for at most a few hundred tokens and `timeout` seconds."""
    said = api("models")(model, prompt, max_tokens=256, timeout=timeout)
    return Answer(
        str(said),
        summary(said),
        f"{said.provider}/{said.model}",
        said.usage.input_tokens,
        said.usage.output_tokens,
        None if said.cost is None else f"{said.cost:f}",
        round(said.latency * 1e3),
    )


def summary(said: object) -> str:
    """Return what an answer took: model, tokens, cost, time."""
    usage, cost, latency = (getattr(said, name) for name in ("usage", "cost", "latency"))
    counted = [
        f"{'?' if count is None else count} tokens {way}"
        for count, way in ((usage.input_tokens, "in"), (usage.output_tokens, "out"))
    ]
    price = "cost not known" if cost is None else f"{cost:f} USD"
    model = f"{getattr(said, 'provider', '')}/{getattr(said, 'model', '')}"
    return f"{model}, {', '.join(counted)}, {price}, {latency:.2f} s"
