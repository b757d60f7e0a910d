"""A run told in words."""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from decimal import Decimal

from ._ir import Graph, Spent, Wait, spent

_MOST: int = 12
_WIDTH: int = 100


def story(graph: Graph) -> str:
    """Return what a run did and what decided how long it took."""
    lines = [headline(graph)]
    path = graph.critical_path
    if graph.error is not None:
        lines.append(f"It ended with {graph.error}.")
    if graph.calls:
        lines += ["", f"Critical path, {seconds(path.seconds)}:"]
        lines += [f"  {step}" for step in path_steps(graph)]
        lines += ["", "Calls:"]
        lines += [f"  {_spent(one)}" for one in graph.spent()[:_MOST]]
    kept, needed = waits(graph)
    if kept:
        saved = path.seconds - graph.data_path.seconds
        gain = (
            f" Without it the critical path would be {seconds(graph.data_path.seconds)}."
            if saved > 0.001
            else ""
        )
        lines += ["", f"Kept in order, and calls waited for it.{gain}"]
        for one in kept[:_MOST]:
            lines += one.lines()
        if len(kept) > _MOST:
            lines.append(f"  and at {len(kept) - _MOST} more places")
    if needed:
        lines += ["", "Calls that had to wait for an answer:"]
        for one in needed[:_MOST]:
            lines += one.lines()
        if len(needed) > _MOST:
            lines.append(f"  and at {len(needed) - _MOST} more places")
    if graph.calls and not kept:
        lines += ["", "No call waited for an effect."]
    if graph.plain:
        lines += ["", "Run as it is, one call after the other:"]
        lines += [f"  {name}: {reason}" for name, reason in graph.plain]
    return "\n".join(lines)


def headline(graph: Graph) -> str:
    """Return the run in one line."""
    if not graph.calls:
        return f"{graph.function}: no external call, {seconds(graph.seconds)}"
    many = "1 call" if len(graph.calls) == 1 else f"{len(graph.calls):,} calls"
    text = f"{graph.function}: {many}, {graph.achieved:.1f} times as fast as one after the other"
    text += (
        f" ({seconds(graph.seconds)} for {seconds(graph.work)} of calls), {graph.possible:.1f} times possible"
    )
    if graph.limit is not None:
        text += f", at most {graph.limit} at once"
    return text


def report(runs: Sequence[Graph], outside: int) -> str:
    """Return several runs in words."""
    parts = [story(run) for run in runs[:_MOST]]
    if not runs:
        parts.append("No jitted function ran.")
    if len(runs) > _MOST:
        parts.append(f"And {len(runs) - _MOST} more runs.")
    if len(runs) > 1:
        lines = [
            "All runs together:",
            *(f"  {_spent(one)}" for one in spent(c for run in runs for c in run.calls)[:_MOST]),
        ]
        parts.append("\n".join(lines))
    if outside:
        parts.append(f"{outside} external calls were made by code that is not under jit.")
    return "\n\n".join(parts)


def path_steps(graph: Graph) -> list[str]:
    """Return the critical path, calls in a row from one place folded into one line."""
    steps: list[tuple[str, int, float]] = []
    for call in graph.critical_path.calls:
        name = f"{call.label}  {call.site}" if call.site is not None else call.label
        if steps and steps[-1][0] == name:
            steps[-1] = (name, steps[-1][1] + 1, steps[-1][2] + call.seconds)
        else:
            steps.append((name, 1, call.seconds))
    shown = [f"{seconds(time):>8}  {name}{f'  ×{count}' if count > 1 else ''}" for name, count, time in steps]
    if len(shown) > 2 * _MOST:
        shown = [*shown[:_MOST], f"{'':8}  … {len(shown) - 2 * _MOST} more steps …", *shown[-_MOST:]]
    return shown


class Place:
    """Waits of one place for the same reason, as one."""

    def __init__(self, wait: Wait) -> None:
        self.wait, self.times, self.held, self.seconds = wait, 0, 0, 0.0

    @property
    def where(self) -> str:
        """File, line and function."""
        return str(self.wait.site) if self.wait.site is not None else "the program"

    @property
    def source(self) -> str:
        """The line of source, as far as it can be read."""
        site = self.wait.site
        return "" if site is None else linecache.getline(site.file, site.line).strip()[:_WIDTH]

    @property
    def reason(self) -> str:
        """Construct and value, in words."""
        wait = self.wait
        if wait.kind == "order":
            return f"{wait.construct}: it comes after {wait.value}"
        return f"{wait.construct}: it needs {wait.value}"

    @property
    def effect(self) -> str:
        """How long, how often, how many calls it held up."""
        often = f", {self.times} times" if self.times > 1 else ""
        many = "1 call" if self.held == 1 else f"{self.held:,} calls"
        return f"held up {many} until {seconds(self.wait.ended)}{often}"

    def lines(self) -> list[str]:
        """The place, in lines of text."""
        found = [f"  {self.where}   {self.source}", f"    {self.reason}; {self.effect}"]
        if self.wait.advice:
            found.append(f"    → {self.wait.advice}")
        return found


def waits(graph: Graph) -> tuple[list[Place], list[Place]]:
    """Return the places that held calls up: those where an order was kept, and those where an answer was needed."""
    found: dict[tuple[object, ...], Place] = {}
    for wait, held in graph.forced():
        place = found.setdefault((wait.site, wait.kind, wait.construct), Place(wait))
        place.times += 1
        place.held += held
        place.seconds = max(place.seconds, wait.seconds)
    places = sorted(found.values(), key=lambda one: -one.seconds)
    return [one for one in places if one.wait.kind == "order"], [
        one for one in places if one.wait.kind != "order"
    ]


def _spent(one: Spent) -> str:
    text = f"{one.name}: {one.calls:,} × {seconds(one.seconds / one.calls)}"
    if one.input_tokens or one.output_tokens:
        text += f", {one.input_tokens:,} tokens in, {one.output_tokens:,} out"
    if one.cost or (one.unpriced and one.unpriced < one.calls):
        text += f", {dollars(one.cost)}"
    if one.unpriced:
        text += f", {one.unpriced:,} of unknown price"
    return text


def dollars(amount: Decimal) -> str:
    """Return an amount as people write it: two decimals, or two digits that say something."""
    if not amount:
        return "$0"
    return (
        f"${amount:,.2f}"
        if amount >= Decimal("0.1")
        else f"${float(amount):.2g}"
        if amount > Decimal("0.0001")
        else f"${amount:.7f}"
    )


def seconds(time: float) -> str:
    """Return a time as people write it."""
    return (
        f"{time * 1000:.1f} ms"
        if time < 0.01
        else f"{time * 1000:.0f} ms"
        if time < 0.9995
        else f"{time:.2f} s"
    )
