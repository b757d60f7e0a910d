"""`explain` says what decided how long a run took, and what to write instead."""

from __future__ import annotations

import asyncio
import functools
import os
from typing import Any

import pytest

from ember import xcs


@xcs.external
async def ask(question: str) -> str:
    await asyncio.sleep(0.01)
    if "fail" in question:
        raise ValueError(question)
    return f"the answer to {question}"


class Board:
    note = ""


board = Board()
shown: list[str] = []


def test_an_explanation_tells_calls_speed_and_critical_path() -> None:
    @xcs.jit
    def program(words: str) -> str:
        return ask(" ".join([ask(word) for word in words]))

    found = program.explain("abc")
    assert found.result == "the answer to the answer to a the answer to b the answer to c"
    assert found.error is None
    text = str(found)
    assert "4 calls" in text
    assert "times as fast as one after the other" in text
    assert "Critical path" in text
    assert "test_explain.py" in text
    assert "No call waited for an effect" in text


def test_what_was_kept_in_order_is_named_with_its_place_its_value_and_what_to_change() -> None:
    def program() -> str:
        first = ask("a")
        home = os.getcwd()
        return ask(home) + first

    found = xcs.explain(program)()
    text = str(found)
    line = program.__code__.co_firstlineno + 2
    assert f"test_explain.py:{line} in " in text
    assert "home = os.getcwd()" in text
    assert "a call of getcwd(), which may do anything: it comes after the answer of ask" in text
    assert "→ If its work is done elsewhere, mark it @external." in text
    assert "Without it the critical path would be" in text


@pytest.mark.parametrize(
    ("name", "construct"),
    [
        ("store", "a store of an attribute"),
        ("append", "a container that others can see"),
        ("own", "a call of getcwd()"),
    ],
)
def test_effects_that_hold_calls_up_are_told_by_construct(name: str, construct: str) -> None:
    def store() -> str:
        board.note = ask("a")
        return ask(board.note)

    def append() -> str:
        shown.append(ask("a"))
        return ask(shown[-1])

    def own() -> str:
        first = ask("a")
        return ask(os.getcwd()) + first

    program = {"store": store, "append": append, "own": own}[name]
    found = xcs.explain(program)()
    constructs = [wait.construct for wait in found.graph.waits if wait.kind == "order"]
    assert any(construct in one for one in constructs), constructs


def test_a_try_that_holds_calls_up_is_told() -> None:
    def program() -> str:
        try:
            first = ask("fail")
        except ValueError:
            first = "none"
        return ask(first)

    found = xcs.explain(program)()
    constructs = {wait.construct for wait in found.graph.waits}
    assert any("try" in one or "exception" in one for one in constructs), constructs


def test_a_decision_is_told_apart_from_a_kept_order() -> None:
    def program() -> str:
        first = ask("a")
        if first.startswith("the"):
            return ask("b")
        return first

    text = str(xcs.explain(program)())
    assert "Calls that had to wait for an answer" in text
    assert "a condition: it needs the answer of ask; held up 1 call" in text
    assert "No call waited for an effect" in text


def test_a_function_that_is_not_lowered_says_why_without_a_run() -> None:
    def steps() -> Any:
        yield ask("a")

    def guarded() -> Any:
        try:
            yield ask("a")
        finally:
            pass

    def plain() -> str:
        return ask("a")

    assert "generator that yields in a try or with (yield after it)" in xcs.explain(guarded).reason
    assert str(xcs.explain(guarded)).endswith(f"{xcs.explain(guarded).reason}.")
    assert "run as it is" in str(xcs.explain(guarded))
    assert "each of its steps is a program of its own" in str(xcs.explain(steps))
    assert xcs.explain(plain).reason == ""
    assert "is lowered" in str(xcs.explain(plain))
    assert xcs.jit(len).reason == "it is not a Python function or method"


def test_a_generator_is_explained_by_going_over_it() -> None:
    def steps(words: str) -> Any:
        for word in words:
            yield ask(word)

    found = xcs.explain(steps)("abc")
    assert found.result == [f"the answer to {word}" for word in "abc"]
    assert "steps: 3 calls" in str(found)
    assert "No call waited for an effect" in str(found)


def test_the_exception_of_a_run_is_kept_and_told() -> None:
    found = xcs.explain(lambda: [ask("a"), ask("fail")])()
    assert isinstance(found.error, ValueError)
    assert found.result is None
    assert "It ended with ValueError" in str(found)


def test_methods_and_partials_are_explained() -> None:
    class Desk:
        @xcs.jit
        def both(self, word: str) -> str:
            return ask(word) + ask(word)

    assert len(Desk().both.explain("a").graph.calls) == 2
    assert len(xcs.explain(functools.partial(Desk().both, "a"))().graph.calls) == 2


def test_an_asynchronous_function_is_explained() -> None:
    async def program() -> str:
        first, second = ask.aio("a"), ask.aio("b")
        return await first + await second

    found = xcs.explain(program)()
    assert "the answer to a" in str(found.result)

    async def within() -> None:
        with pytest.raises(TypeError, match="event loop is running"):
            xcs.explain(program)()

    asyncio.run(within())


def test_a_run_without_calls_says_so() -> None:
    assert "no external call" in str(xcs.explain(lambda: 1 + 1)())


def test_mermaid_folds_siblings_and_escapes_names() -> None:

    def program() -> str:
        return ask("".join([ask(str(number)) for number in range(30)]))

    text = xcs.explain(program)().mermaid()
    assert text.startswith("flowchart TD\n")
    assert "ask ×30" in text
    assert text.count('["') == 2
    assert "-->" in text
    weird = xcs.Call(0, 'a"]<b>;\n', "tool", None, 0.0, 0.0, 1.0)
    drawn = xcs.Graph("f", None, 0.0, 1.0, (weird,), ()).mermaid()
    assert "<b>" not in drawn
    assert drawn.count('"') == 2


def test_mermaid_stays_readable_whatever_the_program() -> None:
    def program() -> str:
        text = "a"
        for number in range(60):
            text = ask(f"{number}") if number % 2 else ask(text)
        return text

    assert len(xcs.explain(program)().mermaid().splitlines()) < 20
