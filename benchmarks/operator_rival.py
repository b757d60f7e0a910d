"""What the smallest piece of a program costs in another framework: one that returns what it is given.

Run by `operator_cost`, with the rival's own Python: nothing of Ember can be imported. Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import timeit
from collections.abc import Callable
from importlib import import_module, metadata
from typing import Any


def dspy() -> tuple[Callable[[], Any], Callable[[], Any]]:
    module: Any = import_module("dspy").Module

    class Same(module):  # type: ignore[misc]
        def forward(self, x: str) -> str:
            return x

    made = Same()
    return lambda: made(x="a"), Same


def langchain() -> tuple[Callable[[], Any], Callable[[], Any]]:
    runnable: Any = import_module("langchain_core.runnables").RunnableLambda

    def same(x: str) -> str:
        return x

    made = runnable(same)
    return lambda: made.invoke("a"), lambda: runnable(same)


def main() -> None:
    name = sys.argv[1]
    makers = {"dspy": dspy, "langchain-core": langchain}
    call, construct = makers[name]()
    times = {}
    for what, do in (("call", call), ("construct", construct)):
        times[what] = min(timeit.repeat(do, number=500, repeat=7)) / 500 * 1e9
    print(json.dumps({"version": metadata.version(name), **times}))


if __name__ == "__main__":
    main()
