"""A trace as one page that needs nothing else: no script, no request, everything escaped.

What it shows comes from the graphs; how it looks is in `_page.css`. Siblings are folded, so that it reads at a thousand
calls as it does at five.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from itertools import pairwise
from typing import Final

from ._drawing import drawing
from ._fold import Box, Folded, fold
from ._ir import Call, Graph, Spent, spent
from ._story import Place, dollars, seconds, waits

_MOST_RUNS: Final = 20
_MOST_ROWS: Final = 60
_MOST_BARS: Final = 8
_MOST_LISTED: Final = 200
_MOST_PLACES: Final = 20
_COLOURS: Final = 6
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page(runs: Sequence[Graph], outside: int) -> str:
    """Return the runs as an HTML document."""
    title = f"{runs[0].function}: trace" if runs else "Trace"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>body {{ margin: 0; }}\n{_style()}</style></head>"
        f"<body>{_body(runs, outside)}</body></html>\n"
    )


def fragment(runs: Sequence[Graph], outside: int) -> str:
    """Return the runs as HTML to stand in another page."""
    return f"<div><style>{_style()}</style>{_body(runs, outside)}</div>"


def _style() -> str:
    return files(__package__ or "ember.xcs").joinpath("_page.css").read_text("utf-8")


def _body(runs: Sequence[Graph], outside: int) -> str:
    parts = ['<main class="ember-trace">']
    if not runs:
        parts.append("<h1>Trace</h1><p>No jitted function ran.</p>")
    if len(runs) > 1:
        parts.append(_overview(runs))
    for number, run in enumerate(runs[:_MOST_RUNS]):
        inside = _run(run, "h1" if len(runs) == 1 else "h2")
        if len(runs) == 1:
            parts.append(f"<section>{inside}</section>")
        else:
            many = _many(len(run.calls), "call")
            shown = f"{number + 1}. {escape(run.function)} <small>{many}, {seconds(run.seconds)}</small>"
            parts.append(
                f'<details class="run"{" open" if not number else ""}><summary>{shown}</summary>{inside}</details>'
            )
    if len(runs) > _MOST_RUNS:
        parts.append(f"<p>And {len(runs) - _MOST_RUNS:,} more runs, which count in the sums above.</p>")
    if outside:
        parts.append(f"<p>{outside:,} external calls were made by code that is not under jit.</p>")
    parts.append("</main>")
    return "".join(parts)


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _overview(runs: Sequence[Graph]) -> str:
    calls = [call for run in runs for call in run.calls]
    tiles = [
        ("runs", f"{len(runs):,}", ""),
        ("external calls", f"{len(calls):,}", ""),
        _cost_tile(spent(calls)),
    ]
    return f"<header><h1>{len(runs):,} runs</h1></header>{_tiles(tiles)}<h2>Cost</h2>{_costs(spent(calls))}"


def _run(run: Graph, heading: str) -> str:
    folded = fold(run)
    colours = _colours(run)
    when = datetime.fromtimestamp(run.started).strftime("%Y-%m-%d %H:%M:%S")
    where = f" · {escape(str(run.site))}" if run.site is not None else ""
    limit = f" · at most {run.limit} calls at once" if run.limit is not None else ""
    parts = [
        f'<header><{heading}>{escape(run.function)}</{heading}><p class="quiet">{when}{where}{limit}</p></header>'
    ]
    if run.error is not None:
        parts.append(f'<p class="bad">It ended with {escape(run.error)}.</p>')
    path = run.critical_path
    parts.append(
        _tiles(
            [
                ("took", seconds(run.seconds), f"{seconds(run.work)} of calls"),
                ("external calls", f"{len(run.calls):,}", _outcomes(run.calls)),
                ("faster than in a row", f"{run.achieved:.1f}×", f"{run.possible:.1f}× possible"),
                (
                    "critical path",
                    seconds(path.seconds),
                    f"{_many(len(path.calls), 'call')} in a row",
                ),
                _cost_tile(run.spent()),
            ]
        )
    )
    if run.calls:
        parts += [
            _timeline(run, folded, colours),
            _held(run),
            _graph(folded, colours),
            "<h3>Cost</h3>",
            _costs(run.spent()),
        ]
        parts.append(_texts(run))
    if run.plain:
        items = "".join(
            f"<li><code>{escape(name)}</code>: {escape(reason)}</li>" for name, reason in run.plain
        )
        parts.append(f"<h3>Run as it is, one call after the other</h3><ul>{items}</ul>")
    return "".join(parts)


def _tiles(tiles: Sequence[tuple[str, str, str]]) -> str:
    made = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
        f"{f'<dd class=quiet>{escape(more)}</dd>' if more else ''}</div>"
        for name, value, more in tiles
    )
    return f'<dl class="tiles">{made}</dl>'


def _cost_tile(used: Sequence[Spent]) -> tuple[str, str, str]:
    total, unpriced = sum(one.cost for one in used), sum(one.unpriced for one in used)
    tokens = sum(one.input_tokens + one.output_tokens for one in used)
    more = f"{tokens:,} tokens" if tokens else ""
    if unpriced:
        more += f"{', ' if more else ''}{unpriced:,} calls of unknown price"
    return (
        "cost",
        dollars(sum((one.cost for one in used), start=type(total)(0)))
        if total
        else ("unknown" if unpriced else "$0"),
        more,
    )


def _outcomes(calls: Sequence[Call]) -> str:
    failed = sum(call.outcome == "failed" for call in calls)
    cancelled = sum(call.outcome == "cancelled" for call in calls)
    return ", ".join(
        f"{count:,} {what}" for count, what in ((failed, "failed"), (cancelled, "cancelled")) if count
    )


def _colours(run: Graph) -> dict[str, int]:
    """Return a colour's number for each name; the most used ones have their own, the others share the last."""
    counts: dict[str, float] = {}
    for call in run.calls:
        counts[call.label] = counts.get(call.label, 0.0) + call.seconds
    names = sorted(counts, key=lambda name: (-counts[name], name))
    return {name: min(place, _COLOURS - 1) for place, name in enumerate(names)}


