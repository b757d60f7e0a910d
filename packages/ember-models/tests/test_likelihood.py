"""How likely tokens were, and choices scored by that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from ember.api import models
from ember.models import TokenLogprob
from ember.models.errors import InvalidResponse, SchemaMismatch
from ember.models.testing import LocalServer

LABELS = ["good", "not so good", "bad"]


def entry(token: str, likely: Mapping[str, float]) -> dict[str, Any]:
    """A token as servers tell of it: with how likely it and others were at its place."""
    top = [{"token": each, "logprob": math.log(p) if p else -9999.0} for each, p in likely.items()]
    return {"token": token, "logprob": math.log(likely.get(token) or 1.0), "top_logprobs": top}


def answering(*tokens: str, likely: Mapping[str, float], at: int) -> Any:
    """Make the server's reply these tokens, one of them with alternatives."""

    def change(body: dict[str, Any]) -> dict[str, Any]:
        told = [entry(token, likely if place == at else {token: 1.0}) for place, token in enumerate(tokens)]
        choice = body["choices"][0]
        choice["message"] = {**choice["message"], "content": "".join(tokens)}
        choice["logprobs"] = {"content": told}
        return body

    return change


def test_each_token_says_how_likely_it_was(acme: LocalServer) -> None:
    answer = models("acme-small", "one two", top_logprobs=2)
    assert answer.logprobs == (
        TokenLogprob("one ", -0.1, (TokenLogprob("one ", -0.1), TokenLogprob("~1", -3.1))),
        TokenLogprob("two", -0.1, (TokenLogprob("two", -0.1), TokenLogprob("~1", -3.1))),
    )
    stream = models.stream("acme-small", "one two", top_logprobs=2)
    assert list(stream) == ["one ", "two"] and stream.response.logprobs == answer.logprobs
    assert (acme.requests[0].json["logprobs"], acme.requests[0].json["top_logprobs"]) == (True, 2)


def test_without_alternatives_each_token_stands_alone(acme: LocalServer) -> None:
    answer = models("acme-small", "one two", logprobs=True)
    assert answer.logprobs == (TokenLogprob("one ", -0.1), TokenLogprob("two", -0.1))
    assert "top_logprobs" not in acme.requests[0].json
    assert models("acme-small", "one two").logprobs is None


@pytest.mark.parametrize("wrong", ["likely", None, True, {"a": 1}])
def test_what_is_no_probability_is_an_error(wrong: object, acme: LocalServer) -> None:
    def change(body: dict[str, Any]) -> dict[str, Any]:
        body["choices"][0]["logprobs"]["content"][0]["logprob"] = wrong
        return body

    acme.replies(change=change)
    with pytest.raises(InvalidResponse, match="logprob"):
        models("acme-small", "one two", logprobs=True)


@pytest.mark.parametrize(
    "params",
    [{"logprobs": 3}, {"top_logprobs": 21}, {"top_logprobs": -1}, {"logprobs": False, "top_logprobs": 2}],
)
def test_what_cannot_be_asked_is_refused(params: dict[str, Any], acme: LocalServer) -> None:
    with pytest.raises((TypeError, ValueError)):
        models("acme-small", "Hi", **params)
    assert not acme.requests


