"""`estimate` says what a run would take, and makes no call."""

from __future__ import annotations

import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ember import xcs
from ember.core.externals import Estimate, External

made: list[str] = []


@xcs.external
async def ask(question: str) -> str:
    made.append(question)
    raise ConnectionError("an estimate makes no call")


@xcs.external
def rows(table: str) -> list[str]:
    made.append(table)
    raise ConnectionError("an estimate makes no call")


@xcs.external
async def score(text: str) -> float:
    made.append(text)
    raise ConnectionError("an estimate makes no call")


class Model(External[..., str]):
    """A model that can say what a call would use."""

    name, kind = "models", "model"

    def run(self, *args: Any, **kwargs: Any) -> str:
        raise ConnectionError("an estimate makes no call")

    async def arun(self, *args: Any, **kwargs: Any) -> str:
        raise ConnectionError("an estimate makes no call")

    def estimate(self, model: str, prompt: str, max_tokens: int | None = None) -> Estimate:
        price = None if model == "unpriced" or max_tokens is None else Decimal(max_tokens) / 1_000_000
        return Estimate(len(prompt) // 4 + 1, max_tokens, price, 0.5)


model = Model()


@pytest.fixture(autouse=True)
def _no_call_is_made() -> Any:
    made.clear()
    yield
    assert made == []


def told(found: xcs.Estimated, word: str) -> bool:
    return any(word in sentence for sentence in found.unknown)


def test_calls_tokens_dollars_and_seconds_are_told_before_any_is_spent() -> None:
    def program(words: list[str]) -> str:
        answers = [model("big", word, max_tokens=100) for word in words]
        return model("big", "".join(answers), max_tokens=10)

    found = xcs.estimate(program)(["a", "b", "c"])
    assert found.calls == 4
    assert found.output_tokens == 310
    assert found.cost == Decimal("0.00031")
    assert found.seconds == 1.0
    assert found.graph.work == 2.0
    assert [call.label for call in found.critical_path.calls] == ["big", "big"]
    assert found.spent()[0].name == "big"
    # The stand-in's answers are as long as was estimated, so what is made of them is too.
    assert found.graph.calls[3].input_tokens == pytest.approx(300, rel=0.1)
    assert "would make 4 calls" in str(found)


def test_a_limit_makes_it_longer() -> None:
    @xcs.jit(max_concurrency=2)
    def program(words: list[str]) -> list[str]:
        return [ask(word) for word in words]

    found = xcs.estimate(program, seconds=2.0)(list("abcdef"))
    assert (found.seconds, found.critical_path.seconds) == (6.0, 2.0)


def test_answers_can_be_given_as_values_and_as_functions() -> None:
    def program(words: list[str]) -> list[str]:
        return [ask(word) for word in words if score(word) > 0.5]

    def likes_b(text: str) -> float:
        return 1.0 if text == "b" else 0.0

    given = {"score": likes_b}
    assert xcs.estimate(program)(["a", "b"]).calls == 2
    assert xcs.estimate(program, answers=given)(["a", "b"]).calls == 3
    assert xcs.estimate(program, answers={"score": 0.9})(["a", "b"]).calls == 4


def test_decisions_that_hang_on_answers_are_named() -> None:
    def program() -> str:
        answer = ask("a")
        if "yes" in answer:
            return ask("b")
        return answer

    found = xcs.estimate(program)()
    assert found.calls == 1
    assert told(found, "which way it goes depends on answers")
    assert told(found, "test_estimate.py:")


def test_prices_lengths_and_durations_that_are_not_known_are_named() -> None:
    def program() -> list[str]:
        return [model("unpriced", "a"), ask("b"), rows("c")[0]]

    found = xcs.estimate(program)()
    assert told(found, "models unpriced: its price")
    assert told(found, "256 tokens were taken")
    assert told(found, "ask: how long it takes")
    assert told(found, "rows: how many items")
    assert found.cost == 0


def test_loops_that_answers_bound_are_cut_short() -> None:
    def program() -> str:
        text = "a"
        while not text.endswith("stop"):
            text = ask(text)
        return text

    found = xcs.estimate(program, max_calls=20)()
    assert found.calls == 20
    assert told(found, "stopped after 20 calls")


def test_a_program_that_fails_on_a_made_up_answer_is_estimated_up_to_there() -> None:
    def program() -> int:
        return int(ask("how many?")) + len(ask("b"))

    found = xcs.estimate(program)()
    assert 1 <= found.calls <= 2
    assert told(found, "ValueError")
    assert told(found, "answers=")
    assert xcs.estimate(program, answers={"ask": "3"})().calls == 2


def test_what_the_program_prints_is_dropped_and_what_it_does_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def program() -> None:
        print(ask("a"))
        (tmp_path / "notes").write_text(ask("b"))

    found = xcs.estimate(program)()
    assert capsys.readouterr().out == ""
    assert (tmp_path / "notes").exists()  # documented: only external calls are not made
    assert told(found, "write_text")
    assert told(found, "called for real")


def test_code_that_is_run_as_it_is_makes_no_call_either() -> None:
    def program() -> Any:
        return eval("ask('a') + ask('b')")

    found = xcs.estimate(program)()
    assert found.calls == 2
    assert found.seconds == 2.0
    assert told(found, "run as it is")


def test_other_threads_make_no_call_either() -> None:
    import contextvars

    def program() -> None:
        context = contextvars.copy_context()
        thread = threading.Thread(target=lambda: context.run(ask, "a"))
        thread.start()
        thread.join()

    assert told(xcs.estimate(program)(), "other threads")


def test_jitted_vmapped_partial_and_asynchronous_functions_and_methods_are_estimated() -> None:
    import functools

    class Desk:
        def both(self, word: str) -> str:
            return ask(ask(word))

    async def later(word: str) -> str:
        first, second = ask.aio(word), ask.aio("b")
        return await first + await second

    assert xcs.estimate(Desk().both)("a").seconds == 2.0
    assert xcs.estimate(xcs.jit(Desk().both))("a").calls == 2
    assert xcs.estimate(functools.partial(Desk().both, "a"))().calls == 2
    assert xcs.estimate(xcs.vmap(Desk().both))(["a", "b", "c"]).calls == 6
    assert xcs.estimate(later)("a").calls == 2
    assert xcs.estimate(ask)("a").calls == 1


def test_an_estimate_leaves_the_function_as_it_was() -> None:
    answers = {"a": "1"}

    @xcs.external
    async def real(word: str) -> str:
        return answers[word]

    @xcs.jit(max_concurrency=3)
    def program(word: str) -> str:
        return real(word)

    xcs.estimate(program)("nothing")
    assert program("a") == "1"
    with xcs.trace() as trace:
        xcs.estimate(program)("a")
        program("a")
    assert len(trace.runs) == 1


def test_within_a_run_there_is_no_estimate() -> None:
    @xcs.jit
    def program() -> Any:
        return xcs.estimate(lambda: ask("a"))()

    with pytest.raises(TypeError, match="inside a jitted function"):
        program()
