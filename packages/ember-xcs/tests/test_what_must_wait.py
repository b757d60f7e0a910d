"""What must wait for what: programs that once went ahead too early. Each means what it means without `jit`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import pytest

from ember.xcs import external, jit


@external
async def ask(prompt: str) -> str:
    await asyncio.sleep(0.005)
    return prompt.upper()


@dataclass
class Box:
    name: str
    items: list[str] = field(default_factory=list[str])

    def __iadd__(self, other: str) -> Box:
        self.items.append(other)
        return self


class Counted:
    count = 0


memo: dict[str, str] = {}


def remember(key: str) -> str:
    if key not in memo:
        memo[key] = ask(f"memo {key}")
    return memo[key]


def test_what_a_record_holds_is_there_when_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    @jit
    def program() -> str:
        box = Box(ask("a"))
        print(box)
        return f"{box}"

    assert program() == "Box(name='A', items=[])"
    assert capsys.readouterr().out == "Box(name='A', items=[])\n"


def test_equal_functions_of_two_modules_have_their_own_globals() -> None:
    for _ in range(2):
        own: dict[str, str] = {}
        namespace: dict[str, Any] = {**globals(), "memo": own}
        function = FunctionType(remember.__code__, namespace)

        @jit
        def program(function: Callable[[str], str] = function) -> str:
            Counted.count += len(ask("x"))
            return function("k")

        assert program() == "MEMO K"
        assert own == {"k": "MEMO K"}
    assert memo == {}


def test_a_variable_that_held_an_object_before_the_loop_holds_it_in_the_loop() -> None:
    @jit
    def program(words: list[str]) -> int:
        items: list[str] = []
        box = Box("b", items)
        for word in words:
            if len(words) > 5:
                break
            box += ask(word)
        return len(items)

    assert program(["a", "b"]) == 2


def test_what_a_function_has_captured_is_changed_in_turn() -> None:
    def counter() -> Callable[[str], str]:
        state = [0]

        def step(word: str) -> str:
            state[0] += 1
            return f"{state[0]} {ask(word)}"

        return step

    @jit
    def program(words: list[str]) -> list[str]:
        step = counter()
        step(ask("-".join(words)))
        return [step(word) for word in words]

    assert program(["a", "b"]) == ["2 A", "3 B"]


def test_views_of_dicts_go_with_the_dict() -> None:
    @jit
    def program() -> list[tuple[str, str]]:
        answers = {"a": ask("a")}
        pairs = answers.items()
        answers["b"] = ask("b")
        return sorted(pairs)

    assert program() == [("a", "A"), ("b", "B")]


def test_an_assertion_that_fails_has_its_text() -> None:
    @jit
    def program() -> None:
        assert len(ask("a")) > 1, ask("too short")

    with pytest.raises(AssertionError) as caught:
        program()
    assert caught.value.args == ("TOO SHORT",)
    assert type(caught.value.args[0]) is str


def test_attributes_of_classes_are_changed_in_turn() -> None:
    before = Counted.count

    @jit
    def program(words: list[str]) -> int:
        for word in words:
            if ask(word) != "B":
                Counted.count += 1
        return Counted.count

    assert program(["a", "b", "c"]) == before + 2
