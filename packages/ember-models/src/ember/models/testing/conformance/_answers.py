"""Whole answers, from a vendor whose books the test can see: text, usage, cost, ids, reasons."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Final

import pytest

from ember.context import EmberContext

from ... import Response, models
from .._dialect import THOUGHTS
from .._server import LocalServer
from ._local import LocalSuite, said_in

TEXTS: Final = {
    "plain": "Hello there, you.",
    "many scripts": "Grüße, 世界 🙂 مرحبا e\u0301 \u202eabc\u202c 👩‍👩‍👧 \U0001f1e8\U0001f1ed.",
    "white space": "  a\tb\r\n\n c\u00a0d\u2028e\u2029f\x85g \n",
    "markup and JSON": '</s> <|im_end|> {"a": "\\"b\\""} \\n data: [DONE]\n\nevent: x\n : y',
    "long": "word " * 2_000,
}


class Answers(LocalSuite):
    """An answer is what the vendor said, and costs what the vendor booked."""

    @pytest.mark.parametrize("case", TEXTS)
    def test_text_travels_unharmed_both_ways(self, case: str, server: LocalServer) -> None:
        text = TEXTS[case]
        for way, ask in self.ways().items():
            server.answer = lambda prompt: text
            assert ask(text, max_tokens=5_000) == text, way
            assert text in said_in(server.requests[-1]), (
                f"the {way} call's prompt does not arrive as it was given"
            )

    def test_half_a_surrogate_pair_is_never_in_an_answer(self, server: LocalServer) -> None:
        server.answer = lambda prompt: "half \ud83d of it"
        for way, ask in self.ways().items():
            assert ask() == "half \ufffd of it", way

    def test_an_answer_is_booked_as_the_vendor_books_it(
        self, server: LocalServer, block: EmberContext
    ) -> None:
        for way, ask in self.ways().items():
            server.ledger.clear()
            answer = ask("one two three four")
            booked = self.ledger()
            assert (answer.usage.input_tokens, answer.usage.output_tokens) == (
                booked.input_tokens,
                booked.output_tokens,
            ), way
            assert answer.cost == self.price(answer.usage, self.vendor_id), way
            assert (answer.model, answer.finish_reason) == (self.vendor_id, "stop"), way
            if self.id_header():
                assert answer.request_id == f"req_{len(server.requests)}", way

    def test_what_the_model_thinks_is_kept_apart_from_what_it_says(self, server: LocalServer) -> None:
        self.needs("reasoning")
        for way, ask in self.ways().items():
            server.ledger.clear()
            ask("one two three")
            plain = server.requests[-1].json
            server.ledger.clear()
            answer = ask("one two three", reasoning="low")
            assert server.requests[-1].json != plain, f"the {way} call does not ask for it"
            assert (answer, answer.reasoning or THOUGHTS) == ("one two three", THOUGHTS), way
            assert answer.usage.output_tokens == self.ledger().output_tokens, way

    def test_several_answers_to_one_call_are_booked_as_the_vendor_books_them(
        self, server: LocalServer, block: EmberContext
    ) -> None:
        self.needs("n")
        answer = self.ask("one two three", n=3)
        assert [str(each) for each in answer.candidates] == ["one two three"] * 3
        self.is_booked(block, 1)
        assert answer.usage.output_tokens == self.ledger().output_tokens

    def test_each_token_says_how_likely_it_was_where_that_is_asked_for(self) -> None:
        self.needs("logprobs")
        for way, ask in self.ways().items():
            tokens = ask("one two three", top_logprobs=2).logprobs
            assert tokens and "".join(token.token for token in tokens) == "one two three", way
            assert all(token.logprob <= 0 and len(token.top) == 2 for token in tokens), way
            assert ask("one two three").logprobs is None, way

    def test_fifty_calls_at_once_are_booked_exactly(self, server: LocalServer, block: EmberContext) -> None:
        prompts = ["word " * (1 + n % 7) + f"number {n}" for n in range(50)]

        async def ask(prompt: str) -> Response:
            return await models.acall(self.name, prompt, max_tokens=self.max_tokens)

        async def stream(prompt: str) -> str:
            return "".join([text async for text in models.astream(self.name, prompt)])

        async def all_of_them() -> list[Any]:
            streams = self.can("stream")
            calls = (stream(p) if streams and n % 2 else ask(p) for n, p in enumerate(prompts))
            return await asyncio.gather(*calls)

        assert asyncio.run(all_of_them()) == prompts
        self.is_booked(block, 50)
        with ThreadPoolExecutor(8) as pool:
            told = [pool.submit(copy_context().run, self.ask, prompt) for prompt in prompts[:16]]
            assert [answer.result() for answer in told] == prompts[:16]
        self.is_booked(block, 66)

    def is_booked(self, block: EmberContext, calls: int) -> None:
        used, booked = models.usage(block), self.ledger()
        assert (used.calls, used.requests) == (booked.calls, booked.requests) == (calls, calls)
        assert (used.input_tokens, used.output_tokens) == (booked.input_tokens, booked.output_tokens)
