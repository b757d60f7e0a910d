"""Eight prompts at once: what one thread at a time leaves on the table."""

import time

from ember.api import models
from ember.core import gather

MODEL = "smollm2"
COUNTRIES = ["France", "Italy", "Spain", "Japan", "Egypt", "Cuba", "Greece", "Peru"]


def main() -> None:
    ask = models.instance(MODEL, temperature=0, max_tokens=16)
    ask("Hello")  # the model is loaded by its first call; both measurements come after that

    def capital(country: str) -> str:
        return ask(f"What is the capital of {country}?")

    begun = time.perf_counter()
    for country in COUNTRIES:
        capital(country)
    one_by_one = time.perf_counter() - begun

    begun = time.perf_counter()
    answers = gather(lambda country=country: capital(country) for country in COUNTRIES)
    together = time.perf_counter() - begun

    for country, answer in zip(COUNTRIES, answers, strict=True):
        print(f"  {country:7} {answer.splitlines()[0]}")
    print(f"  one by one {one_by_one:.1f} s, together {together:.1f} s: {one_by_one / together:.1f} times as fast")


if __name__ == "__main__":
    main()
