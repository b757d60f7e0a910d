"""Objects: attributes, properties, methods and special methods; stores that others can see keep their order."""

# These are programs as users write them, with what strict checkers would have told them.
# pyright: reportPossiblyUnboundVariable=false, reportConstantRedefinition=false, reportUnnecessaryIsInstance=false
# pyright: reportUnknownLambdaType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportMatchNotExhaustive=false, reportUnnecessaryComparison=false

from __future__ import annotations

import functools
from dataclasses import InitVar, dataclass, field
from typing import Any

from .world import Refused, Thing, ask, count, effect, program

STATE = ("BOARD",)


class Board:
    """An object that others can see."""

    def __init__(self) -> None:
        self.note = ""
        self.lines: list[str] = []

    def __repr__(self) -> str:
        return f"Board({self.note!r}, {self.lines!r})"


BOARD = Board()


class Agent:
    """State in attributes, as agents are written."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.history: list[str] = []
        self.turns = 0

    def say(self, text: str) -> str:
        answer = ask(f"{self.name} {text}")
        self.history.append(answer)
        self.turns += 1
        return answer

    def reset(self) -> Agent:
        self.history.clear()
        return self


@program("a b")
def own_objects_with_state() -> object:
    one, two = Agent("a"), Agent("b")
    out = [one.say("hi"), two.say("ho")]
    out.append(one.say(out[1]))
    return out, one.history, two.turns, one.reset().history


@program("a b", order="a store of an attribute")
def stores_that_others_can_see(thing: Thing) -> object:
    a, b = ask("a"), ask("b")
    thing.name = a
    thing.count += len(b)
    c = ask(f"c {thing.name}")
    thing.notes = []
    del thing.name
    return c, thing.count, hasattr(thing, "name")


@program("a b")
def a_global_object() -> object:
    BOARD.note = ask("a")
    BOARD.lines.append(ask("b"))
    return BOARD.note, ask(f"c {BOARD.lines}")


@program("a b", "c d")
def attributes_of_own_objects() -> object:
    box = Thing()
    box.name = ask("a")
    box.count = count("b")
    box.notes += [ask("c " + box.name)]
    return box, ask(f"d {box.count}")


class Page:
    """It only holds what is stored in it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.size = 0

    def __repr__(self) -> str:
        return f"{self.lines} {self.size}"


class Printer:
    """Attributes of the same names, with code behind them that others can see."""

    @property
    def lines(self) -> list[str]:
        effect("read")
        return []

    @lines.setter
    def lines(self, lines: list[str]) -> None:
        effect(lines)

    @property
    def size(self) -> int:
        effect("asked")
        return 0

    @size.setter
    def size(self, size: int) -> None:
        effect(size)


@program("a b", "c d")
def attributes_that_another_class_has_code_behind() -> object:
    page = Page()
    page.lines = [ask("a")]
    page.size = count("b")
    page.lines += [ask("c " + page.lines[0])]
    return page, ask(f"d {page.size}")


@program("a b")
def attributes_with_code_behind_them() -> object:
    printer = Printer()
    first, second = ask("a"), count("b")
    printer.lines = [first]
    printer.size = second
    return printer.lines, ask(f"c {printer.size}")


@program()
def properties(thing: Thing) -> object:
    first = ask(f"a {thing.label}")
    thing.note("x")
    return first, ask(f"b {thing.label}")


class Vector:
    """Operators of a user's."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __add__(self, other: Vector) -> Vector:
        effect(f"add {len(self.parts)}")
        return Vector(*self.parts, *other.parts)

    def __eq__(self, other: object) -> bool:
        effect("eq")
        return isinstance(other, Vector) and self.parts == other.parts

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> Any:
        effect(f"get {index}")
        return self.parts[index]

    def __contains__(self, thing: object) -> bool:
        return thing in self.parts

    def __iter__(self) -> Any:
        return iter(self.parts)

    def __bool__(self) -> bool:
        effect("bool")
        return bool(self.parts)

    def __repr__(self) -> str:
        return f"Vector{self.parts!r}"


@program("a b")
def operators_of_a_user() -> object:
    one, two = Vector(ask("a")), Vector(ask("b"))
    both = one + two
    return both, one == two, both[1], len(both), "A" in both, list(both), "yes" if both else "no"


class Lazy:
    """Attributes that are computed when they are asked for."""

    def __init__(self, word: str) -> None:
        self.word = word

    @functools.cached_property
    def answer(self) -> str:
        return ask(self.word)

    def __getattr__(self, name: str) -> str:
        effect(f"getattr {name}")
        return name.upper()


@program()
def computed_attributes() -> object:
    one = Lazy("a")
    return one.answer, one.answer, one.missing, ask("b")


class Slotted:
    __slots__ = ("first", "second")

    second: str

    def __init__(self, first: str) -> None:
        self.first = first

    def __repr__(self) -> str:
        return f"Slotted({self.first!r}, {getattr(self, 'second', None)!r})"


@program("a b")
def slots() -> object:
    made = [Slotted(ask("a")), Slotted(ask("b"))]
    made[0].second = ask("c")
    return made


@program()
def getattr_and_setattr(thing: Thing) -> object:
    name = ask("a").lower()
    setattr(thing, name, ask("b"))
    return getattr(thing, name), hasattr(thing, "zz"), getattr(thing, "zz", "none"), vars(thing)["count"]


@program("a b", "c d")
def fluent_methods() -> object:
    class Prompt:
        def __init__(self) -> None:
            self.parts: list[str] = []

        def add(self, text: str) -> Prompt:
            self.parts.append(text)
            return self

        def send(self, label: str) -> str:
            return ask(f"{label} {' '.join(self.parts)}")

    first = Prompt().add(ask("a")).add("x").send("c")
    second = Prompt().add(ask("b")).send("d")
    return first, second


@dataclass
class Card:
    """A dataclass that asks for a part of itself."""

    name: str
    suffix: InitVar[str] = "!"
    lines: list[str] = field(default_factory=list[str])

    def __post_init__(self, suffix: str) -> None:
        self.text = ask(f"{self.name} {suffix}")
        self.lines.append(self.text)


@dataclass
class LongCard(Card):
    size: int = 0

    def __post_init__(self, suffix: str) -> None:
        super().__post_init__(suffix)
        self.size += len(self.text)

    @functools.cached_property
    def title(self) -> str:
        effect(f"title of {self.name}")
        return ask(f"t{self.name} {self.size}")


@program("a b c d")
def dataclasses_that_ask_when_they_are_made() -> object:
    shared: list[str] = []
    cards = [Card("a"), Card("b", "?"), LongCard("c", lines=shared), LongCard("d", "?", shared, 5)]
    shared.append("end")
    return [repr(card) for card in cards], [card.text for card in cards], shared


@program("ta tb")
def cached_properties() -> object:
    cards = [LongCard("a"), LongCard("b")]
    titles = [card.title for card in cards]
    return titles, [card.title for card in cards]


@program()
def cached_properties_that_fail_are_asked_again() -> object:
    card = LongCard("a")
    out: list[Any] = []
    for _ in range(2):
        try:
            out.append(card.title)
        except Refused as error:
            out.append(str(error))
    card.name = "b"
    del card.title
    return out, card.title, card.title
