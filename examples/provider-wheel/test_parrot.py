"""Parrot, installed as its wheel, beside nothing but ember-models."""

from __future__ import annotations

from pathlib import Path

import pytest

from ember.models import models
from ember.models.errors import AuthenticationError, InvalidResponse
from ember.models.testing import LocalServer
from ember.models.testing.plugin import ember_home, no_network, server

__all__ = ["ember_home", "no_network", "server"]


@pytest.fixture(autouse=True)
def parrot(ember_home: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    """The vendor, on this machine."""
    monkeypatch.setenv("PARROT_API_KEY", "polly-0123456789abcdef")
    monkeypatch.setenv("PARROT_BASE_URL", server.url)
    return server


def test_an_answer_is_text_that_knows_what_it_used(parrot: LocalServer) -> None:
    parrot.replies(200, json={"said": "Hello!", "words_in": 1, "words_out": 1})
    answer = models("parrot/grey", "Hello")
    assert answer == "Hello!"
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.cost) == (1, 1, None)


def test_the_call_travels_as_parrot_wants_it(parrot: LocalServer) -> None:
    parrot.replies(200, json={"said": "Hello!", "words_in": 1, "words_out": 1})
    models("parrot/grey", "Hello")
    (request,) = parrot.requests
    assert (request.path, request.json) == ("/speak", {"bird": "grey", "text": "Hello"})
    assert request.headers["x-parrot-key"] == "polly-0123456789abcdef"


def test_a_reply_without_the_answer_is_an_error_and_no_empty_text(parrot: LocalServer) -> None:
    parrot.replies(200, json={"squawk": True})
    with pytest.raises(InvalidResponse):
        models("parrot/grey", "Hello")


def test_a_refused_key_is_an_error_that_does_not_show_it(parrot: LocalServer) -> None:
    parrot.replies(401, json={"error": "bad key polly-0123456789abcdef"})
    with pytest.raises(AuthenticationError) as caught:
        models("parrot/grey", "Hello")
    assert "polly" not in str(caught.value)


def test_it_is_listed_and_its_bare_names_are_its_own(parrot: LocalServer) -> None:
    parrot.replies(200, json={"said": "Hi", "words_in": 1, "words_out": 1})
    assert "parrot" in models.providers()
    assert models("parrot-grey", "Hello") == "Hi"
