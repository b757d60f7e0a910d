"""Compare random programs under `jit` with plain Python: `python run.py FIRST COUNT [LIMIT]`."""

from __future__ import annotations

import signal
import sys
import time
import traceback
import warnings
from types import FrameType
from typing import Final

from differential import compare
from programs import write

FAILING: Final = (4, 0, 12)
"""How many percent of the calls of a program fail, by its seed."""


class TooLong(BaseException):
    """A program did not end."""


def alarm(number: int, frame: FrameType | None) -> None:
    """End a program that takes too long."""
    raise TooLong


def check(seed: int, limit: int | None = None) -> list[str]:
    """Return how the program of `seed` differs under `jit`."""
    signal.signal(signal.SIGALRM, alarm)
    signal.alarm(60)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # random programs are not good style
            return compare(write(seed), f"<program {seed}>", fail=FAILING[seed % 3], limit=limit)
    except TooLong:
        return ["it does not end"]
    except Exception as error:
        return [f"{type(error).__name__}: {error}", traceback.format_exc()[-1500:]]
    finally:
        signal.alarm(0)


def main(first: int, count: int, limit: int | None = None) -> int:
    """Check `count` programs and tell of those that differ; return how many did."""
    bad: list[int] = []
    began = time.monotonic()
    for seed in range(first, first + count):
        if wrong := check(seed, limit):
            bad.append(seed)
            print(f"seed {seed}:", *[line[:1500] for line in wrong], sep="\n    ", flush=True)
    print(f"{count - len(bad)} of {count} identical in {time.monotonic() - began:.0f} s; differing: {bad}")
    return len(bad)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])) > 0)
