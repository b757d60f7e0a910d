"""One call to a model, as data: what the user asked for, after defaults and before any provider."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NewType, NotRequired, TypeAlias, TypedDict, cast

from ._parts import CachePoint, File, Image, Part
from .errors import ModelError, ToolCallError

if TYPE_CHECKING:
    from ._http_client import HttpClient

Role = Literal["user", "assistant", "tool"]

ModelId = NewType("ModelId", str)
"""A routed model, "openai/gpt-4o"; what a user writes is only a str."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def nothing() -> Mapping[str, Any]:
    """Return the empty mapping: the default of fields that hold vendor fields or options."""
    return _NOTHING


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as a model is told of it: what it is called, what it does, and the JSON schema of its arguments."""

    name: str
    description: str = ""
    schema: Mapping[str, Any] = field(
        default_factory=lambda: {"type": "object", "properties": {}}, repr=False
    )


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model asks to be called; `text` is the arguments as the model wrote them.

    `checked` is what became of them where the tool was given as a function: the arguments, or what is wrong with them.

    >>> ToolCall("c1", "add", '{"a": 1}').arguments
    {'a': 1}
    """

    id: str
    name: str
    text: str
    checked: Mapping[str, Any] | ToolCallError | None = field(default=None, repr=False, compare=False)

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments by name, as values of the types that the function is annotated with.

        Those of a tool that was not given as a function are as in the JSON. Raises `ToolCallError`, which has the text,
        if they are no JSON object or do not fit, or if there is no such tool.
        """
        if isinstance(self.checked, ToolCallError):
            raise self.checked
        if self.checked is not None:
            return self.checked
        try:
            values = json.loads(self.text)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise ToolCallError(self.name, ("not a JSON object",), text=self.text)
        return cast("dict[str, Any]", values)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. System prompts are not messages: they are `Call.system`.

    `content` is a string, or the parts of a user's message that has images or files; `text` is always a string.
    `cache_points` says where a prompt may be kept: after so many of the parts, 0 being before the message.
    `tool_calls` are what an assistant's turn asks for beside its text; a turn of role "tool" has the result of the one
    with the id `tool_call_id`. `opaque` is what a vendor sent with the assistant's turn and wants to see again as it
    was (signed thinking, for one), as JSON data by the name of the format; only that format's codec reads it, and
    only while the turn still says what it said then.
    """

    role: Role
    content: str | tuple[Part, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    opaque: Mapping[str, Any] | None = field(default=None, repr=False)
    cache_points: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The text of the turn: of several texts, each on a line of its own; without images and files.

        >>> Message("user", ("What is this?", Image("https://example.org/cat.png"))).text
        'What is this?'
        """
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part for part in self.content if isinstance(part, str))


Content: TypeAlias = str | Sequence[str | Image | File | CachePoint | Mapping[str, object]]
"""What a message says, as users write it: a text, or parts, of which a string is text.

As plain data a part is `{"type": "text", "text": ...}`, or `{"type": "image"}` and `{"type": "file"}` with
"url" or "data" (bytes, or a string of base64), and a file also with a "name"; or `{"type": "cache_point"}`.
"""


class ToolCallDict(TypedDict):
    """A call of a tool in a message; `arguments` is a JSON object, or the text of one."""

    id: str
    name: str
    arguments: str | Mapping[str, Any]


class MessageDict(TypedDict):
    """A message as users write it: `{"role": "user", "content": "Hello"}`."""

    role: Literal["user", "assistant", "system", "developer", "tool"]
    content: Content
    tool_calls: NotRequired[Sequence[ToolCall | ToolCallDict]]
    tool_call_id: NotRequired[str]
    opaque: NotRequired[Mapping[str, Any]]


Prompt: TypeAlias = (
    str | Sequence[str | Image | File | CachePoint | Message | MessageDict | Mapping[str, object]]
)
"""What a model is asked: one text, the parts of one message, or the turns of a conversation."""


class Sampling(TypedDict, total=False):
    """Parameters that every provider names alike, and that configuration may default."""

    temperature: float
    top_p: float
    max_tokens: int
    stop: str | Sequence[str]
    seed: int
    frequency_penalty: float
    presence_penalty: float


Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How much a model is to think, in the words of the vendors; each takes some of them."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Budget:
    """What calls may use at most: US dollars, tokens read and written, calls that are answered. None: no limit.

    A call whose use could not be counted (a model without a known price under `usd`, or one that does not say how many
    tokens it used) is refused, unless `allow_unknown`. Raises ValueError for what is no limit.

    >>> Budget(usd=5, calls=1_000)
    Budget(usd=5, calls=1000)
    """

    usd: Decimal | None
    tokens: int | None
    calls: int | None
    allow_unknown: bool

    def __init__(
        self,
        usd: float | Decimal | None = None,
        tokens: int | None = None,
        calls: int | None = None,
        allow_unknown: bool = False,
    ) -> None:
        dollars = None
        if usd is not None:
            if isinstance(usd, bool) or not isinstance(usd, (int, float, Decimal)):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"usd of a budget is a number; got {type(usd).__name__}.")
            dollars = usd if isinstance(usd, Decimal) else Decimal(str(usd))
            if not dollars.is_finite():
                raise ValueError(f"usd of a budget is finite; got {usd}.")
        for name, count in (("tokens", tokens), ("calls", calls)):
            if count is not None and type(count) is not int:
                raise TypeError(f"{name} of a budget is a whole number; got {type(count).__name__}.")
        object.__setattr__(self, "usd", dollars)
        object.__setattr__(self, "tokens", tokens)
        object.__setattr__(self, "calls", calls)
        object.__setattr__(self, "allow_unknown", allow_unknown)

    def __repr__(self) -> str:
        shown = [f"{n}={v}" for n in ("usd", "tokens", "calls") if (v := getattr(self, n)) is not None]
        return f"Budget({', '.join([*shown, *(['allow_unknown=True'] if self.allow_unknown else [])])})"


class BudgetDict(TypedDict, total=False):
    """A budget as users write it: `{"usd": 0.10, "calls": 20}`."""

    usd: float | Decimal
    tokens: int
    calls: int
    allow_unknown: bool


class Policies(TypedDict, total=False):
    """How a call is made, whatever it asks for; what is not given comes from configuration.

    `timeout` is the total number of seconds the call may take, from the call to the answer's last byte, and
    `max_retries` how often it may be made again after failures that pass. The call waits while more than
    `max_concurrency` calls, `rpm` requests or `tpm` tokens a minute would go to its model with its key. `budget` is
    what it may use in all, re-asks and fallbacks included; a number is US dollars. It travels by `http_client`, an
    `AsyncClient` of httpx or httpx2, which is used on Ember's I/O loop and never closed. With `cache`, the answer is
    kept on disk and taken from there the next time: True, or how many seconds old it may be.
    """

    timeout: float
    max_retries: int
    max_concurrency: int
    rpm: float
    tpm: float
    budget: float | Decimal | Budget | BudgetDict
    http_client: HttpClient
    cache: bool | float


class Params(Sampling, Policies, total=False):
    """Everything `models(...)` takes by keyword.

    `schema` is a JSON schema, or a type that
    pydantic can describe (a model, a dataclass, `list[int]`): the answer is JSON of that shape, its value in `.parsed`.
    `reask` is how often the model is asked again, with what was wrong, when its answer does not fit (1 if not given;
    streams are never asked again). `choices` are labels: the answer is one of them. `tools` are functions the model may
    ask to be called, in `.tool_calls`. `n` is how many answers are wanted, all in `.candidates`. With `logprobs` the
    answer says in `.logprobs` how likely each of its tokens was, with `top_logprobs` beside each so many of the
    likeliest. `reasoning` is how much the model is to think first, as an effort or as tokens
    at most; what it tells of that is in `.reasoning`. `fallback` names models that are asked in turn when the first
    fails with what they need not fail with, or with one of `fallback_on`. `cache_prompt` hints that the prompt comes
    again as the beginning of others; as a string it also names those that begin alike. `extra` holds a vendor's own
    fields, sent as they are.
    """

    system: str
    schema: Any
    reask: int
    choices: Sequence[str]
    tools: Sequence[Callable[..., Any] | Tool]
    n: int
    logprobs: bool
    top_logprobs: int
    reasoning: Effort | int
    fallback: str | Sequence[str]
    fallback_on: type[ModelError] | tuple[type[ModelError], ...]
    cache_prompt: bool | str
    extra: Mapping[str, Any]


class EmbedParams(Policies, total=False):
    """Everything `models.embed(...)` takes by keyword.

    `dimensions` is how many numbers each vector is to have, where the model can shorten them. `extra` holds a vendor's
    own fields, sent with every request.
    """

    dimensions: int
    extra: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A request for text, ready for a provider to encode.

    `model` is the vendor's own id. None (or empty) means: not asked for, the vendor's default holds. `schema` is a JSON
    schema. `cache_prompt` is a hint, which vendors without such a thing ignore. `stream` says whether the answer is to
    come in pieces. `n` is how many answers are wanted, `logprobs` how many of the likeliest tokens are to be told of at
    each place. `keyed` says that choices are asked for by a letter each, so that they can be scored:
    `schemas.wanted_schema` has the letters, the system prompt what they stand for.
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
    tools: tuple[Tool, ...] = ()
    reasoning: Effort | int | None = None
    n: int | None = None
    logprobs: int | None = None
    keyed: bool = False
    cache_prompt: bool | str = False
    extra: Mapping[str, Any] = field(default_factory=nothing, repr=False)
    stream: bool = False


@dataclass(frozen=True, slots=True)
class EmbedCall:
    """A request for one vector per text, of `dimensions` numbers (None: as many as the model has)."""

    model: str
    texts: tuple[str, ...] = field(repr=False)
    extra: Mapping[str, Any] = field(default_factory=nothing, repr=False)
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user allows at one endpoint: calls at once, requests a minute, tokens a minute. None: no limit."""

    max_concurrency: int | None = None
    rpm: float | None = None
    tpm: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How a call is made: total seconds, attempts after the first, the user's limits, and how old an answer may be
    that is taken from the cache, in seconds (None: nothing is cached).
    """

    timeout: float
    max_retries: int
    limits: Limits
    cache: float | None = None