# The timeline -------------------------------------------------------------------------------------------------------


def _timeline(run: Graph, folded: Folded, colours: dict[str, int]) -> str:
    whole = max([run.seconds, *(call.ended for call in run.calls)]) or 1.0
    critical = {call.index for call in run.critical_path.calls}
    names = "".join(
        f'<span class="key"><i class="c{place}"></i>{escape(name)}</span>'
        for name, place in list(colours.items())[:_COLOURS]
    )
    parts = [
        "<h3>Timeline</h3>",
        f'<p class="legend">{names}<span class="key"><i class="queue"></i>waits for its turn</span>'
        '<span class="key"><i class="edge"></i>critical path</span></p>',
        '<div class="time">',
        _row(
            "critical path",
            "",
            "".join(_bar(call, whole, colours, True) for call in run.critical_path.calls[:400]),
            "crit",
        ),
    ]
    boxes = sorted(folded.boxes, key=lambda box: (box.began, box.index))
    shown = sorted(
        sorted(boxes, key=lambda box: not box.critical)[:_MOST_ROWS], key=lambda box: (box.began, box.index)
    )
    for box in shown:
        parts.append(_rows(box, whole, colours, critical))
    if len(boxes) > len(shown):
        parts.append(f'<p class="quiet">and {len(boxes) - len(shown):,} more places</p>')
    ticks = "".join(f"<span>{seconds(whole * part / 4)}</span>" for part in range(5))
    parts.append(f'<div class="row"><div class="what"></div><div class="ticks">{ticks}</div></div></div>')
    return "".join(parts)


