"""Eight prompts at once: the model works on all of them in one batch, and each answer comes out sooner."""

import time
from functools import partial

from ember.api import models
from ember.core import gather

MODEL = "smollm2"
TOPICS = ["the sea", "a lighthouse", "mountains", "a library", "old trains", "the moon", "a market", "rain"]


def main() -> None:
    ask = models.instance(MODEL, temperature=0, max_tokens=32)
    ask("Hello")  # the first call loads the model; both measurements come after it

    begun = time.perf_counter()
    alone = [ask(f"Describe {topic} in detail.") for topic in TOPICS]
    one_by_one = sum(answer.usage.output_tokens or 0 for answer in alone) / (time.perf_counter() - begun)

    begun = time.perf_counter()
    answers = gather(partial(ask, f"Describe {topic} in detail.") for topic in TOPICS)
    together = sum(answer.usage.output_tokens or 0 for answer in answers) / (time.perf_counter() - begun)

    for topic, answer in zip(TOPICS, answers, strict=True):
        print(f"  {topic:12} {answer.splitlines()[0][:90]} ...")
    print(
        f"  one by one {one_by_one:.0f} tokens a second, together {together:.0f}: {together / one_by_one:.1f}x"
    )


if __name__ == "__main__":
    main()
