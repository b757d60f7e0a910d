"""Functions that are replaced while the program lives, or made for ever: never another's meaning, no growth."""

# How much is kept in memory, only the tables themselves can say.
# pyright: reportPrivateUsage=false, reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any, cast

import pytest

from ember.xcs import _function_effects, _program, external, jit

log: list[str] = []


@external
async def ask(word: str) -> str:
    if word == "no":
        raise ValueError(word)
    return word.upper()


def tidy(word: str) -> str:
    return word + ""


def ended(word: str) -> str:
    return tidy(word) + "."


def tidied(words: list[str]) -> list[str]:
    first = ask(words[0])
    out: list[str] = []
    for word in words:
        out.append(ended(word))
    return [first, *out]


def outcome(function: Callable[..., Any], *args: Any) -> tuple[Any, list[str]]:
    log.clear()
    try:
        return function(*args), list(log)
    except ValueError as error:
        return repr(error), list(log)


def noting(word: str) -> str:
    log.append(f"tidy {word}")
    return word.strip()


def asking(word: str) -> str:
    return ask(word.strip()) + ask("x")


def changing(word: str) -> str:
    log.append(word)
    log.sort()
    return word


@pytest.mark.parametrize("other", [noting, asking, changing])
def test_a_function_that_takes_another_ones_place_is_noticed(
    monkeypatch: pytest.MonkeyPatch, other: Callable[[str], str]
) -> None:
    function = jit(tidied)
    for words in (["c ", "a"], ["no", "a"]):
        assert outcome(function, words) == outcome(tidied, words)
        with monkeypatch.context() as patched:
            patched.setattr(sys.modules[__name__], "tidy", other)
            assert outcome(function, words) == outcome(tidied, words)
        assert outcome(function, words) == outcome(tidied, words)


def test_a_function_of_another_module_that_is_replaced_is_noticed() -> None:
    helpers: Any = ModuleType("helpers_of_a_test")
    helpers.tidy = tidy

    def dotted(word: str) -> str:
        return helpers.tidy(word) + "."  # type: ignore[no-any-return]

    def through(words: list[str]) -> list[str]:
        first = ask(words[0])
        return [first, *[dotted(word) for word in words]]

    function = jit(through)
    for one in (tidy, noting, tidy, changing, noting, asking, changing):
        helpers.tidy = one
        assert outcome(function, ["no", "a"]) == outcome(through, ["no", "a"])


def test_what_is_replaced_again_and_again_is_no_longer_looked_into_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    function = jit(tidied)
    for _ in range(8):
        monkeypatch.setattr(sys.modules[__name__], "tidy", lambda word: word + "")
        assert outcome(function, ["a", "c "]) == (["A", "a.", "c ."], [])
    known = _program.program_of(cast(FunctionType, tidied))
    monkeypatch.setattr(sys.modules[__name__], "tidy", noting)
    assert outcome(function, ["no", "c "]) == outcome(tidied, ["no", "c "])
    assert _program.program_of(cast(FunctionType, tidied)) is known


SAME = """
def f(word):
    first = ask("no")
    return first + help(word)
"""


def test_equal_code_in_two_modules_means_what_its_own_module_says() -> None:
    def shout(word: str) -> str:
        log.append(word)
        return word + "!"

    made: list[Any] = []
    for helper in (str.strip, shout):
        namespace: dict[str, Any] = {"help": helper, "ask": ask, "__name__": __name__}
        exec(compile(SAME, __file__, "exec"), namespace)
        made.append(namespace["f"])
    assert made[0].__code__ == made[1].__code__
    assert [outcome(jit(one), "a") for one in made] == [outcome(one, "a") for one in made]


def keeping(many: list[list[str]], other: bool) -> Callable[..., Any]:
    def keep(given: list[str]) -> None:
        many.append(given)

    def leave(given: list[str]) -> None:
        pass

    hand_on = keep if other else leave

    async def take(given: list[str]) -> int:
        hand_on(given)
        return len(given)

    return external(take)


def test_equal_externals_that_capture_different_functions_are_told_apart() -> None:
    for other in (False, True, False, True):
        kept: list[list[str]] = []
        take = keeping(kept, other)

        def program(take: Any) -> list[str]:
            given = ["a"]
            first = take(given)
            given.append("b" * first)
            return given

        assert jit(program)(take) == ["a", "b"]
        assert kept == ([["a", "b"]] if other else [])


class Tool:
    def __init__(self, word: str) -> None:
        self.word = word

    def __call__(self, text: str) -> str:
        return self.word + text


def closure(word: str) -> tuple[Callable[[int], str], Tool]:
    tool = Tool(word)

    def down(n: int) -> str:
        return ask(tool(word)) if n == 0 else down(n - 1)

    return down, tool


def test_closures_made_for_ever_do_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_program, "_MOST", 10)
    alive: list[weakref.ref[Any]] = []
    for n in range(40):
        function, tool = closure(f"{n}")
        assert jit(function)(1) == f"{n}{n}"
        alive += [weakref.ref(function), weakref.ref(tool)]
    del function, tool
    gc.collect()
    assert sum(one() is not None for one in alive) <= 2 * 11
    assert len(_program._programs) <= 11
    assert len(_function_effects._alive) <= 100


def test_closures_that_capture_text_are_one_function_and_none_of_them_stays() -> None:
    def make(word: str) -> Callable[[int], str]:
        def down(n: int) -> str:
            return ask(word) if n == 0 else down(n - 1)

        return down

    jit(make("first"))(1)
    before = len(_program._programs), len(_function_effects._alive)
    alive: list[weakref.ref[Any]] = []
    for n in range(200):
        function = make(f"{n}")
        assert jit(function)(2) == f"{n}"
        alive.append(weakref.ref(function))
    del function
    gc.collect()
    assert (len(_program._programs), len(_function_effects._alive)) == before
    assert sum(one() is not None for one in alive) <= 1


def test_classes_made_for_ever_do_not_stay() -> None:
    alive: list[weakref.ref[Any]] = []

    @jit
    def program(word: str) -> str:
        class Box:
            def get(self) -> str:
                return ask(word)

        alive.append(weakref.ref(Box))
        return Box().get()

    for n in range(30):
        assert program(f"{n}") == f"{n}"
    gc.collect()
    assert sum(one() is not None for one in alive) <= 2
