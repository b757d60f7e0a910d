"""What a client adds to the time of an answer, with 500 calls under way: the median and the 99th percentile, in ratios.

    python benchmarks/latency.py [--rounds 3] [--calls 1500] [--width 500] [--latency 0.5]

The server takes 500 ms for each answer. What is beyond that was added by the client, by the machine or by the server's
own queue; raw aiohttp in the same run shows how much of it is not Ember's. The first calls begin spread over one
latency, so that the load is even. Rounds of all rivals are interleaved, and the best round of each counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from statistics import quantiles

import rivals
from outsiders import Outsider, outsiders

from ember.models.testing import LocalServer

Round = Callable[[], list[float]]
"""Makes all calls once and returns the seconds each of them took."""

HERE = ("aiohttp", "ember models.acall()", "httpx2 async")


def rounds(url: str, calls: int, width: int, over: float, others: dict[str, Outsider]) -> dict[str, Round]:
    """Return a round per rival."""
    made: dict[str, Round] = {}
    for name in HERE:
        try:
            call = rivals.ASYNC[name](url)
        except ImportError as error:
            print(f"{name}: left out, {error}")
            continue
        made[name] = partial(rivals.run_wide, call, calls, width, over)
    for name, outsider in others.items():
        made[f"{name} async"] = partial(outsider.seconds, calls, width, over)
    return made


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--calls", type=int, default=1500)
    options.add_argument("--width", type=int, default=500)
    options.add_argument("--latency", type=float, default=0.5)
    given = options.parse_args()
    with LocalServer.process(latency=given.latency) as server, outsiders(server.url) as others:
        rivals.use_server(server.url)
        runs = rounds(server.url, given.calls, given.width, given.latency, others)
        added: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        for round_ in range(given.rounds + 1):
            for name, run in runs.items():
                cut = quantiles((seconds - given.latency for seconds in run()), n=100)
                if round_:  # the first round pays for imports and connections
                    added[name].append((cut[49] * 1e3, cut[98] * 1e3))
        rivals.close()
    best = {name: (min(p50 for p50, _ in all_), min(p99 for _, p99 in all_)) for name, all_ in added.items()}
    raw = best["aiohttp"]
    print(
        f"\n{given.calls} calls, {given.width} at a time, {given.latency * 1e3:g} ms each: added by the client"
    )
    print(f"{'':28}{'median ms':>11}{'p99 ms':>9}{'p99 x aiohttp':>15}{'of an answer':>14}")
    for name, (p50, p99) in best.items():
        share = p99 / 1e3 / given.latency
        print(f"{name:28}{p50:11.1f}{p99:9.1f}{p99 / raw[1]:15.2f}{share:14.1%}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
