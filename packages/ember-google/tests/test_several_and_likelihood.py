"""Several answers and log probabilities: asked for and read as Google's own SDK does it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ember.context import create_context
from ember.models import Usage, models
from ember.models.testing import LocalServer

MODEL = "gemini-2.5-flash"


@pytest.fixture(autouse=True)
def configured(server: LocalServer, ember_home: object) -> Iterator[None]:
    key = {"google_api_key": "AIza-local-0123456789abcdef"}
    with create_context(credentials=key, providers={"google": {"base_url": server.url}}):
        yield


def test_several_answers_read_the_same(server: LocalServer, sdk: Any) -> None:
    theirs = sdk.generate_content(model=MODEL, contents="one two three", config={"candidate_count": 3})
    ours = models(MODEL, "one two three", n=3)
    assert server.requests[0].json == server.requests[1].json
    assert list(ours.candidates) == [each.content.parts[0].text for each in theirs.candidates]
    used = theirs.usage_metadata
    assert ours.usage == Usage(used.prompt_token_count, used.candidates_token_count) == Usage(3, 9)


def test_log_probabilities_read_the_same(server: LocalServer, sdk: Any) -> None:
    config = {"response_logprobs": True, "logprobs": 2}
    theirs = sdk.generate_content(model=MODEL, contents="one two three", config=config)
    ours = models(MODEL, "one two three", top_logprobs=2)
    assert server.requests[0].json == server.requests[1].json
    result = theirs.candidates[0].logprobs_result
    assert ours.logprobs is not None and len(ours.logprobs) == 3
    assert [(each.token, each.logprob) for each in ours.logprobs] == [
        (each.token, each.log_probability) for each in result.chosen_candidates
    ]
    assert [[(other.token, other.logprob) for other in each.top] for each in ours.logprobs] == [
        [(other.token, other.log_probability) for other in each.candidates] for each in result.top_candidates
    ]
    stream = models.stream(MODEL, "one two three", top_logprobs=2)
    assert list(stream) and stream.response.logprobs == ours.logprobs


def test_choices_are_scored_where_that_is_asked_for(server: LocalServer) -> None:
    server.replies(text='{"choice":"B"}')
    answer = models(MODEL, "Is it?", choices=["yes", "no"], logprobs=True)
    assert answer == "no" and answer.probabilities is not None and answer.probabilities["no"] > 0.9
    server.replies(text='{"choice":"no"}')
    assert models(MODEL, "Is it?", choices=["yes", "no"]).probabilities is None
