"""Tokens per CPU second of the embedded model with 1, 4 and 8 callers: what continuous batching gains.

    python benchmarks/batching.py [--rounds 3] [--tokens 48]

Each number of callers makes the same eight calls, with answers of the same length. Rounds are interleaved, so that what
disturbs the machine disturbs them alike; the best round counts. CPU time is the whole process's, so cores that are
shared with somebody else change it little; wall time is not printed.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

from ember.models import models
from ember.providers.llamacpp import pull

CALLERS = (1, 4, 8)
CALLS = 8
SUBJECTS = ("rivers", "bread", "clocks", "bees", "glass", "snow", "ships", "maps")


def tokens_per_cpu_second(callers: int, tokens: int, round_: int) -> float:
    def ask(subject: str) -> int:
        # Another prompt each round, and one that differs from its first word: nothing is found in a cache.
        prompt = f"{subject}, part {round_}: tell me about them."
        answer = models("smollm2", prompt, max_tokens=tokens, temperature=0, extra={"ignore_eos": True})
        assert answer.usage.output_tokens == tokens, answer.usage
        return tokens

    begun = time.process_time()
    with ThreadPoolExecutor(callers) as pool:
        made = sum(pool.map(ask, SUBJECTS[:CALLS]))
    return made / (time.process_time() - begun)


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--tokens", type=int, default=48)
    given = options.parse_args()
    pull("smollm2")
    models("smollm2", "Hello", max_tokens=1)  # loads the model
    best = dict.fromkeys(CALLERS, 0.0)
    for round_ in range(given.rounds):
        for callers in CALLERS:
            best[callers] = max(
                best[callers], tokens_per_cpu_second(callers, given.tokens, round_ * 10 + callers)
            )
    for callers, rate in best.items():
        ratio = rate / best[CALLERS[0]]
        print(
            f"{callers} caller{'s' if callers > 1 else ' '}: {rate:6.1f} tokens per CPU second, {ratio:.2f}x"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
