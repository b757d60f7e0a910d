"""What an answer from the cache costs, in microseconds: CPU of the process, and the time that passes.

    python benchmarks/cache_hit.py [--batches 11] [--calls 500]

The best batch counts, since what disturbs the machine only ever adds; medians are printed beside it. Beside the calls
stand a bare look-up of the same row by the sqlite3 module, and the same question asked of the local server.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from statistics import median

import rivals

from ember.api import models
from ember.models.testing import LocalServer

GATE = 150.0
QUESTION = "What is the capital of France, and how many people live there? Answer in one sentence."


def batches(calls: int) -> dict[str, Callable[[], None]]:
    """Return functions by name that make one batch of calls."""

    def hits(prompt: str) -> Callable[[], None]:
        models(rivals.MODEL, prompt, cache=True)

        def batch() -> None:
            for _ in range(calls):
                assert models(rivals.MODEL, prompt, cache=True).cached

        return batch

    def awaited() -> None:
        async def batch() -> None:
            for _ in range(calls):
                assert (await models.acall(rivals.MODEL, QUESTION, cache=True)).cached

        asyncio.run(batch())

    def asked() -> None:
        for _ in range(calls):
            models(rivals.MODEL, QUESTION)

    made = {"a hit": hits(QUESTION), "a hit, awaited": awaited, "a hit, 10 kB asked": hits(QUESTION * 120)}
    connection = sqlite3.connect(models.cache.stats().path, isolation_level=None)
    (key,) = connection.execute("SELECT key FROM answers").fetchone()

    def looked_up() -> None:
        for _ in range(calls):
            connection.execute("SELECT data FROM answers WHERE key = ?", (key,)).fetchone()

    return {**made, "sqlite3 alone": looked_up, "asked of the server": asked}


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--batches", type=int, default=11)
    options.add_argument("--calls", type=int, default=500)
    given = options.parse_args()
    with LocalServer.process() as server, tempfile.TemporaryDirectory() as home:
        os.environ["EMBER_HOME"] = home
        rivals.use_server(server.url)
        runs = batches(given.calls)
        cpu: dict[str, list[float]] = {name: [] for name in runs}
        wall: dict[str, list[float]] = {name: [] for name in runs}
        for round_ in range(given.batches + 1):
            for name, run in runs.items():
                begun, passed = time.process_time(), time.perf_counter()
                run()
                if round_:  # the first round pays for imports
                    cpu[name].append((time.process_time() - begun) / given.calls * 1e6)
                    wall[name].append((time.perf_counter() - passed) / given.calls * 1e6)
    print(f"\n{'us a call':22}{'best CPU':>10}{'median CPU':>12}{'best time':>11}{'median time':>13}")
    for name in runs:
        numbers = min(cpu[name]), median(cpu[name]), min(wall[name]), median(wall[name])
        print(f"{name:22}{numbers[0]:10.0f}{numbers[1]:12.0f}{numbers[2]:11.0f}{numbers[3]:13.0f}")
    cost = min(cpu["a hit"])
    print(
        f"\nA cache hit costs {cost:.0f} us: {'passes' if cost <= GATE else 'FAILS'} the gate of {GATE:g} us"
    )
    return 0 if cost <= GATE else 1


if __name__ == "__main__":
    raise SystemExit(main())
