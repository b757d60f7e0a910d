"""Effects: they happen in the order of the program, once everything before has succeeded; calls go ahead."""

# These are programs as users write them, with what strict checkers would have told them.
# pyright: reportPossiblyUnboundVariable=false, reportConstantRedefinition=false, reportUnnecessaryIsInstance=false
# pyright: reportUnknownLambdaType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportMatchNotExhaustive=false, reportUnnecessaryComparison=false

from __future__ import annotations

import logging
import os
import random
import time
import warnings

from .world import ask, effect, program

STATE = ("TOTAL", "LOG", "NAMES")
TOTAL = 0
LOG: list[str] = []
NAMES: dict[str, int] = {}

log = logging.getLogger("constructs")


class _Kept(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        LOG.append(record.getMessage())


log.addHandler(_Kept())
log.setLevel(logging.INFO)
log.propagate = False


@program("a b c")
def prints() -> str:
    a = ask("a")
    print("got", a, sep=": ")
    b = ask("b")
    print(f"{b:>5}", end="|")
    print([a, b], {"k": a}, flush=True)
    return ask("c")


@program("a b c")
def logs() -> str:
    a = ask("a")
    log.info("got %s", a)
    b = ask("b")
    log.warning("got %s and %d", b, 1)
    log.debug("never %s", a)
    return ask("c")


@program("a b c", order="a call of effect()")
def effects_of_libraries() -> list[str]:
    a, b, c = ask("a"), ask("b"), ask("c")
    effect("one")
    effect(a)
    effect([b, c])
    return [ask(f"d {a}")]


@program("a b")
def writes_of_files() -> object:
    read, write = os.pipe()
    a, b = ask("a"), ask("b")
    os.write(write, a.encode())
    os.write(write, b.encode())
    os.close(write)
    with os.fdopen(read) as file:
        return file.read()


@program("a b")
def random_numbers_in_order() -> object:
    first = random.random()
    a = ask("a")
    second = random.choice(["x", "y", "z"])
    b = ask("b")
    return first, second, a, b, random.randint(0, 9)


@program("a b")
def times_in_order() -> object:
    began = time.monotonic()
    a = ask("a")
    middle = time.monotonic()
    b = ask("b")
    return a, b, began <= middle <= time.monotonic()


@program()
def environment() -> object:
    a = ask("a")
    os.environ["EMBER_CONSTRUCT"] = a
    b = ask(f"b {os.environ['EMBER_CONSTRUCT']}")
    del os.environ["EMBER_CONSTRUCT"]
    return b, "EMBER_CONSTRUCT" in os.environ


@program("a b", order="an assignment of a global variable")
def global_variables() -> object:
    global TOTAL
    a = ask("a")
    TOTAL += len(a)
    b = ask("b")
    TOTAL = TOTAL + len(b)
    return TOTAL, ask(f"c {TOTAL}")


def tallied(word: str) -> str:
    global TOTAL
    answer = ask(word)
    TOTAL += 1
    NAMES[answer] = TOTAL
    return answer


@program("a b c")
def global_variables_of_functions() -> object:
    return [tallied(word) for word in "abc"], TOTAL, dict(NAMES)


@program("a b")
def counters_in_closures() -> object:
    def counter() -> object:
        n = 0

        def step() -> int:
            nonlocal n
            n += 1
            return n

        return step

    step = counter()
    return [f"{step()} {ask(word)}" for word in "ab"]  # type: ignore[operator]


@program("a b")
def warned() -> object:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warnings.warn(ask("a"), stacklevel=1)
        b = ask("b")
    return [str(one.message) for one in seen], b


@program("a b")
def inputs_that_change_before_the_call() -> object:
    words = ["x"]
    first = ask(f"a {words}")
    words.append("y")
    return first, ask(f"b {words}"), words


@program("a b")
def imports_inside() -> object:
    a = ask("a")
    import json as j
    from math import pi

    return a, j.dumps([ask("b")]), round(pi, 2)


@program("a b")
def nonlocal_variables() -> object:
    total = 0
    names: list[str] = []

    def add(word: str) -> str:
        nonlocal total
        answer = ask(word)
        total += len(answer)
        names.append(answer)
        return answer

    first, second = add("a"), add("b")
    return first, second, total, names
