"""Calls per second with 64 in flight against a server that takes 100 ms to answer: 640/s would be perfect.

    python benchmarks/throughput.py [--rounds 3] [--calls 500] [--width 64] [--latency 0.1]

500 calls in waves of 64 need eight waves, so the ideal is 500 / 0.8 s = 625/s. Rounds of all rivals are interleaved.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Literal

import rivals
from outsiders import Outsider, outsiders

from ember.core import gather
from ember.models.testing import LocalServer

Round = Callable[[], tuple[float, float]]
"""Makes all calls once and returns the CPU and the wall seconds that they took."""


def here(run: Callable[[], object]) -> Round:
    """Return the round of a rival in this process."""

    def round_() -> tuple[float, float]:
        cpu, begun = time.process_time(), time.perf_counter()
        run()
        return time.process_time() - cpu, time.perf_counter() - begun

    return round_


def there(outsider: Outsider, form: Literal["sync", "async"], calls: int, width: int) -> tuple[float, float]:
    took = outsider.run(form, calls, width)
    return took.cpu, took.wall


def rounds(url: str, calls: int, width: int, others: dict[str, Outsider]) -> dict[str, Round]:
    """Return a round per rival."""
    ember = rivals.ember(url)
    made: dict[str, Round] = {"ember gather(models)": here(lambda: gather([ember] * calls, limit=width))}
    for name, make in rivals.ASYNC.items():
        try:
            made[name] = here(partial(rivals.run_wide, make(url), calls, width))
        except ImportError as error:
            print(f"{name}: left out, {error}")
    for name, outsider in others.items():
        made[f"{name} async"] = partial(there, outsider, "async", calls, width)
        if "openai" in name:
            made[f"{name} threads"] = partial(there, outsider, "sync", calls, width)
    return made


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--calls", type=int, default=500)
    options.add_argument("--width", type=int, default=64)
    options.add_argument("--latency", type=float, default=0.1)
    given = options.parse_args()
    calls, width = given.calls, given.width
    ideal = calls / (math.ceil(calls / width) * given.latency) if given.latency else math.inf
    with LocalServer.process(latency=given.latency) as server, outsiders(server.url) as others:
        rivals.use_server(server.url)
        runs = rounds(server.url, calls, width, others)
        speeds: dict[str, list[float]] = {name: [] for name in runs}
        costs: dict[str, list[float]] = {name: [] for name in runs}
        for round_ in range(given.rounds + 1):
            for name, run in runs.items():
                cpu, wall = run()
                if round_:
                    speeds[name].append(calls / wall)
                    costs[name].append(cpu / calls * 1e6)
        rivals.close()
    raw = max(speeds["aiohttp"])
    print(f"\n{calls} calls, {width} at a time, {given.latency * 1e3:g} ms each; ideal {ideal:.0f}/s")
    print(f"{'':28}{'best /s':>9}{'of ideal':>10}{'of aiohttp':>12}{'CPU us/call':>13}")
    for name, measured in speeds.items():
        best = max(measured)
        print(f"{name:28}{best:9.0f}{best / ideal:10.1%}{best / raw:12.1%}{min(costs[name]):13.0f}")
    reached = max(speeds["ember models.acall()"])
    wanted = 0.9 * ideal if raw >= 0.9 * ideal else 0.9 * raw
    print(
        f"\nmodels.acall(): {reached:.0f}/s; wanted {wanted:.0f}/s: {'reached' if reached >= wanted else 'MISSED'}"
    )
    return 0 if reached >= wanted else 1


if __name__ == "__main__":
    raise SystemExit(main())
