"""Would `vmap` do better to run elements in chunks? CPU and memory of an item, over calls that answer at once.

    python benchmarks/vmap_chunks.py [--items 2000]

Each row is a process of its own: `vmap` as it is, over chunks that the function goes over itself, and under `jit`.
Printed; there is no gate.
"""

from __future__ import annotations

import argparse
import gc
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

from ember.xcs import external, jit, vmap


@external
async def ask(prompt: str) -> str:
    return "x"


def call(number: int) -> str:
    return ask(f"q {number}")


def decision(number: int) -> str:
    return "yes" if ask(f"q {number}").startswith("x") else "no"


PROGRAMS: Final[dict[str, Callable[[int], str]]] = {"call": call, "decision": decision}
WAYS: Final = ("each", "10", "100", "jit")


def way(name: str, function: Callable[[int], str]) -> Callable[[list[int]], int]:
    """Return what applies `function` to all items in that way, and says to how many it did."""
    if name in ("each", "jit"):
        mapped = vmap(function) if name == "each" else jit(vmap(function))
        return lambda items: len(mapped(items))
    size = int(name)

    def chunk(place: int, items: list[int]) -> list[str]:
        return [function(one) for one in items[place : place + size]]

    over = vmap(chunk, in_axes=(0, None))
    return lambda items: sum(map(len, over(list(range(0, len(items), size)), items)))


def measure(program: str, name: str, count: int) -> tuple[float, float]:
    """Return the least CPU microseconds of an item, and the most KiB of an item above what was there before."""
    go, items = way(name, PROGRAMS[program]), list(range(count))
    go(items[:100])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    least = float("inf")
    for _ in range(3):
        gc.collect()
        began = time.process_time()
        if go(items) != count:
            raise AssertionError("an item is missing")
        least = min(least, time.process_time() - began)
    return least / count * 1e6, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / count


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--items", type=int, default=2_000)
    options.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        program, name = given.one
        print(*measure(program, name, given.items))
        return 0
    for program in PROGRAMS:
        for name in WAYS:
            command = [sys.executable, __file__, "--one", program, name, "--items", str(given.items)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
            cpu, memory = map(float, done.stdout.split())
            told = {"each": "vmap(f)", "jit": "jit(vmap(f))"}.get(name, f"vmap over chunks of {name}")
            print(f"{program:9} {told:22} {cpu:7.1f} us CPU {memory:7.2f} KiB an item", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
