"""Embeddings of any number of texts: split by the provider's limits, one call all the same, in one array."""

from __future__ import annotations

import asyncio
import copy
import pickle
import time
from array import array
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from acme import KEY, Acme, register

from ember.api import models
from ember.context import create_context, with_context
from ember.core import CallFailed, CallFinished, CallRetried, CallStarted, subscribe
from ember.models import Matrix, ModelRegistry, errors
from ember.models.testing import LocalServer


class Strict(Acme):
    """A vendor that takes three texts in a request, or ten bytes of them."""

    name = "strict"
    model_patterns: ClassVar[tuple[str, ...]] = ("strict-*",)
    known_models = ("strict-1",)
    embed_texts = 3
    embed_bytes = 10


class PricedStrict(Strict):
    """The same at OpenAI's prices."""

    name = "priced"
    model_patterns: ClassVar[tuple[str, ...]] = ()
    prices = "openai"


@pytest.fixture
def strict(acme: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    for name in ("STRICT", "PRICED"):
        monkeypatch.setenv(f"{name}_API_KEY", KEY)
        monkeypatch.setenv(f"{name}_BASE_URL", f"{acme.url}/v1")
    register(Strict, PricedStrict)
    yield acme
    ModelRegistry.unregister("strict")
    ModelRegistry.unregister("priced")


def inputs(server: LocalServer) -> list[list[str]]:
    """Return the texts of each request, in the order of the texts."""
    return sorted((request.json["input"] for request in server.requests), key=lambda texts: texts[0])


LETTERS = [chr(97 + number) for number in range(20)]


def test_texts_are_split_by_the_providers_limits_and_their_vectors_come_in_order(strict: LocalServer) -> None:
    whole = [models.embed("acme-embed", letter)[0] for letter in LETTERS]
    before = len(strict.requests)

    vectors = models.embed("strict-1", LETTERS)

    assert [len(request.json["input"]) for request in strict.requests[before:]].count(3) == 6
    assert len(strict.requests) == before + 7
    assert list(vectors) == whole and len(vectors) == 20


def test_a_limit_of_tokens_is_kept_by_as_many_bytes_and_a_longer_text_goes_alone(strict: LocalServer) -> None:
    models.embed("strict-1", ["aéé", "bbbbb", "c" * 20, "d", "e"])
    assert inputs(strict) == [["aéé", "bbbbb"], ["c" * 20], ["d", "e"]]


def test_the_users_settings_may_ask_for_smaller_requests(acme: LocalServer) -> None:
    with with_context(providers={"acme": {"embed_texts": 8}}):
        models.embed("acme-embed", LETTERS)
    assert [len(texts) for texts in inputs(acme)] == [8, 8, 4]


def test_all_of_it_is_one_call_with_summed_usage_and_cost(strict: LocalServer) -> None:
    seen: list[Any] = []
    stop = subscribe(seen.append, CallStarted, CallFinished)
    with create_context() as here:
        vectors = models.embed("priced/text-embedding-3-small", LETTERS)
    stop()

    assert [type(event) for event in seen] == [CallStarted, CallFinished]
    assert (seen[1].requests, seen[1].usage) == (7, vectors.usage)
    assert (vectors.usage.input_tokens, vectors.usage.output_tokens) == (20, 0)
    assert vectors.cost == 20 * Decimal("0.02") / 1_000_000 == models.usage(here).cost
    assert models.usage(here).calls == 1 and models.usage(here).requests == 7
    assert strict.ledger[KEY].input_tokens == 20


def test_requests_overlap_within_the_limits_of_the_call(strict: LocalServer) -> None:
    strict.latency = 0.05
    models.embed("strict-1", LETTERS)
    assert strict.high_water == 7

    many = asyncio.run(models.embed.aio("strict-1", LETTERS * 3, max_concurrency=2))
    assert len(many) == 60 and strict.high_water == 7


def test_a_request_of_the_call_that_fails_for_a_while_is_made_again(strict: LocalServer) -> None:
    retries: list[CallRetried] = []
    strict.replies(503, {"retry-after": "0"}, times=3).then()
    stop = subscribe(retries.append, CallRetried)
    vectors = models.embed("strict-1", LETTERS, max_retries=3)
    stop()
    assert len(vectors) == 20 and len(strict.requests) == 10
    assert len(retries) == 3 and all(1 <= retry.attempt <= 3 for retry in retries)


def test_when_one_request_fails_the_call_does_at_once_and_what_was_used_is_booked(
    strict: LocalServer,
) -> None:
    failures: list[CallFailed] = []
    strict.replies().then(400).then(fault="hang")
    stop = subscribe(failures.append, CallFailed)
    begun = time.monotonic()
    with create_context() as here, pytest.raises(errors.InvalidRequestError) as caught:
        models.embed("strict-1", LETTERS, max_concurrency=1)
    stop()

    assert time.monotonic() - begun < 10 and caught.value.provider == "strict"
    assert len(strict.requests) <= 3 and models.usage(here).input_tokens == 3  # one more was let in meanwhile
    assert failures[0].requests == models.usage(here).requests
    # One that was ended at once is counted, and may not have reached the server.
    assert len(strict.requests) <= models.usage(here).requests <= 3


def test_when_one_of_several_requests_at_once_fails_the_others_are_ended(strict: LocalServer) -> None:
    strict.replies(400).then(fault="hang")
    with pytest.raises(errors.InvalidRequestError):
        models.embed("strict-1", LETTERS)
    strict.wait_for(lambda: strict.in_flight == 0)  # the others were ended


def test_one_deadline_holds_over_all_requests(strict: LocalServer) -> None:
    strict.latency = 0.15
    with pytest.raises(errors.ModelTimeout):
        models.embed("strict-1", LETTERS, max_concurrency=1, timeout=0.4)
    assert len(strict.requests) <= 3  # of the seven it takes


def test_a_cancelled_call_ends_all_its_requests(strict: LocalServer) -> None:
    strict.replies(fault="hang")

    async def cancelled() -> None:
        task = asyncio.create_task(models.embed.aio("strict-1", LETTERS))
        await asyncio.to_thread(strict.wait_for, lambda: strict.in_flight == 7)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    strict.wait_for(lambda: strict.in_flight == 0)


def test_a_budget_counts_a_token_for_each_text_before_and_what_was_used_after(strict: LocalServer) -> None:
    with pytest.raises(errors.BudgetExceeded) as caught:
        models.embed("strict-1", LETTERS, budget={"tokens": 19})
    assert caught.value.floor == 20 and not strict.requests

    with create_context(models={"budget": {"tokens": 100, "calls": 1}}) as here:
        models.embed("strict-1", LETTERS)
        (state,) = models.budgets(here)
        assert (state.spent.tokens, state.spent.calls, state.reserved.tokens) == (20, 1, 0)


# What is asked, and what may come


def test_the_number_of_dimensions_may_be_chosen_where_the_provider_can(acme: LocalServer) -> None:
    assert {len(vector) for vector in models.embed("acme-embed", ["a", "b"], dimensions=5)} == {5}
    assert acme.requests[0].json["dimensions"] == 5

    acme.replies(change=lambda told: {**told, "data": [{"index": 0, "embedding": [0.5, 0.5]}]})
    with pytest.raises(errors.InvalidResponse, match="vectors of 5 numbers were asked for, and such of 2"):
        models.embed("acme-embed", "a", dimensions=5)
    with pytest.raises(ValueError, match="dimensions is at least 1"):
        models.embed("acme-embed", "a", dimensions=0)
    with pytest.raises(errors.UnsupportedError, match="embed"):
        models.embed("parrot", "a", dimensions=5)


def test_an_empty_text_is_refused_by_its_number_before_anything_is_sent(acme: LocalServer) -> None:
    with pytest.raises(ValueError, match=r"texts\[2\] is empty"):
        models.embed("acme-embed", ["a", " ", ""])
    assert not acme.requests


def test_embeddings_have_no_fallback_and_say_so(acme: LocalServer) -> None:
    with pytest.raises(TypeError, match="vectors of different models cannot be compared"):
        models.embed("acme-embed", "a", fallback="gpt-4")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="Did you mean 'dimensions'"):
        models.embed("acme-embed", "a", dimension=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    acme.replies(503)
    with with_context(models={"fallback": ["gpt-4"]}), pytest.raises(errors.ProviderUnavailable):
        models.embed("acme-embed", "a")
    assert len(acme.requests) == 1


def test_vectors_that_differ_between_the_requests_are_an_error(strict: LocalServer) -> None:
    def widths(told: dict[str, Any]) -> dict[str, Any]:
        width = 2 if len(told["data"]) == 3 else 4
        return {**told, "data": [{**entry, "embedding": [0.5] * width} for entry in told["data"]]}

    strict.replies(change=widths)
    with pytest.raises(errors.InvalidResponse, match="differ in length"):
        models.embed("strict-1", LETTERS)
    strict.replies(change=lambda told: {**told, "model": f"m{len(told['data'])}"})
    with pytest.raises(errors.InvalidResponse, match="different models: m2, m3"):
        models.embed("strict-1", LETTERS)


# One array


def test_vectors_take_four_bytes_a_number_and_numpy_shares_them(strict: LocalServer) -> None:
    numpy = pytest.importorskip("numpy")
    vectors = models.embed("strict-1", LETTERS)

    assert vectors.vectors.numbers.typecode == "f" and len(vectors.vectors.numbers) == 20 * 8
    shared = numpy.asarray(vectors)
    assert shared.shape == (20, 8) and shared.dtype == numpy.float32
    assert numpy.shares_memory(shared, numpy.frombuffer(vectors.vectors.numbers, dtype="f"))
    assert not shared.flags.writeable and tuple(shared[3].tolist()) == vectors[3]
    wide = numpy.asarray(vectors, dtype="float64")
    assert wide.dtype == numpy.float64 and wide.flags.writeable
    assert numpy.array(vectors).flags.writeable  # a copy


def test_lists_of_numbers_keep_all_their_digits(acme: LocalServer) -> None:
    acme.replies(change=lambda told: {**told, "data": [{"index": 0, "embedding": [0.1, 1 / 3]}]})
    vectors = models.embed("acme-embed", "a")
    assert vectors[0] == (0.1, 1 / 3) and vectors.vectors.numbers.typecode == "d"


def test_a_matrix_is_a_sequence_of_tuples() -> None:
    matrix = Matrix.of([(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)])
    assert len(matrix) == 3 and matrix[-1] == (5.0, 6.0) and matrix[:2] == ((1.0, 2.0), (3.0, 4.0))
    assert list(matrix) == [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)] and (3.0, 4.0) in matrix
    assert matrix == [[1, 2], [3, 4], [5, 6]] and matrix == Matrix(array("f", range(1, 7)), 2)
    assert matrix != Matrix(array("f", range(1, 7)), 3) and matrix != [(1.0, 2.0)] and matrix != "12"
    assert pickle.loads(pickle.dumps(matrix)) == copy.deepcopy(matrix) == matrix
    assert repr(matrix) == "<Matrix of 3 vectors of 2>"
    with pytest.raises(IndexError):
        matrix[3]
    with pytest.raises(ValueError, match="differ in length"):
        Matrix.of([(1.0,), (1.0, 2.0)])
    with pytest.raises(ValueError, match="no vectors"):
        Matrix.of([])


def test_ten_thousand_texts_do_not_take_much_more_than_their_numbers(acme: LocalServer) -> None:
    import tracemalloc

    models.embed("acme-embed", "warm")
    tracemalloc.start()
    vectors = models.embed("acme-embed", [str(number) for number in range(10_000)], dimensions=64)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    numbers = len(vectors.vectors.numbers) * 4
    assert (
        numbers == 2_560_000 and peak < 20_000_000
    )  # as tuples they would take 20 MB, and the server is in here too
