"""Answers by a schema: what is asked of the vendor, the value made of the answer, and asking again if none fits."""

from __future__ import annotations

import asyncio
import enum
import json
import pickle
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from acme import KEY
from pydantic import BaseModel, Field, field_validator

from ember.api import models
from ember.context import create_context
from ember.core.events import CallFailed, CallFinished, subscribe
from ember.models.errors import ContentFilterError, InvalidResponse, ModelTimeout, SchemaMismatch
from ember.models.testing import LocalServer

POINT: dict[str, Any] = {
    "title": "Point",
    "type": "object",
    "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
    "required": ["x", "y"],
}


class Point(BaseModel):
    x: int
    y: int


@dataclass
class Place:
    name: str
    at: Point
    height: float = 0.0


class Person(TypedDict):
    """Somebody."""

    name: str
    age: NotRequired[int]


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Tree(BaseModel):
    leaf: int
    branches: list[Tree] = []


class Even(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def even(cls, number: int) -> int:
        if number % 2:
            raise ValueError("an odd number")
        return number


def asked(server: LocalServer, number: int = 0) -> dict[str, Any]:
    """The JSON schema in a request, as the vendor got it."""
    schema: dict[str, Any] = server.requests[number].json["response_format"]["json_schema"]["schema"]
    return schema


TYPED: dict[str, tuple[Any, str, Any]] = {
    "a pydantic model": (Point, '{"x": 1, "y": 2}', Point(x=1, y=2)),
    "a dataclass": (Place, '{"name": "A", "at": {"x": 1, "y": 2}}', Place("A", Point(x=1, y=2))),
    "a TypedDict": (Person, '{"name": "Ada"}', {"name": "Ada"}),
    "a model that refers to itself": (
        Tree,
        '{"leaf": 1, "branches": [{"leaf": 2}]}',
        Tree(leaf=1, branches=[Tree(leaf=2)]),
    ),
    "a list": (list[int], '{"value": [1, 2]}', [1, 2]),
    "a list of models": (list[Point], '{"value": [{"x": 1, "y": 2}]}', [Point(x=1, y=2)]),
    "a list of TypedDicts": (list[Person], '{"value": [{"name": "A", "age": 1}]}', [{"name": "A", "age": 1}]),
    "a TypedDict or nothing": (Person | None, '{"value": null}', None),
    "a tuple": (tuple[int, str], '{"value": [1, "a"]}', (1, "a")),
    "a literal": (Literal["yes", "no"], '{"value": "no"}', "no"),
    "an enumeration": (Mood, '{"value": "bad"}', Mood.BAD),
    "a union": (int | Point, '{"value": {"x": 1, "y": 2}}', Point(x=1, y=2)),
    "an optional number": (int | None, '{"value": null}', None),
    "an int": (int, '{"value": 7}', 7),
    "a float": (float, '{"value": 0.5}', 0.5),
    "a bool": (bool, '{"value": true}', True),
    "a str": (str, '{"value": "hé"}', "hé"),
    "a decimal": (Decimal, '{"value": "0.10"}', Decimal("0.10")),
    "a number within bounds": (Annotated[int, Field(ge=1)], '{"value": 7}', 7),
    "a note that cannot be hashed": (Annotated[int, Field(examples=[1]), []], '{"value": 7}', 7),
    "a dictionary": (dict[str, int], '{"a": 1}', {"a": 1}),
}


@pytest.mark.parametrize("case", TYPED)
def test_a_type_is_asked_for_as_an_object_and_its_value_is_parsed(acme: LocalServer, case: str) -> None:
    schema, text, value = TYPED[case]
    acme.replies(text=text)
    response = models("acme-small", "Say.", schema=schema)
    assert response.parsed == value and type(response.parsed) is type(value)
    assert response == text and len(acme.requests) == 1
    root = asked(acme)
    assert root.get("type") == "object" or "$ref" in root
    assert root.get("required") == ["value"] or "value" not in root.get("properties", {})


def test_definitions_stay_at_the_root_of_a_wrapped_schema(acme: LocalServer) -> None:
    acme.replies(text='{"value": []}')
    models("acme-small", "Points?", schema=list[Point])
    root = asked(acme)
    assert set(root["$defs"]) == {"Point"} and "$defs" not in root["properties"]["value"]
    assert root["properties"]["value"]["items"] == {"$ref": "#/$defs/Point"}


def test_a_typed_dict_keeps_its_name_its_text_and_what_it_requires(acme: LocalServer) -> None:
    acme.replies(text='{"name": "A", "age": 3}')
    models("acme-small", "Who?", schema=Person)
    root = asked(acme)
    assert (root["title"], root["description"]) == ("Person", "Somebody.")
    assert set(root["properties"]) == {"name", "age"}


def test_a_json_schema_is_sent_and_the_value_is_parsed(acme: LocalServer) -> None:
    acme.replies(text='{"x": 1, "y": 2}')
    response = models("acme-small", "A point?", schema=POINT)
    assert response.parsed == {"x": 1, "y": 2} and response == '{"x": 1, "y": 2}'
    sent = acme.requests[0].json["response_format"]["json_schema"]
    assert sent["name"] == "Point" and sent["schema"]["properties"] == POINT["properties"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "integer"}},
        {"anyOf": [{"type": "array"}, {"type": "null"}]},
        {"$defs": {"a": {"type": "array"}}, "$ref": "#/$defs/a"},
    ],
)
def test_a_json_schema_that_is_no_object_is_wrapped_as_well(
    acme: LocalServer, schema: dict[str, Any]
) -> None:
    acme.replies(text='{"value": [1]}')
    assert models("acme-small", "Numbers?", schema=schema).parsed == [1]
    assert asked(acme)["required"] == ["value"]


