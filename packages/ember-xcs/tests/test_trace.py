"""What is recorded of a run: its calls, what led to what, and what that cost."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from ember import xcs
from ember.core import events
from ember.core.externals import External, current_call


@xcs.external
async def ask(question: str) -> str:
    await asyncio.sleep(0.02)
    if "fail" in question:
        raise ValueError(question)
    return f"the answer to {question}"


@xcs.external
async def search(query: str) -> str:
    await asyncio.sleep(0.01)
    return f"what was found of {query}"


class Model(External[..., str]):
    """A model that tells what it used, as real ones do."""

    name, kind = "models", "model"

    def run(self, *args: Any, **kwargs: Any) -> str:
        raise AssertionError("under jit calls are awaited")

    async def arun(self, model: str, prompt: str) -> str:
        await asyncio.sleep(0.01)
        used = events.Usage(len(prompt), 10)
        cost = None if model == "local" else Decimal("0.002")
        number, scope = events.next_call(), events.current_scope()
        events.emit(
            events.CallFinished(number, current_call(), "model", f"at/{model}", 0.0, scope, 0.01, used, cost)
        )
        return f"{model} says: {prompt}"


model = Model()


def edges(graph: xcs.Graph) -> set[tuple[int, int, str]]:
    return {(edge.source, edge.target, edge.kind) for edge in graph.edges}


def only(trace: xcs.Trace) -> xcs.Graph:
    (graph,) = trace.runs
    return graph.check()


def test_a_trace_holds_every_run_of_a_jitted_function_in_its_block() -> None:
    @xcs.jit
    def one(word: str) -> str:
        return ask(word)

    one("before")
    with xcs.trace() as outer:
        one("a")
        with xcs.trace() as inner:
            one("b")
    one("after")
    assert len(outer.runs) == 2
    assert len(inner.runs) == 1
    assert [len(run.calls) for run in outer.runs] == [1, 1]


def test_calls_by_code_that_is_not_jitted_are_counted_apart() -> None:
    with xcs.trace() as trace:
        ask("alone")
    assert trace.runs == []
    assert trace.outside == 1
    assert "not under jit" in str(trace)


def test_an_answer_that_goes_into_a_call_is_an_edge_however_it_gets_there() -> None:
    @xcs.jit
    def program() -> str:
        first = ask("a")
        second = search("b")
        both = ", ".join([first.upper(), f"<{second}>"])
        return ask(both)

    with xcs.trace() as trace:
        program()
    graph = only(trace)
    assert [call.name for call in graph.calls] == ["ask", "search", "ask"]
    assert edges(graph) == {(0, 2, "data"), (1, 2, "data")}


def test_an_answer_handed_on_by_a_function_that_waited_is_followed() -> None:
    def longer(word: str) -> str:
        answer = ask(word)
        if len(answer) > 5:
            return search(answer)
        return answer

    @xcs.jit
    def program() -> str:
        found = [longer(word) for word in "ab"]
        return ask(found[1])

    with xcs.trace() as trace:
        program()
    graph = only(trace)
    last = graph.calls[-1].index if graph.calls[-1].name == "ask" else 2
    sources = {edge.source for edge in graph.edges if edge.target == last}
    assert any(graph.calls[one].name == "search" for one in sources)
    assert [call.name for call in graph.critical_path.calls] == ["ask", "search", "ask"]


def test_a_call_behind_a_condition_is_after_what_decides_it() -> None:
    @xcs.jit
    def program() -> str:
        answer = ask("a")
        if "answer" in answer:
            return search("b")
        return answer

    with xcs.trace() as trace:
        program()
    graph = only(trace)
    assert edges(graph) == {(0, 1, "decision")}
    (edge,) = graph.edges
    assert edge.wait is not None
    wait = graph.waits[edge.wait]
    assert wait.construct == "a condition"
    assert wait.value == "the answer of ask"
    assert wait.site is not None
    assert wait.site.file == __file__


def test_a_call_that_waits_for_an_effect_is_after_it_and_the_effect_is_named() -> None:
    seen: list[str] = []

    def note(word: str) -> str:
        seen.append(word)
        return word + "!"

    @xcs.jit
    def program() -> str:
        first = ask("a")
        noted = open(first, "x").name if not first else note("b")  # noqa: SIM115
        return search(noted)

    with xcs.trace() as trace:
        program()
    only(trace)

    @xcs.jit
    def ordered() -> str:
        ask("a")
        home = __import__("os").getcwd()
        return search(home)

    with xcs.trace() as trace:
        ordered()
    graph = only(trace)
    assert edges(graph) == {(0, 1, "order")}
    ((wait, held),) = graph.forced()
    assert wait.kind == "order"
    assert "getcwd" in wait.construct or "__import__" in wait.construct
    assert wait.advice
    assert held == 1
    assert graph.data_path.seconds < graph.critical_path.seconds


def test_sites_are_those_of_the_source() -> None:
    @xcs.jit
    def program() -> list[str]:
        return [ask(word) for word in "abc"]

    with xcs.trace() as trace:
        program()
    sites = {call.site for call in only(trace).calls}
    (site,) = sites
    assert site is not None
    assert site.file == __file__
    assert site.line == program.__ember_jit__.__code__.co_firstlineno + 2
    assert str(site).startswith("test_trace.py:")


def test_the_critical_path_goes_through_the_longest_of_many_calls_however_early_it_ended() -> None:
    @xcs.external
    async def ask(question: str) -> str:
        await asyncio.sleep(0.2 if question == "0" else 0.001)
        return question

    @xcs.jit(max_concurrency=4)
    def summary() -> str:
        return ask("|".join([ask(str(n)) for n in range(1_000)]))

    with xcs.trace() as run:
        summary()
    first, last = run.critical_path.calls
    assert (first.index, last.index) == (0, 1_000)


def test_times_run_forward_and_the_critical_path_is_as_long_as_the_run() -> None:
    @xcs.jit
    def program() -> str:
        return ask("".join(ask(ask(word)) for word in "abcd"))

    with xcs.trace() as trace:
        program()
    graph = only(trace)
    assert len(graph.calls) == 9
    assert 0.05 < graph.critical_path.seconds <= graph.seconds
    assert graph.seconds < graph.critical_path.seconds + 0.05
    assert graph.work == pytest.approx(sum(call.ended - (call.sent or 0) for call in graph.calls))
    assert 1 < graph.achieved <= graph.possible
    assert trace.critical_path.seconds == graph.critical_path.seconds


def test_calls_in_a_row_are_one_path() -> None:
    @xcs.jit
    def program() -> str:
        text = "a"
        for _ in range(5):
            text = ask(text)
        return text

    with xcs.trace() as trace:
        program()
    graph = only(trace)
    assert edges(graph) == {(place, place + 1, "data") for place in range(4)}
    assert len(graph.critical_path.calls) == 5


def test_tokens_and_cost_are_those_of_the_call_they_were_used_in() -> None:
    @xcs.jit
    def program() -> list[str]:
        return [model("big", "abc"), model("local", "de"), model("big", "f"), ask("g")]

    with xcs.trace() as trace:
        program()
    graph = only(trace)
    assert [(call.label, call.input_tokens, call.cost) for call in graph.calls] == [
        ("at/big", 3, Decimal("0.002")),
        ("at/local", 2, None),
        ("at/big", 1, Decimal("0.002")),
        ("ask", None, None),
    ]
    spent = {one.name: (one.calls, one.output_tokens, one.cost, one.unpriced) for one in trace.spent()}
    assert spent == {
        "at/big": (2, 20, Decimal("0.004"), 0),
        "at/local": (1, 10, Decimal(0), 1),
        "ask": (1, 0, Decimal(0), 0),
    }
    assert trace.cost == Decimal("0.004")


def test_a_model_called_within_an_external_function_is_charged_to_that_call() -> None:
    @xcs.external
    async def agent(task: str) -> str:
        return await model.aio("big", await model.aio("local", task))

    @xcs.jit
    def program() -> str:
        return agent("a") + agent("b")

    with xcs.trace() as trace:
        program()
    graph = only(trace)
    assert [call.output_tokens for call in graph.calls] == [20, 20]
    assert [call.cost for call in graph.calls] == [Decimal("0.002")] * 2


def test_a_failure_and_what_stood_after_it_are_told_apart() -> None:
    @xcs.jit
    def program() -> list[str]:
        return [ask("a"), ask("fail"), model("slow", "c")]

    with xcs.trace() as trace, pytest.raises(ValueError, match="fail"):
        program()
    graph = only(trace)
    assert graph.error == "ValueError"
    assert [call.outcome for call in graph.calls][:2] == ["answered", "failed"]
    assert graph.calls[1].error == "ValueError"
    assert "ValueError" in str(graph)


def test_a_handled_failure_leaves_the_run_without_one() -> None:
    @xcs.jit
    def program() -> str:
        try:
            answer = ask("fail")
        except ValueError:
            answer = search("b")
        return answer

    with xcs.trace() as trace:
        program()
    graph = only(trace)
    assert graph.error is None
    assert [call.outcome for call in graph.calls] == ["failed", "answered"]


def test_arguments_and_answers_are_kept_only_if_asked_for() -> None:
    @xcs.jit
    def program() -> str:
        return ask("a secret")

    with xcs.trace() as outer, xcs.trace(prompts=True) as inner:
        program()
    assert inner.runs[0].calls[0].arguments == "a secret"
    assert inner.runs[0].calls[0].answer == "the answer to a secret"
    assert "secret" not in repr(outer.runs)


def test_known_secrets_are_masked_in_what_is_kept() -> None:
    from ember.core.secrets import Secret

    key = Secret("sk-trace-0123456789abcdef")

    @xcs.jit
    def program() -> str:
        return ask(f"use {key.reveal()}")

    with xcs.trace(prompts=True) as trace:
        program()
    assert key.reveal() not in repr(trace.runs)


def test_nothing_is_recorded_and_nobody_subscribed_when_no_trace_is_on() -> None:
    kinds = (events.CallStarted, events.CallFinished, events.CallFailed)
    before = [events.listening(kind) for kind in kinds]
    with xcs.trace():
        pass
    assert [events.listening(kind) for kind in kinds] == before


def test_a_function_that_is_run_as_it_is_is_traced_all_the_same() -> None:
    @xcs.jit
    def program() -> Any:
        return eval("ask('a') + ask('b')")

    with xcs.trace() as trace:
        program()
    graph = only(trace)
    assert edges(graph) == {(0, 1, "order")}
    assert "eval" in dict(graph.plain)[program.__qualname__]


def test_a_graph_compares_equal_to_its_like_and_says_where_it_contradicts_itself() -> None:
    site = xcs.Site("a.py", 3, "f")
    one = xcs.Call(0, "ask", "tool", site, 0.0, 0.0, 1.0)
    two = xcs.Call(1, "ask", "tool", site, 1.0, 1.0, 2.0)
    graph = xcs.Graph("f", site, 0.0, 2.0, (one, two), (xcs.Edge(0, 1, "data"),))
    assert graph.check() == replace(graph)
    assert hash(graph) == hash(replace(graph))
    broken = {
        "circle": replace(
            graph, calls=(one, replace(two, sent=1.0)), edges=(xcs.Edge(0, 1, "data"), xcs.Edge(1, 0, "data"))
        ),
        "before": replace(graph, calls=(one, replace(two, ready=0.5, sent=0.5))),
        "no call": replace(graph, edges=(xcs.Edge(0, 7, "data"),)),
        "no wait": replace(graph, edges=(xcs.Edge(0, 1, "order", 3),)),
        "says that": replace(graph, calls=(two, one)),
        "ready at": replace(graph, calls=(one, replace(two, ready=5.0))),
    }
    for word, bad in broken.items():
        with (
            pytest.raises(xcs.BrokenGraph, match=word) if word != "circle" else pytest.raises(xcs.BrokenGraph)
        ):
            bad.check()
    assert "2 calls" in str(graph)
    assert "after 0 (data)" in str(graph)


def test_runs_in_threads_of_their_own_are_traced_and_count_once_in_time() -> None:
    @xcs.jit
    def one(word: str) -> str:
        return ask(word)

    with xcs.trace() as trace:
        xcs.vmap(one)(["a", "b", "c", "d"])
    assert sum(len(run.calls) for run in trace.runs) == 4
    assert trace.seconds <= sum(run.seconds for run in trace.runs) + 1e-6


def test_chrome_gets_a_span_for_each_call_and_no_two_in_a_lane_overlap() -> None:
    @xcs.jit
    def program() -> list[str]:
        return [ask(ask(word)) for word in "abc"]

    with xcs.trace() as trace:
        program()
    made = json.loads(json.dumps(trace.to_chrome()))
    spans = [one for one in made["traceEvents"] if one["ph"] == "X" and one["tid"]]
    assert len(spans) == 6
    lanes: dict[int, list[tuple[float, float]]] = {}
    for span in spans:
        lanes.setdefault(span["tid"], []).append((span["ts"], span["ts"] + span["dur"]))
    for lane in lanes.values():
        lane.sort()
        assert all(a[1] <= b[0] + 1 for a, b in pairwise(lane))
    assert sum(one["ph"] == "s" for one in made["traceEvents"]) == 3


def test_a_hundred_runs_are_summed_up() -> None:
    @xcs.jit
    def one(word: str) -> str:
        return word

    with xcs.trace() as trace:
        for _ in range(100):
            one("a")
    assert "more runs" in str(trace)
    assert repr(trace).startswith("<trace of 100 runs")


@pytest.mark.parametrize("limit", [None, 2])
def test_random_programs_mean_the_same_when_they_are_watched_and_their_graphs_hold(limit: int | None) -> None:
    from fuzz import check

    for seed in range(7_000, 7_040):
        with xcs.trace() as trace:
            assert not check("composed", seed, limit), f"seed {seed}"
        for run in trace.runs:
            run.check()
        assert str(trace)
