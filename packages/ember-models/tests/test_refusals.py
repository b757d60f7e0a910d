"""Answers that are errors all the same have been paid for: what they used is booked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import pytest

from ember.api import models
from ember.context import EmberContext, create_context
from ember.models import Usage
from ember.models.errors import ContentFilterError, SchemaMismatch
from ember.models.testing import LocalServer

JSON = {"type": "object", "properties": {"x": {"type": "integer"}}}


def refuses(body: Any) -> Any:
    """Make the server's own answer a refusal."""
    if isinstance(body, list):
        return [event if isinstance(event, str) else _refused(event) for event in cast("list[object]", body)]
    body["choices"][0]["message"] |= {"content": None, "refusal": "I cannot."}
    return body


def _refused(event: Any) -> Any:
    for choice in event["choices"]:
        if said := choice["delta"].pop("content", None):
            choice["delta"]["refusal"] = said
    return event


def in_the_ledger(acme: LocalServer) -> tuple[int, int]:
    (account,) = acme.ledger.values()
    return account.input_tokens, account.output_tokens


@pytest.fixture
def block() -> Iterator[EmberContext]:
    with create_context() as made:
        yield made


def booked(block: EmberContext) -> tuple[int, int]:
    used = models.usage(block)
    return used.input_tokens, used.output_tokens


@pytest.mark.parametrize("asked", [{"schema": JSON}, {"choices": ["yes", "no"]}])
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_where_json_was_asked_for_is_an_error_and_booked(
    acme: LocalServer, block: EmberContext, asked: dict[str, Any], stream: bool
) -> None:
    acme.replies(text="I cannot do that", change=refuses)
    with pytest.raises(ContentFilterError) as raised:
        if stream:
            list(models.stream("everything/gpt-4o", "Is it so?", **asked))
        else:
            models("everything/gpt-4o", "Is it so?", **asked)
    assert raised.value.usage == Usage(3, 4)
    assert raised.value.cost == models.usage(block).cost > 0
    assert in_the_ledger(acme) == booked(block) == (3, 4)


def test_labels_that_are_none_are_asked_for_again_and_all_of_it_is_booked(
    acme: LocalServer, block: EmberContext
) -> None:
    acme.replies(text="maybe so").then(text='{"choice": "no"}')
    answer = asyncio.run(models.acall("everything/gpt-4o", "Is it so?", choices=["yes", "no"]))
    assert answer == "no" and len(acme.requests) == 2
    told = acme.requests[1].json["messages"]
    assert (
        told[1] == {"role": "assistant", "content": "maybe so"}
        and "none of the choices" in told[2]["content"]
    )
    assert in_the_ledger(acme) == booked(block) == (answer.usage.input_tokens, answer.usage.output_tokens)


def test_a_model_that_never_says_a_label_is_an_error_that_has_what_it_said(
    acme: LocalServer, block: EmberContext
) -> None:
    acme.replies(text="maybe so")
    with pytest.raises(SchemaMismatch, match="none of the 2 choices") as raised:
        models("everything/gpt-4o", "Is it so?", choices=["yes", "no"], reask=2)
    assert raised.value.text == "maybe so" and len(acme.requests) == 3
    assert raised.value.usage is not None and raised.value.usage.output_tokens == 6
    assert in_the_ledger(acme) == booked(block)


def test_a_streamed_label_that_is_none_is_told_to_nobody(acme: LocalServer, block: EmberContext) -> None:
    acme.replies(text="maybe so")
    stream = models.stream("everything/gpt-4o", "Is it so?", choices=["yes", "no"])
    with pytest.raises(SchemaMismatch):
        next(stream)
    assert in_the_ledger(acme) == booked(block) and len(acme.requests) == 1


def test_a_refusal_of_plain_text_is_an_answer(acme: LocalServer) -> None:
    acme.replies(change=refuses)
    answer = models("acme-small", "Is it so?")
    assert (answer, answer.finish_reason) == ("I cannot.", "content_filter")