NO_SCHEMAS: list[Any] = ["Point", 7, object(), asked, Point(x=1, y=2), ["int"]]


@pytest.mark.parametrize("schema", NO_SCHEMAS)
def test_what_is_no_schema_is_refused_before_anything_is_sent(acme: LocalServer, schema: Any) -> None:
    with pytest.raises(TypeError, match="schema is a JSON schema"):
        models("acme-small", "Hi", schema=schema)
    assert acme.requests == []


def test_a_streamed_answer_is_parsed_at_its_end_and_never_asked_for_again(acme: LocalServer) -> None:
    acme.replies(text='{"x": 1, "y": 2}').then(text='{"x": 1}')
    stream = models.stream("acme-small", "A point?", schema=Point)
    assert "".join(stream) == '{"x": 1, "y": 2}' and stream.response.parsed.y == 2
    with pytest.raises(SchemaMismatch, match="y: Field required"):
        list(models.stream("acme-small", "A point?", schema=Point))
    assert len(acme.requests) == 2


# Asking again


def test_a_misfit_is_told_to_the_model_which_is_asked_again(acme: LocalServer) -> None:
    acme.replies(text='{"x": 1}').then(text='{"x": 1, "y": 2}')
    assert models("acme-small", "A point?", schema=Point).parsed == Point(x=1, y=2)
    first, second = (request.json["messages"] for request in acme.requests)
    assert second[:-1] == [*first, {"role": "assistant", "content": '{"x": 1}'}]
    assert second[-1]["role"] == "user" and "- y: Field required" in second[-1]["content"]
    assert asked(acme, 1) == asked(acme, 0)


def test_awaited_calls_ask_again_too(acme: LocalServer) -> None:
    acme.replies(text="no JSON").then(text='{"value": [1]}')
    assert asyncio.run(models.acall("acme-small", "Numbers?", schema=list[int])).parsed == [1]
    assert "not JSON" in acme.requests[1].json["messages"][-1]["content"]


def test_an_empty_answer_is_not_sent_back_as_a_turn(acme: LocalServer) -> None:
    acme.replies(text="").then(text='{"value": 1}')
    models("acme-small", "A number?", schema=int)
    assert [turn["role"] for turn in acme.requests[1].json["messages"]] == ["user", "user"]


def test_the_model_is_asked_again_once_or_as_often_as_the_call_says(acme: LocalServer) -> None:
    acme.replies(text="{}")
    for reask, requests in ((None, 2), (0, 1), (3, 4)):
        before = len(acme.requests)
        with pytest.raises(SchemaMismatch):
            if reask is None:
                models("acme-small", "A point?", schema=Point)
            else:
                models("acme-small", "A point?", schema=Point, reask=reask)
        assert len(acme.requests) - before == requests


@pytest.mark.parametrize("reask", [-1, 1.5, True, "2"])
def test_a_number_of_re_asks_that_is_none_is_refused(acme: LocalServer, reask: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="reask"):
        models("acme-small", "A point?", schema=Point, reask=reask)
    assert acme.requests == []


def test_one_call_has_the_usage_and_cost_of_all_its_answers(acme: LocalServer) -> None:
    acme.replies(text="not a point").then(text='{"x": 1, "y": 2}')
    seen: list[CallFinished] = []
    stop = subscribe(seen.append, CallFinished)
    with create_context() as block:
        response = models("gpt-4o", "A point?", schema=Point)
    stop()
    ledger = acme.ledger[KEY]
    assert (response.usage.input_tokens, response.usage.output_tokens) == (
        ledger.input_tokens,
        ledger.output_tokens,
    )
    used = models.usage(block)
    assert (used.calls, used.requests, used.cost) == (1, 2, response.cost)
    assert [(event.usage, event.cost, event.requests) for event in seen] == [
        (response.usage, response.cost, 2)
    ]


