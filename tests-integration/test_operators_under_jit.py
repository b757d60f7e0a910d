"""Operators in jitted programs: what of them overlaps, and that it means what it means without."""

# Lambdas for members are of no known type.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ember.api import models, op, xcs
from ember.core import external
from ember.models.testing import LocalServer
from ember.operators import (
    RAG,
    BestOfN,
    Cache,
    Cascade,
    Debate,
    Ensemble,
    Fallback,
    Judge,
    LearnedRouter,
    MajorityVote,
    MapReduce,
    Operator,
    Parallel,
    Refine,
    Rejected,
    Retrieve,
    Retry,
    Router,
    SelfConsistency,
    Synthesize,
    Throttle,
    Timeout,
    TreeSearch,
    Verifier,
    majority,
)


class Under:
    """Calls that are under way, and the most that were."""

    def __init__(self, seconds: float = 0.01) -> None:
        self.now = self.most = 0
        self.seconds = seconds

    async def ask(self, text: str) -> str:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.now -= 1
        return text.upper()


# Functions of one's own in operators ------------------------------------------------------------


come, wanted = [0], [1]


@external
async def ask_together(text: str) -> str:
    """Answer when as many calls have come as are wanted at once. Ten seconds are enough."""
    come[0] += 1
    for _ in range(1_000):
        if come[0] >= wanted[0]:
            return text.upper()
        await asyncio.sleep(0.01)
    raise TimeoutError(f"{come[0]} of {wanted[0]} calls came")


class Ask(Operator):
    prompt: str

    def call(self, text: str) -> str:
        return ask_together(f"{self.prompt} {text}")


@op
def loud(text: str) -> str:
    return ask_together(text) + "!"


def loudly(text: str) -> str:
    return ask_together(text) + "!"


class Asks:
    def method(self, text: str) -> str:
        return ask_together(text) + "?"


class Twice(Operator):
    """An operator as users write them: it holds others."""

    first: Any
    then: Any

    def call(self, text: str) -> str:
        answer: str = self.then(f"{self.first(text)}")
        return answer


OWN: dict[str, tuple[Callable[[], Any], int]] = {
    "Ensemble": (lambda: Ensemble([loudly, Ask(prompt="a")]), 2),
    "Ensemble of operators": (lambda: Ensemble([Ensemble([loudly, ask_together]), Retry(loudly)]), 3),
    "Ensemble with an aggregate": (lambda: Ensemble([loudly, loudly], aggregate=majority), 2),
    "Ensemble with a function for it": (lambda: Ensemble([loudly, loudly], aggregate=lambda all: all[0]), 2),
    "Parallel": (lambda: Parallel([loudly, loud, Ask(prompt="b"), Asks().method]), 4),
    "Parallel of a dict": (lambda: Parallel({"one": loudly, "two": str.upper, "three": "sea".join}), 1),
    "Parallel with a limit": (lambda: Parallel([loudly, loud, loudly], limit=2), 2),
    "MajorityVote": (lambda: MajorityVote([loudly, ask_together], key=str.lower), 2),
    "SelfConsistency": (lambda: SelfConsistency(loudly, n=2, extract=lambda text: text[-1]), 2),
    "Judge": (lambda: Judge([loudly, ask_together], model=lambda prompt, choices: choices[0]), 2),
    "Synthesize": (lambda: Synthesize([loudly, ask_together], model=str.title), 2),
    "BestOfN": (lambda: BestOfN(loudly, score=lambda text: len(text), n=2), 2),
    "Refine": (lambda: Refine(loudly, score=len, n=2), 1),
    "Verifier": (lambda: Verifier(loudly, lambda text: len(text) > 1), 1),
    "Router": (lambda: Router({"a": loudly, "b": ask_together}, by=lambda text: "a"), 1),
    "LearnedRouter": (lambda: LearnedRouter.of({"a": loudly, "b": ask_together}), 1),
    "Cascade": (lambda: Cascade([loudly, ask_together], accept=lambda text: len(text) > 1), 1),
    "Retry": (lambda: Retry(loudly), 1),
    "Fallback": (lambda: Fallback([loudly, ask_together]), 1),
    "MapReduce": (lambda: MapReduce(loudly, "".join, split=str.split), 2),
    "Debate": (lambda: Debate([loudly, ask_together]), 2),
    "TreeSearch": (lambda: TreeSearch(lambda text: [loudly(text)], score=len, beam=1, depth=1), 1),
    "RAG": (lambda: RAG(Retrieve.of(["the sea", "a hill"], k=1), model=loudly), 1),
    "an operator of one's own": (lambda: Twice(first=Ask(prompt="c"), then=loud), 1),
    "one that holds others": (lambda: Twice(first=Parallel([loudly, loud]), then=loud), 2),
    ">>": (lambda: str.strip >> loud >> Ask(prompt="d"), 1),
}


