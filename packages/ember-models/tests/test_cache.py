"""Answers kept on disk: what is taken for the same call, what is kept and what never, and what a hit costs."""

from __future__ import annotations

import asyncio
import math
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from acme import KEY

from ember.api import models
from ember.context import create_context, get_context, with_context
from ember.core.errors import ConfigError, ConfigWarning
from ember.core.events import CallFinished, Usage, subscribe
from ember.core.externals import external
from ember.models import Image, Response, Tool, Totals
from ember.models.errors import ModelError, StreamIncomplete
from ember.models.testing import LocalServer


def kept(home: Path) -> bytes:
    """Return every byte that the cache has on disk."""
    models.cache.stats()  # waits for what is being written
    return b"".join(path.read_bytes() for path in sorted((home / "cache").iterdir()))


def test_the_same_call_is_answered_from_disk(acme: LocalServer) -> None:
    first = models("gpt-4o", "Hello there", cache=True)
    again = models("gpt-4o", "Hello there", cache=True)
    assert first == again == "Hello there"
    assert (first.cached, again.cached) == (False, True)
    assert len(acme.requests) == 1


def test_an_answer_from_disk_used_nothing_and_says_all_the_rest(acme: LocalServer) -> None:
    with create_context() as here:
        first = models("gpt-4o", "Hello there", cache=True)
        used = models.usage(here)
        again = models("gpt-4o", "Hello there", cache=True)
    assert (again.usage, again.cost) == (Usage(0, 0, 0, 0, 0), Decimal(0))
    for name in vars(first).keys() - {"usage", "cost", "latency", "cached"}:
        assert getattr(again, name) == getattr(first, name), name
    assert used.cost > 0
    assert models.usage(here) == Totals(
        2, 1, used.input_tokens, used.output_tokens, used.cost, used.unpriced_calls
    )
    copy: Response = pickle.loads(pickle.dumps(again))
    assert copy.cached


def test_an_answer_from_disk_is_told_as_a_call_without_requests(acme: LocalServer) -> None:
    told: list[CallFinished] = []
    stop = subscribe(told.append, CallFinished)
    for _ in range(2):
        models("acme-small", "Hi", cache=True)
    stop()
    assert [(event.cached, event.requests) for event in told] == [(False, 1), (True, 0)]
    assert told[1].usage == Usage(0, 0, 0, 0, 0) and told[1].cost == 0


def test_nothing_is_kept_unless_it_is_asked_for(acme: LocalServer, ember_home: Path) -> None:
    for _ in range(2):
        assert not models("acme-small", "Hi").cached
    assert not (ember_home / "cache").exists()
    assert models.cache.stats().entries == 0 and models.cache.clear() == 0
    assert not (ember_home / "cache").exists()


def test_a_call_goes_before_the_providers_settings_and_those_before_models(acme: LocalServer) -> None:
    with with_context(models={"cache": True}):
        models("acme-small", "Hi")
        assert models("acme-small", "Hi").cached
        assert not models("acme-small", "Hi", cache=False).cached
        with with_context(providers={"acme": {"cache": False}}):
            assert not models("acme-small", "Hi").cached
            assert models("acme-small", "Hi", cache=60).cached


@pytest.mark.parametrize("value", [0, -1, math.nan, "yes", math.inf])
def test_what_is_no_age_is_refused(acme: LocalServer, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="cache"):
        models("acme-small", "Hi", cache=value)
    assert acme.requests == []


def test_configuration_takes_what_a_call_takes(acme: LocalServer) -> None:
    for value, seen in ((True, True), ("true", True), (60, 60.0), ("60", 60.0), (False, False)):
        get_context().set_config("models.cache", value)
        assert get_context().get_config("models.cache") == seen
    for wrong in (0, "often", [1]):
        with pytest.raises(ConfigError, match=r"models\.cache"):
            get_context().set_config("models.cache", wrong)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def adds(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


_FIELDS = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
_SWAPPED = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "string"}}}
_CHOSEN = '{"choice": "a"}'
_USER = {"role": "user", "content": "Hi"}

