"""What the smallest pieces of a program cost in another framework: one that returns what it is given, and built-ins.

Run by `operator_cost`, with the rival's own Python: nothing of Ember can be imported. Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import timeit
from collections.abc import Callable
from importlib import import_module, metadata
from typing import Any


def dspy() -> dict[str, Callable[[], Any]]:
    package: Any = import_module("dspy")
    module: Any = package.Module

    class Same(module):  # type: ignore[misc]
        def forward(self, x: str) -> str:
            return x

    made = Same()
    several = package.Parallel(num_threads=3, disable_progress_bar=True)
    example = package.Example(x="a").with_inputs("x")
    return {
        "call": lambda: made(x="a"),
        "construct": Same,
        "Parallel of three": lambda: several([(made, example)] * 3),
    }


def langchain() -> dict[str, Callable[[], Any]]:
    runnable: Any = import_module("langchain_core.runnables").RunnableLambda

    def same(x: str) -> str:
        return x

    made = runnable(same)
    retry, fallback, chain = made.with_retry(), made.with_fallbacks([made]), made | made
    several: Any = import_module("langchain_core.runnables").RunnableParallel(a=made, b=made, c=made)
    return {
        "call": lambda: made.invoke("a"),
        "construct": lambda: runnable(same),
        "chain of two": lambda: chain.invoke("a"),
        "with_retry": lambda: retry.invoke("a"),
        "with_fallbacks": lambda: fallback.invoke("a"),
        "RunnableParallel of three": lambda: several.invoke("a"),
    }


def main() -> None:
    name = sys.argv[1]
    makers = {"dspy": dspy, "langchain-core": langchain}
    times = {
        what: min(timeit.repeat(do, number=50, repeat=20)) / 50 * 1e9 for what, do in makers[name]().items()
    }
    call, construct = times.pop("call"), times.pop("construct")
    found = {"call": call, "construct": construct, "built_in": times}
    print(json.dumps({"version": metadata.version(name), **found}))


if __name__ == "__main__":
    main()
