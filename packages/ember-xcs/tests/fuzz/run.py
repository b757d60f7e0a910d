"""Compare random programs under `jit` with plain Python: `python run.py FIRST COUNT [LIMIT]`."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

from differential import compare
from programs import write


class TooLong(BaseException):
    pass


def _alarm(number: int, frame: FrameType | None) -> None:
    raise TooLong


def check(seed: int, limit: int | None = None) -> list[str]:
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(20)
    try:
        return compare(write(seed), f"<program {seed}>", fail=[4, 0, 12][seed % 3], limit=limit)
    except TooLong:
        return ["it does not end"]
    finally:
        signal.alarm(0)


def main() -> None:
    import warnings

    warnings.simplefilter("ignore")
    first, count = int(sys.argv[1]), int(sys.argv[2])
    limit = int(sys.argv[3]) if len(sys.argv) > 3 else None
    bad = []
    began = time.time()
    for seed in range(first, first + count):
        try:
            wrong = check(seed, limit)
        except Exception as error:
            import traceback

            wrong = [f"{type(error).__name__}: {error}", traceback.format_exc()[-1500:]]
        if wrong:
            bad.append(seed)
            print(f"seed {seed}:", *[w[:1500] for w in wrong], sep="\n    ", flush=True)
    print(f"{count - len(bad)} of {count} identical in {time.time() - began:.0f} s; differing: {bad}")


if __name__ == "__main__":
    main()