def test_a_call_that_fails_in_the_end_is_charged_for_every_answer(acme: LocalServer) -> None:
    acme.replies(text="not a point")
    seen: list[CallFailed] = []
    stop = subscribe(seen.append, CallFailed)
    with create_context() as block, pytest.raises(SchemaMismatch):
        models("gpt-4o", "A point?", schema=Point, reask=2)
    stop()
    used, ledger = models.usage(block), acme.ledger[KEY]
    assert (used.calls, used.requests) == (0, 3) and used.cost > 0
    assert (used.input_tokens, used.output_tokens) == (ledger.input_tokens, ledger.output_tokens)
    assert len(seen) == 1


def test_a_count_that_one_answer_does_not_give_is_not_known_in_all(acme: LocalServer) -> None:
    def unsaid(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "usage": None}

    acme.replies(text="{}", change=unsaid).then(text='{"x": 1, "y": 2}')
    response = models("gpt-4o", "A point?", schema=Point)
    assert response.usage.input_tokens is None and response.cost is None


def test_each_answer_has_its_own_retries(acme: LocalServer) -> None:
    acme.replies(text="{}").then(503).then(503).then(text='{"x": 1, "y": 2}')
    response = models("acme-small", "A point?", schema=Point, max_retries=2, timeout=20)
    assert response.parsed == Point(x=1, y=2) and len(acme.requests) == 4


def test_the_deadline_is_one_for_all_answers(acme: LocalServer) -> None:
    acme.replies(text="{}", latency=0.6)
    begun = time.monotonic()
    with pytest.raises(ModelTimeout, match="1 s"):
        models("acme-small", "A point?", schema=Point, timeout=1, reask=50)
    assert time.monotonic() - begun < 10 and len(acme.requests) <= 2  # fifty answers would take thirty


def test_an_answer_cut_short_is_not_asked_for_again(acme: LocalServer) -> None:
    message = {"content": '{"x": 1'}
    acme.replies(json={"model": "m", "choices": [{"message": message, "finish_reason": "length"}]})
    with pytest.raises(SchemaMismatch, match="max_tokens cut") as caught:
        models("acme-small", "A point?", schema=Point)
    assert len(acme.requests) == 1 and caught.value.finish_reason == "length"


# What is left when it fails


@pytest.mark.parametrize("schema", [POINT, Point, list[int]])
@pytest.mark.parametrize("text", ["A point, sure!", '{"x": 1', "", "[" * 100_000])
def test_an_answer_that_is_not_json_is_an_error_with_its_text(
    acme: LocalServer, text: str, schema: Any
) -> None:
    acme.replies(text=text)
    with pytest.raises(InvalidResponse, match="not the JSON") as caught:
        models("acme-small", "A point?", schema=schema)
    assert len(str(caught.value)) < 600
    assert isinstance(caught.value, SchemaMismatch) and caught.value.text == text


def test_an_answer_that_does_not_fit_says_where_and_keeps_its_text_through_a_pickle(
    acme: LocalServer,
) -> None:
    acme.replies(text='{"name": 1, "at": {"x": "one"}}')
    with pytest.raises(SchemaMismatch, match="does not fit Place: name: ") as caught:
        models("acme-small", "A place?", schema=Place)
    error = pickle.loads(pickle.dumps(caught.value))
    for kept in (caught.value, error):
        assert kept.text == '{"name": 1, "at": {"x": "one"}}'
        assert [line.partition(":")[0] for line in kept.errors] == ["name", "at.x", "at.y"]
        assert (kept.provider, kept.model) == ("acme", "acme-small")


def test_a_thousand_misfits_are_told_as_twenty(acme: LocalServer) -> None:
    acme.replies(text=json.dumps({"value": ["x"] * 1000}))
    with pytest.raises(SchemaMismatch) as caught:
        models("acme-small", "Numbers?", schema=list[int])
    assert len(caught.value.errors) == 21 and caught.value.errors[-1] == "and 980 more"


@pytest.mark.parametrize("text", ["[1]", '{"values": [1]}', '{"value": [1], "more": 1}', "1"])
def test_a_value_without_its_object_is_a_misfit(acme: LocalServer, text: str) -> None:
    acme.replies(text=text)
    with pytest.raises(SchemaMismatch, match='one field "value"'):
        models("acme-small", "Numbers?", schema=list[int])


def test_what_a_users_own_validator_says_is_told_to_the_model(acme: LocalServer) -> None:
    acme.replies(text='{"number": 3}').then(text='{"number": 4}')
    assert models("acme-small", "Even?", schema=Even).parsed == Even(number=4)
    assert "number: Value error, an odd number" in acme.requests[1].json["messages"][-1]["content"]


def test_a_refusal_where_json_was_asked_for_is_a_content_filter_error(acme: LocalServer) -> None:
    message = {"content": None, "refusal": "I cannot help with that."}
    acme.replies(json={"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]})
    with pytest.raises(ContentFilterError, match="cannot help"):
        models("acme-small", "A point?", schema=POINT)
    assert len(acme.requests) == 1
