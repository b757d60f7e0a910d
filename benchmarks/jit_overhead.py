"""What `jit` itself costs: CPU per external call, an empty call, loops without calls, lowering, memory.

Exits 1 where a gate is missed. The engine's own cost of a call is what asyncio spends on it, in a gather on that loop;
in a chain, what the same chain costs without `jit`: either way the program's thread and the loop's wake each other for
each call, which costs several times more on a machine whose cores sleep meanwhile.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
import tracemalloc
from collections.abc import Callable
from types import FunctionType
from typing import Any, cast

from ember.core.loop import run
from ember.xcs import external, jit, vmap

N = 1000


@external
async def ask(prompt: str) -> str:
    return "x"


def gathered(n: int) -> None:
    async def all_of_them() -> None:
        await asyncio.gather(*(ask.aio(f"q {i}") for i in range(n)))

    run(all_of_them(), "gather")


def comprehension(n: int) -> list[str]:
    return [ask(f"q {i}") for i in range(n)]


def loop(n: int) -> list[str]:
    out: list[str] = []
    for i in range(n):
        out.append(ask(f"q {i}").upper())
    return out


def deciding(n: int) -> list[str]:
    out: list[str] = []
    for i in range(n):
        if ask(f"q {i}") == "x":
            out.append("yes")
        else:
            out.append("no")
    return out


def checked(i: int) -> str:
    answer = ask(f"q {i}")
    return "yes" if answer.startswith("x") else "no"


def functions(n: int) -> list[str]:
    return [checked(i) for i in range(n)]


every = vmap(checked)


def mapped(n: int) -> list[str]:
    return every(range(n))


def chain(n: int) -> str:
    last = ""
    for _ in range(n):
        last = ask(f"after {last}")
    return last


def numbers(n: int) -> tuple[int, int]:
    total = 0
    held: dict[int, int] = {}
    for i in range(n):
        if i % 3 == 0:
            held[i] = i * 2
        total += i
    return total, len(held)


def numbers_and_call(n: int) -> tuple[int, int]:
    total = 0
    held: dict[int, int] = {}
    for i in range(n):
        if i % 3 == 0:
            held[i] = i * 2
        total += i
    ask("z")
    return total, len(held)


@jit
def empty() -> int:
    return 1


def cpu(function: Callable[[int], object], n: int, runs: int = 20) -> float:
    """The least CPU microseconds per turn."""
    best = float("inf")
    for _ in range(runs):
        began = time.process_time()
        function(n)
        best = min(best, time.process_time() - began)
    return best / n * 1e6


def growth(function: Callable[[int], object]) -> float:
    """How many times the CPU of one of a thousand one of ten thousand takes."""
    return cpu(function, 10 * N, 4) / cpu(function, N)


def lowering() -> float:
    """Milliseconds of CPU to lower a function of 20 lines, at best."""
    from ember.xcs import _program

    best = float("inf")
    for _ in range(20):
        _program.forget()
        began = time.process_time()
        _program.program_of(cast(FunctionType, twenty_lines))
        best = min(best, time.process_time() - began)
    return best * 1e3


def twenty_lines(questions: list[str], limit: int = 3) -> dict[str, Any]:
    found: dict[str, Any] = {}
    failures = 0
    for question in questions:
        draft = ask(f"draft {question}").strip()
        if "never" in draft:
            failures += 1
            continue
        try:
            score = float(ask(f"score {draft}"))
        except ValueError:
            score = 0.0
        if score > 0.5 and failures < limit:
            better = ask(f"improve {draft}")
            found[question] = (better, score)
        else:
            found[question] = (draft, score)
    names = sorted(found, key=lambda name: found[name][1])
    total = sum(score for _, score in found.values())
    summary = ask(f"summary of {', '.join(names)}: {total:.2f}")
    return {"found": found, "summary": summary}


def memory(function: Callable[[int], object], n: int) -> float:
    """KB per turn at the height of a run."""
    gc.collect()
    tracemalloc.start()
    function(n)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / n / 1024


def main() -> int:
    gathered(N)
    own, blocking = cpu(gathered, N), cpu(chain, N)
    plain = cpu(numbers, 20_000)
    began = time.perf_counter()
    for _ in range(20_000):
        empty()
    once = (time.perf_counter() - began) / 20_000 * 1e6
    rows = [
        (
            "CPU of a call in a comprehension, above the engine's",
            cpu(jit(comprehension), N) - own,
            40.0,
            "µs",
        ),
        ("the same in a loop", cpu(jit(loop), N) - own, 40.0, "µs"),
        ("in a function of one's own, that looks at the answer", cpu(jit(functions), N) - own, 40.0, "µs"),
        (
            "in a chain, each call with the answer of the one before",
            cpu(jit(chain), N) - blocking,
            40.0,
            "µs",
        ),
        ("in a loop that decides on the answer", cpu(jit(deciding), N) - own, 40.0, "µs"),
        ("one of 10,000 in a function of one's own, to one of 1,000", growth(jit(functions)), 1.5, "x"),
        ("the same under vmap", growth(mapped), 1.5, "x"),
        ("a loop that makes no call, to plain Python", cpu(jit(numbers), 20_000) / plain, 2.0, "x"),
        ("the same beside a call", cpu(jit(numbers_and_call), 20_000) / plain, 2.0, "x"),
        ("an empty call", once, 5.0, "µs"),
        ("lowering 20 lines", lowering(), 5.0, "ms"),
        ("a pending call (Python's own memory)", memory(jit(comprehension), 2_000), 4.0, "KB"),
    ]
    print(
        f"CPU of a call: {own:.1f} µs in asyncio.gather on the I/O loop, {blocking:.1f} µs in a chain of plain Python"
    )
    for name, value, gate, unit in rows:
        print(f"{name:56} {value:8.2f} {unit:3} (gate {gate:g}){'' if value <= gate else '  MISSED'}")
    return 1 if any(value > gate for _, value, gate, _ in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
