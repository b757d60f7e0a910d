"""A graph with equal siblings folded: a thousand elements of a comprehension are one box."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from ._ir import Call, EdgeKind, Graph, Outcome, Site
from ._story import seconds

_STRENGTH: Final[dict[EdgeKind, int]] = {"data": 0, "decision": 1, "order": 2}
_ARROWS: Final[dict[EdgeKind, str]] = {"data": "-->", "decision": "-.->|decides|", "order": "==>|in order|"}


@dataclass(slots=True)
class Box:
    """Calls of one place with the same neighbours. `row`: some of them came after others of them."""

    index: int
    label: str
    site: Site | None
    calls: list[Call] = field(default_factory=list[Call])
    critical: bool = False
    row: bool = False
    layer: int = 0

    @property
    def outcome(self) -> Outcome:
        """The worst that became of one of its calls."""
        found = {call.outcome for call in self.calls}
        return "failed" if "failed" in found else "cancelled" if "cancelled" in found else "answered"

    @property
    def began(self) -> float:
        """When the first of them was sent."""
        return min((call.sent for call in self.calls if call.sent is not None), default=self.calls[0].ready)

    @property
    def ended(self) -> float:
        """When the last of them was over."""
        return max(call.ended for call in self.calls)

    @property
    def median(self) -> float:
        """The middle one of their durations."""
        return sorted(call.seconds for call in self.calls)[len(self.calls) // 2]


@dataclass(slots=True)
class Folded:
    """The boxes, in the order of their layers, and what leads from one to another."""

    graph: Graph
    boxes: list[Box]
    edges: dict[tuple[int, int], EdgeKind]

    def mermaid(self, limit: int) -> str:
        """Return a Mermaid flowchart of at most `limit` boxes."""
        kept = {
            box.index for box in sorted(self.boxes, key=lambda one: (not one.critical, one.index))[:limit]
        }
        lines = ["flowchart TD"]
        for box in self.boxes:
            if box.index in kept:
                many = f" ×{len(box.calls):,}" if len(box.calls) > 1 else ""
                parts = [f"{_plain(box.label)}{many}", seconds(box.median) + (" each" if many else "")]
                if box.site is not None:
                    parts.append(_plain(str(box.site)))
                if box.outcome != "answered":
                    parts.append(_plain(next((c.error for c in box.calls if c.error), box.outcome)))
                lines.append(f'  c{box.index}["{"<br/>".join(parts)}"]')
        for (source, target), kind in self.edges.items():
            if source in kept and target in kept:
                lines.append(f"  c{source} {_ARROWS[kind]} c{target}")
        left = len(self.boxes) - len(kept)
        if left > 0:
            lines.append(f'  rest["and {left} more places"]')
        critical = [f"c{box.index}" for box in self.boxes if box.critical and box.index in kept]
        if critical:
            lines += ["  classDef critical stroke-width:4px", f"  class {','.join(critical)} critical"]
        return "\n".join(lines)


def fold(graph: Graph, most: int = 12) -> Folded:
    """Fold equal siblings into boxes; where more than `most` are left, also what follows itself (loops, recursion)."""
    folded = _fold(graph, rows=False)
    return folded if len(folded.boxes) <= most else _fold(graph, rows=True)


def _fold(graph: Graph, rows: bool) -> Folded:
    before: dict[int, list[tuple[int, EdgeKind]]] = defaultdict(list)
    for edge in graph.edges:
        before[edge.target].append((edge.source, edge.kind))
    critical = {call.index for call in graph.critical_path.calls}
    box_of: dict[int, Box] = {}
    boxes: dict[object, Box] = {}
    edges: dict[tuple[int, int], EdgeKind] = {}
    for place in graph.order():
        call = graph.calls[place]
        mine = call.site, call.label, call.kind
        sources: list[tuple[Box, EdgeKind]] = [(box_of[one], kind) for one, kind in before[place]]
        if rows:
            signature: object = mine
        else:
            signature = mine, frozenset(box.index for box, _ in sources)
        box = boxes.get(signature)
        if box is None:
            box = boxes[signature] = Box(len(boxes), call.label, call.site)
        box.calls.append(call)
        box.critical = box.critical or place in critical
        box_of[place] = box
        for source, kind in sources:
            if source is box:
                box.row = True
            else:
                key = source.index, box.index
                known: EdgeKind = edges.get(key, kind)
                edges[key] = kind if _STRENGTH[kind] > _STRENGTH[known] else known
    made = list(boxes.values())
    _layers(made, edges)
    for box in made:
        box.calls.sort(key=lambda call: call.index)
    return Folded(graph, sorted(made, key=lambda one: (one.layer, one.began, one.index)), edges)


def _layers(boxes: list[Box], edges: dict[tuple[int, int], EdgeKind]) -> None:
    # Boxes come in the order of their first call, so most edges lead forward. Folded loops lead back, and do not count.
    for source, target in sorted(edges):
        if source < target:
            boxes[target].layer = max(boxes[target].layer, boxes[source].layer + 1)
    for _ in range(2):
        for source, target in sorted(edges):
            if source < target:
                boxes[target].layer = max(boxes[target].layer, boxes[source].layer + 1)


_MARKUP: Final = re.compile(r'["<>&#;`\[\]{}|\\]')


def _plain(text: str) -> str:
    """Return `text` with what Mermaid or a browser would read as markup written as character codes."""
    return _MARKUP.sub(lambda found: f"#{ord(found[0])};", text.replace("\n", " "))
