"""Contexts: defaults for every call of a block, kept apart between tasks that run at the same time."""

import asyncio

from ember.api import models
from ember.context import create_context, get_context, with_context

MODEL = "smollm2"


async def describe(animal: str, words: int) -> str:
    with create_context(models={"default": MODEL, "temperature": 0, "max_tokens": words}) as context:
        answer = await models.acall(None, f"Describe a {animal} in one sentence.")
        used = models.usage(context)
        return f"{animal} ({used.output_tokens} tokens of at most {words}): {answer}"


async def both() -> None:
    for line in await asyncio.gather(describe("cat", 12), describe("whale", 24)):
        print(f"  {line}")


def main() -> None:
    asyncio.run(both())
    with with_context(models={"temperature": 0.9}):
        print(f"  inside the block:  {get_context().explain('models.temperature')}")
    print(f"  after the block:   {get_context().explain('models.temperature')}")


if __name__ == "__main__":
    main()
