"""How the figures of a stream grow with the rows of its file: a table, and the plot in docs/data.md.

python benchmarks/stream_growth.py [--rows 10000 100000 1000000] [--plot docs/data-growth.svg]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from stream import generate, run

from ember.data import stream

BLOCK: Final = 10_000  # rows that are made; the files are these, over and over
EMBER, LOOP = "stream()", "msgspec loop"
COLORS = {EMBER: "#c2410c", LOOP: "#64748b"}


class Figure(NamedTuple):
    """One figure at each number of rows, for each way."""

    title: str
    unit: str
    values: dict[str, list[float]]


def best(measure: Callable[[], object], times: int = 5) -> float:
    """Return the least time of `measure`, in milliseconds."""
    found: list[float] = []
    for _ in range(times):
        begun = time.perf_counter()
        measure()
        found.append((time.perf_counter() - begun) * 1e3)
    return min(found)


def measure(folder: Path, sizes: list[int]) -> list[Figure]:
    block, path = folder / "block.jsonl", folder / "rows.jsonl"
    generate(block, BLOCK)
    data = block.read_bytes()
    cost: dict[str, list[float]] = {EMBER: [], LOOP: []}
    memory: dict[str, list[float]] = {EMBER: [], LOOP: []}
    first: list[float] = []
    resumed: list[float] = []
    for size in sizes:
        with path.open("wb") as file:
            for _ in range(size // BLOCK):
                file.write(data)
        for name, way in ((EMBER, "ember"), (LOOP, "loop with msgspec")):
            runs = [run(Path(sys.executable), way, path) for _ in range(3)]
            cost[name].append(min(each["cpu"] for each in runs) / size * 1e6)
            memory[name].append(max(each["memory"] for each in runs))
        chain = stream(path)
        first.append(best(chain.first))
        rows = iter(chain)
        for _ in range(size - 1):
            next(rows)
        state = rows.state_dict()

        def go_on(chain: object = chain, state: dict[str, object] = state) -> None:
            again = iter(stream(path))
            again.load_state_dict(state)
            next(again)

        resumed.append(best(go_on))
    return [
        Figure("CPU of a row", "us", cost),
        Figure("memory over imports", "MB", memory),
        Figure("time to the first row", "ms", {EMBER: first}),
        Figure("time to go on at the last row", "ms", {EMBER: resumed}),
    ]


def plotted(figures: list[Figure], sizes: list[int]) -> str:
    """Return the figures as SVG: one panel each, from zero, over rows on a logarithmic scale."""
    wide, high, left, top = 200, 120, 44, 34
    parts: list[str] = []
    for number, figure in enumerate(figures):
        x0, y0 = left + number * (wide + 52), top + high
        most = max(max(values) for values in figure.values.values()) * 1.25
        parts.append(f'<text x="{x0}" y="16" font-weight="600">{figure.title}, {figure.unit}</text>')
        parts.append(f'<path d="M{x0} {top}V{y0}H{x0 + wide}" fill="none" stroke="#94a3b8"/>')
        parts.append(f'<text x="{x0 - 4}" y="{y0}" text-anchor="end">0</text>')
        parts.append(f'<text x="{x0 - 4}" y="{top + 8}" text-anchor="end">{most:.2g}</text>')
        places = [x0 + 10 + (wide - 50) * at / max(1, len(sizes) - 1) for at in range(len(sizes))]
        for place, size in zip(places, sizes, strict=True):
            label = f"{size // 1_000_000}M" if size >= 1_000_000 else f"{size // 1000}k"
            parts.append(f'<text x="{place}" y="{y0 + 14}" text-anchor="middle">{label}</text>')
        for name, values in figure.values.items():
            points = [(x, y0 - high * value / most) for x, value in zip(places, values, strict=True)]
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{COLORS[name]}" stroke-width="2"/>')
            # The higher line has its name above it, the other below.
            above = points[-1][1] + (-6 if values[-1] == max(v[-1] for v in figure.values.values()) else 16)
            parts.append(
                f'<text x="{points[-1][0]}" y="{above:.1f}" text-anchor="middle" fill="{COLORS[name]}">{name}</text>'
            )
    width, height = left + len(figures) * (wide + 52), top + high + 24
    style = 'font-family="sans-serif" font-size="11" fill="#0f172a"'
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {style}>\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rows", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000, 1_000_000])
    options.add_argument("--plot", type=Path)
    chosen = options.parse_args()
    sizes: list[int] = sorted(chosen.rows)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), sizes)
    print(f"{'':46}" + "".join(f"{size:>12,}" for size in sizes))
    for figure in figures:
        for name, values in figure.values.items():
            print(
                f"{figure.title + ', ' + figure.unit:32}{name:14}"
                + "".join(f"{value:12.2f}" for value in values)
            )
    if chosen.plot:
        chosen.plot.write_text(plotted(figures, sizes), encoding="utf-8")


if __name__ == "__main__":
    main()
