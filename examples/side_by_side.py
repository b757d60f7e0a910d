"""Plain Python under jit: calls that do not need each other run at once, and a page shows when each of them ran."""

import tempfile
import time
from pathlib import Path

from ember.api import models, xcs

MODEL = "smollm2"
TOPICS = ["the sea", "a lighthouse", "old trains", "a market"]


def review(topics: list[str]) -> str:
    notes: list[str] = []
    for topic in topics:
        draft = models(MODEL, f"Write a line about {topic}.", temperature=0, max_tokens=24)
        title = models(MODEL, f"Write a title about {topic}.", temperature=0, max_tokens=8)
        notes.append(f"{title.strip()}: {draft.strip()}")
    return models(MODEL, "Which is best?\n" + "\n".join(notes), temperature=0, max_tokens=16)


def main() -> None:
    models(MODEL, "Hello", max_tokens=1)  # the first call loads the model; both measurements come after it

    begun = time.perf_counter()
    review(TOPICS)
    plain = time.perf_counter() - begun

    begun = time.perf_counter()
    with xcs.trace() as seen:
        answer = xcs.jit(review)(TOPICS)
    jitted = time.perf_counter() - begun

    page = Path(tempfile.gettempdir()) / "ember-side-by-side.html"
    seen.save(page)
    print(f"  {answer.splitlines()[0][:90]}")
    print(f"  plain {plain:.1f} s, under jit {jitted:.1f} s: {plain / jitted:.1f}x")
    print(f"  when each call ran: open {page}")


if __name__ == "__main__":
    main()
