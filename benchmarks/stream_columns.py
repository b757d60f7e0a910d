"""Rows of a parquet file: `ember.data.stream` beside Hugging Face and the engines, by functions and by conditions.

    python benchmarks/stream_columns.py [--rows 400000] [--rounds 3] [--growth [FILE.svg]]

Each way runs in a process of its own, over a short and a long file; the difference is the cost of a row, so that what
a library does once is not counted. CPU time of all threads, since machines are shared. `--growth` prints, and
draws, how time and memory grow with the rows.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from outsiders import environment
from stream import record
from stream_columns_rival import WAYS

from ember.data import stream

ELSEWHERE = {"HF datasets": ("datasets", "datasets==5.2.0"), "duckdb": ("duckdb", "duckdb==2.0.0")}
LEAST = 0.01  # us/row: below that a difference says nothing
SLOW = 8  # HF goes through so much less


def generate(path: Path, rows: int) -> None:
    draw = random.Random(1)
    stream(lambda: (record(number, draw) for number in range(rows))).to_parquet(path)


def python_of(way: str) -> Path:
    for name, (folder, requirement) in ELSEWHERE.items():
        if name in way:
            return environment(folder, requirement)
    return Path(sys.executable)


def run(python: Path, way: str, path: Path) -> dict[str, Any]:
    script = Path(__file__).with_name("stream_columns_rival.py")
    variables = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(path.parent / "hf")}
    done = subprocess.run([python, script, way, path], env=variables, capture_output=True, text=True)
    if done.returncode:
        raise OSError(done.stderr.strip().rpartition("\n")[2][:200])
    found: dict[str, Any] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return found


def growth(folder: Path, rows: int, plot: Path | None) -> int:
    """Print seconds and memory by rows, of the ways of Ember, and draw them."""
    whole = folder / "whole.parquet"
    generate(whole, rows)
    ways = [way for way in WAYS if "ember" in way and "count" not in way]
    drawn: dict[str, list[tuple[int, float, float]]] = {way: [] for way in ways}
    for part in (8, 4, 2, 1):
        path = folder / f"{part}.parquet"
        stream(whole).take(rows // part).to_parquet(path)
        for way in ways:
            found = run(Path(sys.executable), way, path)
            drawn[way].append((rows // part, found["cpu"], found["memory"]))
            print(f"{rows // part:>10,}  {way:24}{found['cpu']:7.2f} s{found['memory']:7.0f} MB")
    if plot is not None:
        plot.write_text(figure(drawn), "utf-8")
    return 0


COLOURS = ("#c2410c", "#0369a1", "#4d7c0f", "#7e22ce")


def figure(drawn: dict[str, list[tuple[int, float, float]]]) -> str:
    """Return two panels, CPU seconds and MB over imports, by rows."""
    most = [max(point[n] for points in drawn.values() for point in points) for n in range(3)]
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="720" height="260" font-family="sans-serif" font-size="11">',
        '<rect width="720" height="260" fill="white"/>',
    ]
    for panel, (title, left) in enumerate((("CPU seconds", 50), ("MB over imports", 400))):
        parts.append(f'<text x="{left}" y="18" font-weight="bold">{title}</text>')
        parts.append(f'<path d="M{left} 30 V220 H{left + 280}" fill="none" stroke="#666"/>')
        parts.append(f'<text x="{left - 6}" y="38" text-anchor="end">{most[panel + 1]:.3g}</text>')
        parts.append(f'<text x="{left + 280}" y="236" text-anchor="end">{most[0]:,} rows</text>')
        for colour, (way, points) in zip(COLOURS, drawn.items(), strict=False):
            places = [
                (left + 280 * point[0] / most[0], 220 - 185 * point[panel + 1] / most[panel + 1])
                for point in points
            ]
            line = " ".join(f"{x:.0f},{y:.0f}" for x, y in places)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
            at = 50 + 165 * list(drawn).index(way)
            parts.append(f'<text x="{at}" y="254" fill="{colour}">{way}</text>' if not panel else "")
    return "\n".join(part for part in (*parts, "</svg>") if part) + "\n"


def measure(folder: Path, rows: int, rounds: int) -> int:
    pythons: dict[str, Path] = {}
    for way in WAYS:
        try:
            pythons[way] = python_of(way)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{way}: left out, {error}")
    files: dict[int, Path] = {}
    for size in (rows, rows // 5, rows // SLOW, rows // SLOW // 5):
        files[size] = folder / f"{size}.parquet"
        generate(files[size], size)
    costs: dict[str, list[float]] = {}
    memory: dict[str, float] = {}
    counts: dict[tuple[str, int], set[int]] = {}
    for _ in range(rounds):
        for way, python in list(pythons.items()):
            long = rows // SLOW if "HF" in way else rows
            try:
                few, many = run(python, way, files[long // 5]), run(python, way, files[long])
            except OSError as error:
                print(f"{way}: left out, {error}")
                del pythons[way]
                continue
            counts.setdefault((way.partition(":")[0], long), set()).add(many["count"])
            cost = (many["cpu"] - few["cpu"]) / (long - long // 5) * 1e6
            costs.setdefault(way, []).append(max(cost, LEAST))
            memory[way] = max(memory.get(way, 0.0), many["memory"])
    assert all(len(found) == 1 for found in counts.values()), f"they do not count alike: {counts}"
    print(f"\n{rows:,} rows, {files[rows].stat().st_size / 1e6:.0f} MB; best of {rounds} interleaved rounds")
    best = {way: min(cost) for way, cost in costs.items()}
    for way, cost in best.items():
        work = way.partition(":")[0]
        slow = next((cost for other, cost in best.items() if other.startswith(f"{work}: HF")), None)
        theirs = f"HF is x{slow / cost:7.1f}" if slow else ""
        print(f"{way:30}{cost:8.2f} us/row{memory[way]:7.0f} MB  {theirs}")
    gates = [("MB over imports", max(memory["functions: ember"], memory["where: ember"]), 150.0, True)]
    if "functions: HF datasets" in best:
        ratio = best["functions: HF datasets"] / best["functions: ember"]
        gates.append(("times as fast as HF, by functions, the same columns", ratio, 12.0, False))
    if "count: HF datasets, filter()" in best:
        ratio = best["count: HF datasets, filter()"] / best["count: ember"]
        gates.append(("times as fast as HF's filter(), by a condition, to count", ratio, 80.0, False))
    if "where: HF datasets, filter()" in best:
        ratio = best["where: HF datasets, filter()"] / best["where: ember"]
        gates.append(
            ("times as fast as HF's filter(), by a condition, half of the rows made", ratio, 40.0, False)
        )
    if "few: HF datasets, filter()" in best:
        ratio = best["few: HF datasets, filter()"] / best["few: ember"]
        gates.append(
            ("times as fast as HF's filter(), by a condition, a sixth of the rows made", ratio, 80.0, False)
        )
    print()
    missed = 0
    for name, value, gate, at_most in gates:
        kept = value <= gate if at_most else value >= gate
        missed += not kept
        print(f"{value:8.2f} {name}: gate {'<=' if at_most else '>='} {gate:g}{'' if kept else '   MISSED'}")
    return 1 if missed else 0


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rows", type=int, default=400_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--growth", nargs="?", type=Path, const=None, default=False)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if chosen.growth is not False:
            return growth(Path(folder), chosen.rows, chosen.growth)
        return measure(Path(folder), chosen.rows, chosen.rounds)


if __name__ == "__main__":
    raise SystemExit(main())
