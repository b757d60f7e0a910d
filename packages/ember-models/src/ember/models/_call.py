"""One call to a model, as data: what the user asked for, after defaults and before any provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, NewType, TypeAlias, TypedDict

Role = Literal["user", "assistant", "tool"]

ModelId = NewType("ModelId", str)
"""A routed model, "openai/gpt-4o"; what a user writes is only a str."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def nothing() -> Mapping[str, Any]:
    """Return the empty mapping: the default of fields that hold vendor fields or options."""
    return _NOTHING


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. System prompts are not messages: they are `Call.system`."""

    role: Role
    content: str


class MessageDict(TypedDict):
    """A message as users write it: `{"role": "user", "content": "Hello"}`."""

    role: Literal["user", "assistant", "system", "developer", "tool"]
    content: str


Prompt: TypeAlias = str | Sequence[Message | MessageDict | Mapping[str, str]]
"""What a model is asked: one text, or the turns of a conversation."""


class Sampling(TypedDict, total=False):
    """Parameters that every provider names alike, and that configuration may default."""

    temperature: float
    top_p: float
    max_tokens: int
    stop: str | Sequence[str]
    seed: int
    frequency_penalty: float
    presence_penalty: float


class Params(Sampling, total=False):
    """Everything `models(...)` takes by keyword.

    `timeout` is the total number of seconds the call may take, from the call to the answer's last byte, and
    `max_retries` how often it may be made again after failures that pass. `schema` is a JSON schema, or a pydantic
    model class: the answer is JSON of that shape, in `.parsed`. `choices` are labels: the answer is one of them.
    `extra` holds a vendor's own fields, sent as they are.
    """

    system: str
    schema: Any
    choices: Sequence[str]
    timeout: float
    max_retries: int
    extra: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A request for text, ready for a provider to encode.

    `model` is the vendor's own id. None (or empty) means: not asked for, the vendor's default holds. `schema` is a JSON
    schema. `stream` says whether the answer is to come in pieces.
    """

    model: str
    messages: tuple[Message, ...] = field(repr=False)
    system: str | None = field(default=None, repr=False)
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    schema: Mapping[str, Any] | None = field(default=None, repr=False)
    choices: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=nothing, repr=False)
    stream: bool = False


@dataclass(frozen=True, slots=True)
class EmbedCall:
    """A request for one vector per text."""

    model: str
    texts: tuple[str, ...] = field(repr=False)
    extra: Mapping[str, Any] = field(default_factory=nothing, repr=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user allows at one endpoint: calls at once, requests a minute, tokens a minute. None: no limit."""

    max_concurrency: int | None = None
    rpm: float | None = None
    tpm: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How a call is made: total seconds, attempts after the first, and the user's limits."""

    timeout: float
    max_retries: int
    limits: Limits
