"""Budgets: calls that do not fit are refused before they are sent, and what the others used is paid exactly."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from decimal import Decimal
from typing import Any

import pytest
from acme import KEY

from ember.api import models
from ember.context import EmberContext, create_context, get_context, with_context
from ember.core import CallFailed, CallStarted, subscribe
from ember.core.errors import ConfigError, UnknownKey
from ember.models import Budget, errors
from ember.models._budget import Spending
from ember.models.errors import BudgetExceeded
from ember.models.testing import LocalServer

# The local server counts words as tokens; gpt-4o's prices are 2.5 and 10 US dollars a million.
WORD_IN, WORD_OUT = Decimal("2.5") / 1_000_000, Decimal(10) / 1_000_000


def spent(context: EmberContext) -> Any:
    """Return what was spent of the innermost budget, and see that nothing is claimed any more."""
    state = models.budgets(context)[0]
    assert state.reserved == Spending()
    return state.spent


def test_a_call_beyond_the_budget_is_refused_before_it_is_sent(acme: LocalServer) -> None:
    seen: list[CallStarted | CallFailed] = []
    with create_context(models={"budget": {"calls": 2}}) as here:
        models("acme-small", "One")
        models("acme-small", "Two")
        stop = subscribe(seen.append, CallStarted, CallFailed)
        with pytest.raises(BudgetExceeded) as caught:
            models("acme-small", "Three")
        stop()

    error = caught.value
    assert (error.source, error.unit, error.limit, error.spent, error.reserved, error.floor) == (
        "create_context",
        "calls",
        2,
        2,
        0,
        1,
    )
    assert "No request was made" in str(error) and "models.budgets()" in str(error)
    assert issubclass(BudgetExceeded, errors.ModelError) and error.model == "acme-small"
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.limit, copy.unit) == (str(error), 2, "calls")
    assert len(acme.requests) == 2 and spent(here).calls == 2
    assert [(type(event), getattr(event, "requests", 0)) for event in seen] == [
        (CallStarted, 0),
        (CallFailed, 0),
    ]


def test_tokens_and_dollars_are_paid_as_the_provider_counted_them(acme: LocalServer) -> None:
    acme.answer = lambda prompt: "a b c"
    with create_context(models={"budget": {"tokens": 100, "usd": 1}}) as here:
        models("gpt-4o", "one two")
        models("gpt-4o", "one")

    assert spent(here).tokens == 9
    assert spent(here).usd == 3 * WORD_IN + 6 * WORD_OUT == models.usage(here).cost
    left = models.budgets(here)[0].left
    assert (left.tokens, left.usd, left.calls) == (91, 1 - spent(here).usd, None)


def test_the_floor_is_a_token_for_each_text_and_its_price(acme: LocalServer) -> None:
    turns = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    with pytest.raises(BudgetExceeded) as tokens:
        models("gpt-4o", turns, system="d", budget={"tokens": 3})
    assert tokens.value.floor == 4

    with pytest.raises(BudgetExceeded) as dollars:
        models("gpt-4o", "Hello", budget=Decimal("0.000001"))
    assert dollars.value.unit == "usd" and 0 < dollars.value.floor <= WORD_IN
    assert not acme.requests

    models("gpt-4o", turns, system="d", budget={"tokens": 4})  # it used 5: nobody could know


def test_when_it_is_spent_every_call_is_refused(acme: LocalServer) -> None:
    with create_context(models={"budget": {"usd": 0.00001}}) as here:
        models("gpt-4o", "Hello there")
        for _ in range(3):
            with pytest.raises(BudgetExceeded):
                models("gpt-4o", "Hello there")
    assert len(acme.requests) == 1 and models.usage(here).calls == 1
    assert models.budgets(here)[0].left.usd == Decimal("0.00001") - 2 * WORD_IN - 2 * WORD_OUT


# Under concurrency


def test_two_hundred_threads_make_exactly_the_calls_that_are_allowed(acme: LocalServer) -> None:
    refused = 0
    count = threading.Lock()

    def call() -> None:
        nonlocal refused
        try:
            models("acme-small", "Hello")
        except BudgetExceeded:
            with count:
                refused += 1

    with create_context(models={"budget": {"calls": 50}}) as here, ThreadPoolExecutor(200) as pool:
        for work in [pool.submit(copy_context().run, call) for _ in range(200)]:
            work.result()

    assert (acme.ledger[KEY].requests, refused, spent(here).calls) == (50, 150, 50)


def test_a_thousand_tasks_make_exactly_the_calls_that_are_allowed(acme: LocalServer) -> None:
    async def all_of_them() -> list[Any]:
        calls = (models.acall("acme-small", "Hello") for _ in range(1_000))
        return await asyncio.gather(*calls, return_exceptions=True)

    with create_context(models={"budget": {"calls": 300}, "max_concurrency": 50}) as here:
        done = asyncio.run(all_of_them())

    assert sum(isinstance(answer, BudgetExceeded) for answer in done) == 700
    assert sum(answer == "Hello" for answer in done) == acme.ledger[KEY].requests == spent(here).calls == 300


def test_dollars_and_tokens_are_exact_when_threads_and_tasks_spend_at_once(acme: LocalServer) -> None:
    async def several() -> None:
        await asyncio.gather(*(models.acall("gpt-4o", "one two three") for _ in range(50)))

    def in_thread() -> None:
        for _ in range(10):
            models("gpt-4o", "one two three")

    with (
        create_context(models={"budget": {"usd": 5, "tokens": 10_000}}) as here,
        ThreadPoolExecutor(4) as pool,
    ):
        threads = [pool.submit(copy_context().run, in_thread) for _ in range(4)]
        threads.append(pool.submit(copy_context().run, asyncio.run, several()))
        for thread in threads:
            thread.result()

    account = acme.ledger[KEY]
    assert (account.input_tokens, account.output_tokens) == (270, 270)
    assert (
        spent(here).tokens == 540 and spent(here).usd == 270 * (WORD_IN + WORD_OUT) == models.usage(here).cost
    )


def test_with_few_calls_at_once_little_is_spent_beyond_the_limit(acme: LocalServer) -> None:
    acme.latency = 0.01

    async def all_of_them() -> list[Any]:
        calls = (models.acall("acme-small", "one two three four five", max_concurrency=2) for _ in range(100))
        return await asyncio.gather(*calls, return_exceptions=True)

    with create_context(models={"budget": {"tokens": 100}}) as here:
        done = asyncio.run(all_of_them())

    made = sum(isinstance(answer, str) for answer in done)
    assert 10 <= made <= 14 and spent(here).tokens == 10 * made  # those waiting hear of what others spent


# What is paid


def test_a_failed_call_gives_its_claim_back(acme: LocalServer) -> None:
    acme.replies(500, times=3).then()
    with create_context(models={"budget": {"calls": 1}}) as here:
        for _ in range(3):
            with pytest.raises(errors.ProviderUnavailable):
                models("acme-small", "Hello")
        assert spent(here).calls == 0
        assert models("acme-small", "Hello") == "Hello"


def test_retries_are_requests_and_not_calls(acme: LocalServer) -> None:
    acme.replies(500, {"retry-after": "0"}, times=2).then()
    with create_context(models={"budget": {"calls": 1}, "max_retries": 2}) as here:
        assert models("acme-small", "Hello") == "Hello"
    assert (len(acme.requests), spent(here).calls) == (3, 1)


def test_a_re_ask_is_the_same_call_and_is_not_sent_when_the_first_answer_used_everything(
    acme: LocalServer,
) -> None:
    acme.answer = lambda prompt: "no list"
    with create_context(models={"budget": {"tokens": 4}}) as here:
        with pytest.raises(BudgetExceeded) as caught:
            models("acme-small", "Three primes?", schema=list[int], reask=2)
        assert len(acme.requests) == 1 and caught.value.floor == 5
        assert (spent(here).tokens, spent(here).calls) == (4, 0)
    with create_context(models={"budget": {"calls": 1}}) as here:
        with pytest.raises(errors.SchemaMismatch):
            models("acme-small", "Three primes?", schema=list[int], reask=2)
        assert len(acme.requests) == 4


def test_a_budget_of_one_call_covers_its_fallbacks(acme: LocalServer) -> None:
    acme.replies(text="[]").then(503).then(text="ok")
    with pytest.raises(BudgetExceeded) as caught:
        models("acme-small", "Hello", schema=dict[str, int], reask=0, fallback="gpt-4o", budget={"tokens": 2})
    assert len(acme.requests) == 1
    assert [type(other) for other in caught.value.failures] == [errors.SchemaMismatch]
    with create_context(models={"budget": {"calls": 1}}) as here:
        assert models("acme-small", "Hello", fallback="gpt-4o") == "ok"
    assert spent(here).calls == 1


def test_a_run_of_tools_has_one_budget_for_all_answers(acme: LocalServer) -> None:
    asks = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "seven", "arguments": "{}"}}],
    }

    def seven() -> int:
        return 7

    acme.replies(change=lambda told: {**told, "choices": [{"index": 0, "message": asks}]})
    with pytest.raises(BudgetExceeded):
        models.run_tools("acme-small", "Seven?", tools=[seven], budget={"calls": 3})
    with pytest.raises(BudgetExceeded):
        asyncio.run(models.arun_tools("acme-small", "Seven?", tools=[seven], budget={"calls": 2}))
    assert len(acme.requests) == 5


def test_a_stream_is_paid_at_its_end(acme: LocalServer) -> None:
    acme.replies(delay=0.02)
    with create_context(models={"budget": {"calls": 1}}) as here:
        stream = models.stream("acme-small", "one two three")
        assert next(stream)
        assert models.budgets(here)[0].reserved.calls == 1
        with pytest.raises(BudgetExceeded):
            models("acme-small", "Hello")
        list(stream)
        assert (spent(here).calls, spent(here).tokens) == (1, 6)
        with pytest.raises(BudgetExceeded):
            list(models.stream("acme-small", "Hello"))


def test_a_stream_that_is_left_early_pays_what_is_known(acme: LocalServer) -> None:
    acme.replies(delay=0.02)
    with create_context(models={"budget": {"calls": 3, "tokens": 100}}) as here:
        with models.stream("acme-small", "one two three") as stream:
            next(stream)
        assert (spent(here).calls, spent(here).tokens) == (1, 1)

        models.stream("acme-small", "never begun").close()
        dropped = models.stream("acme-small", "one two three")
        next(dropped)
        del dropped
        acme.wait_for(lambda: len(acme.requests) == 2 and acme.requests[1].aborted)
        models("acme-small", "Hello")
        assert spent(here).calls == 3


def test_a_cancelled_call_gives_its_claim_back(acme: LocalServer) -> None:
    acme.replies(fault="hang")

    async def cancelled() -> None:
        task = asyncio.create_task(models.acall("acme-small", "Hello"))
        await asyncio.to_thread(acme.wait_for, lambda: acme.in_flight == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with create_context(models={"budget": {"calls": 1}}) as here:
        asyncio.run(cancelled())
        assert spent(here).calls == 0


# What cannot be counted


def test_dollars_cannot_be_kept_for_a_model_without_a_price(acme: LocalServer) -> None:
    with pytest.raises(errors.UnsupportedError, match="price is not known"):
        models("acme-small", "Hello", budget=0.10)
    with pytest.raises(errors.UnsupportedError, match="price is not known"):
        models("gpt-4o", "Hello", fallback="acme-small", budget=0.10)
    assert not acme.requests

    answer = models("acme-small", "Hello", budget=Budget(usd=0.10, allow_unknown=True))
    assert answer == "Hello" and answer.cost is None
    assert models("parrot", "Hello", budget=0) == "HELLO"  # it is free


def test_a_model_that_does_not_say_what_it_used_is_not_asked_again(acme: LocalServer) -> None:
    acme.replies(change=lambda told: {**told, "usage": None})
    with create_context(models={"budget": {"tokens": 100}}) as here:
        models("acme-small", "Hello")
        with pytest.raises(errors.UnsupportedError, match="did not say what it used"):
            models("acme-small", "Hello")
        assert spent(here).tokens == 1  # as it must have used
    with create_context(models={"budget": {"tokens": 2, "allow_unknown": True}}) as here:
        models("acme-small", "Hello")
        models("acme-small", "Hello")
        with pytest.raises(BudgetExceeded):
            models("acme-small", "Hello")


# Where it is said


def test_nested_budgets_all_hold(acme: LocalServer) -> None:
    get_context().set_config("models.budget.calls", 10)
    with (
        create_context(models={"budget": {"calls": 3}}) as outer,
        with_context(models={"budget": {"tokens": 4}}),
    ):
        models("acme-small", "Hello")
        models("acme-small", "Hello")
        with pytest.raises(BudgetExceeded) as inner_one:
            models("acme-small", "Hello")
        with with_context(models={"budget": None}), pytest.raises(BudgetExceeded):
            models("acme-small", "Hello")  # nobody inside can lift it
        states = models.budgets()
    assert [(state.source, state.spent.calls, state.spent.tokens) for state in states] == [
        ("with_context", 2, 4),
        ("create_context", 2, 4),
        ("the configuration", 2, 4),
    ]
    assert inner_one.value.source == "with_context"
    models("acme-small", "Hello")
    assert [state.spent.calls for state in models.budgets()] == [3]
    assert models.budgets(outer)[0].spent.calls == 2
    get_context().set_config("models.budget.calls", 3)  # a limit may be changed: what was spent stays
    with pytest.raises(BudgetExceeded, match="the configuration"):
        models("acme-small", "Hello")
    get_context().set_config("models.budget", None)
    assert models.budgets() == () and models("acme-small", "Hello") == "Hello"


def test_a_block_that_is_entered_again_has_a_new_budget(acme: LocalServer) -> None:
    block = create_context(models={"budget": {"calls": 1}})
    for _ in range(2):
        with block:
            models("acme-small", "Hello")
            with pytest.raises(BudgetExceeded):
                models("acme-small", "Hello")


def test_a_budget_of_a_call_is_its_own(acme: LocalServer) -> None:
    thrifty = models.instance("gpt-4o", budget={"calls": 1})
    assert [thrifty("One"), thrifty("Two")] == ["One", "Two"]
    assert models.budgets() == ()


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ("5", TypeError, "budget is a number of US dollars"),
        (True, TypeError, "budget is a number"),
        ({"dollars": 5}, TypeError, "a budget has no 'dollars'"),
        ({"calls": 1.5}, TypeError, "calls of a budget is a whole number"),
        ({"tokens": -1}, ValueError, "tokens of a budget is at least 0"),
        (float("nan"), ValueError, "usd of a budget is finite"),
    ],
)
def test_what_is_no_budget_is_refused(
    acme: LocalServer, given: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        models("gpt-4o", "Hello", budget=given)
    assert not acme.requests


def test_a_misspelt_budget_is_refused_where_it_is_written(ember_home: object) -> None:
    with pytest.raises(UnknownKey, match=r"models\.budget\.tokens"):
        create_context(models={"budget": {"token": 5}})
    with pytest.raises(ConfigError, match="must be at least 0"):
        create_context(models={"budget": {"usd": -5}})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_goes_on_from_what_was_spent(acme: LocalServer, script: Any) -> None:
    done = script(
        """
        import os
        from ember.context import create_context
        from ember.models.errors import BudgetExceeded
        register()
        with create_context(models={"budget": {"calls": 2}}) as here:
            models("acme-small", "One")
            stream = models.stream("acme-small", " ".join(map(str, range(50_000))))
            next(stream)
            child = os.fork()
            if child == 0:
                models("acme-small", "Mine")
                try:
                    models("acme-small", "Too much")
                except BudgetExceeded as error:
                    print("child:", error.spent, flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            list(stream)
            print("parent:", models.budgets(here)[0].spent.calls)
        """
    )
    assert done.stdout.splitlines() == ["child: 2", "parent: 2"], done.stderr


def test_what_comes_from_the_cache_is_free_and_never_refused(acme: LocalServer) -> None:
    models("acme-small", "Hello", cache=True)
    models.embed("acme-embed", ["a", "b"], cache=True)
    with create_context(models={"budget": {"calls": 1, "tokens": 1}, "cache": True}) as here:
        assert models("acme-small", "Hello").cached
        assert models.embed("acme-embed", ["b", "a"]).cached
        assert spent(here) == Spending()
        assert len(models.embed("acme-embed", ["b", "c", "a"])) == 3  # which needs one token, and not three
        assert spent(here) == Spending(tokens=1, calls=1)
        with pytest.raises(BudgetExceeded):
            models("acme-small", "Another")
        assert "".join(models.stream("acme-small", "Hello")) == "Hello"
