"""What is told of calls while they happen, and who may stand in for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from ember.api import models
from ember.context import create_context
from ember.core import external, resolve
from ember.core.events import CallFailed, CallFinished, CallStarted, Event, subscribe
from ember.core.externals import External, handling
from ember.models import BoundModel
from ember.models.errors import ModelError
from ember.models.testing import LocalServer


@pytest.fixture
def told(acme: LocalServer) -> Iterator[list[Event]]:
    """The events of the test, in order."""
    events: list[Event] = []
    stop = subscribe(events.append, Event)
    yield events
    stop()


def test_a_call_is_told_when_it_starts_and_when_it_finishes(acme: LocalServer, told: list[Event]) -> None:
    with create_context() as here:
        answer = models("gpt-4o", "one two")
    started, finished = told
    assert isinstance(started, CallStarted) and isinstance(finished, CallFinished)
    assert started.call == finished.call and started.parent is None
    assert (started.kind, started.name) == ("model", "everything/gpt-4o")
    assert finished.usage == answer.usage and finished.cost == answer.cost is not None
    assert finished.requests == 1 and 0 < finished.duration == answer.latency
    assert started.at <= finished.at and finished.scope is here.scope


def test_a_failed_call_is_told_with_its_error(acme: LocalServer, told: list[Event]) -> None:
    acme.replies(503)
    with pytest.raises(ModelError):
        models("acme-small", "Hi")
    started, failed = told
    assert isinstance(failed, CallFailed) and failed.call == started.call
    assert (failed.error, failed.requests, failed.usage, failed.cost) == (
        "ProviderUnavailable",
        1,
        None,
        None,
    )


def test_a_call_that_is_refused_before_it_is_made_is_not_told(acme: LocalServer, told: list[Event]) -> None:
    with pytest.raises(ValueError):
        models("acme-small", "")
    with pytest.raises(ValueError):
        models("acme-small", "\ud83d")
    assert told == []


def test_every_form_of_a_call_is_told_alike(acme: LocalServer, told: list[Event]) -> None:
    async def awaited() -> None:
        await models.acall("acme-small", "Hi")
        async for _ in models.astream("acme-small", "Hi"):
            pass
        await models.embed.aio("acme-embed", "Hi")

    models("acme-small", "Hi")
    models.instance("acme-small")("Hi")
    list(models.stream("acme-small", "Hi"))
    models.embed("acme-embed", "Hi")
    asyncio.run(awaited())
    assert [type(event) for event in told] == [CallStarted, CallFinished] * 7
    assert len({event.call for event in told}) == 7


def test_a_cancelled_call_is_told_as_failed(acme: LocalServer, told: list[Event]) -> None:
    acme.replies(fault="hang")

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await models.acall("acme-small", "Hi")

    asyncio.run(main())
    assert isinstance(told[-1], CallFailed) and told[-1].error == "CancelledError"


def test_a_stream_is_told_from_its_first_piece_on(acme: LocalServer, told: list[Event]) -> None:
    stream = models.stream("acme-small", "one two three")
    assert told == []
    next(stream)
    assert isinstance(told[0], CallStarted)
    list(stream)
    assert isinstance(told[-1], CallFinished) and len(told) == 2
    assert told[-1].duration == stream.response.latency


def test_a_stream_that_is_left_is_told_as_failed_once(acme: LocalServer, told: list[Event]) -> None:
    acme.replies(text="one two three", fault="hang", after=2)
    for _ in models.stream("acme-small", "Hi"):
        break
    acme.wait_for(lambda: len(told) == 2)
    assert isinstance(told[1], CallFailed) and told[1].error == "GeneratorExit"


def test_calls_made_inside_an_external_have_it_for_a_parent(acme: LocalServer, told: list[Event]) -> None:
    @external
    def work() -> str:
        return models("acme-small", "Hi") + "".join(models.stream("acme-small", "Hi"))

    @external
    async def awaited() -> str:
        return await models.acall("acme-small", "Hi")

    work()
    awaited()
    by_name = {
        kind: [e for e in told if e.kind == kind and isinstance(e, CallStarted)]
        for kind in ("external", "model")
    }
    outer, other = by_name["external"]
    assert [event.parent for event in by_name["model"]] == [outer.call, outer.call, other.call]


def test_a_subscriber_that_fails_harms_no_call(acme: LocalServer) -> None:
    def fail(event: Event) -> None:
        raise RuntimeError("a bad day")

    stop = subscribe(fail, Event)
    try:
        assert models("acme-small", "Hi") == "Hi"
    finally:
        stop()


# Standing in


class Stand:
    """A handler that writes down what is called, and answers by itself or lets it be done."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.seen: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def call(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.seen.append((external.name, args, kwargs))
        return self.answer if self.answer is not None else external.run(*args, **kwargs)

    async def acall(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.seen.append((external.name, args, kwargs))
        return self.answer if self.answer is not None else await external.arun(*args, **kwargs)

    def gather(self, thunks: Any, limit: int | None, return_exceptions: bool = False) -> list[Any]:
        return [thunk() for thunk in thunks]


def test_a_handler_sees_models_instances_and_embeddings_once_each(acme: LocalServer) -> None:
    stand = Stand()
    with handling(stand):
        models("acme-small", "Hi", temperature=0.5)
        models.instance("acme-small", temperature=0.5)("Hi", max_tokens=3)
        models.embed("acme-embed", ["Hi"])
        asyncio.run(models.acall("acme-small", "Hi"))
    assert stand.seen == [
        ("models", ("acme-small", "Hi"), {"temperature": 0.5}),
        ("acme-small", ("Hi",), {"max_tokens": 3}),
        ("models.embed", ("acme-embed", ["Hi"]), {}),
        ("models", ("acme-small", "Hi"), {}),
    ]
    assert len(acme.requests) == 4


def test_a_handler_may_answer_in_place_of_a_call(acme: LocalServer) -> None:
    with handling(Stand("from the tape")):
        assert models("nobodys-model", "Hi") == "from the tape"
        assert models.instance("nobodys-model")("Hi") == "from the tape"
        assert asyncio.run(models.acall("nobodys-model", "Hi")) == "from the tape"
    assert acme.requests == []


def test_core_finds_a_model_by_name_without_knowing_this_package(acme: LocalServer) -> None:
    bound = resolve("model", "acme-small")
    assert isinstance(bound, BoundModel) and bound("Hi") == "Hi"
    assert (bound.kind, models.kind, models.embed.kind) == ("model", "model", "model")