def test_labels_are_asked_for_by_letters_and_scored(acme: LocalServer) -> None:
    likely = {"B": 0.6, "A": 0.3, " A": 0.05, "C": 0.04}
    acme.replies(change=answering('{"', "choice", '":"', "B", '"}', likely=likely, at=3))
    answer = models("acme-small", "Well?", choices=LABELS, logprobs=True, system="Judge.")
    assert answer == "not so good" and answer.probabilities is not None
    assert answer.probabilities == pytest.approx(
        {"good": 0.35 / 0.99, "not so good": 0.6 / 0.99, "bad": 0.04 / 0.99}
    )
    asked = acme.requests[0].json
    assert asked["messages"][0]["content"] == (
        "Judge.\n\nAnswer with the letter of one of these choices.\nA: good\nB: not so good\nC: bad"
    )
    schema = asked["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["choice"]["enum"] == ["A", "B", "C"]
    assert (asked["logprobs"], asked["top_logprobs"], len(acme.requests)) == (True, 20, 1)


def test_the_likeliest_label_is_the_answer_whatever_was_drawn(acme: LocalServer) -> None:
    likely = {"C": 0.2, "A": 0.7, "B": 0.1}
    acme.replies(change=answering('{"', "choice", '":"', "C", '"}', likely=likely, at=3))
    assert models("acme-small", "Well?", choices=LABELS, logprobs=True, temperature=2.0) == "good"


def test_of_equally_likely_labels_the_first_is_the_answer(acme: LocalServer) -> None:
    acme.replies(change=answering('{"choice":"', "C", '"}', likely={"C": 0.5, "B": 0.5}, at=1))
    assert models("acme-small", "Well?", choices=LABELS, logprobs=True) == "not so good"


@pytest.mark.parametrize(
    ("tokens", "at"),
    [
        (("B",), 0),
        (("\n", "B"), 1),
        (('{"choice": "B"}',), 0),
        (('{"', "choice", '":', ' "B', '"}'), 3),
        (('{ "choice" ', ": ", '"', 'B"}'), 3),
    ],
)
def test_the_letter_is_found_however_the_text_is_cut_into_tokens(
    tokens: tuple[str, ...], at: int, acme: LocalServer
) -> None:
    written = tokens[at]
    likely = {written: 0.75, written.replace("B", "A"): 0.25}
    acme.replies(change=answering(*tokens, likely=likely, at=at))
    answer = models("acme-small", "Well?", choices=["yes", "no"], logprobs=True)
    assert answer == "no" and answer.probabilities == pytest.approx({"yes": 0.25, "no": 0.75})


def test_a_label_that_is_not_among_the_likeliest_has_the_most_it_can_have(acme: LocalServer) -> None:
    acme.replies(change=answering('{"choice":"', "A", '"}', likely={"A": 0.9, "X": 0.04}, at=1))
    answer = models("acme-small", "Well?", choices=LABELS, logprobs=True)
    # 0.06 is left for two labels, and none is likelier than the least likely that was told of: 0.03 each.
    assert answer.probabilities == pytest.approx(
        {"good": 0.9 / 0.96, "not so good": 0.03 / 0.96, "bad": 0.03 / 0.96}
    )
    assert sum((answer.probabilities or {}).values()) == pytest.approx(1.0)


def test_tokens_of_reasoning_before_the_answer_are_passed_over(acme: LocalServer) -> None:
    def change(body: dict[str, Any]) -> dict[str, Any]:
        body = answering('{"choice":"', "B", '"}', likely={"B": 0.8, "A": 0.2}, at=1)(body)
        told = body["choices"][0]["logprobs"]["content"]
        told[:0] = [entry(token, {token: 1.0}) for token in ("A ", "or ", "B? ")]
        return body

    acme.replies(change=change)
    answer = models("acme-small", "Well?", choices=["yes", "no"], logprobs=True)
    assert answer.probabilities == pytest.approx({"yes": 0.2, "no": 0.8})


@pytest.mark.parametrize("text", ['{"choice":"B"}', "B", " B\n", '{"choice":"no"}', "no"])
def test_a_server_that_tells_no_probabilities_still_chooses(text: str, acme: LocalServer) -> None:
    def silent(body: dict[str, Any]) -> dict[str, Any]:
        body["choices"][0]["logprobs"] = None
        return body

    acme.replies(text=text, change=silent)
    answer = models("acme-small", "Well?", choices=["yes", "no"], logprobs=True)
    assert (answer, answer.probabilities) == ("no", None)


def test_letters_that_are_labels_mean_what_the_model_was_told(acme: LocalServer) -> None:
    acme.replies(change=answering('{"choice":"', "A", '"}', likely={"A": 1.0}, at=1))
    assert models("acme-small", "Well?", choices=["B", "A"], logprobs=True) == "B"


def test_what_is_neither_letter_nor_label_is_asked_for_again_then_an_error(acme: LocalServer) -> None:
    acme.replies(text="perhaps").then(text='{"choice":"A"}').then(text="perhaps")
    assert models("acme-small", "Well?", choices=["yes", "no"], logprobs=True) == "yes"
    with pytest.raises(SchemaMismatch, match="none of the 2 choices"):
        models("acme-small", "Well?", choices=["yes", "no"], logprobs=True)
    assert len(acme.requests) == 4


def test_a_streamed_choice_is_scored_too(acme: LocalServer) -> None:
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": token}, "logprobs": {"content": [told]}}]}
        for token, told in (
            ('{"choice":"', entry('{"choice":"', {'{"choice":"': 1.0})),
            ("B", entry("B", {"B": 0.4, "A": 0.6})),
            ('"}', entry('"}', {'"}': 1.0})),
        )
    ]
    end: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    acme.replies(sse=[*chunks, end, "[DONE]"])
    stream = models.stream("acme-small", "Well?", choices=["yes", "no"], logprobs=True)
    assert list(stream) == ["yes"]
    assert stream.response.probabilities == pytest.approx({"yes": 0.6, "no": 0.4})


def test_more_labels_than_servers_tell_of_are_chosen_by_name(acme: LocalServer) -> None:
    labels = [f"label {number}" for number in range(21)]
    acme.replies(text='{"choice":"label 20"}')
    answer = models("acme-small", "Well?", choices=labels, logprobs=True)
    assert (answer, answer.probabilities) == ("label 20", None)
    asked = acme.requests[0].json["response_format"]["json_schema"]["schema"]["properties"]["choice"]["enum"]
    assert asked == labels
