"""Train a router on one half of the calls that were logged, and see what it is worth on the other half.

    python examples/learned_router/train.py

No model is called. An answer that is right is worth 1, and a thousand tokens that are read cost 1.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from statistics import fmean

from ember.operators import Difference, LearnedRouter, Logged, difference, interval

CALLS = Path(__file__).parent / "calls.jsonl"
ROUTES = ("calculator", "closed book", "open book")


def logged() -> list[Logged]:
    """Return what was logged, shuffled."""
    rows = [json.loads(line) for line in CALLS.read_text(encoding="utf-8").splitlines()]
    random.Random(0).shuffle(rows)
    return [
        Logged(row["question"], row["rewards"], {name: n / 1000 for name, n in row["tokens"].items()})
        for row in rows
    ]


def trained() -> tuple[LearnedRouter, list[Logged]]:
    """Return the router, trained on the first half, and the half that it has not seen."""
    log = logged()
    half = len(log) // 2
    return LearnedRouter.of(dict.fromkeys(ROUTES, str)).fit(log[:half], decay=1e-4), log[half:]


def gains(router: LearnedRouter, held_out: list[Logged]) -> dict[str, Difference]:
    """Return how much more the router's choices are worth than always the same route."""
    chosen = router.utility(held_out)
    return {name: difference(chosen, [one.utility(name) for one in held_out]) for name in ROUTES}


def main() -> None:
    router, held_out = trained()
    worth = {f"always {name}": [one.utility(name) for one in held_out] for name in ROUTES}
    worth["learned"] = router.utility(held_out)
    worth["the better one, known afterwards"] = [max(map(one.utility, ROUTES)) for one in held_out]
    for name, values in worth.items():
        print(f"  {name:34} {interval(values)}")
    for name, gain in gains(router, held_out).items():
        print(f"  learned - always {name:17} {gain}")
    routes = [router.chosen(one.question) for one in held_out]
    right = fmean(one.rewards[route] for one, route in zip(held_out, routes, strict=True))
    taken = ", ".join(f"{routes.count(name)} by {name}" for name in ROUTES)
    print(f"  {right:.3f} right; {taken}")


if __name__ == "__main__":
    main()
