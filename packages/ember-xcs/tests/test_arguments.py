"""What an external call is given: copies if it only reads, the objects themselves if it changes or keeps them."""

from __future__ import annotations

import copy
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from crowd import Crowd

from ember.xcs import external, jit

crowd = Crowd()
STORE: list[list[str]] = []


@external
async def size(words: list[str], note: str = "") -> str:
    async with crowd.joined():
        return f"{len(words)} {note}{''.join(words)}"


@external
async def add(words: list[str], word: str) -> int:
    async with crowd.joined():
        words.append(word)
        return len(words)


@external
async def mark(rows: list[dict[str, Any]]) -> str:
    async with crowd.joined():
        for row in rows:
            row["seen"] = True
        return "marked"


def push(heap: list[int], number: int) -> None:
    heapq.heappush(heap, number)


@external
async def push_through(heap: list[int], number: int) -> str:
    async with crowd.joined():
        push(heap, number)
        return "pushed"


@external
async def keep(words: list[str]) -> str:
    async with crowd.joined():
        STORE.append(words)
        return "kept"


@external
async def same(words: list[str]) -> list[str]:
    async with crowd.joined():
        return words


@external
async def make(word: str) -> list[str]:
    async with crowd.joined():
        return [word]


@dataclass
class Notes:
    lines: list[str] = field(default_factory=list[str])
    count: int = 0


@external
async def write(notes: Notes, line: str) -> str:
    async with crowd.joined():
        notes.lines.append(line)
        notes.count += 1
        return line.upper()


@external(kind="model")
async def chat(messages: list[dict[str, str]]) -> str:
    async with crowd.joined():
        return "/".join(message["content"] for message in messages)


def reading(words: list[str]) -> list[str]:
    return [size(words, f"{n} ") for n in range(4)]


def changing_between(words: list[str]) -> list[Any]:
    first = size(words)
    words.append("x")
    second = size(words)
    words.clear()
    return [first, second, size(words)]


def adding(words: list[str]) -> list[Any]:
    counts = [add(words, word) for word in ("x", "y")]
    before = len(words)
    words.append("z")
    return [counts, before, add(words, "w"), list(words)]


def marking(words: list[str]) -> list[Any]:
    rows = [{"name": word} for word in words]
    told = mark(rows)
    return [told, rows, [row.get("seen") for row in rows]]


def pushing(words: list[str]) -> list[Any]:
    heap = [5, 7]
    push_through(heap, 1)
    push_through(heap, 6)
    return [heap[0], sorted(heap)]


def keeping(words: list[str]) -> list[Any]:
    own = [*words]
    keep(own)
    own.append("later")
    return own


def handed_back(words: list[str]) -> list[Any]:
    back = same(words)
    back.append("x")
    return [back is words, words]


def changing_a_result(words: list[str]) -> list[Any]:
    made = make("a")
    made.append("b")
    first = size(made)
    made.append("c")
    return [first, size(made), made]


def writing(words: list[str]) -> list[Any]:
    notes = Notes()
    told = [write(notes, word) for word in words]
    return [told, notes.lines, notes.count]


def chatting(words: list[str]) -> list[Any]:
    messages = [{"content": "hi"}]
    answers: list[str] = []
    for word in words:
        answer = chat(messages)
        answers.append(answer)
        messages.append({"content": word})
    return answers


@pytest.mark.parametrize(
    "program",
    [
        reading, changing_between, adding, marking, pushing, keeping, handed_back, changing_a_result, writing, chatting,
    ],
)  # fmt: skip
@pytest.mark.parametrize("limit", [None, 1])
def test_arguments_end_up_as_in_plain_python(program: Callable[[list[str]], Any], limit: int | None) -> None:
    plain_words, words = ["a", "b"], ["a", "b"]
    STORE.clear()
    expected = copy.deepcopy(program(plain_words))
    kept = copy.deepcopy(STORE)
    STORE.clear()
    found = jit(max_concurrency=limit)(program)(words)
    assert found == expected
    assert words == plain_words
    assert kept == STORE
    assert all(one is found for one in STORE)


@pytest.mark.parametrize("program", [reading, chatting])
def test_calls_that_only_read_overlap(program: Callable[[list[str]], Any]) -> None:
    crowd.expect(2)
    jit(program)(["a", "b"])
    assert crowd.most >= 2


def test_methods_that_are_external_are_looked_at_too() -> None:
    class Box:
        @external
        async def fill(self, words: list[str]) -> str:
            words.append("filled")
            return "ok"

    @jit
    def program() -> list[str]:
        words: list[str] = []
        Box().fill(words)
        return words

    assert program() == ["filled"]