Ask = Callable[[], object]


def ask(prompt: Any = "Hi", model: str = "acme-small", **params: Any) -> Ask:
    return lambda: models(model, prompt, cache=True, reask=0, **params)


def image(content: bytes) -> list[dict[str, Any]]:
    return [{"role": "user", "content": ["Hi", Image(b"\x89PNG\r\n\x1a\n" + content)]}]


DIFFERENT: dict[str, tuple[Ask, Ask]] = {
    "prompt": (ask("Hi"), ask("Hi ")),
    "model": (ask(), ask(model="acme-large")),
    "provider": (ask(model="acme/acme-small"), ask(model="everything/acme-small")),
    "system": (ask(system="Be short."), ask(system="Be long.")),
    "a role": (ask([_USER]), ask([_USER, {"role": "assistant", "content": "Hi"}, _USER])),
    "temperature": (ask(temperature=0), ask(temperature=1)),
    "seed": (ask(seed=1), ask(seed=2)),
    "max_tokens": (ask(max_tokens=10), ask(max_tokens=11)),
    "stop": (ask(stop="a"), ask(stop=["a", "b"])),
    "penalty": (ask(frequency_penalty=0.5), ask(presence_penalty=0.5)),
    "vendor fields": (ask(extra={"user": "a"}), ask(extra={"user": "b"})),
    "true and one": (ask(extra={"logprobs": True}), ask(extra={"logprobs": 1})),
    "choices": (ask(_CHOSEN, choices=["a", "b"]), ask(_CHOSEN, choices=["b", "a"])),
    "tools": (ask(tools=[add]), ask(tools=[adds])),
    "a tool's text": (ask(tools=[Tool("add", "Adds.")]), ask(tools=[Tool("add", "Adds up.")])),
    "a tool's result": (
        ask([_USER, {"role": "tool", "content": "1", "tool_call_id": "a"}]),
        ask([_USER, {"role": "tool", "content": "1", "tool_call_id": "b"}]),
    ),
    "an image": (ask(image(b"one")), ask(image(b"two"))),
    "an image and a text": (ask(image(b"one")), ask()),
    "the order of a schema's fields": (ask('{"a": ""}', schema=_FIELDS), ask('{"a": ""}', schema=_SWAPPED)),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_calls_that_differ_in_what_shapes_the_answer_are_not_one(acme: LocalServer, name: str) -> None:
    acme.answer = lambda prompt: "Hi" if prompt == "Hi" else prompt
    for one in DIFFERENT[name] * 2:
        one()
    assert len(acme.requests) == 2


SAME: dict[str, tuple[Ask, Ask]] = {
    "0 and 0.0": (ask(temperature=0), ask(temperature=0.0)),
    "a message and its text": (ask("Hi"), ask([_USER])),
    "the order of vendor fields": (ask(extra={"a": 1, "b": 2}), ask(extra={"b": 2, "a": 1})),
    "a stop and a list of it": (ask(stop="a"), ask(stop=["a"])),
    "timeout and retries": (ask(timeout=5), ask(timeout=6, max_retries=1)),
    "a bare name and a whole one": (ask(), ask(model="acme/acme-small")),
    "an image and its bytes again": (ask(image(b"one")), ask(image(b"one"))),
    "an answer as a prompt": (ask("Hi"), ask(Response("Hi"))),
}


@pytest.mark.parametrize("name", SAME)
def test_calls_that_ask_the_same_are_one(acme: LocalServer, name: str) -> None:
    for one in SAME[name]:
        one()
    assert len(acme.requests) == 1


def test_a_call_is_the_same_with_another_key_and_not_at_another_server(acme: LocalServer) -> None:
    models("acme-small", "Hi", cache=True)
    with with_context(credentials={"acme_api_key": "sk-another-key-0123456789"}, providers=at(acme)):
        assert models("acme-small", "Hi", cache=True).cached
    with LocalServer() as other, with_context(providers=at(other), credentials={"acme_api_key": KEY}):
        assert not models("acme-small", "Hi", cache=True).cached
        assert len(other.requests) == 1


def at(server: LocalServer) -> dict[str, dict[str, str]]:
    return {"acme": {"base_url": f"{server.url}/v1"}}


def test_settings_of_the_provider_shape_the_answer_unless_they_are_about_the_call(acme: LocalServer) -> None:
    models("acme-small", "Hi", cache=True)
    with with_context(providers={"acme": {"timeout": 5.0, "rpm": 100}}):
        assert models("acme-small", "Hi", cache=True).cached
    with with_context(providers={"acme": {"api": "responses"}}):
        assert not models("acme-small", "Hi", cache=True).cached


def test_an_answer_that_is_too_old_is_asked_for_anew(acme: LocalServer) -> None:
    acme.replies(text="old").then(text="new")
    models("acme-small", "Hi", cache=True)
    time.sleep(0.06)
    assert models("acme-small", "Hi", cache=60) == "old"
    assert models("acme-small", "Hi", cache=0.05) == "new"
    assert models("acme-small", "Hi", cache=60) == "new"  # it took the old one's place
    assert models.cache.stats().entries == 1


def test_the_least_recently_used_goes_when_the_bound_is_reached(acme: LocalServer) -> None:
    texts = {name: name * 20_000 for name in "abcd"}
    with with_context(models={"cache": True, "cache_size": 150_000}):
        for name in "abc":
            models("acme-small", texts[name])
            models.cache.stats()
        assert models("acme-small", texts["a"]).cached
        models("acme-small", texts["d"])
        assert models.cache.stats().bytes <= 150_000
        assert [models("acme-small", texts[name]).cached for name in "adb"] == [True, True, False]


def test_an_answer_larger_than_the_bound_is_not_kept(acme: LocalServer) -> None:
    with with_context(models={"cache": True, "cache_size": 1_000}):
        for _ in range(2):
            assert not models("acme-small", "long " * 1_000).cached
        models("acme-small", "short")
        assert models("acme-small", "short").cached


def test_failures_are_not_kept(acme: LocalServer) -> None:
    acme.replies(500).then(body=b"<html>", headers={"content-type": "text/html"}).then(text="fine")
    for _ in range(2):
        with pytest.raises(ModelError):
            models("acme-small", "Hi", cache=True)
    assert models("acme-small", "Hi", cache=True) == "fine"
    assert models("acme-small", "Hi", cache=True).cached


def finished(reason: str) -> Callable[[Any], Any]:
    return lambda answer: {**answer, "choices": [{**answer["choices"][0], "finish_reason": reason}]}


def test_an_answer_that_max_tokens_ended_is_whole_and_kept(acme: LocalServer) -> None:
    acme.replies(change=finished("length"))
    models("acme-small", "Hi", max_tokens=1, cache=True)
    again = models("acme-small", "Hi", max_tokens=1, cache=True)
    assert again.cached and again.finish_reason == "length"


def test_an_answer_that_a_filter_ended_is_not_kept(acme: LocalServer) -> None:
    acme.replies(change=finished("content_filter"))
    for _ in range(2):
        assert not models("acme-small", "Hi", cache=True).cached
    assert len(acme.requests) == 2


@dataclass
class City:
    name: str
    inhabitants: int


def test_an_answer_from_disk_has_its_value(acme: LocalServer) -> None:
    acme.answer = lambda prompt: '{"name": "Oslo", "inhabitants": 700000}'
    first, again = (models("acme-small", "The capital?", schema=City, cache=True) for _ in range(2))
    assert first.parsed == again.parsed == City("Oslo", 700_000)
    assert again.cached


def test_an_answer_that_fitted_after_a_re_ask_is_the_one_that_is_kept(acme: LocalServer) -> None:
    acme.replies(text="no JSON").then(text='{"name": "Oslo", "inhabitants": 7}').then(text="no more")
    first = models("acme-small", "The capital?", schema=City, cache=True)
    again = models("acme-small", "The capital?", schema=City, cache=True)
    assert first.parsed == again.parsed == City("Oslo", 7)
    assert again.cached and len(acme.requests) == 2


def test_a_type_that_has_become_stricter_has_the_model_asked_again(acme: LocalServer) -> None:
    from pydantic import BaseModel, field_validator

    strict = False

    class Age(BaseModel):
        years: int

        @field_validator("years")
        @classmethod
        def is_plausible(cls, years: int) -> int:
            if strict and years > 150:
                raise ValueError("too old")
            return years

    acme.replies(text='{"years": 900}').then(text='{"years": 90}')
    assert models("acme-small", "How old?", schema=Age, cache=True).parsed.years == 900
    strict = True
    again = models("acme-small", "How old?", schema=Age, cache=True)
    assert again.parsed.years == 90 and not again.cached
    assert models("acme-small", "How old?", schema=Age, cache=True).cached


def test_tool_calls_from_disk_have_checked_arguments(acme: LocalServer) -> None:
    called = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [called]}
    acme.replies(
        change=lambda answer: {
            **answer,
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        }
    )
    first = models("acme-small", "1 + 2?", tools=[add], cache=True)
    again = models("acme-small", "1 + 2?", tools=[add], cache=True)
    assert again.cached and again.tool_calls == first.tool_calls
    assert again.tool_calls[0].arguments == {"a": 1, "b": 2}
    assert add(**again.tool_calls[0].arguments) == 3


