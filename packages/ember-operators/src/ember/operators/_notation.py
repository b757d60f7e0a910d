"""The compact notation of Networks of Networks: `5E@gpt-4o(temp=0.7) -> 1J@o3`, read into the built-in operators.

    network  = stage { "->" stage }
    stage    = unit | "[" network { "," network } "]"      side by side: the answers of all
    unit     = [count] kind ["@" model] ["(" name "=" value { "," name "=" value } ")"]
    kind     = "E"   an ensemble: `count` answers of the model
             | "MC"  the most common of the answers
             | "J"   a judge that picks one of them
             | "S"   a synthesis of them
             | "V"   a verifier: the model says whether the answer is right, and it is asked for again if not

(Davis et al., "Networks of Networks: Complexity Class Principles Applied to Compound AI Systems Design", 2024.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from ._ask import Asked
from ._compose import Chain
from ._ensemble import Ensemble, MajorityVote
from ._improve import Verifier
from ._judge import Judge, Synthesize
from ._operator import Operator
from ._steps import Do, Stepped, Steps
from ._vote import majority
from .errors import NotationError


def non(notation: str) -> Network:
    """Return the network that `notation` describes, as an operator that is called with a question.

    Printed, it is its notation in full; `.op` is what it is made of. Raises `NotationError`, which points at the place.

    >>> network = non("3E@gpt-4o(temp=0.7)->1J@o3")
    >>> print(network)
    3E@gpt-4o(temperature=0.7) -> 1J@o3
    >>> type(network.op).__name__, len(network.op.members)
    ('Judge', 3)
    >>> non("3E@gpt-4o -> 1X")
    Traceback (most recent call last):
    ...
    ember.operators...NotationError: There is no kind 'X': it is E, MC, J, S or V.
      3E@gpt-4o -> 1X
                    ^
    """
    reader = _Reader(notation)
    stages = reader.network()
    reader.expect_end()
    return Network(_printed(stages), _built(stages, reader))


class Network(Stepped, kw_only=False):
    """A network made by `non`: `str` gives its notation, `op` is the operator that it stands for."""

    notation: str
    op: Operator

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        return (yield Do(self.op, args, kwargs))

    def __str__(self) -> str:
        return self.notation


_KINDS: Final = ("E", "MC", "J", "S", "V")
_SHORT: Final = {"temp": "temperature", "max": "max_tokens"}
_WORDS: Final = {"true": True, "false": False, "none": None}
_MODEL: Final = re.compile(r"[\w./:-]*[\w/:.]")


@dataclass(frozen=True, slots=True)
class _Unit:
    """One unit, and where it stands."""

    at: int
    count: int
    kind: str
    model: str | None
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Group:
    """Networks side by side."""

    at: int
    networks: tuple[tuple[_Unit | _Group, ...], ...]


_Stage = _Unit | _Group


class _Reader:
    """Goes through a text from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0

    def fail(self, problem: str, at: int | None = None) -> NoReturn:
        raise NotationError(self.text, self.place if at is None else at, problem)

    def network(self) -> tuple[_Stage, ...]:
        stages = [self._stage()]
        while self._take("->"):
            stages.append(self._stage())
        return tuple(stages)

    def expect_end(self) -> None:
        self._space()
        if self.place < len(self.text):
            self.fail("Expected `->` or the end here.")

    def _stage(self) -> _Stage:
        self._space()
        at = self.place
        if not self._take("["):
            return self._unit()
        networks = [self.network()]
        while self._take(","):
            networks.append(self.network())
        if not self._take("]"):
            self.fail("Expected `,` or `]` here.")
        return _Group(at, tuple(networks))

    def _unit(self) -> _Unit:
        at = self.place
        digits = self._match(r"\d+")
        count = 1 if digits is None else int(digits)
        if count < 1:
            self.fail("A count is at least 1.", at)
        where = self.place
        kind = self._match(r"[A-Za-z_]\w*")
        if kind is None:
            self.fail("Expected a unit such as 3E@gpt-4o here.")
        if kind not in _KINDS:
            self.fail(f"There is no kind {kind!r}: it is E, MC, J, S or V.", where)
        if kind != "E" and count != 1:
            self.fail(f"{kind} makes one answer of several: its count is 1.", at)
        model: str | None = None
        if self._take("@"):
            model = self._match(_MODEL.pattern)
            if model is None:
                self.fail("Expected the name of a model here.")
        return _Unit(at, count, kind, model, self._settings())

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        if not self._take("("):
            return settings
        while not self._take(")"):
            if settings and not self._take(","):
                self.fail("Expected `,` or `)` here.")
            self._space()
            at = self.place
            name = self._match(r"[A-Za-z_]\w*")
            if name is None:
                self.fail("Expected a setting such as temp=0.7 here.")
            name = _SHORT.get(name, name)
            if name in settings:
                self.fail(f"{name} is set twice.", at)
            if not self._take("="):
                self.fail(f"Expected `=` and a value for {name} here.")
            settings[name] = self._value()
        return settings

    def _value(self) -> Any:
        number = self._match(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
        if number is not None:
            return int(number) if re.fullmatch(r"-?\d+", number) else float(number)
        text = self._match(r"\"[^\"]*\"|'[^']*'")
        if text is not None:
            return text[1:-1]
        word = self._match(r"[A-Za-z_]\w*")
        if word is None:
            self.fail("Expected a number, a word or a text in quotes here.")
        return _WORDS.get(word.lower(), word)

    def _space(self) -> None:
        while self.place < len(self.text) and self.text[self.place].isspace():
            self.place += 1

    def _take(self, mark: str) -> bool:
        self._space()
        if not self.text.startswith(mark, self.place):
            return False
        self.place += len(mark)
        return True

    def _match(self, pattern: str) -> str | None:
        self._space()
        found = re.compile(pattern).match(self.text, self.place)
        if found is None:
            return None
        self.place = found.end()
        return found[0]


def _built(stages: Sequence[_Stage], reader: _Reader) -> Operator:
    """Return the operator of a network: one that makes one answer of several takes the ensemble before it in."""
    made: list[Callable[..., Any]] = []
    several: tuple[Callable[..., Any], ...] | None = None  # what still is many answers
    for stage in stages:
        if isinstance(stage, _Unit) and stage.kind != "E":
            if several is None and not (stage.kind == "V" and made):
                reader.fail(
                    f"{stage.kind} makes one answer of several, and there are none before it.", stage.at
                )
            made.append(_reduced(stage, several, made))
            several = None
            continue
        if several is not None:
            made.append(Ensemble(several))
        several = _members(stage, reader)
    if several is not None:
        made.append(Ensemble(several))
    only: Any = made[0]
    return only if len(made) == 1 and isinstance(only, Operator) else Chain(tuple(made))


def _members(stage: _Stage, reader: _Reader) -> tuple[Callable[..., Any], ...]:
    """Return whose answers a stage of several has: of networks side by side, each answer counts as one."""
    if isinstance(stage, _Unit):
        return (_model(stage),) * stage.count
    found: list[Callable[..., Any]] = []
    for network in stage.networks:
        only = network[0]
        if len(network) == 1 and (isinstance(only, _Group) or only.kind == "E"):
            found += _members(only, reader)
        else:
            found.append(_built(network, reader))
    return tuple(found)


def _reduced(
    unit: _Unit, several: tuple[Callable[..., Any], ...] | None, made: list[Callable[..., Any]]
) -> Operator:
    members = several or ()
    match unit.kind:
        case "MC":
            return MajorityVote(members)
        case "J":
            return Judge(members, _model(unit))
        case "S":
            return Synthesize(members, _model(unit))
        case _:
            # What is verified can be asked for again: it is taken in, too.
            before = Ensemble(several, aggregate=majority) if several else made.pop()
            return Verifier(before, _model(unit))


def _model(unit: _Unit) -> Asked:
    return Asked(unit.model, unit.settings)


def _printed(stages: Sequence[_Stage]) -> str:
    return " -> ".join(map(_shown, stages))


def _shown(stage: _Stage) -> str:
    if isinstance(stage, _Group):
        return f"[{', '.join(map(_printed, stage.networks))}]"
    settings = ", ".join(f"{name}={_value(value)}" for name, value in stage.settings.items())
    model = "" if stage.model is None else f"@{stage.model}"
    return f"{stage.count}{stage.kind}{model}{f'({settings})' if settings else ''}"


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, str) and not (re.fullmatch(r"[A-Za-z_]\w*", value) and value.lower() not in _WORDS):
        return f"'{value}'" if '"' in value else f'"{value}"'
    return str(value)
