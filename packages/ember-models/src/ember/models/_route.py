"""From a model's name to who serves it, without asking anybody over the network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from ember.context import EmberContext, Found
from ember.core import Registry
from ember.core.errors import ConfigError, CredentialError, CredentialNotFound, EmberError, PluginError
from ember.core.suggest import nearest

from ._call import ModelId
from ._provider import BaseProvider, Endpoint
from .errors import UnknownModel

DEFAULT_PROVIDER: Final = "local"
"""Whose first known model answers when no default is configured: the embedded one, which needs no key."""

# Model names whose provider is known even where it is not installed, so that an error can say what to install.
_FAMILIES: Final = {
    "openai": ("ember-openai", ("gpt-*", "chatgpt-*", "o1*", "o3*", "o4*", "text-embedding-*")),
    "anthropic": ("ember-anthropic", ("claude-*",)),
    "google": ("ember-google", ("gemini-*",)),
    "local": ("ember-llamacpp", ("smollm2",)),
    **dict.fromkeys(("ollama", "compatible", "vllm", "lmstudio", "llama-server"), ("ember-ollama", ())),
}


def _provider(found: Any) -> BaseProvider:
    """Return a provider, made from the class or instance that a plugin names."""
    made = found() if isinstance(found, type) else found
    if not isinstance(made, BaseProvider):
        raise TypeError(f"{made!r} is not a BaseProvider")
    return made


class ModelRegistry:
    """The providers of this process: those registered here, and those that installed distributions offer.

    A provider is registered once and serves from then on, everywhere:

    >>> from ember.models import BaseProvider, Completion, Endpoint, HttpRequest, Usage
    >>> class Echo(BaseProvider):
    ...     name, base_url, needs_key = "echo", "http://127.0.0.1:9", False
    ...     def encode(self, call, endpoint):
    ...         return HttpRequest(f"{endpoint.base_url}/echo", {}, call.messages[-1].text.encode())
    ...     def decode(self, call, reply):
    ...         return Completion(reply.body.decode(), call.model, "stop", Usage())
    >>> ModelRegistry.register(Echo())
    >>> "echo" in ModelRegistry.names()
    True
    >>> ModelRegistry.unregister("echo")
    """

    _providers: ClassVar[Registry[BaseProvider]] = Registry(
        "provider", group="ember.providers", make=_provider
    )
    _by_hand: ClassVar[list[str]] = []

    @classmethod
    def register(cls, provider: BaseProvider, *, replace: bool = False) -> None:
        """Add `provider` under its own name. Raises `AlreadyRegistered` if that is taken, by a plugin too."""
        made = _provider(provider)
        cls._providers.register(made.name, made, replace=replace)
        cls._by_hand = [name for name in cls._by_hand if name != made.name] + [made.name]

    @classmethod
    def unregister(cls, name: str) -> None:
        """Take out a provider that was registered. Raises `NotRegistered` if there is none."""
        cls._providers.unregister(name)
        cls._by_hand = [other for other in cls._by_hand if other != name]

    @classmethod
    def get(cls, name: str) -> BaseProvider:
        """Return the provider called `name`. Raises `NotRegistered`, or `PluginError` if it cannot be loaded."""
        return cls._providers.get(name)

    @classmethod
    def has(cls, name: str) -> bool:
        """Whether there is a provider called `name`, registered or installed."""
        return name in cls._providers

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the providers' names: registered ones first, then Ember's own, then others. Loads none of them."""
        ours = tuple(_FAMILIES)

        def rank(name: str) -> tuple[bool, int, str]:
            return name not in cls._by_hand, ours.index(name) if name in ours else len(ours), name

        return tuple(sorted(cls._providers.names(), key=rank))


def route(name: str, aliases: Mapping[str, Any]) -> tuple[BaseProvider, str]:
    """Return who serves `name`, and what the vendor calls it.

    `provider/model` names the provider; an alias stands for its target; a bare id goes to the first provider whose
    patterns it fits. Raises `UnknownModel`, which says what to install or to write instead.
    """
    name = _unaliased(name, aliases)
    prefix, slash, rest = name.partition("/")
    if slash and rest and ModelRegistry.has(prefix):
        return ModelRegistry.get(prefix), rest
    broken: list[EmberError] = []
    for candidate in ModelRegistry.names():
        try:
            provider = ModelRegistry.get(candidate)
        except PluginError as error:
            if _is_family(name, candidate):
                raise  # the prompt is meant for this one, and goes to nobody else who would take it
            broken.append(error)  # somebody else's plugin; it is an answer only if nobody serves the name
            continue
        if _serves(provider, name, broken):
            return provider, name
    raise _unknown(name, broken)


