"""Log probabilities: asked for and read as Ollama's own client does it, and choices scored by them."""

from __future__ import annotations

from typing import Any

import pytest

from ember.models import models
from ember.models.errors import UnsupportedError
from ember.models.testing import LocalServer

TURNS: list[Any] = [{"role": "user", "content": "one two three"}]


def test_log_probabilities_read_the_same(served: LocalServer, client: Any) -> None:
    theirs = client.chat("llama3.2", TURNS, logprobs=True, top_logprobs=2)
    ours = models("ollama/llama3.2", TURNS, top_logprobs=2)
    asked = [request.json for request in served.requests]
    asked[0].pop("tools", None)
    assert asked[0] == asked[1]
    assert ours.logprobs is not None and len(ours.logprobs) == 3
    assert [(each.token, each.logprob) for each in ours.logprobs] == [
        (each.token, each.logprob) for each in theirs.logprobs
    ]
    assert [[other.token for other in each.top] for each in ours.logprobs] == [
        [other.token for other in each.top_logprobs] for each in theirs.logprobs
    ]
    stream = models.stream("ollama/llama3.2", TURNS, top_logprobs=2)
    assert list(stream) and stream.response.logprobs == ours.logprobs


def test_choices_are_scored(served: LocalServer) -> None:
    served.replies(text='{"choice":"B"}')
    answer = models("ollama/llama3.2", "Is it?", choices=["yes", "no"])
    assert answer == "no" and answer.probabilities is not None and answer.probabilities["no"] > 0.9


def test_a_server_too_old_for_probabilities_still_chooses(served: LocalServer) -> None:
    def old(body: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in body.items() if name != "logprobs"}

    served.replies(text='{"choice":"B"}', change=old)
    answer = models("ollama/llama3.2", "Is it?", choices=["yes", "no"])
    assert (answer, answer.probabilities) == ("no", None)


def test_several_answers_are_refused(served: LocalServer) -> None:
    with pytest.raises(UnsupportedError, match="'n'"):
        models("ollama/llama3.2", TURNS, n=2)
    assert not served.requests
