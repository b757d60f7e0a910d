"""Several answers to one call: `n` and `.candidates`."""

from __future__ import annotations

import asyncio
import pickle
from decimal import Decimal
from typing import Any

import pytest

from ember.api import models
from ember.context import create_context
from ember.models import Usage
from ember.models.errors import InvalidResponse, SchemaMismatch, UnsupportedError
from ember.models.testing import LocalServer


def saying(*texts: str) -> Any:
    """Make the answers of the server's reply say these."""

    def change(body: dict[str, Any]) -> dict[str, Any]:
        for choice, text in zip(body["choices"], texts, strict=True):
            choice["message"] = {**choice["message"], "content": text}
        return body

    return change


def test_all_answers_are_there_and_the_first_is_the_response(acme: LocalServer) -> None:
    acme.replies(change=saying("one", "two", "three"))
    answer = models("acme-small", "Count", n=3)
    assert answer == "one" and answer.candidates == ("one", "two", "three")
    assert [each.message["content"] for each in answer.candidates] == ["one", "two", "three"]
    assert acme.requests[0].json["n"] == 3 and len(acme.requests) == 1


def test_usage_and_cost_are_those_of_all_and_equal_the_servers(acme: LocalServer) -> None:
    with create_context() as block:
        answer = asyncio.run(models.acall("everything/gpt-4o", "one two", n=3))
    (account,) = acme.ledger.values()
    assert answer.usage == Usage(2, 6) == Usage(account.input_tokens, account.output_tokens)
    assert answer.cost == models.usage(block).cost == Decimal("0.000065")
    assert all(each.usage == Usage() and each.cost is None for each in answer.candidates)


def test_each_answer_is_parsed(acme: LocalServer) -> None:
    acme.replies(change=saying('{"value": [1]}', '{"value": [2, 3]}'))
    answer = models("acme-small", "Primes", n=2, schema=list[int])
    assert [each.parsed for each in answer.candidates] == [[1], [2, 3]] and answer.parsed == [1]


def test_one_that_does_not_fit_has_all_asked_for_again(acme: LocalServer) -> None:
    acme.replies(change=saying('{"value": [1]}', "two")).then(
        change=saying('{"value": [1]}', '{"value": [2]}')
    )
    answer = models("acme-small", "Primes", n=2, schema=list[int])
    assert [each.parsed for each in answer.candidates] == [[1], [2]] and len(acme.requests) == 2
    acme.replies(change=saying('{"value": [1]}', "two"))
    with pytest.raises(SchemaMismatch):
        models("acme-small", "Primes", n=2, schema=list[int], reask=0)


def test_one_answer_is_a_tuple_of_one_and_asked_for_as_usual(acme: LocalServer) -> None:
    answer = models("acme-small", "Count", n=1)
    assert answer.candidates == ("Count",) and "n" not in acme.requests[0].json
    assert models("acme-small", "Count").candidates == ()


def test_a_server_that_gives_fewer_is_an_error_and_paid_for(acme: LocalServer) -> None:
    def fewer(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "choices": body["choices"][:1]}

    acme.replies(change=fewer)
    with pytest.raises(InvalidResponse, match="3 answers were asked for, and 1 came") as raised:
        models("acme-small", "Count", n=3)
    assert raised.value.usage == Usage(1, 3)


def test_answers_survive_pickling(acme: LocalServer) -> None:
    acme.replies(change=saying("one", "two"))
    answer = models("acme-small", "Count", n=2, logprobs=True)
    copy = pickle.loads(pickle.dumps(answer))
    assert copy.candidates == answer.candidates and copy.logprobs == answer.logprobs


def test_what_is_kept_on_disk_has_all_answers(acme: LocalServer) -> None:
    acme.replies(change=saying("one", "two"))
    first = models("acme-small", "Count", n=2, top_logprobs=2, cache=60)
    again = models("acme-small", "Count", n=2, top_logprobs=2, cache=60)
    assert again.cached and again.candidates == first.candidates == ("one", "two")
    assert again.logprobs == first.logprobs is not None
    assert models("acme-small", "Count", n=2, cache=60).cached is False


@pytest.mark.parametrize(
    ("params", "error"),
    [({"n": 0}, ValueError), ({"n": 1.5}, TypeError), ({"n": 2, "choices": ["a", "b"]}, TypeError)],
)
def test_what_is_no_number_of_answers_is_refused(
    params: dict[str, Any], error: type[Exception], acme: LocalServer
) -> None:
    with pytest.raises(error):
        models("acme-small", "Count", **params)
    assert not acme.requests


def test_a_stream_has_one_answer(acme: LocalServer) -> None:
    with pytest.raises(TypeError, match="do not stream"):
        models.stream("acme-small", "Count", n=2)
    assert not acme.requests


def test_a_provider_that_has_it_not_says_so(acme: LocalServer) -> None:
    with pytest.raises(UnsupportedError, match="'n'"):
        models("parrot", "Count", n=2)
    with pytest.raises(UnsupportedError, match="'logprobs'"):
        models("parrot", "Count", logprobs=True)
    assert models("parrot", "Count", n=1).candidates == ("COUNT",)
