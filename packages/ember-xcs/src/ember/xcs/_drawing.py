"""The folded graph as an SVG, from top to bottom: a box per place, layers by what comes after what."""

from __future__ import annotations

from html import escape
from typing import Final

from ._fold import Box, Folded
from ._story import seconds

_WIDE: Final = 220
_HIGH: Final = 56
_GAP: Final = 22
_DROP: Final = 46
_MOST: Final = 60
_LETTERS: Final = 25


def drawing(folded: Folded, colours: dict[str, int]) -> str:
    """Return the graph as an SVG whose colours and lines are the page's style."""
    shown = sorted(folded.boxes, key=lambda box: (not box.critical, box.layer, box.index))[:_MOST]
    kept = {box.index: box for box in shown}
    layers: dict[int, list[Box]] = {}
    for box in sorted(shown, key=lambda one: (one.layer, one.index)):
        layers.setdefault(box.layer, []).append(box)
    places = _places(layers, folded, kept)
    width = max((x for x, _ in places.values()), default=0.0) + _WIDE + 2
    height = max((y for _, y in places.values()), default=0.0) + _HIGH + 2
    parts = [
        f'<svg class="graph" role="img" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}">'
        f"<title>{escape(folded.graph.function)}: what led to what</title>"
    ]
    for (source, target), kind in folded.edges.items():
        if source in kept and target in kept:
            both = kept[source].critical and kept[target].critical
            parts.append(
                f'<path class="{kind}{" edge" if both else ""}" d="{_line(places[source], places[target])}"/>'
            )
    parts += [_box(box, places[box.index], colours) for box in shown]
    parts.append("</svg>")
    left = len(folded.boxes) - len(shown)
    if left > 0:
        parts.append(f'<p class="quiet">and {left:,} more places</p>')
    return "".join(parts)


def _places(
    layers: dict[int, list[Box]], folded: Folded, kept: dict[int, Box]
) -> dict[int, tuple[float, float]]:
    """Put each box below what leads to it, as near as there is room."""
    sources: dict[int, list[int]] = {}
    for source, target in folded.edges:
        if source in kept and target in kept and kept[source].layer < kept[target].layer:
            sources.setdefault(target, []).append(source)
    places: dict[int, tuple[float, float]] = {}
    for depth, layer in enumerate(layers[key] for key in sorted(layers)):
        wanted: list[tuple[float, Box]] = []
        for place, box in enumerate(layer):
            above = [places[one][0] for one in sources.get(box.index, ()) if one in places]
            wanted.append((sum(above) / len(above) if above else place * (_WIDE + _GAP), box))
        free = 1.0
        for x, box in sorted(wanted, key=lambda one: (one[0], one[1].index)):
            at = max(x, free)
            places[box.index] = at, 1.0 + depth * (_HIGH + _DROP)
            free = at + _WIDE + _GAP
    return places


def _line(source: tuple[float, float], target: tuple[float, float]) -> str:
    x1, y1 = source[0] + _WIDE / 2, source[1] + _HIGH
    x2, y2 = target[0] + _WIDE / 2, target[1]
    if y2 <= y1:  # back up, or beside it
        y1, y2 = source[1], target[1] + _HIGH
        away = f"{x1 + _WIDE:.0f} {y1 - _DROP:.0f} {x2 + _WIDE:.0f} {y2 + _DROP:.0f}"
        return f"M{x1:.0f} {y1:.0f}C{away} {x2:.0f} {y2:.0f}"
    bend = (y2 - y1) / 2
    return f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"


def _box(box: Box, at: tuple[float, float], colours: dict[str, int]) -> str:
    x, y = at
    many = f" ×{len(box.calls):,}" if len(box.calls) > 1 else ""
    time = f"{seconds(box.median)}{' each' if many else ''}{', in a row' if box.row else ''}"
    kinds = ["box", f"c{colours[box.label]}", box.outcome, *(["edge"] if box.critical else [])]
    site = "" if box.site is None else str(box.site)
    full = f"{box.label}{many}, {time}{', ' + site if site else ''}"
    return (
        f'<g class="{" ".join(kinds)}" transform="translate({x:.0f} {y:.0f})"><title>{escape(full)}</title>'
        f'<rect width="{_WIDE}" height="{_HIGH}" rx="5"/><rect class="stripe" width="5" height="{_HIGH}" rx="2"/>'
        f'<text x="14" y="18" class="name">{escape(_cut(box.label, _LETTERS - len(many)))}{escape(many)}</text>'
        f'<text x="14" y="33">{escape(_cut(time, _LETTERS + 4))}</text>'
        f'<text x="14" y="48" class="site">{escape(_cut(site, _LETTERS + 4))}</text></g>'
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: max(1, length - 1)] + "…"
