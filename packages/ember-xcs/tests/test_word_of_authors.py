"""What siblings say of their code, which jit cannot see from it: that it only computes, that a field never changes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from crowd import Crowd

from ember.xcs import external, jit

crowd = Crowd()


@external
async def ask(text: str) -> str:
    async with crowd.joined():
        await asyncio.sleep(0.01)
    return text + "!"


class Stranger:
    """A class whose instances answer for any name, as pydantic's do, and whose methods look as if they changed them."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def checked(self, text: str) -> str:
        self.__dict__["seen"] = text
        return text

    checked.__dict__["__ember_computes__"] = True


class Refusing(Stranger):
    def checked(self, text: str) -> str:
        if "b" in text:
            raise ValueError(f"no {text}")
        return text

    checked.__dict__["__ember_computes__"] = True


@jit
def checked_before(words: list[str], stranger: Any) -> list[str]:
    return [ask(stranger.checked(word)) for word in words]


@jit
def checked_after(words: list[str], stranger: Any) -> list[str]:
    return [stranger.checked(ask(word)) for word in words]


@jit
def with_methods_of_str(words: list[str]) -> list[str]:
    return [ask(str.upper(ask(str.strip(word)))) for word in words]


@jit
def with_fields(words: list[str]) -> list[str]:
    strangers = [Stranger(word) for word in words]
    return [ask(stranger.text) for stranger in strangers]


@jit
def with_changed_fields(words: list[str]) -> list[str]:
    found: list[str] = []
    for word in words:
        stranger = Stranger(word)
        stranger.text = ask(stranger.text)
        found.append(stranger.text + "?")
    return found


def test_what_only_computes_holds_up_no_call() -> None:
    for program in (checked_before, checked_after):
        crowd.expect(2)
        assert program(["a", "c"], Stranger("x")) == ["a!", "c!"] and crowd.most == 2


def test_what_it_raises_is_raised_in_its_turn() -> None:
    for program in (checked_before, checked_after):
        with pytest.raises(ValueError, match="no b"):
            program(["a", "b", "bb"], Refusing("x"))


def test_methods_of_str_as_functions_hold_up_no_call() -> None:
    crowd.expect(2)
    assert with_methods_of_str([" a", "b "]) == ["A!!", "B!!"] and crowd.most == 2


def test_what_an_object_has_in_itself_is_read_at_once_and_after_its_changes() -> None:
    crowd.expect(2)
    assert with_fields(["a", "b"]) == ["a!", "b!"] and crowd.most == 2
    assert with_changed_fields(["a", "b"]) == ["a!?", "b!?"]
