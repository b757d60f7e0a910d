"""Functions, closures and classes: calls of them overlap; what they capture is seen as it is when they run."""

# ruff: noqa: PIE804
# These are programs as users write them, with what strict checkers would have told them.
# pyright: reportPossiblyUnboundVariable=false, reportConstantRedefinition=false, reportUnnecessaryIsInstance=false
# pyright: reportUnknownLambdaType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportMatchNotExhaustive=false, reportUnnecessaryComparison=false

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from ember.xcs import jit

from .world import Thing, ask, effect, program


def draft(word: str, tone: str = "calm", *, after: str = "x") -> str:
    first = ask(f"{word} {tone}")
    return ask(f"{after} {first}")


@program("a b", "c d")
def own_functions() -> list[str]:
    return [draft("a", after="c"), draft("b", "loud", after="d")]


@program("a b c", "d e f")
def args_and_keywords() -> list[str]:
    def gather(*words: str, sep: str = "-", **named: str) -> str:
        return sep.join([*map(ask, words), *(f"{key}={ask(value)}" for key, value in named.items())])

    rest = ["b", "c"]
    return [gather("a", *rest), gather(sep="+", **{"x": "d", "y": "e"}), gather(z="f")]


@program("a b c")
def nested_functions() -> list[str]:
    prefix = "go"

    def inner(word: str) -> str:
        return ask(f"{word} {prefix}")

    return [inner(word) for word in "abc"]


@program("a b c")
def defaults_bind_early() -> list[str]:
    made: list[Callable[[], str]] = [lambda word=word: ask(word) for word in "abc"]  # type: ignore[misc]
    return [one() for one in made]


@program("a b", "c d")
def functions_as_values() -> list[str]:
    def twice(function: Callable[[str], str], word: str, then: str) -> str:
        return function(f"{then} {function(word)}")

    table: dict[str, Callable[[str], str]] = {"ask": ask, "low": lambda text: ask(text).lower()}
    return [twice(table["ask"], "a", "c"), twice(table["low"], "b", "d")]


@program("a b", "c d")
def partials() -> list[str]:
    calm = functools.partial(draft, tone="calm", after="c")
    return [calm("a"), functools.partial(draft, "b", after="d")()]


def shouting(function: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> str:
        return function(*args, **kwargs) + "!"

    return wrapper


@program("a b", "c d")
def decorators_inside() -> list[str]:
    @shouting
    def loud(word: str, then: str) -> str:
        return ask(f"{then} {ask(word)}")

    return [loud("a", "c"), loud("b", "d")]


@program("b c", "d e f g")
def recursion() -> list[str]:
    def tree(word: str, children: dict[str, str]) -> list[str]:
        found = [ask(word)]
        for child in children.get(word, ""):
            found += tree(child, children)
        return found

    return tree("a", {"a": "bc", "b": "de", "c": "fg"})


@program("a b c")
def mutual_recursion() -> str:
    def even(n: int) -> str:
        return "end" if n == 0 else ask("abc"[n - 1]) + odd(n - 1)

    def odd(n: int) -> str:
        return "end" if n == 0 else ask("abc"[n - 1]) + even(n - 1)

    return even(3)


@jit
def jitted(word: str, then: str) -> str:
    return ask(f"{then} {ask(word)}")


@program("a b", "c d")
def jit_in_jit() -> list[str]:
    return [jitted("a", "c"), jitted("b", "d")]


@dataclasses.dataclass
class Card:
    """A dataclass of a user's."""

    front: str
    back: str = ""
    tags: list[str] = dataclasses.field(default_factory=list[str])

    def filled(self) -> Card:
        return dataclasses.replace(self, back=ask(f"{self.front}"))


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    name: str
    size: int = 0


class Pair(NamedTuple):
    one: str
    two: str


@program("a b", "c d")
def dataclasses_and_tuples() -> object:
    card = Card(ask("a"), tags=["t"])
    pair = Pair(card.front, ask("b"))
    card.back = ask("c " + pair.one)
    card.tags.append(ask(f"d {pair.two}"))
    return card, pair, Point(pair.one, len(pair.two)), pair._replace(two="x"), dataclasses.asdict(card)


@program("a b")
def methods_that_call() -> object:
    return [Card(word).filled() for word in "ab"]


@program("a b")
def classes_inside() -> object:
    class Desk:
        limit = 2

        def __init__(self, word: str) -> None:
            self.word = word
            self.answer = ask(word)

        def told(self) -> str:
            return f"{self.word}={self.answer}"

    return [desk.told() for desk in [Desk("a"), Desk("b")]], Desk.limit


@program()
def names_of_classes_inside() -> object:
    made: list[object] = []
    for word in "ab":

        @dataclasses.dataclass
        class Note:
            answer: str

            class Kind:
                name = __qualname__

        made += [str(Note(ask(word))), Note.Kind.name, Note.__qualname__]
    return made


class Base:
    def __init__(self, word: str) -> None:
        self.word = word

    def tell(self) -> str:
        return ask(self.word)

    @classmethod
    def made(cls, word: str) -> Base:
        return cls(word)

    @staticmethod
    def quick(word: str) -> str:
        return ask(word)

    def __call__(self, then: str) -> str:
        return ask(f"{then} {self.word}")


class Derived(Base):
    def tell(self) -> str:
        return super().tell() + "!"


@program("a b c d")
def methods_of_every_kind() -> list[str]:
    return [Base("a").tell(), Derived.made("b").tell(), Base.quick("c"), Derived("x")("d")]


@program("a b")
def effects_in_functions() -> list[str]:
    def told(word: str) -> str:
        answer = ask(word)
        effect(f"told {answer}")
        return answer

    return [told("a"), told("b")]


@program("a b")
def objects_that_are_handed_in(thing: Thing) -> object:
    return thing.note(ask("a")), thing.note(ask("b")), thing.label


@program("a b")
def immediately_returned_lambdas() -> object:
    double: Callable[[str], str] = lambda text: text * 2  # noqa: E731
    return double(ask("a")) + double(ask("b"))
