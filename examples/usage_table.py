"""What was used: totals of this process, and of one block of it. A cost that is not known is never counted as 0."""

from ember.api import models
from ember.context import create_context
from ember.models import Totals

MODEL = "smollm2"


def row(name: str, used: Totals) -> str:
    tokens = f"{used.input_tokens:11}{used.output_tokens:12}"
    return f"  {name:14}{used.calls:7}{tokens}   ${used.cost:f}     {used.unpriced_calls}"


def main() -> None:
    with create_context() as block:
        models(MODEL, "Name a colour.", max_tokens=8)
        models(MODEL, "Name an animal.", max_tokens=8)
    print(f"  {'':14}{'calls':>7}{'tokens in':>11}{'tokens out':>12}   cost  calls without a price")
    print(row("this block", models.usage(block)))
    print(row("this process", models.usage()))


if __name__ == "__main__":
    main()
