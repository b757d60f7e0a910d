"""Print the program of a differing seed, made small: `python small.py SEED [WORD]`, where WORD is told of the difference."""

from __future__ import annotations

import signal
import sys
import warnings

from differential import compare
from programs import write
from run import FAILING, TooLong, alarm
from shrink import shrink


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


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(small(int(sys.argv[1]), *sys.argv[2:3]))
