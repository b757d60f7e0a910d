"""What a chain will do, in words."""

from __future__ import annotations

from ._source import Source
from ._stage import Stage


def explain(source: Source, stages: tuple[Stage, ...], planned: Source, left: tuple[Stage, ...]) -> str:
    """Return the plan of a chain, one stage a line."""
    reads = getattr(planned, "reads", None)
    pushed = len(stages) - len(left)
    lines = [(f"stream({source!r})", reads() if callable(reads) else "")]
    for number, stage in enumerate(stages):
        lines.append((f"  .{stage!r}", "by the reader" if number < pushed else ""))
    width = max(len(text) for text, _ in lines)
    return "\n".join(f"{text:{width}}  {note}".rstrip() for text, note in lines)
