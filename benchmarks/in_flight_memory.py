"""Memory of a call that waits for its answer: resident bytes per call with 2,000 in flight, each rival in a process.

python benchmarks/in_flight_memory.py [--calls 2000]
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys

import rivals

from ember.models.testing import LocalServer

GATE = 2.0


def resident() -> int:
    """Return this process's resident memory in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def measure(call: rivals.AsyncCall, calls: int, latency: float) -> float:
    await asyncio.gather(*(call() for _ in range(10)))  # imports, DNS, the first connections
    before = resident()
    running = [asyncio.ensure_future(call()) for _ in range(calls)]
    highest = before
    while not all(task.done() for task in running):
        await asyncio.sleep(latency / 20)
        highest = max(highest, resident())
    await asyncio.gather(*running)
    return (highest - before) / calls


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--calls", type=int, default=2_000)
    options.add_argument("--latency", type=float, default=3.0)
    options.add_argument("--one", help=argparse.SUPPRESS)
    options.add_argument("--url", help=argparse.SUPPRESS)
    given = options.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    if given.one:
        rivals.use_server(given.url)
        print(asyncio.run(measure(rivals.ASYNC[given.one](given.url), given.calls, given.latency)))
        return 0
    kilobytes: dict[str, float] = {}
    with LocalServer.process(latency=given.latency) as server:
        for name in rivals.ASYNC:
            command = [
                sys.executable,
                __file__,
                "--one",
                name,
                "--url",
                server.url,
                "--calls",
                str(given.calls),
            ]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            if done.returncode:
                print(f"{name}: left out, {done.stderr.strip().splitlines()[-1]}")
                continue
            kilobytes[name] = float(done.stdout.split()[-1]) / 1024
    raw = kilobytes["aiohttp"]
    print(f"\nResident memory per call, {given.calls} in flight over plain HTTP")
    print(f"{'':24}{'KiB a call':>12}{'x aiohttp':>11}")
    for name, size in kilobytes.items():
        print(f"{name:24}{size:12.1f}{size / raw:11.2f}")
    ratio = kilobytes["ember models.acall()"] / raw
    print(
        f"\nmodels.acall(): {ratio:.2f}x aiohttp, gate {GATE:g}x: {'passed' if ratio <= GATE else 'FAILED'}"
    )
    return 0 if ratio <= GATE else 1


if __name__ == "__main__":
    raise SystemExit(main())
