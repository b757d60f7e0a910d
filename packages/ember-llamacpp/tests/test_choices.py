"""Choosing among labels: against the model itself, asked token by token, and against reviews that people can judge."""

from __future__ import annotations

import http.client
import importlib
import json
import math
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ember.models import Response, errors, models

Script = Callable[..., "subprocess.CompletedProcess[str]"]

SENTIMENTS = ("positive", "negative")
SHOTS = """Review: Great value, I am very happy.
Sentiment: positive

Review: Awful. It stopped working at once.
Sentiment: negative

Review: Fantastic music and a lovely evening.
Sentiment: positive

Review: The soup was cold and the waiter rude.
Sentiment: negative

"""
REVIEWS = {
    "I loved every minute of it.": "positive",
    "A complete waste of time and money.": "negative",
    "The acting was superb and the story moving.": "positive",
    "Terrible plot, I fell asleep.": "negative",
    "Best purchase I have made this year.": "positive",
    "It broke after two days, very disappointing.": "negative",
    "An absolute masterpiece.": "positive",
    "I want my money back.": "negative",
}


def choose(prompt: str, *labels: str, **params: Any) -> Response:
    return models("smollm2", prompt, choices=labels, **params)


def probabilities(answer: Response) -> dict[str, float]:
    assert answer.probabilities is not None
    return dict(answer.probabilities)


def test_reviews_are_told_apart_after_a_few_examples() -> None:
    # By a schema's enum, the same model gets about half of them right: as many as a coin.
    told = [choose(f"{SHOTS}Review: {review}\nSentiment:", *SENTIMENTS) for review in REVIEWS]
    right = [answer == label for answer, label in zip(told, REVIEWS.values(), strict=True)]
    assert sum(right) >= 7


def test_examples_may_be_a_conversation() -> None:
    turns: list[Any] = []
    for shot in SHOTS.strip().split("\n\n"):
        question, _, label = shot.rpartition(" ")
        turns += [{"role": "user", "content": question}, {"role": "assistant", "content": label}]
    for review in ("A wonderful film.", "A dreadful film."):
        answer = models(
            "smollm2",
            [*turns, {"role": "user", "content": f"Review: {review}\nSentiment:"}],
            choices=SENTIMENTS,
        )
        assert answer == ("positive" if "wonderful" in review else "negative")


def test_the_answer_is_the_likeliest_label_and_probabilities_sum_to_one() -> None:
    answer = choose("Is the sky blue? Answer yes or no.", "yes", "no", "an essay on the matter")
    chances = probabilities(answer)
    assert list(chances) == ["yes", "no", "an essay on the matter"]
    assert sum(chances.values()) == pytest.approx(1)
    assert answer == max(chances, key=lambda label: chances[label])
    assert (answer.finish_reason, answer.model) == ("stop", "smollm2")
    assert answer.usage.input_tokens and answer.usage.output_tokens


def test_a_label_does_not_win_by_being_another_ones_beginning() -> None:
    chances = probabilities(choose("The Statue of Liberty stands in the city of:", "New", "New York"))
    assert chances["New York"] > 0.9


def test_the_temperature_does_not_touch_the_probabilities() -> None:
    cold, hot = (choose("Is ice cold?", "yes", "no", temperature=t) for t in (0.0, 1.9))
    assert probabilities(hot)["yes"] == pytest.approx(probabilities(cold)["yes"], abs=0.02)


def test_a_choice_can_be_asked_for_as_a_stream() -> None:
    stream = models.stream("smollm2", "Is ice cold?", choices=["yes", "no"])
    pieces = list(stream)
    assert pieces == [stream.response]
    assert probabilities(stream.response).keys() == {"yes", "no"}


def test_any_text_can_be_a_label() -> None:
    odd = ("naïve ☃", 'quo"te\\\n', "<|im_end|>", "日本", "a\0b", " lead")
    chances = probabilities(choose("Say something.", *odd))
    assert sum(chances.values()) == pytest.approx(1)
    assert all(0 <= chance <= 1 for chance in chances.values())


def test_a_prompt_too_long_to_score_is_refused() -> None:
    with pytest.raises(errors.InvalidRequestError, match="8192"):
        choose("word " * 8_500, *SENTIMENTS)


def test_a_choice_past_its_deadline_ends() -> None:
    begun = time.monotonic()
    assert choose("tale " * 100, *SENTIMENTS)
    a_hundred = time.monotonic() - begun
    with pytest.raises(errors.ModelTimeout):
        choose("word " * 7_000, *SENTIMENTS, timeout=0.3)
    # Reading on would have taken seventy times what a hundred words do, at the least.
    assert choose("Is ice cold?", "yes", "no", timeout=max(8.0, 40 * a_hundred))


Oracle = Callable[[str, list[int], int], float]


@pytest.fixture(scope="module")
def oracle(weights: Path) -> Iterator[tuple[Callable[[str], list[int]], Oracle]]:
    """The same model in a server of the test's own: tokens of a text, and the log probability of a next token."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    xllamacpp: Any = importlib.import_module("xllamacpp")
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.n_ctx, settings.n_parallel = str(weights), 1_024, 1
    settings.cpuparams.n_threads, settings.verbosity = 2, 0
    settings.api_keys = [key := secrets.token_hex()]
    server: Any = xllamacpp.Server(settings)

    def tokens(text: str) -> list[int]:
        connection = http.client.HTTPConnection(server.listening_address.removeprefix("http://"), timeout=30)
        body = json.dumps({"content": text, "parse_special": True})
        connection.request("POST", "/tokenize", body, {"authorization": f"Bearer {key}"})
        found: list[int] = json.loads(connection.getresponse().read())["tokens"]
        connection.close()
        return found

    def logprob(prompt: str, before: list[int], token: int) -> float:
        # The whole vocabulary, in place of a token made to come: another road to the same number.
        asked = {"prompt": tokens(prompt) + before, "max_tokens": 1, "logprobs": 49_152, "temperature": 0}
        reply = server.handle_completions(asked | {"cache_prompt": False, "logit_bias": [[28, 1_000]]})
        tops = reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        return next(float(top["logprob"]) for top in tops if top["id"] == token)

    yield tokens, logprob


def test_probabilities_are_those_of_whole_labels_token_by_token(
    oracle: tuple[Callable[[str], list[int]], Oracle], script: Script
) -> None:
    tokens, logprob = oracle
    labels = ("New York", "New Delhi", "Paris", "the capital")
    question = "Which city is the capital of India?"
    rendered = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    ends = [tokens(mark)[0] for mark in ("<|im_end|>", "<|endoftext|>")]
    sums: list[float] = []
    for label in labels:
        ids = tokens(label)
        said = sum(logprob(rendered, ids[:place], token) for place, token in enumerate(ids))
        sums.append(said + max(logprob(rendered, ids, end) for end in ends))
    assert any(len(tokens(label)) > 1 for label in labels)
    whole = math.fsum(map(math.exp, sums))
    expected = {label: math.exp(value) / whole for label, value in zip(labels, sums, strict=True)}
    # In a process of its own: what has been computed together with something else differs in the last digits of every
    # layer, and a small model turns that into a few percent.
    told = script(f"""
        import json
        from ember.models import models
        print(json.dumps(dict(models("smollm2", {question!r}, choices={labels!r}).probabilities)))
    """)
    assert json.loads(told.stdout) == pytest.approx(expected, abs=0.02)