def _rows(box: Box, whole: float, colours: dict[str, int], critical: set[int]) -> str:
    name = escape(box.label)
    site = escape(str(box.site)) if box.site is not None else ""
    if len(box.calls) <= _MOST_BARS and _apart(box.calls):
        bars = "".join(_bar(call, whole, colours, call.index in critical) for call in box.calls)
        return _row(f"{name}{_times(box)}", site, bars, "")
    if len(box.calls) <= _MOST_BARS:
        bars = "".join(
            f'<div class="lane">{_bar(call, whole, colours, call.index in critical)}</div>'
            for call in box.calls
        )
        return _row(f"{name}{_times(box)}", site, bars, "lanes")
    most, shape = _density(box.calls, whole)
    fill = f"c{colours[box.label]}"
    text = f"{len(box.calls):,} calls, up to {most:,} at once, {seconds(box.median)} each"
    inside = (
        f'<svg class="{fill}" viewBox="0 0 1000 100" preserveAspectRatio="none" role="img">'
        f'<title>{escape(text)}</title><path d="{shape}"/></svg>'
    )
    listed = "".join(_item(call, whole, colours, call.index in critical) for call in box.calls[:_MOST_LISTED])
    more = len(box.calls) - _MOST_LISTED
    tail = f'<p class="quiet">and {more:,} more</p>' if more > 0 else ""
    fold_out = f'<details class="each"><summary>{escape(text)}</summary>{listed}{tail}</details>'
    return _row(f"{name}{_times(box)}", site, inside, "dense") + fold_out


def _item(call: Call, whole: float, colours: dict[str, int], critical: bool) -> str:
    bar = _bar(call, whole, colours, critical)
    return f'<div class="row one"><div class="what">#{call.index}</div><div class="track">{bar}</div></div>'


def _times(box: Box) -> str:
    return f" ×{len(box.calls):,}" if len(box.calls) > 1 else ""


def _apart(calls: Sequence[Call]) -> bool:
    """Whether no two of the calls overlap: then one line shows them all."""
    spans = sorted((call.ready, call.ended) for call in calls)
    return all(a[1] <= b[0] for a, b in pairwise(spans))


def _row(name: str, site: str, inside: str, kind: str) -> str:
    where = f"<small>{site}</small>" if site else ""
    what = f'<div class="what"><b>{name}</b>{where}</div>'
    return f'<div class="row {kind}">{what}<div class="track">{inside}</div></div>'


def _bar(call: Call, whole: float, colours: dict[str, int], critical: bool) -> str:
    began = call.ready if call.sent is None else call.sent
    left, width = began / whole * 100, max(call.ended - began, 0.0) / whole * 100
    kinds = [f"c{colours[call.label]}", call.outcome, *(["edge"] if critical else [])]
    told = (
        f"#{call.index} {call.label}, {seconds(call.seconds)}"
        if call.sent is not None
        else f"#{call.index} {call.label}, not sent"
    )
    if call.outcome != "answered":
        told += f", {call.error or call.outcome}"
    bar = f'<i class="bar {" ".join(kinds)}" style="left:{left:.2f}%;width:{width:.2f}%" title="{escape(told)}"></i>'
    queued = (began - call.ready) / whole * 100
    if queued > 0.2:
        bar = (
            f'<i class="bar queue" style="left:{call.ready / whole * 100:.2f}%;width:{queued:.2f}%"></i>{bar}'
        )
    return bar


def _density(calls: Sequence[Call], whole: float) -> tuple[int, str]:
    """Return how many calls were under way at most, and the outline of how many at which time (1000 by 100)."""
    steps = sorted(
        [(call.sent, 1) for call in calls if call.sent is not None]
        + [(call.ended, -1) for call in calls if call.sent is not None]
    )
    count = most = 0
    heights: list[int] = [0] * 501
    last = 0
    for time, change in steps:
        place = min(500, int(time / whole * 500))
        for one in range(last, place):
            heights[one] = max(heights[one], count)
        last = place
        count += change
        most = max(most, count)
        heights[place] = max(heights[place], count)
    points = ["M0 100"]
    height = 0
    for place, one in enumerate(heights):
        if one != height:
            points.append(f"H{place * 2}V{100 - one / (most or 1) * 100:.1f}")
            height = one
    return most, "".join([*points, "H1000V100Z"])


