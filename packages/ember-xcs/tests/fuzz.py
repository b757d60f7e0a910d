"""Compare random programs under `jit` with plain Python.

python fuzz.py [STYLE] FIRST COUNT [LIMIT]    the programs of these seeds, with at most LIMIT calls at once
python fuzz.py [STYLE] SEED                   the program of one seed, made small, and how it differs

STYLE is one of the writers of programs, "composed" or "sharing"; without it all of them write.
"""

from __future__ import annotations

import re
import signal
import sys
import time
import traceback
import warnings
from types import FrameType
from typing import Final

import random_programs
import random_sharing
from differential import compare, reasons
from shrinking import shrink

WRITERS: Final = {"composed": random_programs.write, "sharing": random_sharing.write}

FAILING: Final = (4, 0, 12)
"""How many percent of the calls of a program fail, by its seed."""


class TooLong(BaseException):
    """A program did not end."""


def alarm(number: int, frame: FrameType | None) -> None:
    """End a program that takes too long."""
    raise TooLong


def check(style: str, seed: int, limit: int | None = None) -> list[str]:
    """Return how the program of `style` and `seed` differs under `jit`."""
    signal.signal(signal.SIGALRM, alarm)
    signal.alarm(20)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # random programs are not good style
            return compare(WRITERS[style](seed), f"<{style} {seed}>", fail=FAILING[seed % 3], limit=limit)
    except TooLong:
        return ["it does not end"]
    except Exception as error:
        return [f"{type(error).__name__}: {error}", traceback.format_exc()[-1500:]]
    finally:
        signal.alarm(0)


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
        signal.signal(signal.SIGALRM, alarm)
        signal.alarm(5)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return compare(text, f"<small {seed} {number}>", fail=fail, limit=limit)
        except TooLong:
            return ["it does not end"]
        except Exception as error:
            return [repr(error)]
        finally:
            signal.alarm(0)

    whole = WRITERS[style](seed)
    wanted = kind_of(differences(whole))
    text = shrink(whole, lambda text: kind_of(differences(text)) == wanted, 800) if wanted else whole
    return "\n".join([text[text.index("def program") :], *(line[:1500] for line in differences(text))])


def main(style: str, first: int, count: int, limit: int | None = None) -> int:
    """Check `count` programs and tell of those that differ; return how many did."""
    bad: list[int] = []
    began = time.monotonic()
    reasons.clear()
    for seed in range(first, first + count):
        if wrong := check(style, seed, limit):
            bad.append(seed)
            print(f"{style} {seed}:", *[line[:1500] for line in wrong], sep="\n    ", flush=True)
            if len(bad) == 1:
                print(small(style, seed, limit), flush=True)
    took = time.monotonic() - began
    print(f"{style}: {count - len(bad)} of {count} identical in {took:.0f} s; differing: {bad}")
    for reason, number in reasons.items():
        print(f"    {number} runs {f'as they are: {reason}' if reason else 'lowered'}")
    return len(bad)


if __name__ == "__main__":
    words = sys.argv[1:]
    styles = [words.pop(0)] if words[0] in WRITERS else list(WRITERS)
    numbers = [int(word) for word in words]
    if len(numbers) == 1:
        print(*[small(style, numbers[0]) for style in styles], sep="\n\n")
    else:
        sys.exit(sum([main(style, *numbers) for style in styles]) > 0)
