"""Memory of what waits under `jit`: resident bytes per call under way, and per task that is suspended for it.

    python benchmarks/jit_memory.py [--calls 5000]

All of it counts: our pending value and what asyncio keeps of the call on the I/O loop, or a task's stack besides. Each
row is a process of its own. Exits 1 where a gate is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Final

from ember.core.loop import run
from ember.xcs import external, jit
from ember.xcs._tasks import Task

_full = 0
_under_way = 0
_most = 0
_tasks = 0
_opened = asyncio.Event()


def resident() -> int:
    """Return this process's resident memory in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


@external
async def ask(number: int) -> str:
    """Answer when as many calls as are expected are under way; the last one looks at the memory first."""
    global _under_way, _most, _tasks
    _under_way += 1
    if _under_way == _full:
        await asyncio.sleep(0.05)  # whoever sends has come to its end, and waits
        _most = resident()
        _tasks = (
            sum(type(one) is Task and one.back is None and one.fiber is not None for one in gc.get_objects())
            - 1
        )
        _opened.set()
    else:
        await _opened.wait()
    return "yes"


def gathered(count: int) -> None:
    """What the calls cost asyncio alone."""

    async def all_of_them() -> None:
        await asyncio.gather(*(ask.aio(number) for number in range(count)))

    run(all_of_them(), "gather")


@jit
def calls(count: int) -> list[str]:
    return [ask(number) for number in range(count)]


@jit
def tasks(count: int) -> list[str]:
    told: list[str] = []
    for number in range(count):
        if ask(number) == "yes":  # a decision on an answer: a task waits here
            told.append(f"{number}")
    return told


def checked(number: int) -> str:
    return "yes" if decided(number) else "no"


def decided(number: int) -> bool:
    count = 0
    for word in ask(number).split():
        count += word == "yes"
    return count == 1


@jit
def functions(count: int) -> list[str]:
    return [checked(number) for number in range(count)]


GATES: Final[dict[str, tuple[Callable[[int], Any], str, float | None]]] = {
    "gather": (gathered, "a call in asyncio.gather on the I/O loop", None),
    "calls": (calls, "a pending call", 4.0),
    "tasks": (tasks, "a decision that waits, with its call", 15.0),
    "functions": (functions, "two functions that wait in each other, with their call", None),
}

TASK: Final = 15.0


def measure(name: str, count: int) -> tuple[float, float]:
    """Return KiB per turn while all of them wait, and how many tasks wait in each."""
    global _full, _under_way
    program = GATES[name][0]
    for _ in range(2):  # lowered, and the I/O loop begun
        _full, _under_way = 10, 0
        _opened.clear()
        program(10)
    _full, _under_way = count, 0
    _opened.clear()
    before = resident()
    program(count)
    return (_most - before) / count / 1024, _tasks / count


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--calls", type=int, default=5_000)
    options.add_argument("--one", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        print(*measure(given.one, given.calls))
        return 0
    missed = 0
    print(f"Resident memory, {given.calls} waiting at once")
    for name, (_, what, gate) in GATES.items():
        command = [sys.executable, __file__, "--one", name, "--calls", str(given.calls)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        size, tasks = map(float, done.stdout.split())
        verdict = "" if gate is None else f" (gate {gate:g}){'' if size <= gate else '  MISSED'}"
        missed += gate is not None and size > gate
        print(f"{what:56} {size:6.2f} KiB{verdict}")
        if tasks > 1.5:
            each = size / tasks
            missed += each > TASK
            verdict = f" (gate {TASK:g}){'' if each <= TASK else '  MISSED'}"
            print(f"    each of which is {tasks:.1f} tasks of{'':25} {each:6.2f} KiB{verdict}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
