"""From what a user wrote to a `Call`: defaults merged once, every argument checked before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, cast, get_args

from ember.context import EmberContext, get_context
from ember.core.suggest import nearest

from ._call import (
    Call,
    Effort,
    EmbedCall,
    EmbedParams,
    Limits,
    Params,
    Policy,
    Prompt,
    Sampling,
    Tool,
    nothing,
)
from ._likelihood import KEYS, instruction
from ._prompt import conversation, needs
from ._provider import BaseProvider, Endpoint, Transport
from ._reask import DEFAULT_REASKS
from ._route import ModelRegistry, default_model, endpoint, route
from .errors import UnsupportedError

_Types: TypeAlias = tuple[type[int] | type[float], ...]
_NAMES: Final = frozenset(Params.__annotations__) | frozenset(Sampling.__annotations__)
_EMBED_NAMES: Final = frozenset(EmbedParams.__annotations__)
# What a number may be, at least and at most; where vendors differ, they say no themselves.
_NUMBERS: Final[Mapping[str, tuple[_Types, tuple[float, float]]]] = {
    "temperature": ((int, float), (0, math.inf)),
    "top_p": ((int, float), (0, 1)),
    "frequency_penalty": ((int, float), (-math.inf, math.inf)),
    "presence_penalty": ((int, float), (-math.inf, math.inf)),
    "max_tokens": ((int,), (1, math.inf)),
    "seed": ((int,), (-math.inf, math.inf)),
}
_EFFORTS: Final[tuple[str, ...]] = get_args(Effort)
DEFAULT_RETRIES: Final = 2
"""How often a call is made again after a failure that may pass: three attempts in all."""
DEFAULT_TIMEOUT: Final = 600.0
"""Seconds a call may take in all when neither the call nor `models.timeout` says: what the vendors' SDKs allow."""


class Target(NamedTuple):
    """Who is asked, where, with whose key, in which context; and under which tags the ledger books it, if it does."""

    provider: BaseProvider
    model: str
    endpoint: Endpoint
    key_source: str
    defaults: Mapping[str, Any]
    context: EmberContext
    tags: tuple[tuple[str, str], ...] | None = None


def target(model: str | None) -> Target:
    """Return what `model` means in the current context. Raises `UnknownModel`, `CredentialNotFound`, `PluginError`."""
    if model is not None and not isinstance(model, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"model is a name like 'gpt-4', or None for the default; got {type(model).__name__}.")
    context = get_context()
    defaults = context.section("models")
    name = model if model is not None else default_model(defaults.get("default"))
    provider, vendor_id = route(name, defaults.get("aliases") or nothing())
    where, source = endpoint(provider, context)
    usage = context.section("usage")
    tags = _booked_under(usage) if usage.get("ledger") else None
    return Target(provider, vendor_id, where, source, defaults, context, tags)


