"""The same answer as it comes: iterate for the pieces, read `.response` at the end for the whole."""

import time

from ember.api import models

MODEL = "smollm2"


def main() -> None:
    begun, first = time.perf_counter(), 0.0
    stream = models.stream(MODEL, "What is the capital of France?", temperature=0, max_tokens=24)
    for piece in stream:
        first = first or time.perf_counter() - begun
        print(piece, end="", flush=True)
    print(
        f"\n  first piece after {first:.2f} s, all after {stream.response.latency:.2f} s, "
        f"{stream.response.usage.output_tokens} tokens, finished by {stream.response.finish_reason!r}"
    )


if __name__ == "__main__":
    main()
