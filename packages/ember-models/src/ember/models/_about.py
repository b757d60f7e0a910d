"""What is known of a provider or a model here, without asking anybody: address, key, price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ember.context import Found, get_context
from ember.core.errors import EmberError
from ember.core.events import Usage

from ._provider import BaseProvider
from ._request import target
from ._route import ModelRegistry, address, endpoint, route

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """A provider as it is configured here.

    `base_url` is where calls go, and `base_url_source` the setting or variable that says so ("" for the vendor's own,
    `default_base_url`). `key` is the key that is found, and where; `variables` are the variables it may stand in.
    `problem` is what a call would fail with before anything is sent, "" if nothing. `listable` says whether the server
    can be asked for its models (`models.discover`), `in_process` that there is no server.
    """

    name: str
    base_url: str
    base_url_source: str
    default_base_url: str
    needs_key: bool
    key: Found | None
    variables: tuple[str, ...]
    models: tuple[str, ...]
    listable: bool
    in_process: bool
    problem: str


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model: who serves it, what that provider can do, and US dollars per million tokens (None: not known)."""

    provider: str
    model: str
    known: bool
    supports: frozenset[str]
    input_price: Decimal | None
    output_price: Decimal | None


def provider_info(name: str) -> ProviderInfo:
    """Return what is known of the provider called `name`. Raises `NotRegistered` and `PluginError`."""
    context, provider = get_context(), ModelRegistry.get(name)
    base_url, source, problem, key = "", "", "", None
    own = f"{provider.name.upper().replace('-', '_')}_API_KEY"
    takes_key = provider.needs_key or bool(provider.key_variables)
    try:
        if takes_key:
            key = context.find_credential(provider.name, *provider.key_variables)
        base_url, source, _ = address(provider, context)
        endpoint(provider, context)
    except EmberError as error:
        problem = f"{error}"
    return ProviderInfo(
        provider.name,
        base_url,
        source,
        provider.base_url,
        provider.needs_key,
        key,
        tuple(dict.fromkeys((*provider.key_variables, own))) if takes_key else (),
        provider.known_models,
        type(provider).encode_discover is not BaseProvider.encode_discover,
        provider.transport is not None,
        problem,
    )


def model_info(name: str | None) -> ModelInfo:
    """Return what is known of the model that `name` means. Raises `UnknownModel` and `PluginError`."""
    from ._cost import cost

    if name is None:
        to = target(None)
        provider, model = to.provider, to.model
    else:
        provider, model = route(name, get_context().section("models").get("aliases") or {})
    prices = [cost(provider, (model,), usage) for usage in (Usage(_MILLION, 0), Usage(0, _MILLION))]
    return ModelInfo(
        provider.name, model, model in provider.known_models, provider.supports, prices[0], prices[1]
    )
