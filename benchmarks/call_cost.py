"""CPU time of one call against a local server that answers at once, as a ratio to http.client doing the same POST.

    python benchmarks/call_cost.py [--batches 11] [--calls 200]

Batches of all rivals are interleaved, so that what disturbs the machine disturbs them alike; the best batch counts for
the cost and the median is printed beside it. The server runs in a process of its own, and so do SDKs and frameworks:
only the caller's CPU is counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import rivals
from outsiders import Outsider, outsiders

from ember.models.testing import LocalServer

GATE, AIM = 5.0, 3.5

Batch = Callable[[], float]
"""Makes one batch of calls and returns the CPU seconds that it took."""


def here(run: Callable[[], object]) -> Batch:
    """Return the batch of a rival in this process."""

    def batch() -> float:
        begun = time.process_time()
        run()
        return time.process_time() - begun

    return batch


def batches(url: str, calls: int, others: dict[str, Outsider]) -> dict[str, Batch]:
    """Return a batch per rival."""
    made: dict[str, Batch] = {}
    for name, make in rivals.SYNC.items():
        try:
            call = make(url)
        except ImportError as error:
            print(f"{name}: left out, {error}")
            continue

        def several(call: rivals.Call = call) -> None:
            for _ in range(calls):
                call()

        made[name] = here(several)
    for name, make_async in rivals.ASYNC.items():
        try:
            made[name] = here(partial(rivals.run_async, make_async(url), calls))
        except ImportError as error:
            print(f"{name}: left out, {error}")
    for name, outsider in others.items():
        made[name] = partial(outsider.cpu, "sync", calls)
        made[f"{name} async"] = partial(outsider.cpu, "async", calls)
    return made


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--batches", type=int, default=11)
    options.add_argument("--calls", type=int, default=200)
    given = options.parse_args()
    with LocalServer.process() as server, outsiders(server.url) as others:
        rivals.use_server(server.url)
        runs = batches(server.url, given.calls, others)
        costs: dict[str, list[float]] = {name: [] for name in runs}
        for round_ in range(given.batches + 1):
            for name, run in runs.items():
                seconds = run()
                if round_:  # the first round pays for imports and connections
                    costs[name].append(seconds / given.calls * 1e6)
        rivals.close()
    base = min(costs["http.client"])
    print(f"\nCPU per call, {given.calls} calls a batch, {given.batches} interleaved batches")
    print(f"{'':28}{'best us':>9}{'median us':>11}{'x http.client':>15}")
    for name, measured in costs.items():
        print(f"{name:28}{min(measured):9.0f}{median(measured):11.0f}{min(measured) / base:15.2f}")
    ratio = min(costs["ember models()"]) / base
    verdict = "meets the aim" if ratio <= AIM else "passes the gate" if ratio <= GATE else "FAILS THE GATE"
    print(f"\nmodels() costs {ratio:.2f}x http.client: {verdict} (aim {AIM:g}x, gate {GATE:g}x)")
    return 0 if ratio <= GATE else 1


if __name__ == "__main__":
    raise SystemExit(main())
