"""The programs of this folder: what each does plainly and under `jit`, how long it takes, and how long it must.

A program is a module with a plain sequential `program`, its `ARGUMENTS`, its model (`reply`), and `by_hand`:
the same in asyncio, by someone who knows which call needs which. On a clock that leaps from event to event, that
form takes exactly the program's critical path.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import importlib
import io
import logging
import selectors
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import simulated

NAMES = sorted(
    {path.stem for path in Path(__file__).parent.glob("*.py")} - {"measured", "simulated", "test_corpus"}
)


@dataclass
class Seen:
    """All that can be seen of a run, and how long it took."""

    result: str
    printed: str
    logged: list[str]
    journal: list[str]
    arguments: str
    asked: Counter[str]
    seconds: float
    most: int

    def differs(self, other: Seen) -> list[str]:
        """Say in what the two runs differ, but for time."""
        names = ("result", "printed", "logged", "journal", "arguments", "asked")
        return [
            f"{name}: {getattr(self, name)} | {getattr(other, name)}"
            for name in names
            if getattr(self, name) != getattr(other, name)
        ]


def run(name: str, wrap: Callable[[Any], Any], unit: float) -> Seen:
    """Run a program as `wrap` makes of it, with calls of `unit` seconds on average."""
    module = importlib.import_module(name)
    world = simulated.begin(module.reply, unit)
    arguments = copy.deepcopy(module.ARGUMENTS)
    wrapped = wrap(module.program)
    printed, logged = io.StringIO(), _Logged()
    logging.getLogger().addHandler(logged)
    try:
        with contextlib.redirect_stdout(printed):
            began = time.perf_counter()
            try:
                result = f"returned {wrapped(*arguments)!r}"
            except Exception as error:
                result = f"raised {error!r}"
            took = time.perf_counter() - began
    finally:
        logging.getLogger().removeHandler(logged)
    return Seen(
        result, printed.getvalue(), logged.lines, world.journal, repr(arguments), Counter(world.asked), took, world.most
    )  # fmt: skip


class _Logged(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


class _Leap(selectors.SelectSelector):
    """A selector that never waits: the time it should have waited has passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.now += max(0.0, timeout or 0.0)
        return super().select(0)


@dataclass
class Limit:
    """What the program comes to when written in asyncio by hand, and its critical path in seconds."""

    result: str
    asked: Counter[str]
    seconds: float


def limit(name: str, unit: float) -> Limit:
    """Run the form by hand of a program on a clock that leaps."""
    module = importlib.import_module(name)
    world = simulated.begin(module.reply, unit)
    selector = _Leap()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            result = f"returned {runner.run(module.by_hand(*copy.deepcopy(module.ARGUMENTS)))!r}"
        except Exception as error:
            result = f"raised {error!r}"
    return Limit(result, Counter(world.asked), selector.now)


def by_hand(name: str, unit: float) -> float:
    """Return how long the form by hand really takes."""
    module = importlib.import_module(name)
    simulated.begin(module.reply, unit)
    began = time.perf_counter()
    with contextlib.suppress(Exception):
        asyncio.run(module.by_hand(*copy.deepcopy(module.ARGUMENTS)))
    return time.perf_counter() - began


def sequential(asked: Counter[str], unit: float) -> float:
    """Return how long these calls take one after another, without what Python itself needs."""
    simulated.world.unit = unit
    return sum(simulated.seconds(question) * times for question, times in asked.items())
