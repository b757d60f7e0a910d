"""Rows of a JSONL file through Python functions: `ember.data.stream` beside Hugging Face, engines and loops by hand.

python benchmarks/stream.py [--rows 100000] [--rounds 3]

Each way runs in a process of its own, over a short and a long file; the difference is the cost of a row, so that what
a library does once is not counted. CPU time, since machines are shared.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from outsiders import environment
from stream_rival import COLUMNS

from ember.data import stream

# Whose environment each way runs in; the others run in Ember's.
ELSEWHERE = {
    "loop with orjson": ("orjson", "orjson==3.13.0"),
    "HF datasets": ("datasets", "datasets==5.2.0"),
    "polars": ("polars", "polars==2.1.0"),
    "duckdb": ("duckdb", "duckdb==2.0.0"),
}
WAYS = (
    "ember",
    "ember, columns=",
    "ember, checkpoint=",
    "loop with msgspec",
    "loop with json",
    *ELSEWHERE,
)
SLOW = {"HF datasets": 4}  # goes through so much less
WORDS = [
    "where",
    "which",
    "river",
    "capital",
    "does",
    "flow",
    "through",
    "of",
    "a",
    "in",
    "is",
    "long",
    "mountain",
    "year",
    "first",
    "how",
    "many",
    "city",
]


def record(number: int, draw: random.Random) -> dict[str, Any]:
    """Return one question with nine fields, about a kilobyte."""
    question = " ".join(draw.choices(WORDS, k=draw.randint(4, 20)))
    return {
        "id": f"q-{number}",
        "question": question,
        "answer": f" The {draw.choice(WORDS).upper()} ",
        "level": draw.randint(0, 5),
        "topics": draw.choices(WORDS, k=3),
        "source": {"name": "wiki – příklad", "year": draw.randint(1990, 2026), "score": draw.random()},
        "context": " ".join(draw.choices(WORDS, k=110)) + "\n",
        "choices": [" ".join(draw.choices(WORDS, k=3)) for _ in range(4)],
        "verified": draw.random() < 0.5,
    }


def generate(path: Path, rows: int) -> None:
    draw = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            file.write(json.dumps(record(number, draw), ensure_ascii=False) + "\n")


def run(python: Path, way: str, path: Path) -> dict[str, Any]:
    script = Path(__file__).with_name("stream_rival.py")
    Path(f"{path}.place").unlink(missing_ok=True)
    variables = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(path.parent / "hf"),
        "TOKENIZERS_PARALLELISM": "0",
    }
    done = subprocess.run([python, script, way, path], env=variables, capture_output=True, text=True)
    if done.returncode:
        raise OSError(done.stderr.strip().rpartition("\n")[2][:200])
    found: dict[str, Any] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return found


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder), chosen.rows, chosen.rounds)


def measure(folder: Path, rows: int, rounds: int) -> int:
    pythons: dict[str, Path] = {}
    for way in WAYS:
        try:
            pythons[way] = environment(*ELSEWHERE[way]) if way in ELSEWHERE else Path(sys.executable)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{way}: left out, {error}")
    files: dict[int, Path] = {}
    sizes = {rows // n // part for n in (1, *SLOW.values()) for part in (1, 5)}
    for size in sorted(sizes):
        files[size] = folder / f"{size}.jsonl"
        generate(files[size], size)
    costs: dict[str, list[float]] = {}
    memory: dict[str, float] = {}
    counts: dict[int, set[int]] = {}
    for _ in range(rounds):
        for way, python in list(pythons.items()):
            long = rows // SLOW.get(way, 1)
            short = long // 5
            try:
                few, many = run(python, way, files[short]), run(python, way, files[long])
            except OSError as error:
                print(f"{way}: left out, {error}")
                del pythons[way]
                continue
            counts.setdefault(long, set()).add(many["count"])
            costs.setdefault(way, []).append((many["cpu"] - few["cpu"]) / (long - short) * 1e6)
            memory[way] = max(memory.get(way, 0), many["memory"])
    assert all(len(found) == 1 for found in counts.values()), f"they do not count alike: {counts}"
    size = files[rows].stat().st_size
    print(f"\n{rows:,} rows, {size / 1e6:.0f} MB; best of {rounds} interleaved rounds")
    print(f"{'':22}{'us/row':>9}{'x loop':>9}{'HF is x':>9}{'memory':>10}")
    best = {way: min(cost) for way, cost in costs.items()}
    loop, slow = best["loop with msgspec"], best.get("HF datasets")
    for way, cost in best.items():
        theirs = f"{slow / cost:9.1f}" if slow else f"{'':9}"
        print(f"{way:22}{cost:9.2f}{cost / loop:9.2f}{theirs}{memory[way]:7.0f} MB")
    gates = {
        "of the msgspec loop's time": (best["ember"] / loop, 1.15, True),
        "MB over imports": (max(memory["ember"], memory["ember, columns="]), 32, True),
        **places(folder, files[rows]),
    }
    if slow:
        gates["times as fast as HF"] = (slow / best["ember"], 12, False)
        gates["times as fast as HF, with columns="] = (slow / best["ember, columns="], 25, False)
    print()
    missed = 0
    for name, (value, gate, at_most) in gates.items():
        kept = value <= gate if at_most else value >= gate
        missed += not kept
        print(f"{value:8.2f} {name}: gate {'<=' if at_most else '>='} {gate:g}{'' if kept else '   MISSED'}")
    return 1 if missed else 0


def places(folder: Path, path: Path) -> dict[str, tuple[float, float, bool]]:
    """Time the first row of a gigabyte, and the row after the millionth, in milliseconds."""
    large, narrow = folder / "large.jsonl", folder / "narrow.jsonl"
    large.write_bytes(path.read_bytes())
    os.truncate(large, 10**9)  # the rest is a hole, which is not come to
    narrow.write_text("".join(f'{{"id": {n}, "level": {n % 7}}}\n' for n in range(1_000_100)))
    firsts: list[float] = []
    resumed: list[float] = []
    rows = iter(stream(narrow))
    for row in rows:
        if row["id"] == 999_999:
            break
    state = rows.state_dict()
    for _ in range(5):
        begun = time.perf_counter()
        stream(large, columns=COLUMNS).first()
        firsts.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        again = iter(stream(narrow))
        again.load_state_dict(state)
        assert next(again)["id"] == 1_000_000
        resumed.append(time.perf_counter() - begun)
    return {
        "ms to the first row of 1 GB": (min(firsts) * 1e3, 10, True),
        "ms to go on after row 1,000,000": (min(resumed) * 1e3, 20, True),
    }


if __name__ == "__main__":
    raise SystemExit(main())
