"""A choice by probability: labels are scored instead of generated. A small model's best side by far."""

from ember.api import models

MODEL = "smollm2"

EXAMPLES = """Review: I loved every minute of it.
Sentiment: positive
Review: A waste of time and money.
Sentiment: negative
Review: Wonderful acting and a great story.
Sentiment: positive
Review: Terrible, I left after ten minutes.
Sentiment: negative"""

REVIEWS = [
    "An absolute delight from start to finish.",
    "The plot makes no sense and the jokes are awful.",
    "I would happily watch it again tomorrow.",
]


def main() -> None:
    for review in REVIEWS:
        label = models(MODEL, f"{EXAMPLES}\nReview: {review}\nSentiment:", choices=["positive", "negative"])
        sure = f"{label.probabilities[label]:.0%}" if label.probabilities else "no probability given"
        print(f"  {label:9} ({sure})  {review}")


if __name__ == "__main__":
    main()
