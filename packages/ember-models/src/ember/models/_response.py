"""What a call returns: the text itself, and everything that is known about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, overload

from ember.core.errors import EmberError
from ember.core.events import Usage

from ._call import MessageDict, ToolCall
from ._likelihood import TokenLogprob
from ._matrix import Matrix, Vector


class Response(str):
    """The answer's text, a `str` in every way, that also says where it came from and what it cost.

    `usage` is in tokens, `cost` in US dollars (None: not known, never 0 for that), `latency` in seconds from the call
    to the answer's last byte. `model` is the id the provider says answered, `finish_reason` "stop", "length",
    "tool_calls", "content_filter" or the vendor's own word. `parsed` is the value where a schema was asked for,
    `probabilities` a number per choice where choices were scored, `raw` the vendor's reply as parsed. `failures` says
    why the models that were asked before this one (`fallback=`) gave no answer, in order. `cached` says that the answer
    came from the cache on disk: it used nothing and cost nothing. `reasoning` is what the vendor tells of the model's
    thinking, as a rule where `reasoning=` was asked for; None if nothing. `opaque` is what it wants to see again when
    the conversation goes on; `message` has it. `logprobs` says how likely each token was, where that was asked for and
    told. `candidates` are all answers where `n` were asked for, this one the first: usage and cost are those of all.

    >>> answer = Response("Paris", model="gpt-4", provider="openai")
    >>> answer == "Paris", f"It is {answer}.", answer.cost
    (True, 'It is Paris.', None)
    """

    usage: Usage
    cost: Decimal | None
    model: str
    provider: str
    finish_reason: str | None
    tool_calls: tuple[ToolCall, ...]
    parsed: Any
    probabilities: Mapping[str, float] | None
    latency: float
    request_id: str | None
    raw: Any
    reasoning: str | None
    opaque: Mapping[str, Any] | None
    logprobs: tuple[TokenLogprob, ...] | None
    candidates: tuple[Response, ...]
    cached: bool
    failures: tuple[EmberError, ...]

    def __new__(
        cls,
        text: str = "",
        *,
        usage: Usage | None = None,
        cost: Decimal | None = None,
        model: str = "",
        provider: str = "",
        finish_reason: str | None = None,
        tool_calls: tuple[ToolCall, ...] = (),
        parsed: Any = None,
        probabilities: Mapping[str, float] | None = None,
        latency: float = 0.0,
        request_id: str | None = None,
        raw: Any = None,
        reasoning: str | None = None,
        opaque: Mapping[str, Any] | None = None,
        logprobs: tuple[TokenLogprob, ...] | None = None,
        candidates: tuple[Response, ...] = (),
        cached: bool = False,
        failures: tuple[EmberError, ...] = (),
    ) -> Response:
        self = super().__new__(cls, text)
        self.usage = Usage() if usage is None else usage
        self.cost, self.model, self.provider = cost, model, provider
        self.finish_reason, self.tool_calls = finish_reason, tool_calls
        self.parsed, self.probabilities = parsed, probabilities
        self.latency, self.request_id, self.raw = latency, request_id, raw
        self.reasoning, self.opaque = reasoning, opaque
        self.logprobs, self.candidates = logprobs, candidates
        self.cached = cached
        self.failures = failures
        return self

    def __plain__(self) -> dict[str, Any]:
        """Say how a journal keeps it: all but the vendor's raw reply and the failures of other models."""
        kept = {name: value for name, value in vars(self).items() if name not in ("raw", "failures")}
        for name in ("probabilities", "opaque"):
            kept[name] = None if kept[name] is None else dict(kept[name])
        kept["tool_calls"] = [(call.id, call.name, call.text) for call in self.tool_calls]
        kept["candidates"] = self.candidates[1:]  # the first is this one
        return {**kept, "text": str(self)}

    @classmethod
    def __from_plain__(cls, plain: dict[str, Any]) -> Response:
        """Return what `__plain__` told of."""
        others = plain.pop("candidates")
        plain["tool_calls"] = tuple(ToolCall(*call) for call in plain["tool_calls"])
        made = cls(**plain)
        made.candidates = (made, *others) if others else ()
        return made

    @property
    def message(self) -> MessageDict:
        """The answer as a turn of a conversation, in plain data: what the next prompt goes on from.

        >>> Response("Paris").message
        {'role': 'assistant', 'content': 'Paris'}
        """
        turn: MessageDict = {"role": "assistant", "content": str(self)}
        if self.tool_calls:
            turn["tool_calls"] = [
                {"id": call.id, "name": call.name, "arguments": call.text} for call in self.tool_calls
            ]
        if self.opaque is not None:
            turn["opaque"] = self.opaque
        return turn


@dataclass(frozen=True, slots=True)
class Embeddings(Sequence[Vector]):
    """One vector per text, in the order of the texts, each a tuple of numbers when it is looked at.

    They are kept in one array, `vectors.numbers`, of 4 or 8 bytes a number; `numpy.asarray` makes a read-only
    [texts, dimensions] array of it without copying. `usage` is in tokens, `cost` in US dollars (None: not known), both
    over all requests; `latency` is in seconds. `cached` says that every vector came from the cache on disk; where only
    some did, usage and cost are those of the others.
    """

    vectors: Matrix = field(repr=False)
    model: str
    provider: str
    usage: Usage
    cost: Decimal | None
    latency: float
    request_id: str | None = None
    cached: bool = False

    @overload
    def __getitem__(self, index: int) -> Vector: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Vector, ...]: ...
    def __getitem__(self, index: int | slice) -> Vector | tuple[Vector, ...]:
        return self.vectors[index]

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator[Vector]:
        return iter(self.vectors)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.vectors.__array__(dtype, copy)
