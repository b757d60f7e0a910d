"""A stream of rows through an operator: three prompts vote on each review, many reviews at once."""

from ember.api import data, models, operators
from ember.context import create_context

MODEL = "smollm2"

LABELS = ["positive", "negative"]
SHOTS = "Review: I loved every minute of it.\nSentiment: positive\nReview: A waste of time.\nSentiment: negative\n"
REVIEWS = [
    {"text": "An absolute delight from start to finish.", "said": "positive"},
    {"text": "The plot makes no sense and the jokes are awful.", "said": "negative"},
    {"text": "I would happily watch it again tomorrow.", "said": "positive"},
    {"text": "I left after ten minutes, and so did everybody else.", "said": "negative"},
]


class Ask(operators.Operator):
    prompt: str

    def call(self, row: dict[str, str]) -> str:
        return str(models(MODEL, SHOTS + self.prompt.format(**row), choices=LABELS))


VOTE = operators.MajorityVote(
    [
        Ask(prompt="Review: {text}\nSentiment:"),
        Ask(prompt="Somebody says: {text}\nWhat they feel is"),
        Ask(prompt="{text}\nIs that positive or negative? It is"),
    ]
)


def main() -> None:
    with create_context() as here:
        rows = (
            data.stream(REVIEWS)
            .map_concurrent(lambda row: {**row, "vote": VOTE(row)}, concurrency=4)
            .to_list()
        )
        right = sum(row["vote"] == row["said"] for row in rows)
        for row in rows:
            print(f"  {row['vote']:9} {row['text']}")
        print(f"  {right} of {len(rows)} as their writers said, {models.usage(here).calls} calls")


if __name__ == "__main__":
    main()
