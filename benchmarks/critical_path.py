"""The corpus of ember-xcs under `jit`, beside plain Python and asyncio written by hand, as ratios to the critical path.

    python benchmarks/critical_path.py [NAME …]

Calls are simulated and take 75 to 125 ms. The critical path is what the program written by hand takes on a clock that
leaps from event to event. Exits 1 if a program takes more than 1.05 of it when warm, or 1.15 on the first call.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1] / "packages" / "ember-xcs" / "tests" / "corpus"))

measured: Any = __import__("measured")

from ember.xcs import jit  # noqa: E402

UNIT: Final = 0.1
WARM, FIRST = 1.05, 1.15


def as_it_is(function: Any) -> Any:
    return function


def main(names: list[str]) -> int:
    logging.getLogger().addHandler(logging.NullHandler())
    # The I/O loop and greenlets are there before the first program is.
    measured.run("router", jit, 0.0)
    print(f"{'program':20} {'calls':>5} {'critical':>9} {'plain':>6} {'by hand':>8} {'first':>6} {'warm':>6}")
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
        print(
            f"{name:20} {calls:5} {critical:7.3f} s {plain:6.2f} {hand:8.3f} {first:6.3f} {warm:6.3f}",
            flush=True,
        )
        if warm > WARM or first > FIRST:
            missed.append(name)
    print(f"gates: {WARM} warm, {FIRST} first; missed by: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