def _booked_under(usage: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    from ._ledger import ordered  # from now on the ledger listens; brings SQLite

    return ordered(usage.get("tags") or nothing())


def server(name: str) -> Target:
    """Return what the provider called `name` means in the current context, without a model of its."""
    context, provider = get_context(), ModelRegistry.get(name)
    where, source = endpoint(provider, context)
    return Target(provider, "", where, source, context.section("models"), context)


def checked(params: Mapping[str, Any]) -> None:
    """Raise TypeError, with the nearest names, for a parameter that does not exist."""
    for name in params:
        if name not in _NAMES:
            near = nearest(name, _NAMES, 1)
            hint = f"Did you mean {near[0]!r}?" if near else "Vendor fields go into extra={...}."
            raise TypeError(f"models() has no parameter {name!r}. {hint}")


def checked_embed(params: Mapping[str, Any]) -> None:
    """Raise TypeError, with the nearest names, for a parameter that `models.embed` does not have."""
    for name in params:
        if name == "fallback":
            raise TypeError("models.embed() has no fallback: vectors of different models cannot be compared.")
        if name not in _EMBED_NAMES:
            near = nearest(name, _EMBED_NAMES, 1)
            hint = f"Did you mean {near[0]!r}?" if near else "Vendor fields go into extra={...}."
            raise TypeError(f"models.embed() has no parameter {name!r}. {hint}")


def call(to: Target, prompt: Prompt, params: Params, tools: tuple[Tool, ...] = (), *, stream: bool) -> Call:
    """Return the call that `prompt` and `params` describe, context defaults filled in.

    Raises TypeError or ValueError for arguments that are none, `UnsupportedError` for what the provider cannot do.
    """
    given: dict[str, Any] = {**_sampling(to.defaults), **params}
    numbers: dict[str, Any] = {}
    for name, value in given.items():
        if value is not None and name in _NUMBERS:
            _check_number(name, value, *_NUMBERS[name])
            numbers[name] = value
    messages, system = conversation(prompt)
    if system is not None and params.get("system") is not None:
        raise TypeError("A system prompt is given twice: as system= and as a message. Keep one.")
    if system is None:
        system = _text("system", given.get("system")) or None
    choices = _choices(given.get("choices"))
    n, logprobs = _several(given, stream=stream, choices=choices), _likelihood(given)
    keyed = bool(choices) and len(choices) <= len(KEYS) and _scored(to, given)
    if keyed:
        logprobs = len(KEYS)
        system = "\n\n".join(filter(None, (system, instruction(choices))))
    schema = given.get("schema")
    if choices and schema is not None:
        raise TypeError("choices= and schema= both say what the answer looks like. Give one.")
    if choices and tools:
        raise TypeError(
            "choices= leaves the model nothing to say but a label, so it cannot call tools=. Give one."
        )
    _require(
        to,
        stream and "stream",
        choices and "choices",
        schema is not None and "schema",
        tools and "tools",
        given.get("reasoning") is not None and "reasoning",
        n is not None and n > 1 and "n",
        logprobs is not None and "logprobs",
        *needs(messages),
    )
    return Call(
        model=to.model,
        messages=messages,
        system=system,
        stop=_stops(given.get("stop")),
        schema=schema,
        choices=choices,
        tools=tools,
        reasoning=_reasoning(given.get("reasoning")),
        n=n,
        logprobs=logprobs,
        keyed=keyed,
        cache_prompt=_cache_prompt(given.get("cache_prompt")),
        extra=_extra(given.get("extra")),
        stream=stream,
        **numbers,
    )


_DEFAULTED: Final = ("temperature", "top_p", "max_tokens", "stop", "seed", "system")
# What was made of settings last. A context's settings are the same objects for as long as nothing of them changes.
_sampled: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = [(nothing(), nothing())]
_policies: dict[str, tuple[Mapping[str, Any], Mapping[str, Any], Policy]] = {}


def _sampling(defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parameters that the settings of `models` give a value."""
    known, sampling = _sampled[0]
    if known is not defaults:
        sampling = {name: defaults[name] for name in _DEFAULTED if defaults.get(name) is not None}
        _sampled[0] = defaults, sampling
    return sampling


def embed_call(to: Target, texts: str | Sequence[str], params: EmbedParams) -> EmbedCall:
    """Return the embedding call for `texts`: one vector for each, a single string counting as one."""
    several = _texts(texts)
    if not several:
        raise TypeError("texts is a string or a non-empty sequence of strings.")
    if "" in several:  # most vendors refuse the whole request for it, after earlier ones were paid
        raise ValueError(f"texts[{several.index('')}] is empty: there is nothing to embed.")
    dimensions = params.get("dimensions")
    if dimensions is not None:
        _check_number("dimensions", dimensions, (int,), (1, math.inf))
    _require(to, "embed", dimensions is not None and "dimensions")
    return EmbedCall(to.model, several, _extra(params.get("extra")), dimensions)


_OF_POLICY: Final = frozenset({"max_retries", "max_concurrency", "rpm", "tpm", "timeout", "cache"})


def policy(to: Target, params: Mapping[str, Any]) -> Policy:
    """Return how the call is made: what the call says, else the provider's settings, else those of `models`."""
    if not _OF_POLICY.isdisjoint(params):
        return _policy(to, params)
    name, options = to.provider.name, to.endpoint.options
    known = _policies.get(name)
    if known is None or known[0] is not options or known[1] is not to.defaults:
        known = _policies[name] = options, to.defaults, _policy(to, params)
    return known[2]


def _policy(to: Target, params: Mapping[str, Any]) -> Policy:
    retries = _setting(to, params, "max_retries")
    if retries is None:
        retries = DEFAULT_RETRIES
    _check_number("max_retries", retries, (int,), (0, math.inf))
    if (concurrency := _setting(to, params, "max_concurrency")) is not None:
        _check_number("max_concurrency", concurrency, (int,), (1, math.inf))
    if (rpm := _setting(to, params, "rpm")) is not None:
        _check_number("rpm", rpm, (int, float), (1, math.inf))
    if (tpm := _setting(to, params, "tpm")) is not None:
        _check_number("tpm", tpm, (int, float), (1, math.inf))
    seconds, age = _seconds(_setting(to, params, "timeout")), _age(_setting(to, params, "cache"))
    return Policy(seconds, retries, Limits(concurrency, rpm, tpm), age)


def fallback(to: Target, params: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the models to ask when `to` fails; mostly none."""
    names = _setting(to, params, "fallback")
    if not names:
        return ()
    several = _texts(names)
    if not several or "" in several:
        raise TypeError(f"fallback is a model's name or a sequence of them; got {names!r}.")
    return several


def _setting(to: Target, params: Mapping[str, Any], name: str) -> Any:
    """Return what the call says, else the provider's settings, else those of `models`; None if nobody does."""
    for layer in (params, to.endpoint.options, to.defaults):
        if (value := layer.get(name)) is not None:
            return value
    return None


def _age(cache: Any) -> float | None:
    """Return how many seconds old a cached answer may be, None where nothing is cached."""
    if cache is None or isinstance(cache, bool):
        return math.inf if cache else None
    _check_number("cache", cache, (int, float), (0, math.inf))
    if not cache:
        raise ValueError("cache is True, False or a positive number of seconds; got 0.")
    return float(cache)


def _seconds(seconds: float | None) -> float:
    if seconds is None:
        return DEFAULT_TIMEOUT
    _check_number("timeout", seconds, (int, float), (0, math.inf))
    if not seconds:
        raise ValueError("timeout is a positive number of seconds; got 0.")
    return seconds


def http(to: Target, params: Mapping[str, Any]) -> Transport | None:
    """Return the transport that a user's own HTTP client makes, or None if there is none, or no HTTP to replace.

    Raises TypeError for a client that is none.
    """
    client = params.get("http_client")
    if client is None:
        client = to.endpoint.options.get("http_client")
    if client is None:
        client = to.defaults.get("http_client")
    if client is None or to.provider.transport is not None:
        return None
    from ._http_client import ClientTransport

    return ClientTransport(client)


def reask(params: Params) -> int:
    """Return how often the model may be asked again for an answer that fits the schema."""
    times = params.get("reask")
    if times is None:
        return DEFAULT_REASKS
    _check_number("reask", times, (int,), (0, math.inf))
    return times


def _require(to: Target, *abilities: Any) -> None:
    for ability in abilities:
        if ability and (name := str(ability)) not in to.provider.supports:
            can = ", ".join(sorted(to.provider.supports)) or "plain answers only"
            raise UnsupportedError(
                f"the provider does not support {name!r}; it supports: {can}. No request was made.",
                provider=to.provider.name,
                model=to.model,
            )


def _check_number(name: str, value: object, types: _Types, bounds: tuple[float, float]) -> None:
    if not isinstance(value, types) or isinstance(value, bool):
        kind = "a whole number" if types == (int,) else "a number"
        raise TypeError(f"{name} is {kind}; got {type(value).__name__}.")
    low, high = bounds
    if not low <= value <= high or math.isinf(value):  # not a number is in no bounds at all
        wanted = (
            "finite"
            if low == -math.inf
            else f"at least {low:g}"
            if high == math.inf
            else f"from {low:g} to {high:g}"
        )
        raise ValueError(f"{name} is {wanted}; got {value!r}.")


def _text(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is a string; got {type(value).__name__}.")
    return None if value is None else str(value)


def _texts(value: Any) -> tuple[str, ...]:
    """Return one or several strings as a tuple of them, () for anything else."""
    if isinstance(value, str):
        return (str(value),)
    several = tuple(cast("Sequence[object]", value)) if isinstance(value, Sequence) else ()
    return cast("tuple[str, ...]", several) if all(isinstance(text, str) for text in several) else ()


def _stops(value: Any) -> tuple[str, ...]:
    stops = _texts(value) if value else ()
    if (value and not stops) or "" in stops:
        raise TypeError(f"stop is a string or a sequence of strings, none of them empty; got {value!r}.")
    return stops


def _choices(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    labels = () if isinstance(value, str) else _texts(value)
    if len(labels) < 2 or len(set(labels)) < len(labels) or "" in labels:
        raise ValueError(f"choices is two or more different, non-empty strings; got {value!r}.")
    return labels


def _several(given: Mapping[str, Any], *, stream: bool, choices: tuple[str, ...]) -> int | None:
    n: int | None = given.get("n")
    if n is None:
        return None
    _check_number("n", n, (int,), (1, math.inf))
    if stream:
        raise TypeError(
            "n= gives several whole answers, and a stream has one. Leave out n=, or do not stream."
        )
    if choices:
        raise TypeError("n= and choices= do not go together: choices are scored, not drawn. Give one.")
    return n


def _likelihood(given: Mapping[str, Any]) -> int | None:
    """Return how many tokens are to be told of at each place, None if nothing is."""
    asked: object = given.get("logprobs")
    top: int | None = given.get("top_logprobs")
    if asked is not None and not isinstance(asked, bool):
        raise TypeError(f"logprobs is True or False; got {asked!r}. top_logprobs= says how many.")
    if top is not None:
        _check_number("top_logprobs", top, (int,), (0, len(KEYS)))
        if asked is False:
            raise TypeError("logprobs=False and top_logprobs= contradict each other. Give one.")
        return top
    return 0 if asked else None


def _scored(to: Target, given: Mapping[str, Any]) -> bool:
    """Whether choices are scored by their keys: what the call says of logprobs, else what the provider does."""
    if "logprobs" not in to.provider.supports:
        return False
    asked = given.get("logprobs")
    return to.provider.scores(to.model) if asked is None else bool(asked)


def _cache_prompt(value: Any) -> bool | str:
    if value is not None and not isinstance(value, (bool, str)):
        raise TypeError(f"cache_prompt is true or false, or a name as a string; got {type(value).__name__}.")
    return value or False


def _reasoning(value: Any) -> Effort | int | None:
    if value is None or (isinstance(value, str) and value in _EFFORTS):
        return cast("Effort | None", value)
    if isinstance(value, str) or not isinstance(value, int) or isinstance(value, bool) or value < 0:
        wanted = ", ".join(map(repr, _EFFORTS))
        raise (ValueError if isinstance(value, (str, int)) else TypeError)(
            f"reasoning is an effort ({wanted}) or a number of tokens; got {value!r}."
        )
    return value


def _extra(value: Any) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"extra is a mapping of a vendor's fields to values; got {type(value).__name__}.")
    return cast("Mapping[str, Any]", value) or nothing()