def test_a_stream_is_kept_when_it_is_whole_and_answered_from_disk(acme: LocalServer) -> None:
    first = models.stream("acme-small", "one two three", cache=True)
    assert len(list(first)) > 1 and not first.response.cached
    again = models.stream("acme-small", "one two three", cache=True)
    assert list(again) == ["one two three"]
    assert again.response.cached and again.response.cost == 0
    assert models("acme-small", "one two three", cache=True).cached
    assert len(acme.requests) == 1


def test_a_plain_answer_is_streamed_from_disk(acme: LocalServer) -> None:
    models("acme-small", "one two three", cache=True)

    async def read() -> tuple[list[str], bool]:
        async with models.astream("acme-small", "one two three", cache=True) as stream:
            return [piece async for piece in stream], stream.response.cached

    assert asyncio.run(read()) == (["one two three"], True)
    assert len(acme.requests) == 1


def test_a_stream_that_was_left_or_broke_off_is_not_kept(acme: LocalServer) -> None:
    acme.replies(text="one two three", fault="end", after=3).then(
        text="one two three", fault="hang", after=2
    ).then(text="whole")
    with pytest.raises(StreamIncomplete):
        list(models.stream("acme-small", "Hi", cache=True))
    with models.stream("acme-small", "Hi", cache=True) as stream:
        next(stream)
    assert models("acme-small", "Hi", cache=True) == "whole"


