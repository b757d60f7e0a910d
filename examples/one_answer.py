"""One answer: name a model, ask, and use what comes back as the string it is."""

from ember.api import models

MODEL = "smollm2"  # or "gpt-4o-mini", "claude-haiku-4-5", ...: nothing else changes


def main() -> None:
    answer = models(MODEL, "What is the capital of France?", temperature=0, max_tokens=24)
    print(answer)
    print(
        f"  a {type(answer).__mro__[1].__name__} of {len(answer)} characters, from {answer.provider}/{answer.model}"
    )
    print(
        f"  {answer.usage.input_tokens} tokens in, {answer.usage.output_tokens} out, "
        f"{answer.latency:.2f} s, cost {'unknown' if answer.cost is None else f'${answer.cost}'}"
    )


if __name__ == "__main__":
    main()
