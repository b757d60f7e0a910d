"""CPU time of the `ember` command beside a bare interpreter and other commands; and the wizard's first screen.

python benchmarks/command_cost.py [--rounds 7]

The others (`llm`, `hatch`) are installed in environments of their own under `.hatch/bench/`, when first needed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import pexpect
from outsiders import environment

GATES = {
    "ember --version": 6.0,
    "ember --help": 6.0,
    "ember configure --help": 6.0,
    "ember configure get": 10.0,
}
RIVALS = {"llm": "llm==0.36", "hatch": "hatch==1.18.2"}
BARE = "python -c pass"


def cpu_ms(command: list[str], variables: Mapping[str, str]) -> float:
    """Return user and system CPU time of a process, its children included, in milliseconds."""
    child = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(variables)
    )
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise OSError(f"{command} ended with {child.returncode}")
    return (used.ru_utime + used.ru_stime) * 1e3


def commands() -> dict[str, list[str]]:
    """Return what is measured, by name."""
    ember = str(Path(sys.executable).with_name("ember"))
    found = {
        BARE: [sys.executable, "-c", "pass"],
        "ember --version": [ember, "--version"],
        "ember --help": [ember, "--help"],
        "ember configure --help": [ember, "configure", "--help"],
        "ember configure get": [ember, "configure", "get", "models.default"],
        "ember models": [ember, "models", "--provider", "openai"],
    }
    for name, requirement in RIVALS.items():
        try:
            found[f"{name} --help"] = [str(environment(name, requirement).with_name(name)), "--help"]
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{name}: left out, {error}")
    return found


def first_paint_ms(variables: Mapping[str, str]) -> float:
    """Return the milliseconds from `ember setup` to the wizard's first screen, in a terminal of its own."""
    ember = str(Path(sys.executable).with_name("ember"))
    known = {name: value for name, value in variables.items() if name != "CI"}
    begun = time.perf_counter()
    child: pexpect.spawn[bytes] = pexpect.spawn(
        ember, ["setup"], env={**known, "TERM": "xterm-256color"}, timeout=30
    )
    child.expect_exact("Enter: begin")
    painted = time.perf_counter() - begun
    child.send("\x03")
    child.expect(pexpect.EOF)
    child.close()
    return painted * 1e3


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rounds", type=int, default=7)
    rounds = options.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "ember"
        home.mkdir(mode=0o700)
        (home / "config.yaml").write_text("models:\n  default: gpt-4o\n")
        (home / "config.yaml").chmod(0o600)
        # Programs start from bytecode, as users have them; the first round, which is not counted, writes it.
        variables = {**os.environ, "EMBER_HOME": str(home)}
        variables.pop("PYTHONDONTWRITEBYTECODE", None)
        costs: dict[str, list[float]] = {}
        wanted = commands()
        for round_ in range(rounds + 1):
            for name, command in wanted.items():
                cost = cpu_ms(command, variables)
                if round_:
                    costs.setdefault(name, []).append(cost)
        painted = min(first_paint_ms(variables) for _ in range(3)) if shutil.which("node") else None
    bare = min(costs[BARE])
    print(f"\nCPU milliseconds of a process, best of {rounds} interleaved rounds")
    missed = 0
    for name, measured in costs.items():
        ratio = min(measured) / bare
        gate = GATES.get(name)
        missed += gate is not None and ratio > gate
        print(f"{name:26}{min(measured):8.0f}{ratio:8.1f}x" + (f"   gate {gate:g}x" if gate else ""))
    if painted is not None:
        print(f"\nember setup draws its first screen after {painted:.0f} ms (wall, best of 3)")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
