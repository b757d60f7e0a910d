"""What calls used, added up exactly: by process, by context, under threads and tasks, with what failed."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from subprocess import CompletedProcess

import pytest
from acme import KEY

from ember.api import models
from ember.context import create_context, get_context, with_context
from ember.core.errors import EmberError
from ember.models import Totals
from ember.models.errors import InvalidResponse, ModelError
from ember.models.testing import LocalServer

Script = Callable[..., "CompletedProcess[str]"]


def test_usage_is_what_the_servers_own_books_say(acme: LocalServer) -> None:
    with create_context() as here:
        for prompt in ("one", "two words", "and three words"):
            models("acme-small", prompt)
        list(models.stream("acme-small", "four words in all"))
        used = models.usage(here)
    books = acme.ledger[KEY]
    assert (used.calls, used.requests) == (books.calls, books.requests) == (4, 4)
    assert (used.input_tokens, used.output_tokens) == (books.input_tokens, books.output_tokens)


def test_totals_are_exact_under_sixty_four_threads(acme: LocalServer) -> None:
    before = models.usage()
    with create_context() as here:

        def ask(number: int) -> None:
            with with_context():
                models("acme-small", "one two three" if number % 2 else "one")

        threads = 64
        barrier = threading.Barrier(threads)

        def work(number: int) -> None:
            barrier.wait()
            for turn in range(10):
                ask(number + turn)

        # A bare thread starts in the process's own context: the caller's is carried by hand.
        with ThreadPoolExecutor(threads) as pool:
            jobs = [pool.submit(contextvars.copy_context().run, work, number) for number in range(threads)]
        for job in jobs:
            job.result()
        used = models.usage(here)
    assert used == Totals(640, 640, 320 * 3 + 320, 320 * 3 + 320, Decimal(0), 640)
    after = models.usage()
    assert after.calls - before.calls == 640 and after.input_tokens - before.input_tokens == 1280


def test_totals_are_exact_under_tasks_each_in_its_own_context(acme: LocalServer) -> None:
    async def one(number: int) -> int:
        with create_context() as mine:
            for _ in range(number):
                await models.acall("acme-small", "two words")
            assert models.usage(mine).input_tokens == 2 * number
            return models.usage(mine).calls

    async def main() -> list[int]:
        return await asyncio.gather(*(one(number) for number in range(20)))

    with create_context() as all_of_them:
        assert asyncio.run(main()) == list(range(20))
        assert models.usage(all_of_them).calls == sum(range(20))


def test_a_call_is_charged_to_its_context_and_all_around_it(acme: LocalServer) -> None:
    with create_context() as outer:
        models("acme-small", "one")
        with create_context() as inner:
            models("acme-small", "two")
            with with_context(models={"temperature": 0.5}) as override:
                models("acme-small", "three")
                assert models.usage(override) == models.usage(inner)
            with create_context() as other:
                pass
    assert [models.usage(c).calls for c in (outer, inner, other)] == [3, 2, 0]
    assert models.usage().calls >= 3


def test_the_processs_own_context_has_the_processs_usage(acme: LocalServer) -> None:
    models("acme-small", "Hi")
    assert models.usage(get_context()) == models.usage()


def test_a_stream_is_charged_to_the_context_it_was_asked_for_in(acme: LocalServer) -> None:
    with create_context() as here:
        stream = models.stream("acme-small", "one two")
    with create_context() as elsewhere:
        list(stream)
    assert (models.usage(here).calls, models.usage(elsewhere).calls) == (1, 0)


def test_a_failed_call_counts_its_request_and_no_answer(acme: LocalServer) -> None:
    acme.replies(500)
    with create_context() as here, pytest.raises(ModelError):
        models("acme-small", "Hi")
    assert models.usage(here) == Totals(requests=1)


def test_a_refused_call_counts_nothing(acme: LocalServer) -> None:
    with create_context() as here:
        for model, prompt in (("nobodys", "Hi"), ("acme-small", "")):
            with pytest.raises((EmberError, ValueError)):
                models(model, prompt)
    assert models.usage(here) == Totals() and acme.requests == []


def test_an_answer_that_does_not_fit_its_schema_was_paid_for(acme: LocalServer) -> None:
    acme.replies(text="no JSON at all")
    with create_context() as here, pytest.raises(InvalidResponse):
        models("gpt-4o", "one two", schema={"type": "object"}, reask=0)
    used = models.usage(here)
    assert (used.calls, used.requests, used.output_tokens) == (0, 1, 4)
    assert used.cost > 0 and used.unpriced_calls == 0


def test_calls_without_a_price_are_counted_and_add_no_zero(acme: LocalServer) -> None:
    with create_context() as here:
        priced = models("gpt-4o", "one two three")
        assert models("acme-small", "one two three").cost is None
        models("gpt-nothing-like-it", "Hi")
    used = models.usage(here)
    assert (used.calls, used.unpriced_calls, used.cost) == (3, 2, priced.cost)


def test_calls_that_are_free_cost_nothing_and_are_priced(acme: LocalServer) -> None:
    with create_context() as here:
        assert models("parrot", "Hi").cost == 0
    assert models.usage(here) == Totals(1, 1, 1, 1, Decimal(0), 0)


def test_unknown_tokens_leave_the_totals_as_they_are(acme: LocalServer) -> None:
    acme.replies(change=lambda answer: {**answer, "usage": None})
    with create_context() as here:
        models("gpt-4o", "Hi")
    assert models.usage(here) == Totals(calls=1, requests=1, unpriced_calls=1)


def test_embeddings_are_calls_like_any_other(acme: LocalServer) -> None:
    with create_context() as here:
        vectors = models.embed("text-embedding-3-small", ["one two", "three"])
    used = models.usage(here)
    assert (used.calls, used.input_tokens, used.output_tokens) == (1, 3, 0)
    assert used.cost == vectors.cost and vectors.cost


def test_a_stream_that_was_left_counts_its_request(acme: LocalServer) -> None:
    acme.replies(text="one two three", fault="hang", after=2)
    with create_context() as here:
        with models.stream("acme-small", "Hi") as stream:
            next(stream)
    assert models.usage(here) == Totals(requests=1)
    acme.wait_for(lambda: acme.in_flight == 0 and acme.requests[0].aborted)

    with create_context() as here:
        stream = models.stream("acme-small", "Hi")
        next(stream)
        del stream  # dropped, not closed
    acme.wait_for(lambda: acme.in_flight == 0)
    assert models.usage(here) == Totals(requests=1)


def test_a_context_that_is_gone_takes_its_books_along(script: Script) -> None:
    # In a process of its own, and not by its first call: asyncio keeps the context that its loop was made in, and those
    # of its last hundred timers.
    done = script(
        """
        import gc, weakref
        from ember.context import create_context
        register(Parrot)
        models("parrot", "Hi")
        with create_context() as here:
            models("parrot", "Hi")
            print(models.usage(here).calls)
        scope = weakref.ref(here.scope)
        del here
        gc.collect()
        print(scope())
        """
    )
    assert done.stdout == "1\nNone\n", done.stderr


def test_usage_says_what_it_holds() -> None:
    with create_context() as here:
        assert repr(models.usage(here)) == (
            "Totals(calls=0, requests=0, input_tokens=0, output_tokens=0, cost=Decimal('0'), unpriced_calls=0)"
        )