def test_awaited_calls_share_the_cache_with_blocking_ones(acme: LocalServer) -> None:
    models("acme-small", "Hi", cache=True)

    async def twice() -> list[Response]:
        return [await models.acall("acme-small", prompt, cache=True) for prompt in ("Hi", "Ho", "Ho")]

    assert [answer.cached for answer in asyncio.run(twice())] == [True, False, True]


@external
async def asked_inside(prompt: str) -> bool:
    return (await models.acall("acme-small", prompt, cache=True)).cached


def test_calls_on_the_io_loop_are_answered_from_disk_too(acme: LocalServer) -> None:
    assert [asked_inside("Hi") for _ in range(2)] == [False, True]


def inputs(server: LocalServer) -> list[Sequence[str]]:
    return [request.json["input"] for request in server.requests]


def test_each_text_is_embedded_once(acme: LocalServer) -> None:
    first = models.embed("text-embedding-3-small", ["one", "two", "one"], cache=True)
    mixed = models.embed("text-embedding-3-small", ["three", "two"], cache=True)
    again = models.embed("text-embedding-3-small", ["two", "three", "one"], cache=True)
    assert inputs(acme) == [["one", "two"], ["three"]]
    assert (first.cached, mixed.cached, again.cached) == (False, False, True)
    assert mixed.usage.input_tokens == 1 and again.usage == Usage(0, 0, 0, 0, 0) and again.cost == 0
    assert tuple(again) == (first[1], mixed[0], first[0]) and again.model == first.model
    assert first[2] == first[0]


