"""What came of an evaluation: items, means with their intervals, a table and a page."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from os import PathLike
from pathlib import Path
from statistics import quantiles
from typing import Any

from ._interval import Difference, Interval, difference, interval


@dataclass(frozen=True)
class Item:
    """One item of a data set: its `question` as a mapping, the `answer`, `scores` by metric, and what it took.

    `error` is None, or what the call or a metric raised: then there are no scores. `seconds` is the call's duration,
    `cost` in US dollars without that of `unpriced` calls.
    """

    index: int
    question: Mapping[str, Any]
    answer: Any
    scores: Mapping[str, float]
    error: str | None
    seconds: float
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0

    def row(self) -> dict[str, Any]:
        """Return what of this is written to a file: all but the question."""
        named = ("answer", "scores", "error", "seconds", "calls", "input_tokens", "output_tokens", "unpriced")
        return {**{name: getattr(self, name) for name in named}, "cost": str(self.cost)}

    @classmethod
    def read(cls, index: int, question: Mapping[str, Any], row: Mapping[str, Any]) -> Item:
        """Return what `row` was written of."""
        kept = {name: value for name, value in row.items() if name not in ("item", "cost")}
        return cls(index, question, cost=Decimal(row["cost"]), **kept)


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found: every `item` in order, and what they come to. Printed, it is a table.

    `cost` is in US dollars, without the calls whose price is not known (`unpriced`).
    """

    name: str
    items: tuple[Item, ...]
    confidence: float = 0.95

    @cached_property
    def metrics(self) -> dict[str, Interval]:
        """The mean of each metric over the items without an error, with its confidence interval."""
        names = dict.fromkeys(name for item in self.items for name in item.scores)
        return {name: interval([*self.scores(name).values()], self.confidence) for name in names}

    def scores(self, metric: str) -> dict[int, float]:
        """Return the scores by `metric`, by the items' index."""
        return {item.index: item.scores[metric] for item in self.items if metric in item.scores}

    @property
    def errors(self) -> int:
        """How many items have no score."""
        return sum(item.error is not None for item in self.items)

    @property
    def cost(self) -> Decimal:
        """What all calls cost, in US dollars, as far as that is known."""
        return sum((item.cost for item in self.items), Decimal(0))

    @property
    def unpriced(self) -> int:
        """How many calls there were whose price is not known."""
        return sum(item.unpriced for item in self.items)

    def latency(self, share: float = 0.5) -> float:
        """Return the seconds within which that share of the items was answered."""
        taken = sorted(item.seconds for item in self.items)
        if not taken:
            return float("nan")
        if len(taken) == 1:
            return taken[0]
        return quantiles(taken, n=100, method="inclusive")[min(98, max(0, round(share * 100) - 1))]

    def compare(self, other: Evaluation, metric: str | None = None) -> Difference:
        """Return how much better this is than `other`, over the items both have scores for.

        Both must be of the same data set in the same order. Without `metric`, it is by the first.
        """
        name = metric or next(iter(self.metrics))
        mine, theirs = self.scores(name), other.scores(name)
        shared = [index for index in mine if index in theirs]
        for index in shared:
            if self.items[index].question != other.items[index].question:
                raise ValueError(
                    f"Item {index} is another question there: only evaluations of the same items compare."
                )
        return difference([mine[i] for i in shared], [theirs[i] for i in shared], self.confidence)

    def __str__(self) -> str:
        rows = [(name, str(found)) for name, found in self.metrics.items()]
        rows += self._facts()
        width = max(len(name) for name, _ in rows)
        title = f"{self.name}, {len(self.items)} items"
        return "\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in rows)])

    def _facts(self) -> list[tuple[str, str]]:
        calls = sum(item.calls for item in self.items)
        tokens = sum(item.input_tokens for item in self.items), sum(item.output_tokens for item in self.items)
        unpriced = f" and {self.unpriced} calls of unknown price" if self.unpriced else ""
        return [
            ("errors", str(self.errors)),
            ("latency", f"{self.latency():.3g} s, 95 % within {self.latency(0.95):.3g} s"),
            ("calls", f"{calls}, {tokens[0]:,} + {tokens[1]:,} tokens"),
            ("cost", f"${self.cost:f}{unpriced}"),
        ]

    def save(self, path: str | PathLike[str]) -> Path:
        """Write a page to `path` that needs nothing else: no script, no style sheet, no network."""
        target = Path(path)
        target.write_text(self._page(), encoding="utf-8")
        return target

    def _repr_html_(self) -> str:
        return self._page()

    def _page(self) -> str:
        bars = "".join(map(_bar, self.metrics.items()))
        facts = "".join(f"<tr><th>{_text(n)}<td>{_text(v)}" for n, v in self._facts())
        names = "".join(f"<th>{_text(name)}" for name in self.metrics)
        rows = "".join(_row(item, list(self.metrics)) for item in self.items)
        shown = f"{self.confidence:.0%} intervals"
        return (
            f"<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'>"
            f"<title>{_text(self.name)}</title><style>{_STYLE}</style>"
            f"<h1>{_text(self.name)}</h1><p>{len(self.items)} items, {shown}</p><table>{bars}{facts}</table>"
            f"<table class=items><thead><tr><th>#<th>item<th>answered{names}<th>s<tbody>{rows}</table>"
        )


_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}"
    ".items{width:100%}.items tr{border-top:1px solid #8884}"
    ".items td{max-width:28rem;overflow-wrap:anywhere;white-space:pre-wrap}.items td.n{white-space:nowrap}"
    ".items td b{font-weight:normal;opacity:.65}"
    # On a phone an item is a block, and its columns are lines with their names before them.
    "@media(max-width:45rem){.items thead{display:none}.items tr,.items td{display:block}.items tr{padding:.5rem 0}"
    ".items td{padding:.1rem 0}.items td[title]::before{content:attr(title) ' ';opacity:.65}}"
    ".error{color:#c33;color:light-dark(#b3261e,#ff8a80)}.bar{position:relative;width:16rem;height:.9rem;background:#8883;display:inline-block}"
    ".bar i{position:absolute;top:0;bottom:0;background:#48f8}"
    ".bar b{position:absolute;top:0;bottom:0;width:2px;background:#48f}"
)


def _bar(named: tuple[str, Interval]) -> str:
    name, found = named
    bar = ""
    if found.low >= 0 and found.high <= 1:
        left, width, mean = found.low * 100, (found.high - found.low) * 100, found.mean * 100
        bar = (
            f"<span class=bar><i style='left:{left:.1f}%;width:{width:.1f}%'></i>"
            f"<b style='left:{mean:.1f}%'></b></span> "
        )
    return f"<tr><th>{_text(name)}<td>{bar}{_text(str(found))}"


def _row(item: Item, names: list[str]) -> str:
    fields = dict(item.question).items()
    question = "\n".join(f"<b>{_text(str(name))}</b> {_text(_shown(value))}" for name, value in fields)
    answer = f"<span class=error>{_text(item.error)}</span>" if item.error else _text(str(item.answer))
    scores = "".join(
        f"<td class=n title='{_text(name)}'>{f'{item.scores[name]:.3g}' if name in item.scores else '–'}"
        for name in names
    )
    return (
        f"<tr><td class=n title='#'>{item.index}<td>{question}<td title=answered>{answer}{scores}"
        f"<td class=n title=s>{item.seconds:.2f}"
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _text(text: str) -> str:
    return html.escape(text)
