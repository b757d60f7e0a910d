"""Calls per second with 64 in flight against a server that takes 100 ms to answer: 640/s would be perfect.

    python benchmarks/throughput.py [--rounds 3] [--calls 500] [--width 64] [--latency 0.1]

500 calls in waves of 64 need eight waves, so the ideal is 500 / 0.8 s = 625/s. Rounds of all rivals are interleaved.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import rivals

from ember.core import gather
from ember.models.testing import LocalServer


def async_round(call: rivals.AsyncCall, loop: asyncio.AbstractEventLoop, calls: int, width: int) -> None:
    async def worker(todo: list[None]) -> None:
        while todo:
            todo.pop()
            await call()

    async def all_of_them() -> None:
        todo: list[None] = [None] * calls
        await asyncio.gather(*(worker(todo) for _ in range(width)))

    loop.run_until_complete(all_of_them())


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--calls", type=int, default=500)
    options.add_argument("--width", type=int, default=64)
    options.add_argument("--latency", type=float, default=0.1)
    given = options.parse_args()
    calls, width = given.calls, given.width
    ideal = calls / (math.ceil(calls / width) * given.latency) if given.latency else math.inf
    loop = asyncio.new_event_loop()
    rounds: dict[str, Callable[[], object]] = {}
    with LocalServer.process(latency=given.latency) as server, ThreadPoolExecutor(width) as pool:
        rivals.use_server(server.url)
        ember = rivals.ember(server.url)
        rounds["ember gather(models)"] = lambda: gather([ember] * calls, limit=width)
        for name, make in rivals.ASYNC.items():
            try:
                call = make(server.url)
            except ImportError as error:
                print(f"{name}: left out, {error}")
                continue
            rounds[name] = partial(async_round, call, loop, calls, width)
        try:
            sdk = rivals.openai_sync(server.url)

            def threads(sdk: rivals.Call = sdk) -> None:
                for done in [pool.submit(sdk) for _ in range(calls)]:
                    done.result()

            rounds["openai SDK, threads"] = threads
        except ImportError as error:
            print(f"openai SDK, threads: left out, {error}")
        speeds: dict[str, list[float]] = {name: [] for name in rounds}
        costs: dict[str, list[float]] = {name: [] for name in rounds}
        for round_ in range(given.rounds + 1):
            for name, run in rounds.items():
                cpu, begun = time.process_time(), time.perf_counter()
                run()
                if round_:
                    speeds[name].append(calls / (time.perf_counter() - begun))
                    costs[name].append((time.process_time() - cpu) / calls * 1e6)
    raw = max(speeds["aiohttp"])
    print(f"\n{calls} calls, {width} at a time, {given.latency * 1e3:g} ms each; ideal {ideal:.0f}/s")
    print(f"{'':24}{'best /s':>9}{'of ideal':>10}{'of aiohttp':>12}{'CPU us/call':>13}")
    for name, measured in speeds.items():
        best = max(measured)
        print(f"{name:24}{best:9.0f}{best / ideal:10.1%}{best / raw:12.1%}{min(costs[name]):13.0f}")
    reached = max(speeds["ember models.acall()"])
    wanted = 0.9 * ideal if raw >= 0.9 * ideal else 0.9 * raw
    print(
        f"\nmodels.acall(): {reached:.0f}/s; wanted {wanted:.0f}/s: {'reached' if reached >= wanted else 'MISSED'}"
    )
    return 0 if reached >= wanted else 1


if __name__ == "__main__":
    raise SystemExit(main())