def test_embeddings_are_awaited_from_disk_and_differ_by_model(acme: LocalServer) -> None:
    async def ask(model: str) -> bool:
        return (await models.embed.aio(model, "one", cache=True)).cached

    asked = [asyncio.run(ask(f"text-embedding-3-{size}")) for size in ("small", "large", "small")]
    assert asked == [False, False, True]


def test_vectors_of_two_models_are_never_mixed(acme: LocalServer) -> None:
    models.embed("text-embedding-3-small", ["one", "two"], cache=True)
    acme.replies(change=lambda answer: {**answer, "model": "text-embedding-3-small-2"})
    answer = models.embed("text-embedding-3-small", ["two", "three"], cache=True)
    assert answer.model == "text-embedding-3-small-2"
    assert inputs(acme)[1:] == [["three"], ["two", "three"]]


def test_what_is_kept_can_be_thrown_away(acme: LocalServer) -> None:
    for prompt in ("one", "two", "one"):
        models("acme-small", prompt, cache=True)
    stats = models.cache.stats()
    assert (stats.entries, stats.hits, stats.misses) == (2, 1, 2) and stats.bytes > 0
    assert models.cache.clear() == 2
    assert (models.cache.stats().entries, models.cache.stats().bytes) == (0, 0)
    assert not models("acme-small", "one", cache=True).cached


def test_the_files_are_private_and_hold_neither_key_nor_prompt(acme: LocalServer, ember_home: Path) -> None:
    acme.answer = lambda prompt: "An answer."
    models("acme-small", "A prompt of mine", system="A system of mine", cache=True)
    data = kept(ember_home)
    assert b"An answer." in data
    for secret in (KEY, "prompt of mine", "system of mine"):
        assert secret.encode() not in data
    assert (ember_home / "cache").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (ember_home / "cache").iterdir()} == {0o600}


def test_an_answer_in_which_the_key_stands_is_not_kept(acme: LocalServer, ember_home: Path) -> None:
    acme.answer = lambda prompt: f"You sent {KEY}."
    for _ in range(2):
        assert not models("acme-small", "Which key?", cache=True).cached
    assert KEY.encode() not in kept(ember_home)


def test_a_call_without_a_certain_form_is_made_and_not_kept(acme: LocalServer) -> None:
    # This vendor sends no fields of a vendor; those of all others would refuse one that is no JSON.
    with pytest.warns(ConfigWarning, match=r"does not cache .* type object"):
        assert not models("parrot", "Hi", extra={"when": object()}, cache=True).cached
    assert not models("parrot", "Hi", extra={"when": object()}, cache=True).cached


def test_each_model_of_a_fallback_has_its_own_answer_on_disk(acme: LocalServer) -> None:
    models("acme-large", "Hi", cache=True)
    acme.replies(500)
    for _ in range(2):
        answer = models("acme-small", "Hi", fallback=["acme-large"], cache=True)
        assert answer.cached and answer.model == "acme-large" and len(answer.failures) == 1
        stream = models.stream("acme-small", "Hi", fallback=["acme-large"], cache=True)
        assert list(stream) == ["Hi"] and stream.response.cached and len(stream.response.failures) == 1
    assert len(acme.requests) == 5
