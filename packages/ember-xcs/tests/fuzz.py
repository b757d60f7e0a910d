"""Compare random programs under `jit` with plain Python.

python fuzz.py FIRST COUNT [SECONDS]            programs of these seeds, a third by each writer, side by side
python fuzz.py STYLE FIRST COUNT [SECONDS]      programs of one writer: composed, sharing, awaiting
python fuzz.py STYLE SEED                       the program of one seed, made small, and how it differs

After SECONDS it stops where it is, and says how far it came. Exits 1 if one differs; the first is shown, made small.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Final

import random_awaiting
import random_programs
import random_sharing
from differential import compare, reasons
from shrinking import shrink

WRITERS: Final = {
    "composed": random_programs.write,
    "sharing": random_sharing.write,
    "awaiting": random_awaiting.write,
}

FAILING: Final = (4, 0, 12)
"""How many percent of the calls of a program fail, by its seed."""


def check(style: str, seed: int, limit: int | None = None) -> list[str]:
    """Return how the program of `style` and `seed` differs under `jit`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # random programs are not good style
            return compare(WRITERS[style](seed), f"<{style} {seed}>", fail=FAILING[seed % 3], limit=limit)
    except Exception as error:
        return [f"{type(error).__name__}: {error}", traceback.format_exc()[-1500:]]


def kind_of(wrong: list[str]) -> str:
    """Return what a difference is like: what differs, and what was returned or raised on either side."""
    if not wrong:
        return ""
    found = re.findall(r"\('(returned|raised)'(?:, '(\w+)')?", wrong[0].split("\n")[0])
    return f"{wrong[0].partition(':')[0]} {found if wrong[0].startswith('result') else ''}"


def small(style: str, seed: int, limit: int | None = None) -> str:
    """Return the program of `seed`, made small while it differs in the same way, and how it differs."""
    number = 0
    fail = FAILING[seed % 3]

    def differences(text: str) -> list[str]:
        nonlocal number
        number += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return compare(text, f"<small {seed} {number}>", fail=fail, limit=limit)
        except Exception as error:
            return [repr(error)]

    whole = WRITERS[style](seed)
    wanted = kind_of(differences(whole))
    text = shrink(whole, lambda text: kind_of(differences(text)) == wanted, 800) if wanted else whole
    first = text.find("async def program")
    shown = text[first if first >= 0 else text.index("def program") :]
    return "\n".join([shown, *(line[:1500] for line in differences(text))])


def main(style: str, first: int, count: int, seconds: float = math.inf) -> int:
    """Check `count` programs and tell of those that differ; return how many did."""
    bad: list[int] = []
    began = time.monotonic()
    reasons.clear()
    done = 0
    for seed in range(first, first + count):
        if time.monotonic() - began > seconds:
            break
        done += 1
        if wrong := check(style, seed):
            bad.append(seed)
            print(f"{style} {seed}:", *[line[:1500] for line in wrong], sep="\n    ", flush=True)
            if len(bad) == 1:
                print(small(style, seed), flush=True)
    took = time.monotonic() - began
    print(
        f"{style}, seeds {first} to {first + done - 1}: {done - len(bad)} of {done} identical in {took:.0f} s"
    )
    if done < count:
        print(f"    {count - done} of {count} were not run: {seconds:.0f} s had passed")
    if bad:
        print(f"    differing: {bad}")
    for reason, number in reasons.items():
        print(f"    {number} runs {f'as they are: {reason}' if reason else 'lowered'}")
    sys.stdout.flush()
    return len(bad)


def side_by_side(first: int, count: int, *rest: str) -> int:
    """Have each writer write its part of the programs, in a process of its own; return how many of them failed."""
    command = [sys.executable, str(Path(__file__))]
    parts = [
        subprocess.Popen([*command, style, str(first), str(count // len(WRITERS)), *rest])
        for style in WRITERS
    ]
    return sum(part.wait() != 0 for part in parts)


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[0] not in WRITERS:
        sys.exit(side_by_side(int(words[0]), int(words[1]), *words[2:]) > 0)
    chosen, start, *others = words
    if not others:
        print(small(chosen, int(start)))
    else:
        sys.exit(main(chosen, int(start), int(others[0]), *map(float, others[1:])) > 0)
