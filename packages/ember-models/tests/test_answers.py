"""What a call returns: text that is a `str` in every way, one label of several, vectors."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from ember.api import models
from ember.models import Completion, Response, ToolCall, Usage
from ember.models.errors import InvalidResponse
from ember.models.testing import LocalServer


@pytest.fixture
def answer(acme: LocalServer) -> Response:
    """One answer from the server, with all it carries."""
    acme.replies(text="Paris", headers={"x-request-id": "req-5"})
    return models("gpt-4o", "What is the capital of France?")


def test_a_response_is_a_string(answer: Response) -> None:
    assert answer == "Paris" and hash(answer) == hash("Paris") and {answer, "Paris"} == {"Paris"}
    assert (
        answer.upper() == "PARIS"
        and f"{answer}!" == "Paris!"
        and answer + "." == "Paris."
        and "ari" in answer
    )
    assert json.dumps({"answer": answer}) == '{"answer": "Paris"}'
    assert repr(answer) == "'Paris'" and type(str(answer)) is str
    assert "".join([answer, answer]) == "ParisParis" and answer.encode() == b"Paris"


def test_a_response_says_where_it_came_from_and_what_it_cost(answer: Response) -> None:
    assert (answer.provider, answer.model, answer.finish_reason) == ("everything", "gpt-4o", "stop")
    assert answer.usage == Usage(6, 1) and isinstance(answer.cost, Decimal)
    assert 0 < answer.latency < 5 and answer.request_id == "req-5"
    assert answer.raw["choices"][0]["message"]["content"] == "Paris"
    assert (answer.parsed, answer.probabilities, answer.tool_calls) == (None, None, ())


def pickled(response: Response, protocol: int) -> Any:
    return pickle.loads(pickle.dumps(response, protocol))


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, *(partial(pickled, protocol=number) for number in range(2, 6))],
)
def test_a_copied_or_pickled_response_keeps_all_it_carries(
    answer: Response, copied: Callable[[Response], Response]
) -> None:
    twin = copied(answer)
    assert type(twin) is Response and twin == answer and vars(twin) == vars(answer)


def test_a_response_can_be_the_next_prompt(acme: LocalServer, answer: Response) -> None:
    acme.replies()
    assert models("gpt-4o", answer) == "Paris"
    assert models("gpt-4o", [{"role": "user", "content": answer}]) == "Paris"
    assert models("gpt-4o", "Hi", system=answer) == "Hi"


def test_tool_calls_and_an_empty_text_are_an_answer(acme: LocalServer) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    acme.replies(json={"model": "m", "choices": [{"message": message, "finish_reason": "tool_calls"}]})
    response = models("acme-small", "Hi")
    assert response == "" and response.finish_reason == "tool_calls"
    assert response.tool_calls == (ToolCall("c1", "add", '{"a": 1}'),)


def test_an_answer_cut_short_says_so(acme: LocalServer) -> None:
    acme.replies(
        json={"model": "m", "choices": [{"message": {"content": "Once"}, "finish_reason": "length"}]}
    )
    assert models("acme-small", "Hi").finish_reason == "length"


# One of several


def test_a_choice_is_one_of_the_labels(acme: LocalServer) -> None:
    acme.replies(text='{"choice": "no"}')
    assert models("acme-small", "Is it so?", choices=["yes", "no"]) == "no"
    schema = acme.requests[0].json["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["choice"]["enum"] == ["yes", "no"]


def test_a_label_without_the_json_around_it_is_one_too(acme: LocalServer) -> None:
    acme.replies(text=" no\n")
    assert models("acme-small", "Is it so?", choices=["yes", "no"]) == "no"


@pytest.mark.parametrize(
    "text", ['{"choice": "maybe"}', "nope", "{}", '{"choice": 1}', '{"choice": ["yes"]}', "null"]
)
def test_an_answer_that_is_none_of_the_labels_is_an_error(acme: LocalServer, text: str) -> None:
    acme.replies(text=text)
    with pytest.raises(InvalidResponse, match="none of the 2 choices"):
        models("acme-small", "Is it so?", choices=["yes", "no"])


# Vectors


def test_embeddings_are_one_vector_a_text_in_order(acme: LocalServer) -> None:
    vectors = models.embed("acme-embed", ["one", "two words", "one"])
    assert len(vectors) == 3 and vectors[0] == vectors[2] != vectors[1]
    assert list(vectors) == list(vectors.vectors) and vectors[:2] == vectors.vectors[:2]
    assert all(isinstance(number, float) for number in vectors[0])
    assert vectors.usage == Usage(4, 0) and vectors.provider == "acme" and vectors.latency > 0
    assert acme.requests[0].json["input"] == ["one", "two words", "one"]
    assert pickle.loads(pickle.dumps(vectors)) == vectors


def test_a_single_text_is_a_list_of_one(acme: LocalServer) -> None:
    assert len(models.embed("acme-embed", "one")) == 1
    assert models.embed("acme-embed", "one", extra={"dimensions": 8})
    assert acme.requests[1].json["dimensions"] == 8


@pytest.mark.parametrize("texts", [[], (), None, 5, [5], ["a", None], b"bytes"])
def test_what_is_no_text_is_refused_before_anything_is_sent(acme: LocalServer, texts: Any) -> None:
    with pytest.raises(TypeError, match="texts is a string or a non-empty sequence of strings"):
        models.embed("acme-embed", texts)
    assert acme.requests == []


@pytest.mark.parametrize("timeout", ["soon", True, 0, -1, float("nan")])
def test_embeddings_refuse_a_timeout_that_is_none(acme: LocalServer, timeout: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="timeout"):
        models.embed("acme-embed", "Hi", timeout=timeout)


Entries = list[dict[str, Any]]


def one_too_few(data: Entries) -> Any:
    return data[:1]


def twice_as_many(data: Entries) -> Any:
    return data * 2


def all_numbered_alike(data: Entries) -> Any:
    return [{**entry, "index": 0} for entry in data]


def with_words(data: Entries) -> Any:
    return [{**entry, "embedding": [1.0, "a"]} for entry in data]


def no_base64(data: Entries) -> Any:
    return [{**entry, "embedding": "!!"} for entry in data]


def none_at_all(data: Entries) -> Any:
    return None


@pytest.mark.parametrize(
    "change", [one_too_few, twice_as_many, all_numbered_alike, with_words, no_base64, none_at_all]
)
def test_vectors_that_are_not_one_a_text_are_an_error(
    acme: LocalServer, change: Callable[[Entries], Any]
) -> None:
    acme.replies(change=lambda answer: {**answer, "data": change(answer["data"])})
    with pytest.raises(InvalidResponse):
        models.embed("acme-embed", ["one", "two"])


def test_embeddings_become_an_array_where_numpy_is_installed(acme: LocalServer) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.asarray(models.embed("acme-embed", ["one", "two"]))
    assert array.shape[0] == 2 and array.ndim == 2


def test_a_response_without_text_is_an_empty_string() -> None:
    assert Response() == "" and Response().usage == Usage()
    assert Completion("x", "m", None, Usage()).tool_calls == ()
