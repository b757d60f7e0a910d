"""The corpus of ember-xcs under `jit`, beside what others make of it, as ratios to the critical path.

    python benchmarks/critical_path.py [NAME …]

Calls are simulated and take 75 to 125 ms. The critical path is what the program written by hand takes on a clock that
leaps from event to event. Beside `jit` stand plain Python, asyncio written by hand, and the programs rewritten as fans
of fans by ThreadPool, LangChain's `RunnableParallel` and DSPy's `Parallel` (`composed`).
Exits 1 if a program takes more than 1.05 of its critical path when warm, or 1.15 on the first call.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Final

from composed import PROGRAMS, as_it_is, measured, seconds
from outsiders import environment

from ember.xcs import jit

UNIT: Final = 0.1
WARM, FIRST = 1.05, 1.15
FRAMEWORKS: Final = {"langchain": "langchain-core==1.7.2", "dspy": "dspy==3.4.1"}


def composed() -> dict[str, dict[str, float]]:
    """Return the seconds of each program composed of fans, by what they are of."""
    taken = {"threads": seconds("threads", UNIT)}
    for name, requirement in FRAMEWORKS.items():
        try:
            python = environment(name, requirement, editable=("ember-core", "ember-xcs"))
            script = Path(__file__).with_name("composed.py")
            done = subprocess.run(
                [python, script, name, str(UNIT)], capture_output=True, text=True, timeout=300, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{name}: left out, {getattr(error, 'stderr', None) or error}")
            continue
        taken[name] = json.loads(done.stdout.splitlines()[-1])
    return taken


def main(names: list[str]) -> int:
    logging.getLogger().addHandler(logging.NullHandler())
    # The I/O loop and greenlets are there before the first program is.
    measured.run("router", jit, 0.0)
    others = composed() if set(names or PROGRAMS) & set(PROGRAMS) else {}
    columns = "".join(f" {name:>9}" for name in others)
    print(
        f"{'':20} {'calls':>5} {'critical':>9} {'plain':>6} {'by hand':>8} {'first':>6} {'warm':>6}{columns}"
    )
    missed: list[str] = []
    for name in names or measured.NAMES:
        critical = measured.limit(name, UNIT).seconds
        first = measured.run(name, jit, UNIT).seconds / critical
        seen = [measured.run(name, jit, UNIT) for _ in range(3)]
        warm = min(one.seconds for one in seen) / critical
        hand = min(measured.by_hand(name, UNIT) for _ in range(2)) / critical
        asked = measured.run(name, as_it_is, 0.0).asked
        plain = measured.sequential(asked, UNIT) / critical
        calls = sum(asked.values())
        rivals = "".join(
            f" {one[name] / critical:9.3f}" if name in one else f" {'-':>9}" for one in others.values()
        )
        print(
            f"{name:20} {calls:5} {critical:7.3f} s {plain:6.2f} {hand:8.3f} {first:6.3f} {warm:6.3f}{rivals}",
            flush=True,
        )
        if warm > WARM or first > FIRST:
            missed.append(name)
    print(f"gates: {WARM} warm, {FIRST} first; missed by: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
