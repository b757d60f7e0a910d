"""What the embedded model answers, asked as users ask."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from ember.context import create_context
from ember.models import File, Image, ModelRegistry, Response, errors, models

CAPITAL = "What is the capital of France?"


def greedy(prompt: str, **params: Any) -> Response:
    return models("smollm2", prompt, temperature=0, max_tokens=params.pop("max_tokens", 24), **params)


def endless(**params: Any) -> dict[str, Any]:
    return {"max_tokens": 2_000, "extra": {"ignore_eos": True}, **params}


def test_it_knows_the_capital_of_france() -> None:
    answer = greedy(CAPITAL)
    assert answer == "The capital of France is Paris."
    assert (answer.provider, answer.model, answer.finish_reason) == ("local", "smollm2", "stop")
    assert answer.usage.output_tokens == 8
    assert answer.cost == 0  # nothing is charged for what runs here: known, not unknown


def test_the_template_adds_no_system_prompt() -> None:
    # The one inside the file would say "You are a helpful AI assistant named SmolLM...", and spoil the answer.
    assert greedy(CAPITAL).usage.input_tokens == 16
    told = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    spoilt = greedy(CAPITAL, system=told)
    assert spoilt.usage.input_tokens is not None and spoilt.usage.input_tokens > 30


def test_it_is_the_default_model_where_nothing_is_configured() -> None:
    assert models(None, CAPITAL, temperature=0, max_tokens=12).model == "smollm2"


def test_both_names_mean_the_same_model() -> None:
    assert models("local/smollm2", CAPITAL, temperature=0, max_tokens=12) == greedy(CAPITAL)
    assert "local/smollm2" in models.list()


def test_a_stream_comes_in_pieces_and_is_the_same_answer() -> None:
    stream = models.stream("smollm2", CAPITAL, temperature=0, max_tokens=24)
    pieces = list(stream)
    assert len(pieces) > 4
    assert "".join(pieces) == stream.response == "The capital of France is Paris."
    assert stream.response.finish_reason == "stop"
    assert stream.response.usage.output_tokens == 8


def test_an_answer_that_ends_before_it_begins_is_the_empty_text() -> None:
    end_of_turn = {"logit_bias": [[2, 1_000]]}
    answer = greedy(CAPITAL, extra=end_of_turn)
    assert (answer, answer.finish_reason) == ("", "stop")
    stream = models.stream("smollm2", CAPITAL, temperature=0, extra=end_of_turn)
    assert list(stream) == []
    assert stream.response == ""


def test_max_tokens_ends_an_answer_with_reason_length() -> None:
    answer = greedy("Tell me a long story.", max_tokens=5)
    assert answer.finish_reason == "length"
    assert answer.usage.output_tokens == 5


def test_a_stop_word_ends_an_answer() -> None:
    assert greedy(CAPITAL, stop="Paris") == "The capital of France is "


def test_the_same_seed_gives_the_same_answer() -> None:
    def tell(seed: int) -> Response:
        return models("smollm2", "Tell me something.", temperature=1.5, seed=seed, max_tokens=16)

    assert tell(7) == tell(7)
    assert len({tell(seed) for seed in range(4)}) > 1


def test_an_answer_by_schema_is_json_of_that_shape() -> None:
    person = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
    answer = greedy("Maria Lopez is 34 years old. Give her name and age.", schema=person, max_tokens=48)
    assert answer.parsed == json.loads(answer) == {"name": "Maria Lopez", "age": 34}


@dataclass
class Human:
    name: str
    age: int


def test_an_answer_by_a_type_is_a_value_of_it() -> None:
    told = "Maria Lopez is 34 years old. Give her name and age."
    assert greedy(told, schema=Human, max_tokens=48).parsed == Human("Maria Lopez", 34)
    label = greedy("Review: I loved it! Good or bad?", schema=Literal["good", "bad"], max_tokens=24)
    assert label.parsed in ("good", "bad") and json.loads(label) == {"value": label.parsed}
    assert all(type(number) is int for number in greedy("1, 2, 3?", schema=list[int], max_tokens=200).parsed)


def test_it_sees_no_images_and_reads_no_files_and_says_so() -> None:
    with pytest.raises(errors.UnsupportedError, match="'images'"):
        models("smollm2", ["What is this?", Image(b"GIF89a...")])
    with pytest.raises(errors.UnsupportedError, match="'files'"):
        models("smollm2", ["Sum up", File(b"text")])


def test_it_has_no_tools_and_says_so() -> None:
    def now() -> str:
        return "noon"

    with pytest.raises(errors.UnsupportedError, match="'tools'"):
        models("smollm2", "What time is it?", tools=[now])


def test_a_schema_stands_in_for_a_tool_that_has_to_be_called() -> None:
    call = {
        "type": "object",
        "properties": {"name": {"const": "get_weather"}, "city": {"type": "string"}},
        "required": ["name", "city"],
    }
    answer = greedy("What is the weather like in Rome?", schema=call, max_tokens=40)
    assert answer.parsed["name"] == "get_weather"
    with pytest.raises(errors.UnsupportedError, match="schema="):
        models("smollm2", "Hi", extra={"tool_choice": "required", "tools": []})


def test_log_probabilities_are_in_the_raw_reply() -> None:
    answer = greedy(CAPITAL, extra={"logprobs": True, "top_logprobs": 3})
    told = answer.raw["choices"][0]["logprobs"]["content"]
    assert "".join(token["token"] for token in told) == answer
    assert all(token["logprob"] <= 0 and len(token["top_logprobs"]) == 3 for token in told)


def test_several_answers_to_one_question_are_in_the_raw_reply() -> None:
    answer = models("smollm2", CAPITAL, temperature=0.9, max_tokens=6, extra={"n": 2})
    assert [choice["index"] for choice in answer.raw["choices"]] == [0, 1]
    assert answer.usage.output_tokens == 12


def test_eight_callers_at_once_all_get_the_answer_to_their_own_question() -> None:
    countries = {"France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo", "Egypt": "Cairo"}
    countries |= {"Greece": "Athens", "Germany": "Berlin", "Portugal": "Lisbon"}
    questions = [f"What is the capital of {country}?" for country in countries]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(greedy, questions))
    right = [capital in answer for answer, capital in zip(answers, countries.values(), strict=True)]
    assert sum(right) >= 7  # what comes together into one batch may round differently


def test_calls_await_each_other_in_asyncio() -> None:
    async def both() -> list[Response]:
        asked = (models.acall("smollm2", CAPITAL, temperature=0, max_tokens=12) for _ in range(3))
        return list(await asyncio.gather(*asked))

    assert set(asyncio.run(both())) == {"The capital of France is Paris."}


def test_vectors_are_of_length_one_and_in_the_order_of_the_texts() -> None:
    texts = [
        "A cat sat there.",
        "A kitten sat there.",
        "Stocks fell sharply on Monday.",
    ] * 7  # more than go in at once
    vectors = models.embed("smollm2", texts).vectors
    assert len(vectors) == 21 and {len(vector) for vector in vectors} == {576}

    def likeness(a: int, b: int) -> float:
        return sum(x * y for x, y in zip(vectors[a], vectors[b], strict=True))

    assert likeness(0, 0) == pytest.approx(1, abs=1e-3)
    assert likeness(0, 18) == pytest.approx(1, abs=1e-2)
    assert likeness(0, 1) > likeness(0, 2)


def test_a_call_past_its_deadline_ends_and_makes_room() -> None:
    greedy("Hi", max_tokens=1)
    begun = time.monotonic()
    for _ in range(10):  # more than go in at once: were they not ended, the next call would wait for them
        with pytest.raises(errors.ModelTimeout):
            models("smollm2", "Count for ever.", timeout=0.1, **endless())
    assert greedy(CAPITAL, max_tokens=12, timeout=10) == "The capital of France is Paris."
    assert time.monotonic() - begun < 15


def test_a_prompt_can_be_given_up_while_it_is_read() -> None:
    begun = time.monotonic()
    greedy("tale " * 100, max_tokens=1)
    a_hundred = time.monotonic() - begun
    with pytest.raises(errors.ModelTimeout):
        models("smollm2", "word " * 7_000, timeout=0.3)
    begun = time.monotonic()
    greedy("Hi", max_tokens=1)
    # Reading on would have taken seventy times what a hundred words do, at the least.
    assert time.monotonic() - begun < max(8.0, 40 * a_hundred)


def test_a_stream_left_early_stops_the_model() -> None:
    with models.stream("smollm2", "Count for ever.", **endless()) as stream:
        assert next(stream)
    assert greedy(CAPITAL, max_tokens=12, timeout=10)


def test_the_context_reaches_the_model() -> None:
    with create_context(models={"default": "smollm2", "max_tokens": 3, "temperature": 0}) as context:
        assert models(None, "Tell me a story.").usage.output_tokens == 3
        assert models.usage(context).output_tokens == 3


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ({"extra": {"temperature": "hot"}}, "temperature"),
        ({"extra": {"messages": "Hi"}}, "messages"),
        ({"extra": {"messages": [{"role": "user"}]}}, "content"),
        ({"schema": {"type": "nonsense"}}, "nonsense"),
        ({"extra": {"grammar": "root ::= ("}}, "grammar"),
        ({"extra": {"max_tokens": -7}}, "max_tokens"),
    ],
)
def test_a_request_that_llama_cpp_cannot_read_is_the_callers_mistake(
    params: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(errors.InvalidRequestError, match=complaint):
        models("smollm2", "Hi", **params)
    assert greedy("Hi", max_tokens=1)


def test_more_than_the_context_holds_is_refused() -> None:
    with pytest.raises(errors.InvalidRequestError, match="8192"):
        greedy("word " * 8_500)
    with pytest.raises(errors.InvalidRequestError, match="2,048"):
        models.embed("smollm2", ["short", "word " * 2_100])


def test_the_answer_is_bounded_where_the_call_sets_no_limit() -> None:
    provider = ModelRegistry.get("local")
    from ember.models import Call, Endpoint, Message

    def asked(**params: Any) -> dict[str, Any]:
        call = Call("smollm2", (Message("user", "Hi"),), **params)
        body: dict[str, Any] = json.loads(provider.encode(call, Endpoint("local:")).body)
        return body

    assert asked()["max_tokens"] == 512
    assert (asked()["temperature"], asked()["top_p"]) == (0.2, 0.9)
    assert asked(max_tokens=9)["max_tokens"] == 9
    assert asked(temperature=1.0)["temperature"] == 1.0


@pytest.mark.long
def test_prompts_that_fill_the_context_together_wait_for_one_another() -> None:
    # Left to itself, llama.cpp takes all of them in, runs out of room, and fails every one.
    def ask(number: int) -> Response:
        return models("smollm2", f"{number}: " + "word " * 1_500, max_tokens=60, extra={"ignore_eos": True})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert [answer.usage.output_tokens for answer in answers] == [60] * 8


def test_several_answers_and_how_likely_their_tokens_were() -> None:
    answer = models("smollm2", "The capital of France is", max_tokens=4, n=2, top_logprobs=3, seed=7)
    assert len(answer.candidates) == 2 and answer == answer.candidates[0]
    assert answer.usage.output_tokens == sum(len(each.logprobs or ()) for each in answer.candidates)
    assert answer.logprobs is not None
    assert "".join(each.token for each in answer.logprobs) == answer
    for each in answer.logprobs:
        assert each.logprob <= 0.0 and len(each.top) == 3
