"""Several answers and log probabilities: asked for and read as OpenAI's own SDK does it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from ember.context import create_context
from ember.models import Response, Usage, models
from ember.models.testing import LocalServer

if TYPE_CHECKING:
    import openai

KEY = "sk-local-0123456789abcdef"
TURNS: Any = [{"role": "user", "content": "one two three"}]


@pytest.fixture(autouse=True)
def configured(server: LocalServer, ember_home: object) -> Iterator[None]:
    at = {"base_url": f"{server.url}/v1", "api": "responses"}
    with create_context(credentials={"openai_api_key": KEY}, providers={"openai": at}):
        yield


def told(answer: Response) -> list[tuple[str, float, list[tuple[str, float]]]]:
    assert answer.logprobs is not None
    return [
        (each.token, each.logprob, [(other.token, other.logprob) for other in each.top])
        for each in answer.logprobs
    ]


def theirs(tokens: Any) -> list[tuple[str, float, list[tuple[str, float]]]]:
    return [
        (each.token, each.logprob, [(other.token, other.logprob) for other in each.top_logprobs])
        for each in tokens
    ]


def test_several_answers_go_by_chat_completions_which_alone_has_them(
    server: LocalServer, client: openai.OpenAI
) -> None:
    made: Any = client.chat.completions.create
    other = made(model="gpt-4o", messages=TURNS, n=3)
    ours = models("gpt-4o", TURNS, n=3)
    assert server.requests[0].body == server.requests[1].body
    assert server.requests[1].path == "/v1/chat/completions"
    assert list(ours.candidates) == [choice.message.content for choice in other.choices]
    assert ours.usage == Usage(other.usage.prompt_tokens, other.usage.completion_tokens) == Usage(3, 9)
    models("gpt-4o", TURNS, n=1)
    assert server.requests[2].path == "/v1/responses"


def test_log_probabilities_of_a_response_read_the_same(server: LocalServer, client: openai.OpenAI) -> None:
    made: Any = client.responses.create
    asked: dict[str, Any] = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
    other = made(model="gpt-4o", input=TURNS, **asked)
    ours = models("gpt-4o", TURNS, top_logprobs=2)
    assert server.requests[0].body == server.requests[1].body
    assert told(ours) == theirs(other.output[0].content[0].logprobs) != []
    stream = models.stream("gpt-4o", TURNS, top_logprobs=2)
    assert list(stream) and told(stream.response) == told(ours)


def test_log_probabilities_of_a_chat_completion_read_the_same(
    server: LocalServer, client: openai.OpenAI
) -> None:
    made: Any = client.chat.completions.create
    other = made(model="gpt-4o", messages=TURNS, logprobs=True, top_logprobs=2)
    with create_context(providers={"openai": {"api": "chat"}}):
        ours = models("gpt-4o", TURNS, top_logprobs=2)
        stream = models.stream("gpt-4o", TURNS, top_logprobs=2)
        assert list(stream) and told(stream.response) == told(ours)
    assert server.requests[0].body == server.requests[1].body
    assert told(ours) == theirs(other.choices[0].logprobs.content) != []


@pytest.mark.parametrize(
    ("model", "scored"),
    [("gpt-4o-mini", True), ("gpt-4.1", True), ("ft:gpt-4o:us::x", True), ("gpt-5", False), ("o3", False)],
)
def test_choices_are_scored_where_the_model_has_log_probabilities(
    model: str, scored: bool, server: LocalServer
) -> None:
    server.replies(text='{"choice":"A"}' if scored else '{"choice":"yes"}')
    answer = models(f"openai/{model}", "Is it?", choices=["yes", "no"])
    asked = server.requests[-1].json
    assert answer == "yes" and ("include" in asked) == scored
    labels = asked["text"]["format"]["schema"]["properties"]["choice"]["enum"]
    assert labels == (["A", "B"] if scored else ["yes", "no"])
    # This server's token is the whole answer, and what it says beside is no letter.
    assert answer.probabilities == (pytest.approx({"yes": 1.0, "no": 0.0}, abs=0.05) if scored else None)