def _serves(provider: BaseProvider, name: str, broken: list[EmberError]) -> bool:
    try:
        return provider.serves(name)
    except Exception as error:  # a plugin boundary: a provider that cannot tell serves nobody
        broken.append(
            ConfigError(
                f"The provider {provider.name!r} failed when asked ({type(error).__name__}: {error})."
            )
        )
        return False


def _is_family(name: str, provider: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in _FAMILIES.get(provider, ("", ()))[1])


def _unaliased(name: str, aliases: Mapping[str, Any]) -> str:
    seen: list[str] = []
    while name in aliases:
        if name in seen:
            raise ConfigError(
                f"models.aliases go round in a circle: {' -> '.join([*seen, name])}. Change one of them."
            )
        seen.append(name)
        name = str(aliases[name])
    return name


def _unknown(name: str, broken: list[EmberError]) -> UnknownModel:
    prefix, _, rest = name.partition("/")
    installed = ModelRegistry.names()
    advice = [f"No installed provider serves {name!r}."]
    for provider, (distribution, _) in _FAMILIES.items():
        if provider not in installed and (prefix == provider or _is_family(name, provider)):
            advice.append(
                f"{provider!r} would: `pip install {distribution}`, or `pip install ./packages/{distribution}` in a "
                "checkout of Ember."
            )
    near = nearest(prefix, installed, 1) if rest else nearest(name, known_models(), 3)
    if near:
        meant = [f"{known}/{rest}" if rest else known for known in near]
        advice.append(f"Did you mean {' or '.join(map(repr, meant))}?")
    if len(advice) == 1:
        have = ", ".join(installed) or "none"
        advice.append(
            f"Providers here: {have}. Write provider/model to choose one, or set models.aliases.{name}."
        )
    advice += [f"{error}" for error in broken]
    return UnknownModel(" ".join(advice), model=name)


def known_models() -> tuple[str, ...]:
    """Return the ids that working providers list as theirs."""
    return tuple(model.partition("/")[2] for model in listed())


def listed(provider: str | None = None) -> tuple[ModelId, ...]:
    """Return known models as `provider/model`; those of every working provider, or of one."""
    models: list[ModelId] = []
    for name in ModelRegistry.names() if provider is None else (provider,):
        try:
            models += [ModelId(f"{name}/{model}") for model in ModelRegistry.get(name).known_models]
        except PluginError:
            if provider is not None:
                raise
    return tuple(models)


def default_model(configured: str | None) -> str:
    """Return the model that `models(None, ...)` means: the configured one, else the embedded one."""
    if configured:
        return configured
    if DEFAULT_PROVIDER in ModelRegistry.names() and (
        known := ModelRegistry.get(DEFAULT_PROVIDER).known_models
    ):
        return f"{DEFAULT_PROVIDER}/{known[0]}"
    raise UnknownModel(
        "no model is named, and none is configured. Name one, as in models('gpt-4', ...); or "
        "set_config('models.default', 'gpt-4'); or install ember-llamacpp for a small model that needs no key."
    )


def address(provider: BaseProvider, context: EmberContext) -> tuple[str, str, str | None]:
    """Return where `provider`'s requests go, what says so ("" for the vendor's own), and the variable if it is one.

    Raises `ConfigError` for a base URL that is none or goes over the network in clear.
    """
    options = context.section(f"providers.{provider.name}")
    given, variable = str(options.get("base_url") or ""), None
    for name in () if given else provider.url_variables:
        if given := os.environ.get(name, "").strip():
            variable = name
            break
    source = variable or f"providers.{provider.name}.base_url"
    base_url = provider.address(given) if given else provider.base_url
    if provider.transport is None:  # one that brings its own knows what its addresses mean
        base_url = _base_url(base_url, provider.name, source, bool(options.get("allow_http")))
    return base_url, source if given else "", variable


