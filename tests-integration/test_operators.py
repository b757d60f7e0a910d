"""Built-in operators over models: names as members, budgets, tools, vectors, and `@xcs.jit` around them."""

# Lambdas for members are of no known type.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ember.operators
from ember.api import models, xcs
from ember.context import create_context
from ember.core import Estimate, external
from ember.data import stream
from ember.models.errors import BudgetExceeded, InvalidRequestError, ModelError, ProviderUnavailable
from ember.models.testing import LocalServer, Said
from ember.operators import (
    RAG,
    Agent,
    Cascade,
    Chain,
    Debate,
    Ensemble,
    Fallback,
    Judge,
    MajorityVote,
    Operator,
    Parallel,
    Retrieve,
    Retry,
    Router,
    SelfConsistency,
    StepLimit,
    Timeout,
    Verifier,
    evaluate,
    exact,
    majority,
    optimize,
    prompt,
)
from workspace import ROOT

Way = Callable[..., Any]


def waited(operator: Operator, *args: Any) -> Any:
    return operator(*args)


def awaited(operator: Operator, *args: Any) -> Any:
    return asyncio.run(operator.acall(*args))


both = pytest.mark.parametrize("way", [waited, awaited])


@pytest.fixture
def openai(ember_home: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    """OpenAI's API, on this machine."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    return server


@both
def test_the_name_of_a_model_is_a_member(way: Way, openai: LocalServer) -> None:
    answers = way(Ensemble(["gpt-4o", "gpt-4o-mini", models.instance("gpt-4", temperature=0.5)]), "The sea?")
    assert answers == ["The sea?"] * 3
    asked = {request.json["model"]: request.json.get("temperature") for request in openai.requests}
    assert asked == {"gpt-4o": None, "gpt-4o-mini": None, "gpt-4": 0.5}


@both
def test_members_are_asked_at_once(way: Way, openai: LocalServer) -> None:
    openai.latency = 1.0
    way(Ensemble(["gpt-4o"] * 5), "The sea?")
    assert openai.high_water == 5


@both
def test_samples_of_a_model_have_seeds(way: Way, openai: LocalServer) -> None:
    way(SelfConsistency("gpt-4o", n=3, seed=5), "6 + 6?")
    assert sorted(request.json["seed"] for request in openai.requests) == [5, 6, 7]


@both
def test_a_judge_chooses_among_what_was_said(way: Way, openai: LocalServer) -> None:
    def say(prompt: str) -> str:
        return "B" if "best" in prompt else prompt

    openai.answer = say
    judge = Judge([len, str.title], model=models.instance("gpt-4o", logprobs=False))
    assert way(judge, "the sea") == "The Sea"
    assert "A. 7\nB. The Sea" in str(openai.requests[0].json["messages"][-1]["content"])


@both
def test_what_the_engine_gave_up_on_is_not_asked_for_again(way: Way, openai: LocalServer) -> None:
    openai.replies(503)
    with pytest.raises(ProviderUnavailable):
        way(Retry(models.instance("gpt-4o", max_retries=0)), "Hello")
    assert len(openai.requests) == 1


@both
def test_another_model_is_asked_where_one_fails_and_all_failures_are_told(
    way: Way, openai: LocalServer
) -> None:
    openai.replies(400, json={"error": {"message": "no"}}).then(200, text="hi").then(400)
    assert way(Fallback(["gpt-4o", "gpt-4o-mini"]), "Hello") == "hi"
    with pytest.raises(InvalidRequestError) as caught:
        way(Fallback(["gpt-4o", "gpt-4o-mini"]), "Hello")
    tried: Any = getattr(caught.value, "attempts")  # noqa: B009
    assert [one.who for one in tried] == ["gpt-4o", "gpt-4o-mini"]
    assert all(isinstance(one.error, ModelError) for one in tried)


@both
def test_a_losing_model_call_is_ended(way: Way, openai: LocalServer) -> None:
    openai.replies(fault="hang").then(200, text="quick")
    assert way(Fallback(["gpt-4o", "gpt-4o-mini"], hedge=0.3), "Hello") == "quick"
    with pytest.raises(TimeoutError):
        openai.replies(fault="hang")
        way(Timeout("gpt-4o", seconds=0.2), "Hello")


@both
def test_a_budget_holds_for_one_run_of_an_operator(way: Way, openai: LocalServer) -> None:
    debate = Debate(["gpt-4o", "gpt-4o"], rounds=3, budget={"calls": 4})
    for _ in range(2):  # each run has a budget of its own
        with pytest.raises(BudgetExceeded):
            way(debate, "Which is larger?")
    assert len(openai.requests) == 8


class Shown(Operator):
    instruction: str = prompt("Repeat.")

    def call(self, question: str) -> str:
        return str(models("gpt-4o", f"{self.instruction} {question}"))


def test_a_budget_ends_a_search_for_examples_and_no_call_is_made_after_it(openai: LocalServer) -> None:
    data = [{"question": f"{n}", "answer": f"Repeat. {n}"} for n in range(6)]
    found = optimize.bootstrap(Shown(), data, data, exact(), rounds=8, budget={"calls": 15})
    assert not found.complete and len(openai.requests) == 15
    assert len(found.trials) == 1 and found.best.score == 1.0  # the first variant was not tried to its end


@both
def test_chains_and_parallels_take_models_by_name_and_have_budgets_too(way: Way, openai: LocalServer) -> None:
    assert way(Chain(("gpt-4o", str.upper), budget={"calls": 1}), "sea") == "SEA"
    assert way(Parallel({"one": "gpt-4o", "two": len}), "sea") == {"one": "sea", "two": 3}
    before = len(openai.requests)
    for operator in (
        Chain(("gpt-4o", "gpt-4o"), budget={"calls": 1}),
        Parallel(["gpt-4o", "gpt-4o"], budget={"calls": 1}),
        Chain((Chain(("gpt-4o", "gpt-4o"), budget={"calls": 1}),)) >> len,  # a budget is not lost by `>>`
    ):
        with pytest.raises(BudgetExceeded):
            way(operator, "sea")
    assert len(openai.requests) == before + 3


def test_every_built_in_operator_has_a_section_with_an_example_and_when_not_to_use_it() -> None:
    page = (ROOT / "docs" / "built-in-operators.md").read_text(encoding="utf-8")
    sections = {
        name: text
        for heading, text in re.findall(r"^### (.+)\n((?:(?!^##).*\n)+)", page, re.MULTILINE)
        for name in heading.split(" and ")
    }
    base = {"Operator", "Stepped", "Network"}  # made by `non`, which has a chapter
    names = {
        name
        for name in dir(ember.operators)
        if isinstance(one := getattr(ember.operators, name), type) and issubclass(one, Operator)
    } - base
    assert len(names) == 24 and names == set(sections)
    for name, text in sections.items():
        assert re.search(rf"```python\n(?:(?!```).*\n)*.*\b{name}[.(]", text), f"{name} has no example"
        assert "*Not when*" in text, f"{name} does not say when not to use it"


@both
def test_a_router_and_a_verifier_ask_models(way: Way, openai: LocalServer) -> None:
    openai.answer = lambda prompt: "maths"
    chooser = models.instance("gpt-4o", logprobs=False)
    assert way(Router({"poetry": str.title, "maths": str.upper}, by=chooser), "one and one") == "ONE AND ONE"
    answers = iter(["3", "2"])
    checked = Verifier(lambda question: next(answers), models.instance("gpt-4o", logprobs=False))
    openai.answer = lambda prompt: "no" if "Answer: 3\n\n" in prompt else "yes"
    assert way(checked, "1 + 1?") == "2"


@both
def test_an_agent_runs_the_tools_that_a_model_asks_for(way: Way, openai: LocalServer) -> None:
    def say(prompt: str) -> str:
        last = openai.requests[-1].json["messages"][-1]
        if last["role"] == "tool":
            return f"It is {last['content']}."
        return Said(add={"a": 1, "b": 2})

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    openai.answer = say
    answer = way(Agent("gpt-4o", [add], instruction="Be exact."), "1 + 2?")
    assert answer == "It is 3."
    assert openai.requests[0].json["messages"][0] == {"role": "system", "content": "Be exact."}
    assert openai.requests[0].json["tools"][0]["function"]["name"] == "add"


@both
def test_an_agent_stops_at_its_step_limit(way: Way, openai: LocalServer) -> None:
    openai.answer = lambda prompt: Said(add={"a": "one"})

    def add(a: int) -> int:
        return a

    with pytest.raises(StepLimit) as caught:
        way(Agent("gpt-4o", [add], max_steps=2), "1?")
    assert len(openai.requests) == 2
    messages: Any = caught.value.messages
    told = [one["content"] for one in messages if one["role"] == "tool"]
    assert all(text.startswith("Error: ToolCallError") for text in told)


@both
def test_documents_are_found_by_an_embedding_model(way: Way, openai: LocalServer) -> None:
    retrieve = Retrieve.of(["the sea", "a hill"], embed="text-embedding-3-small", k=2)
    before = len(openai.requests)
    assert {hit.document for hit in way(retrieve, "the ocean")} == {"the sea", "a hill"}
    assert before == 1 and len(openai.requests) == 2
    answer = way(RAG(retrieve, "gpt-4o"), "How deep?")
    assert answer.response.usage.total_tokens and len(answer.sources) == 2


def test_a_stream_is_evaluated_as_it_comes() -> None:
    rows = [{"question": f"sea {n}", "answer": f"SEA {n}"} for n in range(20)]
    found = evaluate(str.upper, stream(rows).filter(lambda row: row["question"] != "sea 3"), exact())
    assert found.metrics["exact_match"].mean == 1.0 and len(found.items) == 19


def test_an_evaluation_says_what_its_calls_used(openai: LocalServer) -> None:
    data = [{"question": f"{n} of five", "answer": f"{n} of five"} for n in range(5)]
    cascade = Cascade(["gpt-4o-mini", "gpt-4o"], accept=lambda answer: "3" not in answer)
    with create_context() as block:
        found = evaluate(cascade, data, exact())
    assert [item.calls for item in found.items] == [1, 1, 1, 2, 1]
    assert [item.input_tokens for item in found.items] == [3, 3, 3, 6, 3]
    assert found.cost > 0 and found.unpriced == 0 and found.metrics["exact_match"].mean == 1
    assert found.cost == models.usage(block).cost


@pytest.mark.parametrize(
    "make",
    [
        lambda ask: Ensemble([ask] * 4),
        lambda ask: Ensemble([lambda text: ask(text) + "!"] * 4),
        lambda ask: MajorityVote([ask] * 4),
        lambda ask: Judge([ask] * 4, model=lambda prompt, choices: choices[0]),
        lambda ask: Retry(Ensemble([ask] * 4)),
        lambda ask: Fallback([ask] * 4, hedge=0),
        lambda ask: Parallel([ask] * 4),
    ],
    ids=["Ensemble", "functions", "MajorityVote", "Judge", "Retry", "Fallback", "Parallel"],
)
def test_under_jit_members_are_asked_at_once_and_the_answer_is_the_same(
    make: Callable[[Any], Operator],
) -> None:
    here, most, wanted = [0], [0], [1]

    @external
    async def ask(text: str) -> str:
        here[0] += 1
        most[0] = max(most[0], here[0])
        try:
            async with asyncio.timeout(30):
                while most[0] < wanted[0]:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            await asyncio.sleep(0.02)
            return text.upper()
        finally:
            here[0] -= 1  # ended as a loser, too

    operator = make(ask)
    compiled = xcs.jit(lambda text: operator(text))
    plain = operator("sea")
    for _ in range(2):
        while here[0]:  # losers may end after the answer
            time.sleep(0.001)
        most[0], wanted[0] = 0, 4
        assert compiled("sea") == plain
        assert most[0] == 4


def test_under_jit_operators_of_models_overlap_with_what_stands_beside_them() -> None:
    here, wanted = [0], [1]

    @external
    async def ask(text: str) -> str:
        here[0] += 1
        for _ in range(1_000):  # ten seconds for all to come
            if here[0] >= wanted[0]:
                return text.upper()
            await asyncio.sleep(0.01)
        raise TimeoutError(f"{here[0]} of {wanted[0]} calls came")

    ensemble, vote = Ensemble([ask, ask, str.lower]), MajorityVote([ask, ask])
    chain = Retry(Ensemble([ask]) >> majority)

    def program(texts: list[str]) -> list[Any]:
        return [*[ensemble(text) for text in texts], vote("sea"), chain("hill"), ask("wood")]

    plain = program(["a", "b", "c"])
    here[0], wanted[0] = 0, 10
    assert xcs.jit(program)(["a", "b", "c"]) == plain


class Asked(Operator):
    """A user's operator, as a member of others."""

    ask: Any
    prompt: str = "{}"

    def call(self, text: str) -> str:
        return f"{self.prompt.format(text)}: {self.ask(text)}"


@pytest.mark.parametrize(
    ("make", "each"),
    [
        (lambda ask: Ensemble([lambda text: ask(text) + "!"] * 2), 2),
        (lambda ask: MajorityVote([lambda text: f"{ask(text.strip())}"] * 2), 2),
        (lambda ask: Judge([lambda text: ask(text)] * 2, model=lambda prompt, choices: choices[0]), 2),
        (lambda ask: Retry(lambda text: ask(text)[:1]), 1),
        (lambda ask: Fallback([lambda text: ask(text)]), 1),
        (lambda ask: Router({"a": lambda text: ask(text), "b": ask}, by=lambda text: "ab"[len(text) % 2]), 1),
        (lambda ask: Ensemble([Retry(lambda text: ask(text)), ask]), 2),
        (lambda ask: Parallel([lambda text: ask(text) + "!"] * 2), 2),
        (lambda ask: Parallel({"one": ask, "two": lambda text: ask(text)}, limit=2), 2),
        (lambda ask: Ensemble([lambda text: ask(text)]) >> majority, 1),
    ],
    ids=[
        "Ensemble",
        "MajorityVote",
        "Judge",
        "Retry",
        "Fallback",
        "Router",
        "nested",
        "Parallel",
        "limit",
        "chain",
    ],
)
def test_under_jit_operators_with_functions_that_only_compute_overlap_in_a_loop(
    make: Callable[[Any], Operator], each: int
) -> None:
    here, most, wanted = [0], [0], [1]

    @external
    async def ask(text: str) -> str:
        here[0] += 1
        most[0] = max(most[0], here[0])
        async with asyncio.timeout(30):
            while most[0] < wanted[0]:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        here[0] -= 1
        return text.upper()

    operator = make(ask)

    def program(texts: list[str]) -> list[Any]:
        found = []
        for text in texts:
            said = operator(text)
            found.append(f"{said}.")
        return found

    texts = ["a", "bb", "c"]
    plain, most[0] = program(texts), 0
    wanted[0] = 3 * each
    assert xcs.jit(program)(texts) == plain
    assert most[0] == 3 * each


def test_under_jit_an_operator_with_a_users_function_keeps_its_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @external
    async def ask(text: str) -> str:
        await asyncio.sleep(0.02)
        return text.upper()

    def told(text: str) -> str:
        print("told", text)
        return text

    router = Router({"loud": ask, "quiet": told}, by=lambda text: told(text) and "loud")
    retry = Retry(told)

    def program() -> Any:
        print("first")
        one = router("a")
        print("second", one)
        two = retry(one)
        print("third")
        return two

    said = []
    for run in (program, xcs.jit(program)):
        assert run() == "A"
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]


def test_a_rehearsal_looks_into_operators() -> None:
    @external(kind="model", estimate=lambda text: Estimate(10, 5, None, 0.5))
    async def ask(text: str) -> str:
        raise AssertionError("nothing is called")

    found = xcs.estimate(lambda text: Ensemble([ask] * 3)(text))("sea")
    assert (found.calls, found.seconds) == (3, 0.5)