# What held it up, the graph, cost, texts ------------------------------------------------------------------------------


def _held(run: Graph) -> str:
    kept, needed = waits(run)
    parts: list[str] = []
    if kept:
        gain = run.critical_path.seconds - run.data_path.seconds
        told = (
            f" Without it the critical path would be {seconds(run.data_path.seconds)}."
            if gain > 0.001
            else ""
        )
        parts.append(f"<h3>Kept in order</h3><p>Calls waited for these effects.{told}</p>{_places(kept)}")
    else:
        parts.append("<h3>Kept in order</h3><p>Nothing: no call waited for an effect.</p>")
    if needed:
        parts.append(
            f'<details class="more"><summary>Waited for an answer, at {_many(len(needed), "place")}</summary>'
            f"{_places(needed)}</details>"
        )
    return "".join(parts)


def _places(places: Sequence[Place]) -> str:
    items = "".join(
        f"<li><b>{escape(one.where)}</b>{f'<pre>{escape(one.source)}</pre>' if one.source else ''}"
        f"<p>{escape(one.reason)}; {escape(one.effect)}.</p>"
        f"{f'<p class=tip>{escape(one.wait.advice)}</p>' if one.wait.advice else ''}</li>"
        for one in places[:_MOST_PLACES]
    )
    more = f"<li>and {len(places) - _MOST_PLACES:,} more places</li>" if len(places) > _MOST_PLACES else ""
    return f'<ol class="places">{items}{more}</ol>'


def _graph(folded: Folded, colours: dict[str, int]) -> str:
    return (
        '<h3>Graph</h3><p class="legend"><span class="key"><i class="line"></i>answer goes into</span>'
        '<span class="key"><i class="line decision"></i>decides</span>'
        '<span class="key"><i class="line order"></i>kept in order</span>'
        '<span class="key"><i class="edge"></i>critical path</span></p>'
        f'<div class="wide">{drawing(folded, colours)}</div>'
    )


def _costs(used: Sequence[Spent]) -> str:
    most = max((one.cost for one in used), default=0) or 0
    rows: list[str] = []
    for one in used[:_MOST_ROWS]:
        share = float(one.cost / most * 100) if most else 0.0
        price = (
            "unknown"
            if one.unpriced == one.calls
            else dollars(one.cost) + (f" + {one.unpriced:,} unknown" if one.unpriced else "")
        )
        if not one.cost and not one.unpriced:
            price = "–"
        tokens = (
            (f"{one.input_tokens:,}", f"{one.output_tokens:,}")
            if one.input_tokens or one.output_tokens
            else ("–", "–")
        )
        rows.append(
            f"<tr><th scope=row>{escape(one.name)}</th>"
            f'<td>{price}<i class="share" style="width:{share:.0f}%"></i></td><td>{one.calls:,}</td>'
            f"<td>{seconds(one.seconds / one.calls)}</td><td>{tokens[0]}</td><td>{tokens[1]}</td></tr>"
        )
    return (
        '<div class="wide"><table><thead><tr><th>called</th><th>cost</th><th>calls</th><th>each</th><th>tokens in</th>'
        f"<th>tokens out</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _texts(run: Graph) -> str:
    with_text = [call for call in run.calls if call.arguments is not None or call.answer is not None]
    if not with_text:
        return ""
    items = "".join(
        f"<details><summary>#{call.index} {escape(call.label)}</summary>"
        f"<h4>asked</h4><pre>{escape(call.arguments or '')}</pre>"
        f"<h4>answered</h4><pre>{escape(call.answer or call.error or call.outcome)}</pre></details>"
        for call in with_text[: 5 * _MOST_LISTED]
    )
    more = len(with_text) - 5 * _MOST_LISTED
    return (
        f"<h3>Arguments and answers</h3>{items}{f'<p class=quiet>and {more:,} more</p>' if more > 0 else ''}"
    )
