"""`python small.py SEED [WORD]`: print the program of a differing seed, made small (and differing with WORD in it)."""

import signal
import sys
import warnings

from differential import compare
from programs import write
from run import TooLong, _alarm
from shrink import shrink

warnings.simplefilter("ignore")
seed = int(sys.argv[1])
word = sys.argv[2] if len(sys.argv) > 2 else ""
number = 0


def differs(text: str) -> bool:
    global number
    number += 1
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(10)
    try:
        wrong = compare(text, f"<small {number}>", fail=[4, 0, 12][seed % 3])
    except TooLong:
        wrong = ["it does not end"]
    except Exception as error:
        wrong = [repr(error)]
    finally:
        signal.alarm(0)
    joined = "\n".join(wrong)
    if "NameError" in joined or ("UnboundLocal" in joined and "Unbound" not in word):
        return False
    return bool(wrong) and word in joined


small = shrink(write(seed), differs, 600)
print(small[small.index("def program") :])
for line in compare(small, "<small>", fail=[4, 0, 12][seed % 3]):
    print("   ", line[:1500])
