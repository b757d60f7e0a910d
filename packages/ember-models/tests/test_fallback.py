"""Other models, asked when the first one fails: which failures make it so, and what the answer or the error tells."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Iterator
from typing import Any

import pytest
from acme import KEY, Acme, register

from ember.api import models
from ember.context import create_context, get_context, with_context
from ember.core import CallFailed, CallFinished, CallRetried, subscribe
from ember.core.errors import CredentialNotFound
from ember.models import ModelRegistry, errors
from ember.models.testing import LocalServer


class Brick(Acme):
    """A second vendor, with a server of its own."""

    name = "brick"
    model_patterns = ("brick-*",)
    known_models = ("brick-1",)
    supports = frozenset({"stream"})


class Capable(Brick):
    """The same vendor, with tools."""

    supports = frozenset({"stream", "tools"})


@pytest.fixture
def brick(acme: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """The second vendor's server, beside the first one's; it answers everything with "from brick"."""
    with LocalServer() as server:
        monkeypatch.setenv("BRICK_API_KEY", "sk-brick-0123456789")
        monkeypatch.setenv("BRICK_BASE_URL", f"{server.url}/v1")
        register(Brick)
        server.answer = lambda prompt: "from brick"
        yield server
        ModelRegistry.unregister("brick")


def test_the_next_model_answers_when_the_first_is_down_and_the_answer_says_so(
    acme: LocalServer, brick: LocalServer
) -> None:
    acme.replies(503)

    answer = models("acme-small", "Hello", fallback=["brick-1"])

    assert (answer, answer.provider, answer.model) == ("from brick", "brick", "brick-1")
    (failure,) = answer.failures
    assert isinstance(failure, errors.ProviderUnavailable)
    assert (failure.provider, failure.model, failure.status) == ("acme", "acme-small", 503)
    assert failure.__traceback__ is None  # whose frames would keep the prompt
    assert pickle.loads(pickle.dumps(answer)).failures[0].status == 503


def test_the_fallback_is_left_alone_when_the_first_model_answers(
    acme: LocalServer, brick: LocalServer
) -> None:
    answer = models("acme-small", "Hello", fallback="brick-1")

    assert (answer, answer.provider, answer.failures) == ("Hello", "acme", ())
    assert not brick.requests


FALLS: list[tuple[dict[str, Any], type[errors.ModelError]]] = [
    ({"status": 429}, errors.RateLimitError),
    (
        {"status": 429, "json": {"error": {"message": "No credit.", "code": "insufficient_quota"}}},
        errors.QuotaError,
    ),
    ({"status": 500}, errors.ProviderUnavailable),
    ({"status": 529}, errors.ProviderUnavailable),
    ({"fault": "reset"}, errors.ConnectionFailed),
    ({"body": b"<html>", "headers": {"content-type": "text/html"}}, errors.InvalidResponse),
    ({"json": {}}, errors.InvalidResponse),
]
STAYS: list[tuple[dict[str, Any], type[errors.ModelError]]] = [
    ({"status": 400}, errors.InvalidRequestError),
    ({"status": 401}, errors.AuthenticationError),
    ({"status": 403}, errors.AuthenticationError),
    ({"status": 404}, errors.ModelNotFound),
    (
        {"status": 400, "json": {"error": {"message": "No.", "code": "content_filter"}}},
        errors.ContentFilterError,
    ),
]


@pytest.mark.parametrize(("reply", "cls"), FALLS, ids=lambda value: str(value))
def test_another_model_is_asked_after_what_it_may_not_fail_with(
    acme: LocalServer, brick: LocalServer, reply: dict[str, Any], cls: type[errors.ModelError]
) -> None:
    acme.replies(**reply)

    answer = models("acme-small", "Hello", fallback="brick-1")

    assert (answer, type(answer.failures[0])) == ("from brick", cls)


@pytest.mark.parametrize(("reply", "cls"), STAYS, ids=lambda value: str(value))
def test_no_other_model_is_asked_after_what_is_wrong_with_the_call_itself(
    acme: LocalServer, brick: LocalServer, reply: dict[str, Any], cls: type[errors.ModelError]
) -> None:
    acme.replies(**reply)

    with pytest.raises(cls) as caught:
        models("acme-small", "Hello", fallback="brick-1")

    assert caught.value.failures == () and not brick.requests


def test_the_call_may_say_which_errors_make_another_model_be_asked(
    acme: LocalServer, brick: LocalServer
) -> None:
    acme.replies(401).then(429)
    moves = (errors.AuthenticationError, errors.ModelNotFound)

    assert models("acme-small", "Hello", fallback="brick-1", fallback_on=moves) == "from brick"
    with pytest.raises(errors.RateLimitError):
        models("acme-small", "Hello", fallback="brick-1", fallback_on=moves)
    assert len(brick.requests) == 1

    with pytest.raises(TypeError, match="fallback_on is a class of ModelError"):
        models("acme-small", "Hello", fallback="brick-1", fallback_on=KeyError)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_when_all_fail_the_first_error_is_raised_and_tells_of_the_others(
    acme: LocalServer, brick: LocalServer
) -> None:
    acme.replies(429, {"retry-after": "120"})
    brick.replies(503)

    with pytest.raises(errors.RateLimitError) as caught:
        models("acme-small", "Hello", fallback=["brick-1", "gpt-4"], fallback_on=errors.ModelError)

    error = caught.value
    assert (error.provider, error.retry_after) == ("acme", 120)
    assert [(type(other), getattr(other, "provider", None)) for other in error.failures] == [
        (errors.ProviderUnavailable, "brick"),
        (errors.RateLimitError, "everything"),
    ]
    assert "The other models of this call failed too: brick/brick-1: " in str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) and len(copy.failures) == 2


def test_each_model_tried_is_a_call_of_its_own_in_events_and_totals(
    acme: LocalServer, brick: LocalServer
) -> None:
    seen: list[CallFailed | CallFinished] = []
    acme.replies(503)
    stop = subscribe(seen.append, CallFailed, CallFinished)
    with create_context() as here:
        models("acme-small", "Hello", fallback="brick-1", max_retries=1)
    stop()

    assert [(type(event), event.name, event.requests) for event in seen] == [
        (CallFailed, "acme/acme-small", 2),
        (CallFinished, "brick/brick-1", 1),
    ]
    assert seen[0].call != seen[1].call
    used = models.usage(here)
    assert (used.calls, used.requests, used.input_tokens) == (1, 3, 1)
    assert brick.ledger["sk-brick-0123456789"].input_tokens == 1


def test_attempts_stay_bounded_for_each_model(acme: LocalServer, brick: LocalServer) -> None:
    retries: list[CallRetried] = []
    acme.replies(429, {"retry-after": "0"})
    brick.replies(503, {"retry-after": "0"})
    stop = subscribe(retries.append, CallRetried)
    with pytest.raises(errors.RateLimitError), with_context(models={"max_retries": 2}):
        models("acme-small", "Hello", fallback="brick-1")
    stop()

    assert (len(acme.requests), len(brick.requests), len(retries)) == (3, 3, 4)


async def _answer(prompt: str, **params: Any) -> Any:
    return await models.acall("acme-small", prompt, **params)


def test_awaited_calls_fall_back_each_by_itself(acme: LocalServer, brick: LocalServer) -> None:
    acme.replies(503, times=3).then()
    brick.answer = lambda prompt: f"brick: {prompt}"

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(_answer(str(n), fallback=["brick-1"]) for n in range(8)))

    answers = asyncio.run(all_of_them())

    assert sum(answer.provider == "brick" for answer in answers) == 3
    assert all(str(answer).removeprefix("brick: ") == str(n) for n, answer in enumerate(answers))


def test_a_cancelled_call_asks_no_other_model(acme: LocalServer, brick: LocalServer) -> None:
    acme.replies(fault="hang")

    async def cancelled() -> None:
        task = asyncio.create_task(_answer("Hello", fallback="brick-1"))
        await asyncio.to_thread(acme.wait_for, lambda: acme.in_flight == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    acme.wait_for(lambda: acme.requests[0].aborted)
    assert not brick.requests


# One clock over all of them


def test_a_model_that_hangs_leaves_the_others_their_share_of_the_time(
    acme: LocalServer, brick: LocalServer
) -> None:
    acme.replies(fault="hang")
    begun = time.monotonic()

    answer = models("acme-small", "Hello", fallback="brick-1", timeout=4.0)

    taken = time.monotonic() - begun
    assert answer == "from brick" and taken > 1.6
    assert 1.6 < answer.latency <= taken
    (failure,) = answer.failures
    assert isinstance(failure, errors.ModelTimeout) and "its share of the 4 s" in str(failure)


def test_all_models_together_keep_within_the_one_deadline(acme: LocalServer, brick: LocalServer) -> None:
    acme.replies(fault="hang")
    brick.replies(fault="hang")
    begun = time.monotonic()

    with pytest.raises(errors.ModelTimeout) as caught:
        models("acme-small", "Hello", fallback="brick-1", timeout=0.6)

    assert 0.5 < time.monotonic() - begun < 6.0
    assert [type(other) for other in caught.value.failures] == [errors.ModelTimeout]


def test_without_timeouts_among_the_causes_the_first_model_may_take_all_of_the_time(
    acme: LocalServer, brick: LocalServer
) -> None:
    acme.latency = 0.4

    assert (
        models("acme-small", "Hi", fallback="brick-1", timeout=0.7, fallback_on=errors.RateLimitError) == "Hi"
    )


# Before anything is sent


def test_a_fallback_that_cannot_do_what_is_asked_is_told_of_before_anything_is_sent(
    acme: LocalServer, brick: LocalServer
) -> None:
    with pytest.raises(errors.UnsupportedError, match="brick/brick-1"):
        models("acme-small", "Hello", choices=["yes", "no"], fallback="brick-1")
    with pytest.raises(errors.UnknownModel, match="nobody-has-this"):
        models("acme-small", "Hello", fallback=["nobody-has-this"])
    with pytest.raises(TypeError, match="fallback is a model's name"):
        models("acme-small", "Hello", fallback=[7])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    assert not acme.requests


def test_a_fallback_without_a_key_is_skipped_and_said_so_in_the_end(
    acme: LocalServer, brick: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BRICK_API_KEY")
    monkeypatch.delenv("BRICK_BASE_URL")

    assert models("acme-small", "Hello", fallback="brick-1") == "Hello"

    acme.replies(503).then()
    answer = models("acme-small", "Hello", fallback=["brick-1", "acme-large"])
    assert [type(failure) for failure in answer.failures] == [errors.ProviderUnavailable, CredentialNotFound]

    acme.replies(503)
    with pytest.raises(errors.ProviderUnavailable, match="No API key for provider 'brick'") as caught:
        models("acme-small", "Hello", fallback="brick-1")
    assert [type(other) for other in caught.value.failures] == [CredentialNotFound]
    assert KEY not in str(caught.value)


def test_the_same_model_is_not_asked_twice(acme: LocalServer, brick: LocalServer) -> None:
    acme.replies(503)

    with pytest.raises(errors.ProviderUnavailable) as caught:
        models("acme-small", "Hello", fallback=["acme/acme-small", "acme-small"])

    assert len(acme.requests) == 1 and caught.value.failures == ()


# Where it is said


def test_the_fallback_comes_from_the_configuration_and_a_call_may_turn_it_off(
    acme: LocalServer, brick: LocalServer
) -> None:
    acme.replies(503)
    with with_context(models={"fallback": ["spare"], "aliases": {"spare": "brick/brick-1"}}):
        assert models("acme-small", "Hello") == "from brick"
        with pytest.raises(errors.ProviderUnavailable):
            models("acme-small", "Hello", fallback=[])
    get_context().set_config("providers.acme.fallback", "brick-1")  # one name counts as one
    assert models.instance("acme-small")("Hello") == "from brick"
    with pytest.raises(errors.ProviderUnavailable):
        acme.replies(503, path="/v1/chat/completions")
        models("gpt-4", "Hello")  # of another provider


def test_each_step_of_a_run_of_tools_has_its_fallback(acme: LocalServer, brick: LocalServer) -> None:
    asks = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "seven", "arguments": "{}"}}],
    }

    def seven() -> int:
        return 7

    acme.replies(change=lambda told: {**told, "choices": [{"index": 0, "message": asks}]}).then(503)
    register(Capable)
    brick.answer = lambda prompt: "It is seven."
    run = models.run_tools("acme-small", "Seven?", tools=[seven], fallback="brick-1")

    assert [step.provider for step in run.steps] == ["acme", "brick"]
    assert brick.requests[0].json["messages"][-1] == {"role": "tool", "content": "7", "tool_call_id": "c1"}


# Streams


def test_a_stream_turns_to_the_next_model_before_the_first_text(
    acme: LocalServer, brick: LocalServer
) -> None:
    acme.replies(503)
    stream = models.stream("acme-small", "Hello", fallback="brick-1")

    assert list(stream) == ["from ", "brick"]
    assert stream.response.provider == "brick"
    assert [type(failure) for failure in stream.response.failures] == [errors.ProviderUnavailable]


def test_an_awaited_stream_turns_to_the_next_model_when_the_first_breaks_off_before_any_text(
    acme: LocalServer, brick: LocalServer
) -> None:
    acme.replies(fault="drop", after=0)

    async def read() -> tuple[list[str], Any]:
        stream = models.astream("acme-small", "Hello", fallback="brick-1")
        return [piece async for piece in stream], stream.response

    pieces, response = asyncio.run(read())
    assert pieces == ["from ", "brick"] and len(response.failures) == 1


def test_a_stream_that_breaks_off_later_is_not_begun_again_elsewhere(
    acme: LocalServer, brick: LocalServer
) -> None:
    acme.replies(fault="drop", after=3)
    stream = models.stream("acme-small", "one two three four", fallback="brick-1")

    with pytest.raises(errors.StreamIncomplete) as caught:
        list(stream)
    assert caught.value.partial_text.startswith("one") and not brick.requests


def test_a_stream_of_the_last_model_tells_what_the_first_failed_with(
    acme: LocalServer, brick: LocalServer
) -> None:
    acme.replies(503)
    brick.answer = lambda prompt: "one two three four"
    brick.replies(fault="drop", after=3)

    with pytest.raises(errors.StreamIncomplete) as caught:
        list(models.stream("acme-small", "Hello", fallback="brick-1"))
    assert [type(other) for other in caught.value.failures] == [errors.ProviderUnavailable]

    brick.replies(500)
    with pytest.raises(errors.ProviderUnavailable) as both:
        list(models.stream("acme-small", "Hello", fallback="brick-1"))
    assert [getattr(other, "status", None) for other in both.value.failures] == [500]


def test_a_stream_that_has_begun_may_take_the_whole_time(acme: LocalServer, brick: LocalServer) -> None:
    acme.replies(delay=0.5)
    begun = time.monotonic()

    assert "".join(models.stream("acme-small", "1 2 3 4 5", fallback="brick-1", timeout=5.0)) == "1 2 3 4 5"

    assert time.monotonic() - begun > 2.5  # its share while it had said nothing


def test_each_model_of_a_stream_is_a_call_of_its_own(acme: LocalServer, brick: LocalServer) -> None:
    acme.replies(503)
    with create_context() as here:
        list(models.stream("acme-small", "Hello", fallback="brick-1"))
    used = models.usage(here)
    assert (used.calls, used.requests, used.output_tokens) == (1, 2, 2)


# The limits of a call


def test_a_call_may_set_its_own_limits(acme: LocalServer) -> None:
    acme.latency = 0.05

    async def several() -> None:
        await asyncio.gather(*(_answer("Hello", max_concurrency=2) for _ in range(6)))

    asyncio.run(several())
    assert acme.high_water == 2

    models("acme-large", "Hello", rpm=1)
    with pytest.raises(errors.ModelTimeout):
        models("acme-large", "Hello", rpm=1, timeout=0.1)
    with pytest.raises(ValueError, match="max_concurrency is at least 1"):
        models("acme-small", "Hello", max_concurrency=0)
    with pytest.raises(TypeError, match="tpm is a number"):
        models("acme-small", "Hello", tpm="many")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