@pytest.mark.parametrize("name", OWN)
def test_under_jit_operators_with_ones_own_functions_overlap_with_what_stands_beside_them(name: str) -> None:
    make, at_once = OWN[name]
    one, other = make(), make()

    def program(texts: list[str]) -> list[Any]:
        found = []
        for text in texts:
            found.append(one(text))
        return [*found, *[one(text) for text in texts], other("the river")]

    texts = ["the sea", "a hill"]
    come[0], wanted[0] = 0, 1
    plain = program(texts)
    come[0], wanted[0] = 0, at_once * 5
    assert xcs.jit(program)(texts) == plain


def test_under_jit_two_ensembles_and_a_loop_of_parallels_ask_a_server_at_the_same_time(
    ember_home: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")

    def shorter(text: str) -> str:
        return models("gpt-4o", text)[:3]

    one, other = Ensemble([shorter, "gpt-4o-mini"]), Ensemble([shorter, "gpt-4o"])
    both = Parallel({"short": shorter, "long": models.instance("gpt-4o")})

    def program(texts: list[str]) -> list[Any]:
        first = one(texts[0])
        second = other(texts[1])
        found = [first, second]
        for text in texts:
            found.append(both(text))
        return found

    plain = program(["the sea", "a hill", "a wood"])
    server.latency, server.high_water = 0.5, 0
    assert xcs.jit(program)(["the sea", "a hill", "a wood"]) == plain
    assert server.high_water == 10


def test_under_jit_what_functions_in_operators_do_is_done_in_the_order_of_the_program(
    capsys: pytest.CaptureFixture[str],
) -> None:
    under = Under()
    ask = external(under.ask)
    seen: list[str] = []

    def tell(text: str) -> str:
        print("asked", text)
        answer = ask(text)
        seen.append(answer)
        return answer

    def count(text: str) -> int:
        seen.append(f"{len(seen)} before {text}")
        return len(seen)

    def which(text: str) -> str:
        print("which", text)
        return "a"

    def decide(answers: list[Any]) -> Any:
        print(answers)
        return answers[0]

    once = [0]

    def fails_once(text: str) -> str:
        answer = ask(text)
        once[0] += 1
        seen.append(f"try {once[0]}")
        if once[0] % 2:
            raise ValueError(answer)
        return answer

    retry, verify = Retry(fails_once), Verifier(tell, lambda answer: count(answer) > 0)
    chosen = Router({"a": tell, "b": ask}, by=which)
    several, cheap = Ensemble([ask, ask]), Cascade([tell, ask], accept=lambda text: count(text) > 99)
    slow, kept = Throttle(tell, at_once=1), Cache(tell)
    loop = Fallback([fails_once, tell])
    debate = Debate([ask, count], rounds=2, decide=decide)
    timed = Timeout(tell, seconds=60.0)

    def program(texts: list[str]) -> list[Any]:
        found: list[Any] = []
        mine: list[str] = []

        def note(text: str) -> str:
            mine.append(f"{len(mine)} {ask(text)}")
            return mine[-1]

        noted = Ensemble([note])
        for text in texts:
            found += [retry(text), verify(text), chosen(text), several(text), cheap(text)]
            print("so far", len(seen))
            found += [slow(text), kept(text), loop(text), debate(text), timed(text), noted(text), len(mine)]
        seen.append("done")
        return [found, mine, len(seen)]

    runs = []
    for run in (program, xcs.jit(program)):
        seen.clear()
        once[0] = 0
        kept.clear()
        result = run(["a", "b", "c"])
        runs.append((result, list(seen), once[0], capsys.readouterr().out))
    assert runs[0] == runs[1]
    assert runs[0][3].count("asked") > 10


@pytest.mark.parametrize("fails", range(8))
def test_under_jit_an_error_in_an_operator_is_the_one_that_plain_python_raises_and_nothing_after_it_shows(
    fails: int,
) -> None:
    calls = [0]
    seen: list[str] = []

    @external
    async def ask(text: str) -> str:
        await asyncio.sleep(0.01 * (5 - int(text[-1])))
        if text == f"q{fails}":
            raise LookupError(text)
        return text.upper()

    def tell(text: str) -> str:
        answer = ask(text)
        calls[0] += 1
        seen.append(answer)
        return answer

    def program() -> list[Any]:
        first = Ensemble([tell, ask])("q0")
        second = Parallel([tell])("q1")
        third = Fallback([tell, lambda text: "instead"], on=LookupError)("q2")
        fourth = Retry(Ensemble([tell]), on=ValueError)("q3")
        seen.append("here")
        fifth = Verifier(tell, lambda answer: answer != "Q9", attempts=1)("q4")
        return [first, second, third, fourth, fifth, MajorityVote([tell, tell])("q5"), Judge([tell])("q6")]

    ends = []
    for run in (program, xcs.jit(program)):
        seen.clear()
        try:
            end: Any = run()
        except LookupError as error:
            tried: Any = getattr(error, "attempts", None)
            failed = None if tried is None else [(one.number, one.who) for one in tried if one.error is error]
            end = repr(error), failed
        ends.append((end, list(seen)))
    assert ends[0] == ends[1]


def test_under_jit_what_a_member_changes_is_changed_before_it_is_read() -> None:
    ask = external(Under().ask)
    box = {"text": "a"}

    class Diary(Operator):
        entries: list[str]

        def call(self, text: str) -> int:
            self.entries.append(ask(text))
            return len(self.entries)

    class Diaries(Operator):
        one: Diary

        def call(self, text: str) -> int:
            return self.one(text)

    diary = Diaries(one=Diary(entries=[]))

    def change(text: str) -> str:
        box["text"] = ask(text)
        return text

    def program() -> list[str]:
        changes, found = Ensemble([change]), []
        for text in ("b", "c"):
            changes(text)
            found.append(box["text"])
        mine: list[str] = []
        Parallel([lambda text: mine.append(ask(text))])("d")
        pages = [
            Ensemble([diary])("e"),
            len(diary.one.entries),
            Parallel([diary])("f"),
            len(diary.one.entries),
        ]
        return [*found, *mine, str(len(mine)), str(pages)]

    assert program() == ["B", "C", "D", "1", "[[1], 1, [2], 2]"]
    diary.one.entries.clear()
    assert xcs.jit(program)() == ["B", "C", "D", "1", "[[1], 1, [2], 2]"]


def test_under_jit_a_list_of_answers_that_a_member_made_is_filled_in() -> None:
    ask = external(Under().ask)

    def several(text: str) -> list[str]:
        return [ask(text), ask(f"{text}!")]

    seen = []

    def program(text: str) -> Any:
        return Verifier(Ensemble([several]), lambda answers: seen.append(repr(answers)))(text)

    assert xcs.jit(program)("a") == [["A", "A!"]]
    assert seen == ["[['A', 'A!']]"]


def test_under_jit_rejections_and_step_limits_escape_with_their_attempts() -> None:
    ask = external(Under().ask)

    def program(text: str) -> Any:
        return Verifier(lambda asked: ask(asked), lambda answer: "Never.", attempts=2)(text)

    for run in (program, xcs.jit(program)):
        with pytest.raises(Rejected) as caught:
            run("a")
        assert len(getattr(caught.value, "attempts")) == 2  # noqa: B009


@pytest.mark.parametrize("limit", [None, 1, 2])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_under_jit_the_error_of_a_member_says_which_one_it_was(place: int, limit: int | None) -> None:
    ask = external(Under().ask)

    def fails(text: str) -> str:
        raise ZeroDivisionError(ask(text))

    members: list[Any] = [ask, ask, ask]
    members[place] = fails
    for ensemble in (Ensemble(members, limit=limit), Ensemble([Ensemble(members, limit=limit), ask])):
        with pytest.raises(ZeroDivisionError) as caught:
            xcs.jit(lambda text, one=ensemble: one(text))("a")
        tried: Any = getattr(caught.value, "attempts")  # noqa: B009
        if len(ensemble.members) == 2:
            assert [(one.number, one.who) for one in tried] == [(1, "Ensemble")]
            tried = tried[0].attempts
        assert [(one.number, one.error) for one in tried] == [(place + 1, caught.value)]
