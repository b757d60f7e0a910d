"""Compare random programs under `jit` with plain Python.

python fuzz.py FIRST COUNT [LIMIT]    the programs of these seeds, with at most LIMIT calls at once
python fuzz.py SEED                   the program of one seed, made small, and how it differs
"""

from __future__ import annotations

import signal
import sys
import time
import traceback
import warnings
from types import FrameType
from typing import Final

from differential import compare
from random_programs import write
from shrinking import shrink

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


def small(seed: int, word: str = "", limit: int | None = None) -> str:
    """Return the program of `seed`, made small, and how it differs."""
    number = 0
    fail = FAILING[seed % 3]

    def differences(text: str) -> list[str]:
        nonlocal number
        number += 1
        signal.signal(signal.SIGALRM, alarm)
        signal.alarm(10)
        try:
            return compare(text, f"<small {seed} {number}>", fail=fail, limit=limit)
        except TooLong:
            return ["it does not end"]
        except Exception as error:
            return [repr(error)]
        finally:
            signal.alarm(0)

    def differs(text: str) -> bool:
        told = "\n".join(differences(text))
        if "NameError" in told or ("UnboundLocal" in told and "Unbound" not in word):
            return False
        return bool(told) and word in told

    text = shrink(write(seed), differs, 600)
    return "\n".join([text[text.index("def program") :], *(line[:1500] for line in differences(text))])


def main(first: int, count: int, limit: int | None = None) -> int:
    """Check `count` programs and tell of those that differ; return how many did."""
    bad: list[int] = []
    began = time.monotonic()
    for seed in range(first, first + count):
        if wrong := check(seed, limit):
            bad.append(seed)
            print(f"seed {seed}:", *[line[:1500] for line in wrong], sep="\n    ", flush=True)
            if len(bad) == 1:
                print(small(seed, "", limit), flush=True)
    print(f"{count - len(bad)} of {count} identical in {time.monotonic() - began:.0f} s; differing: {bad}")
    return len(bad)


if __name__ == "__main__":
    numbers = [int(number) for number in sys.argv[1:]]
    if len(numbers) == 1:
        print(small(numbers[0]))
    else:
        sys.exit(main(*numbers) > 0)