def endpoint(provider: BaseProvider, context: EmberContext) -> tuple[Endpoint, str]:
    """Return where `provider`'s requests go, from `context`, and a word on where the key came from.

    Raises `CredentialNotFound` if there is no key for the vendor's own service, `CredentialError` if a key would go to
    a base URL it was not configured with, `ConfigError` for one that is none or goes over the network in clear.
    """
    options = context.section(f"providers.{provider.name}")
    base_url, _, variable = address(provider, context)
    elsewhere = base_url != provider.base_url
    if not provider.needs_key and not provider.key_variables:
        return Endpoint(base_url, None, options), "no key is used"
    found = context.find_credential(provider.name, *provider.key_variables)
    if found is not None:
        if elsewhere and not _is_paired(provider.name, options, found, variable):
            _check_pairing(provider.name, found, context, variable)
            _paired[provider.name] = options, found.layer, variable
        return Endpoint(base_url, found.secret, options), f"the key came from {found.source}"
    if provider.needs_key and not elsewhere:
        looked = ("the runtime context", "the environment", "config.yaml", "credentials.yaml")
        raise CredentialNotFound(provider.name, looked, next(iter(provider.key_variables), None))
    # Another server under the same protocol (a local one, mostly) may well want none; if it does, it says so.
    return Endpoint(base_url, None, options), "no key is set"


# The two files of Ember's home have one owner, and are one place.
_RANKS: Final = {"default": 0, "credentials.yaml": 1, "config.yaml": 1, "environment": 2, "context": 3}


# By provider, the settings and the layer of a key that were last found to go together. A context's settings are the
# same object for as long as nothing of them changes, the environment included.
_paired: Final[dict[str, tuple[Mapping[str, Any], str, str | None]]] = {}


def _is_paired(provider: str, options: Mapping[str, Any], found: Found, variable: str | None) -> bool:
    known = _paired.get(provider)
    return known is not None and known[0] is options and known[1:] == (found.layer, variable)


def _check_pairing(provider: str, found: Found, context: EmberContext, variable: str | None) -> None:
    """Raise `CredentialError` if a base URL was set, by `variable` or in a setting, above the layer of the key.

    Whoever can set an environment variable, or feed a program its settings, must not have the key in a user's home
    sent to a server of theirs.
    """
    where = context.explain(f"providers.{provider}.base_url")
    layer, source = (where.layer, where.source) if variable is None else ("environment", variable)
    # The same URL said again above is no other place: the key was configured with it, where the key stands.
    known = [origin for origin in where.shadowed if origin.value == where.value]
    if any(_RANKS[origin.layer] <= _RANKS[found.layer] and origin.layer != "default" for origin in known):
        return
    if _RANKS[found.layer] < _RANKS[layer]:
        raise CredentialError(
            f"The base URL of {provider!r} comes from {source}, its key from {found.source}, which it was not "
            f"configured with. The key was not sent there. Set both in the same place: "
            f"{provider.upper().replace('-', '_')}_BASE_URL beside {provider.upper().replace('-', '_')}_API_KEY, or "
            f"providers.{provider}.base_url and credentials.{provider}_api_key in one block or in config.yaml."
        )


@lru_cache(maxsize=64)
def _base_url(url: str, provider: str, source: str, allow_http: bool) -> str:
    if not url:
        raise ConfigError(
            f"{source} is not set, and there is no default. Set it to the server's https://host/path."
        )
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:  # its text may show a password
        raise ConfigError(
            f"{source} has a host or a port that is none. Write it as https://host/path."
        ) from None
    problem = ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        problem = "is not an http(s) URL"
    elif "@" in parts.netloc:
        problem = "holds a user name, which could pass for a host"
    elif any(ord(c) <= 32 or ord(c) == 127 for c in url):
        problem = "holds white space or control characters"
    elif parts.scheme == "http" and not allow_http and not is_loopback(parts.hostname):
        problem = (
            "would send prompts and keys over the network in clear; if that is meant, set "
            f"providers.{provider}.allow_http to true"
        )
    if problem:
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        raise ConfigError(f"{source} = {shown!r} {problem}. Write it as https://host/path.")
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, by its name or its number alone."""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, section 6.3
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
