"""Comprehensions over lists filtered by answers: each element goes on as soon as its own filter has answered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from ember.xcs import external, jit

_checked: dict[str, asyncio.Event] = {}
_asked: list[str] = []


@external
async def good(word: str) -> str:
    """Answer for "last" only once something was asked about "first": whoever waits for all filters waits for ever."""
    _asked.append(f"good {word}")
    if word == "last":
        await asyncio.wait_for(_checked.setdefault("first", asyncio.Event()).wait(), 5)
    return "no" if word == "bad" else "yes"


@external
async def tell(word: str) -> str:
    _asked.append(f"tell {word}")
    _checked.setdefault(word, asyncio.Event()).set()
    return word.upper()


WORDS = ["first", "bad", "last"]


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    _checked.clear()
    _asked.clear()


def listed() -> list[str]:
    found = [word for word in WORDS if good(word) == "yes"]
    return [tell(word) for word in found]


def joined() -> str:
    found = [word for word in WORDS if good(word) == "yes"]
    return ", ".join(tell(word) for word in found)


def keyed() -> dict[str, str]:
    found = [word for word in WORDS if good(word) == "yes"]
    return {word: told for word in found if (told := tell(word)) != "NONE"}


def thrice() -> list[str]:
    found = [word for word in WORDS if good(word) == "yes"]
    short = [word for word in found if len(word) < 9]
    return [tell(word) for word in short if word != "none"]


@pytest.mark.parametrize(
    ("program", "result"),
    [
        (listed, ["FIRST", "LAST"]),
        (joined, "FIRST, LAST"),
        (keyed, {"first": "FIRST", "last": "LAST"}),
        (thrice, ["FIRST", "LAST"]),
    ],
)
def test_an_element_goes_on_when_its_own_filter_has_answered(program: Callable[[], Any], result: Any) -> None:
    assert jit(program)() == result
    assert sorted(_asked) == sorted([*(f"good {word}" for word in WORDS), "tell first", "tell last"])


@external
async def reply(word: str, milliseconds: float) -> str:
    await asyncio.sleep(milliseconds / 1000)
    if word == "fail":
        raise ValueError("it failed")
    return word.upper()


def changed_between(words: list[str], then: str, after: list[float]) -> Any:
    found = [word for word in words if reply(word, after[0]) != "BAD"]
    other, boxed = found, [found]
    if then == "append":
        found.append("more")
    elif then == "alias":
        other.append("more")
    elif then == "box":
        boxed[0].append("more")
    elif then == "branch":
        if reply("yes", after[1]) == "YES":
            found.append("more")
    elif then == "chosen":
        chosen = found if reply("yes", after[1]) == "YES" else words
        chosen.append("more")
    elif then == "function":
        grow(other, after[1])
    elif then == "closure":

        def add() -> None:
            found.append(reply("more", after[1]))

        add()
    elif then == "clear":
        found.clear()
    elif then == "rebound":
        found = [reply(word, after[1]) for word in found]
    told = [reply(word, after[2]) for word in found]
    found.append("late")
    short = [word for word in found if reply(word, after[1]) != "FIRST"]
    return found, told, other, boxed, [f"{word}!" for word in short]


def grow(words: list[str], milliseconds: float) -> None:
    if reply("grow", milliseconds) == "GROW":
        words.insert(0, "grown")


@pytest.mark.parametrize(
    "then",
    ["nothing", "append", "alias", "box", "branch", "chosen", "function", "closure", "clear", "rebound"],
)
@pytest.mark.parametrize("words", [["first", "bad", "last"], [], ["first", "fail", "bad"]])
def test_what_changes_a_filtered_list_is_seen_by_the_next_comprehension(words: list[str], then: str) -> None:
    for seed in range(6):
        after = [random.Random(seed * 10 + place).choice([0, 0.1, 3]) for place in range(3)]
        plain, jitted = list(words), list(words)
        expected = _outcome(changed_between, plain, then, after)
        assert _outcome(jit(changed_between), jitted, then, after) == expected
        assert jitted == plain


def _outcome(function: Any, *args: Any) -> Any:
    try:
        return function(*args)
    except ValueError as error:
        return repr(error)


_journal: list[str] = []


def journalled(words: list[str]) -> list[str]:
    found = [word for word in words if noted(word) != "BAD"]
    return [entered(word) for word in found]


def noted(word: str) -> str:
    answer = reply(word, len(word) % 3)
    _journal.append(f"filtered {word}")
    return answer


def entered(word: str) -> str:
    _journal.append(f"entered {word}")
    return reply(word, 0)


def test_effects_of_elements_come_after_those_of_the_filter() -> None:
    _journal.clear()
    assert journalled(["one", "bad", "three"]) == ["ONE", "THREE"]
    plain = list(_journal)
    _journal.clear()
    assert jit(journalled)(["one", "bad", "three"]) == ["ONE", "THREE"]
    assert _journal == plain
    _journal.clear()
    with pytest.raises(ValueError, match="it failed"):
        jit(journalled)(["one", "fail", "three"])
    assert _journal == ["filtered one"]
