"""CPU time of `from ember.api import models` above a bare interpreter, beside what others cost to import.

python benchmarks/import_cost.py [--rounds 7]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

STATEMENTS = {
    "pass": "pass",
    "from ember.api import models": "from ember.api import models",
    "import aiohttp": "import aiohttp",
    "import httpx2": "import httpx2",
    "import openai": "import openai",
    "import anthropic": "import anthropic",
}
GATE_MS = 60.0
# Imports as users have them, from bytecode; the first round, which is not counted, writes it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def cpu_ms(statement: str) -> float:
    """Return user and system CPU time of a fresh interpreter that runs `statement`, in milliseconds."""
    child = subprocess.Popen([sys.executable, "-c", statement], stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise ImportError(f"{statement!r} failed")
    return (used.ru_utime + used.ru_stime) * 1e3


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rounds", type=int, default=7)
    rounds = options.parse_args().rounds
    costs: dict[str, list[float]] = {}
    for round_ in range(rounds + 1):
        for name, statement in STATEMENTS.items():
            try:
                cost = cpu_ms(statement)
            except ImportError:
                continue
            if round_:
                costs.setdefault(name, []).append(cost)
    bare = min(costs["pass"])
    print(f"\nCPU milliseconds of a fresh interpreter, best of {rounds} interleaved rounds")
    for name, measured in costs.items():
        print(f"{name:32}{min(measured):8.0f}{min(measured) - bare:+9.0f}{min(measured) / bare:8.1f}x")
    above = min(costs["from ember.api import models"]) - bare
    print(f"\nfrom ember.api import models: {above:.0f} ms above bare Python, gate {GATE_MS:g} ms")
    return 0 if above <= GATE_MS else 1


if __name__ == "__main__":
    raise SystemExit(main())
