"""Objects of siblings that say which functions they call (`__ember_calls__`): run early, if these only compute."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from crowd import Crowd

from ember.core import external, gather
from ember.xcs import jit

crowd = Crowd()
noted: list[str] = []


@external
async def ask(text: str) -> str:
    if text[:1].isupper():  # the answer to another call: these come together
        async with crowd.joined():
            await asyncio.sleep(0.01)
    return text.upper()


CODE = """
def twice(self, text):
    (function,) = self.__ember_calls__
    if self.together:
        return "-".join(gather((lambda: function(text), lambda: function(text))))
    return function(text) + "-" + function(text)
"""
installed: dict[str, Any] = {"gather": gather}
exec(CODE, installed)  # nobody can look into it


class Twice:
    """What a sibling would bring: it calls one function twice, at once or one by one, and is not lowered."""

    def __init__(self, function: Callable[[str], str], together: bool) -> None:
        self.__ember_calls__ = (function,)
        self.together = together

    if TYPE_CHECKING:

        def __call__(self, text: str) -> str: ...

    else:
        __call__ = installed["twice"]


def reset() -> None:
    crowd.expect()
    noted.clear()


def upper(text: str) -> str:
    return f"{ask(text)}!"


def through(text: str) -> str:
    return upper(text) if text else ""


def prints(text: str) -> str:
    print(text)
    return upper(text)


def prints_deep_down(text: str) -> str:
    return prints(text)


def logs(text: str) -> str:
    logging.getLogger("test").info(text)
    return upper(text)


def changes(text: str) -> str:
    noted.append(text)
    return upper(text)


class Told:
    def told(self, text: str) -> str:
        print(text)
        return text


teller = Told()


def calls_a_method_that_prints(text: str) -> str:
    return upper(teller.told(text))


def loop(twice: Twice) -> Callable[[], list[str]]:
    def program() -> list[str]:
        return [twice(f"{ask(word)} ") for word in ("a", "b", "c")]

    return program


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("function", [upper, through, jit(upper), ask])
def test_what_only_computes_is_called_for_all_elements_at_once(
    function: Callable[[str], str], together: bool
) -> None:
    program = loop(Twice(function, together))
    compiled = jit(program)
    plain = program()
    crowd.expect(6 if together else 3)
    assert compiled() == plain
    assert crowd.most == (6 if together else 3)


@pytest.mark.parametrize("function", [prints, prints_deep_down, logs, changes, calls_a_method_that_prints])
@pytest.mark.parametrize("together", [True, False])
def test_what_others_can_see_keeps_its_place(
    function: Callable[[str], str],
    together: bool,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    twice = Twice(function, together)

    def program() -> list[str]:
        found: list[str] = []
        for word in ("a", "b", "c"):
            found.append(twice(ask(word)))
            print("after", word)
            noted.append(word)
        return found

    def seen(run: Callable[[], list[str]]) -> Any:
        noted.clear()
        caplog.clear()
        return run(), capsys.readouterr().out, noted[:], caplog.messages[:]

    assert seen(jit(program)) == seen(program)


def test_what_it_reads_is_not_changed_before_it_has_read() -> None:
    def program() -> list[str]:
        words = ["x"]

        def reads(text: str) -> str:
            return f"{ask(text)} {len(words)}"

        twice = Twice(reads, False)
        first = twice(ask("a"))
        words.append("y")
        return [first, twice(ask("b"))]

    assert jit(program)() == program() == ["A 1-A 1", "B 2-B 2"]


def test_what_its_functions_read_of_their_module_has_its_turn() -> None:
    def reads(text: str) -> str:
        return f"{ask(text)} {len(noted)} {math.floor(2.5)}"

    def program() -> list[str]:
        noted.clear()
        first = twice(ask("a"))
        noted.append(ask("b"))
        return [first, twice("c")]

    twice = Twice(reads, False)
    assert jit(program)() == program() == ["A 0 2-A 0 2", "C 1 2-C 1 2"]


def test_the_first_failure_is_the_programs() -> None:
    def fails(text: str) -> str:
        if ask(text) == "B":
            raise ValueError(text)
        return text

    twice = Twice(fails, False)
    reset()

    def program() -> list[str]:
        found = [twice(word) for word in ("a", "b", "c")]
        noted.append("never")
        return found

    for run in (program, jit(program)):
        with pytest.raises(ValueError, match="b"):
            run()
    assert noted == []


class Frozen:
    """What a sibling's classes derive from: their objects never change."""

    __ember_frozen__ = True

    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)


class Two(Frozen):
    """A user's class of a sibling's kind: it calls what it is made of."""

    first: Any
    others: list[Any]

    def __call__(self, text: str) -> str:
        found: str = self.first(text)
        if found[:1] == "A":
            found = "-".join([other(found) for other in self.others])
        return found


def test_frozen_objects_made_of_what_computes_are_called_for_all_elements_at_once() -> None:
    two = Two(first=ask, others=[upper, Two(first=upper, others=[ask, jit(upper)])])

    def program() -> list[str]:
        return [two(word) for word in ("a1", "a2", "a3")]

    compiled, plain = jit(program), program()
    crowd.expect(6)
    assert compiled() == plain
    assert crowd.most >= 6  # more, if what follows on the first answer is begun before the last has come


def appends(things: list[str]) -> str:
    things.append(ask(f"{len(things)}"))
    return "A"


class Given(Frozen):
    parts: list[Any]

    def __call__(self, things: list[str]) -> str:
        if ask("a") == "A":
            for part in self.parts:
                part(things)
        return f"{len(things)}"


def test_what_frozen_objects_are_made_of_may_change_what_it_is_given() -> None:
    given = Given(parts=[appends, appends])

    def program() -> Any:
        things = ["x"]
        found = given(things)
        before = len(things)
        things.append("y")
        return found, before, things

    assert jit(program)() == program() == ("3", 3, ["x", "1", "2", "y"])


@pytest.mark.parametrize("function", [prints, changes])
def test_frozen_objects_made_of_what_others_see_keep_their_place(
    function: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    two = Two(first=ask, others=[function, function])

    def program() -> list[str]:
        found: list[str] = []
        for word in ("a1", "a2", "b"):
            found.append(two(word))
            print("after", word)
        noted.append("end")
        return found

    def seen(run: Callable[[], list[str]]) -> Any:
        reset()
        return run(), capsys.readouterr().out, noted[:]

    assert seen(jit(program)) == seen(program)
