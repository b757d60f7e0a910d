"""Longest remaining path first, beside first come first served, under a limit; and what recording costs.

    python benchmarks/scheduling.py [--limit 4] [--short 40] [--row 12] [--ms 10]

Many short calls stand before a long row of calls. The first run of a jitted function knows nothing and sends calls in
the order of the program; the second knows from the first which calls others wait for. The least possible is the longer
of the row and all calls shared out evenly.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable

from ember import xcs

GATE = 1.15
"""Times the least possible that a run with a plan may take."""


def programs(limit: int, short: int, row: int, ms: float) -> Callable[[], xcs.Jitted[[], list[str]]]:
    @xcs.external
    async def call(word: str) -> str:
        await asyncio.sleep(ms / 1000)
        return word

    def skewed() -> list[str]:
        answers = [call(f"{number}") for number in range(short)]
        last = call("row")
        for _ in range(row - 1):
            last = call(last)
        return [*answers, last]

    return lambda: xcs.jit(max_concurrency=limit)(skewed)


def seconds(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def recording(calls: int = 2_000, rounds: int = 5) -> tuple[float, float]:
    """Return microseconds of CPU a call takes, not recorded and recorded."""

    @xcs.external
    async def call(number: int) -> str:
        return ""

    @xcs.jit
    def program() -> list[str]:
        return [call(number) for number in range(calls)]

    def cpu(traced: bool) -> float:
        begun = time.process_time()
        if traced:
            with xcs.trace():
                program()
        else:
            program()
        return (time.process_time() - begun) / calls * 1e6

    program()
    return min(cpu(False) for _ in range(rounds)), min(cpu(True) for _ in range(rounds))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=int, default=4)
    parser.add_argument("--short", type=int, default=40)
    parser.add_argument("--row", type=int, default=12)
    parser.add_argument("--ms", type=float, default=10.0)
    given = parser.parse_args()
    fresh = programs(given.limit, given.short, given.row, given.ms)
    fresh()()  # the I/O loop is started, the function lowered
    program = fresh()
    first, planned = seconds(program), min(seconds(program) for _ in range(3))
    least = max(given.row, -(-(given.short + given.row) // given.limit)) * given.ms / 1000
    print(f"{given.short} short calls and a row of {given.row}, {given.limit} at once, {given.ms:g} ms each")
    print(f"  in the order of the program  {first * 1000:6.0f} ms   {first / least:.2f}x the least possible")
    print(f"  longest path first           {planned * 1000:6.0f} ms   {planned / least:.2f}x")
    bare, recorded = recording()
    print(f"CPU of a call: {bare:.0f} us, with trace {recorded:.0f} us")
    if planned > GATE * least or planned > first:
        raise SystemExit(f"over the gate of {GATE}x")


if __name__ == "__main__":
    main()
