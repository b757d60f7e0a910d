"""What holds of any model that is there: on a local server, in this process, or at the vendor's.

Nothing here knows what a model will say, only what an answer is.
"""

from __future__ import annotations

import asyncio
import copy
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any, Final

import pytest

from ember.context import EmberContext
from ember.core import plugins

from ... import Call, Endpoint, File, Image, Message, Response, errors, models
from .._dialect import Said
from ._suite import ABILITIES, PIXEL, Suite, add, declared_abilities

LONG: Final = (
    "Count from one to one hundred, in words, one after the other, and write nothing else but these words."
)
LABELS: Final = ("positive", "negative")


@dataclass
class Town:
    name: str
    people: int


class ModelSuite(Suite):
    """The part of the suite that needs no local server.

    For a provider with a transport of its own, and for real services. Set `provider`, and `model` where it is not the
    first known one.
    """

    # What it is

    def test_it_is_installed_under_its_own_name(self) -> None:
        provider = self.subject
        assert provider.name == self.provider
        claims = plugins.installed("ember.providers").get(self.provider, ())
        assert len(claims) == 1, f"{len(claims)} entry points in the group ember.providers have this name"

    def test_its_models_are_its_own_by_their_bare_names_and_others_are_not(self) -> None:
        provider = self.subject
        for model in provider.known_models:
            assert not provider.model_patterns or provider.serves(model), f"{model} is known and not served"
            assert f"{self.provider}/{model}" in models.list(self.provider)
        for other in ("", "no-model-of-anybody", "somebody/else"):
            assert not provider.serves(other), f"{other!r} is taken for a model of {self.provider}"

    def test_what_it_says_it_supports_is_known_and_written(self) -> None:
        provider = self.subject
        assert provider.supports <= ABILITIES
        assert declared_abilities(type(provider)) <= set(provider.supports), "it can more than it says"

    # Answers

    def test_an_answer_is_text_that_knows_what_it_took(self) -> None:
        self.is_answer(self.ask())

    def test_an_awaited_answer_is_one_too(self) -> None:
        self.is_answer(asyncio.run(models.acall(self.name, "Say hello.", max_tokens=self.max_tokens)))

    def test_a_streamed_answer_is_one_too(self) -> None:
        self.needs("stream")
        self.is_answer(self.streamed())

    def test_an_awaited_stream_is_one_too(self) -> None:
        self.needs("stream")

        async def read() -> Response:
            stream = models.astream(self.name, "Say hello.", max_tokens=self.max_tokens)
            pieces = [piece async for piece in stream]
            assert "".join(pieces) == stream.response
            return stream.response

        self.is_answer(asyncio.run(read()))

    def is_answer(self, answer: Response) -> None:
        assert answer
        assert answer.provider == self.provider
        assert answer.model
        assert answer.finish_reason in ("stop", "length")
        assert answer.usage.input_tokens is not None and answer.usage.output_tokens is not None
        assert 0 < answer.usage.output_tokens <= self.max_tokens
        assert answer.cost == (
            self.price(answer.usage, answer.model) or self.price(answer.usage, self.vendor_id)
        )

    def test_an_answer_that_is_cut_by_its_limit_says_so(self) -> None:
        for way, ask in self.ways().items():
            answer = ask(LONG, max_tokens=16)
            assert answer.finish_reason == "length", way
            assert (answer.usage.output_tokens or 0) <= 16, way

    def test_a_conversation_with_a_system_prompt_is_answered(self) -> None:
        first = self.ask("My name is Ada.", system="Be brief.")
        turns = [{"role": "user", "content": "My name is Ada."}, first.message]
        self.is_answer(
            self.ask([*turns, {"role": "user", "content": "What is my name?"}], system="Be brief.")
        )

    def test_what_the_calls_of_a_block_used_is_the_sum_of_their_answers(self, block: EmberContext) -> None:
        answers = [self.ask(), self.ask("Say goodbye.")]
        used = models.usage(block)
        assert (used.calls, used.requests) == (2, 2)
        assert used.input_tokens == sum(answer.usage.input_tokens or 0 for answer in answers)
        assert used.output_tokens == sum(answer.usage.output_tokens or 0 for answer in answers)
        assert used.cost == sum(answer.cost or 0 for answer in answers)

    def test_an_answer_survives_pickling_and_copying(self) -> None:
        answer = self.ask()
        for again in (pickle.loads(pickle.dumps(answer)), copy.deepcopy(answer)):
            assert (again, again.usage, again.cost) == (answer, answer.usage, answer.cost)
            assert vars(again) == vars(answer)

    # What some can and others cannot

    def test_an_answer_by_schema_has_its_value(self) -> None:
        self.needs("schema")
        answer = self.ask("Name a town and how many people live there.", schema=Town)
        assert isinstance(answer.parsed, Town)
        assert self.ask("Is Paris a town?", schema=bool).parsed in (True, False)

    def test_a_choice_is_one_of_the_labels(self) -> None:
        self.needs("choices")
        for way, ask in self.ways().items():
            answer = ask("Review: I loved it! Sentiment:", choices=LABELS)
            assert str(answer) in LABELS, way
            if answer.probabilities is not None:
                assert set(answer.probabilities) == set(LABELS)
                assert all(0 <= share <= 1 for share in answer.probabilities.values())

    def test_a_function_is_called_with_values_and_the_answer_goes_on_from_its_result(self) -> None:
        self.needs("tools")
        self.foresee(Said("", add={"a": 2, "b": 3}), "The sum is 5.")
        run = models.run_tools(
            self.name, "Use the tool to add 2 and 3.", tools=[add], max_tokens=4 * self.max_tokens
        )
        (call, *_), reason = run.steps[0].tool_calls, run.steps[0].finish_reason
        assert (call.name, dict(call.arguments), reason) == ("add", {"a": 2, "b": 3}, "tool_calls")
        assert run.response and run.response.finish_reason == "stop"

    def test_several_answers_are_asked_for_at_once_and_paid_together(self, block: EmberContext) -> None:
        self.needs("n")
        answer = self.ask(n=2)
        first, second = answer.candidates
        assert (answer, first) == (first, str(answer)) and second
        assert all(each.finish_reason in ("stop", "length") for each in answer.candidates)
        assert models.usage(block).calls == 1
        assert models.usage(block).output_tokens == answer.usage.output_tokens

    def test_texts_become_vectors_of_one_length_in_their_order(self) -> None:
        self.needs("embed")
        found = models.embed(self.embedder, ["a cat", "two dogs", "a cat"])
        assert len(found) == 3 and len({len(vector) for vector in found}) == 1
        assert found[0] == pytest.approx(found[2], abs=1e-3) and found[0] != found[1]
        assert asyncio.run(models.embed.aio(self.embedder, "a cat"))[0] == pytest.approx(found[0], abs=1e-3)

    def test_vectors_are_as_long_as_is_asked(self) -> None:
        self.needs("dimensions")
        (vector,) = models.embed(self.embedder, "a cat", dimensions=128)
        assert len(vector) == 128

    def test_a_server_says_which_models_it_has(self) -> None:
        self.needs("discover")
        found = models.discover(self.provider)
        assert found and all(model.partition("/")[0] == self.provider for model in found)

    def test_what_it_does_not_support_is_refused_before_any_request(self, block: EmberContext) -> None:
        asking: dict[str, Callable[[], object]] = {
            "stream": self.streamed,
            "schema": lambda: self.ask(schema=bool),
            "choices": lambda: self.ask(choices=LABELS),
            "tools": lambda: self.ask(tools=[add]),
            "reasoning": lambda: self.ask(reasoning="low"),
            "images": lambda: self.ask(["What is this?", Image(PIXEL)]),
            "files": lambda: self.ask(["What is this?", File(b"A text.")]),
            "embed": lambda: models.embed(self.embedder, "a cat"),
            "dimensions": lambda: models.embed(self.embedder, "a cat", dimensions=128),
            "n": lambda: self.ask(n=2),
            "logprobs": lambda: self.ask(logprobs=True),
            "discover": lambda: models.discover(self.provider),
        }
        for ability, ask in asking.items():
            if not self.can(ability):
                with pytest.raises(errors.UnsupportedError) as raised:
                    ask()
                assert raised.value.provider == self.provider
        assert models.usage(block).requests == 0

    # What it is made of

    def test_the_same_call_is_the_same_request_whatever_the_hour(self) -> None:
        call = Call(self.vendor_id, (Message("user", "Say hello."),), system="Be brief.", max_tokens=9)
        here = Endpoint(self.subject.base_url or "https://example.invalid", None, self.settings)
        once = self.subject.encode(call, here)
        seen: list[str] = []
        sys.setprofile(_watcher(seen))
        try:
            again = self.subject.encode(replace(call), here)
        finally:
            sys.setprofile(None)
        assert not seen, f"encode looks at more than the call: {seen}"
        assert (again.url, again.headers, again.body) == (once.url, once.headers, once.body)


_MODULES: Final = (
    "time",
    "random",
    "_random",
    "socket",
    "_socket",
    "os",
    "posix",
    "nt",
    "uuid",
    "_uuid",
    "select",
)


def _watcher(seen: list[str]) -> Callable[[FrameType, str, Any], None]:
    """Return a profiler that writes down what is no pure function: clock, environment, chance, files, network."""

    def watch(frame: FrameType, event: str, arg: Any) -> None:
        if event == "call" and frame.f_globals.get("__name__") in _MODULES:
            seen.append(frame.f_code.co_qualname)
        elif event == "c_call":
            owner = getattr(arg, "__module__", None) or type(getattr(arg, "__self__", None)).__module__
            name = getattr(arg, "__qualname__", repr(arg))
            if owner in _MODULES or name in ("open", "date.today", "datetime.now", "datetime.utcnow"):
                seen.append(f"{owner}.{name}")

    return watch
