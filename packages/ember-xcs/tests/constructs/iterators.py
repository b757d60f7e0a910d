"""Generators and iterators: calls overlap as far as these are gone over; nothing is done before it is asked for."""

# These are programs as users write them, with what strict checkers would have told them.
# pyright: reportPossiblyUnboundVariable=false, reportConstantRedefinition=false, reportUnnecessaryIsInstance=false
# pyright: reportUnknownLambdaType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# ruff: noqa: C416
# pyright: reportUnknownArgumentType=false, reportMatchNotExhaustive=false, reportUnnecessaryComparison=false

from __future__ import annotations

import contextlib
import itertools
import statistics
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from .world import Other, Refused, ask, count, effect, program


def answers(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        yield ask(word)


@program("a b c", "d e f")
def gone_over() -> object:
    return [word for word in answers("abc")], [
        ask(f"{then} {word}") for then, word in zip("def", answers("xyz"))
    ]


@program("a b c", "d e", "f g", "h i", "j k")
def eaten() -> object:
    made = (
        list(answers("abc")),
        " ".join(answers("de")),
        sorted(answers("fg")),
        dict(zip("hi", answers("hi"), strict=True)),
    )
    out = ["first"]
    out.extend(answers("jk"))
    return made, out, max(answers("lm"), key=len), statistics.mode(answers("no"))


@program("a b c", "d e f")
def enumerated_and_zipped() -> list[str]:
    out: list[str] = []
    for number, (word, then) in enumerate(zip(answers("abc"), "def", strict=True)):
        out.append(ask(f"{then} {number} {word}"))
    return out


@program("a b c")
def one_by_one() -> object:
    steps = answers("abcd")
    first, second = next(steps), next(steps)
    return first, second, [*steps], next(steps, "none")


def noting(words: Iterable[str], notes: list[str]) -> Iterator[str]:
    for word in words:
        notes.append(ask(word))
        effect(f"give {word}")
        yield notes[-1]
    effect("end")


@program()
def effects_between_steps() -> object:
    notes: list[str] = []
    out: list[str] = []
    for answer in noting("abc", notes):
        effect(f"take {answer}")
        out.append(ask(f"then {answer}"))
        if len(out) == 2:
            break
    return out, notes


@program()
def gone_over_under_a_decision() -> object:
    notes: list[str] = []
    steps = noting("ab", notes)
    if ask("q") == "Q":
        for _ in steps:
            pass
    return len(notes), notes


def deciding(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        answer = ask(word)
        if len(answer) > 2:
            continue
        yield answer
    yield "last"


@program("a s")
def generators_that_decide() -> object:
    found = list(deciding(["a", "b long", "c"]))
    return found, ask("s")


def talking() -> Generator[str, str | None, list[str | None]]:
    heard: list[str | None] = []
    while len(heard) < 2:
        more = yield ask(f"say {len(heard)}")
        heard.append(more)
    return heard


def passing_on() -> Generator[str, str | None, str]:
    heard = yield from talking()
    yield ask("passed")
    return f"heard {heard}"


@program()
def sending() -> object:
    steps = passing_on()
    out: list[Any] = [next(steps), steps.send(ask("m")), steps.send("n")]
    try:
        next(steps)
    except StopIteration as stop:
        out.append(stop.value)
    return out


@program()
def closing_and_throwing() -> object:
    out: list[Any] = []
    steps, other = answers("abc"), talking()
    out += [next(steps), next(other)]
    steps.close()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    try:
        other.throw(Other("stop"))
    except Other as error:
        out.append(str(error))
    return out, list(steps), list(other)


def tree(children: dict[str, str], word: str) -> Iterator[str]:
    yield ask(word)
    for child in children.get(word, ""):
        yield from tree(children, child)


@program("a b c d")
def trees() -> list[str]:
    return list(tree({"a": "bc", "b": "d"}, "a"))


def failing(number: int) -> Iterator[str]:
    for n in range(number):
        if n == 2:
            raise Other("no more")
        yield ask(f"f {n}")


@program(raises=True)
def failing_in_the_middle() -> object:
    out: list[str] = []
    try:
        for answer in failing(4):
            out.append(answer)
    except Other as error:
        out.append(str(error))
    return out


@program(raises=True)
def begun_in_a_try() -> object:
    steps = answers("abc")
    try:
        first = ask("q")
        second = next(steps)
        if first == "Q":
            raise Other(second)
    except (Refused, Other) as error:
        second = str(error)
    return second, list(steps)


def chunks(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


@program("ab cd ef")
def generators_that_only_compute() -> list[str]:
    out: list[str] = []
    for part in chunks("abcdef", 2):
        out.append(ask(part))
    return out


@program()
def a_generator_that_is_returned() -> Iterator[str]:
    return deciding(["a", ask("b"), "c"])


@program()
def a_begun_generator_that_is_returned() -> Iterator[str]:
    steps = noting(["a", ask("b"), "c"], [ask("n")])
    effect(next(steps))
    return steps


@program("a b", "c d")
def generator_expressions() -> object:
    kept = (ask(word) for word in "ab")
    first = list(kept)
    return (
        first,
        [ask(f"{then} {word}") for then, word in zip("cd", (word.lower() for word in first))],
        list(kept),
    )


@program()
def generator_expressions_that_wait() -> Iterator[str]:
    words = ["a", "b"]
    return (
        f"{ask(word)}{ask('x ' + other)}" for word in words if word != ask("y") for other in "cd" if other
    )


@program()
def stopped_early() -> object:
    return (
        next(word for word in answers("abc") if word == "B"),
        any(word == "A" for word in answers("ab")),
        all(map(len, answers("cd"))),
    )


@program("a b", "c d")
def starred_and_unpacked() -> object:
    first, *rest = answers("ab")
    return first, rest, [*answers("cd"), *map(ask, "ef")], {*answers("g")}


@program("a b c")
def python_s_own_iterators() -> object:
    words = iter(["a", "b", "c", "d"])
    found = [ask(word) for word in itertools.islice(words, 3)]
    return found, list(words), [*itertools.chain(found, "x")], list(itertools.pairwise(found))


@program(raises=True)
def iterators_across_decisions() -> object:
    words, out = ["a", "b"], []
    moving = iter(words)
    for place, word in enumerate(words):
        if ask(word) == "X":
            break
        out.append(place)
    words.append("c")
    for word in moving:
        if ask(f"again {word}") == "AGAIN B":
            break
    return out, list(moving), words


class Shelf:
    """Iterable by a generator."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __iter__(self) -> Iterator[str]:
        for word in self.words:
            effect(f"shelf {word}")
            yield word


@program()
def iterables_of_a_user() -> object:
    shelf = Shelf("ab")
    return [ask(word) for word in shelf], {word: count(word) for word in shelf}, "a" in shelf


def guarded(words: str) -> Iterator[str]:
    for word in words:
        with contextlib.suppress(Refused):
            yield ask(word)


@program(order="a generator that yields in a try or with")
def generators_that_yield_in_a_with() -> list[str]:
    return [ask(f"then {word}") for word in guarded("ab")]
