"""The one validator: whether a provider takes a key, asked where calls would go. It costs no tokens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from ember.context import create_context
from ember.core.errors import EmberError
from ember.core.secrets import Secret

from ._exits import KEY, OK, PROVIDER, code_of
from ._siblings import api

Outcome: TypeAlias = Literal["ok", "refused", "limited", "missing", "unreachable", "failed", "unchecked"]
TIMEOUT: Final = 10.0
"""Seconds a check may take."""


class Verdict(NamedTuple):
    """What came of a check.

    `outcome` is "ok"; "refused", the key is wrong; "limited", the provider knows the key and does not let it list
    models, or not now; "missing", there is no key, or no weights; "unreachable", nobody answered in time; "failed",
    something else did; "unchecked", the provider cannot be asked. `models` are those the server says it has, as
    `provider/model`; `base_url` is where was asked, and `key` with which key.
    """

    provider: str
    outcome: Outcome
    message: str
    base_url: str
    models: tuple[str, ...] = ()
    seconds: float = 0.0
    key: Secret | None = None
    key_layer: str = ""
    key_source: str = ""

    @property
    def code(self) -> int:
        """The exit code it stands for."""
        if self.outcome in ("refused", "missing"):
            return KEY
        return PROVIDER if self.outcome in ("unreachable", "failed") else OK


@contextmanager
def trying(provider: str, key: Secret | None, base_url: str | None) -> Iterator[None]:
    """Have calls in the block use this key at this address; None means what is configured."""
    settings: dict[str, Any] = {"max_retries": 0}
    if base_url is not None:
        settings["base_url"] = base_url
    overrides: dict[str, Any] = {"providers": {provider: settings}}
    if key is not None:
        overrides["credentials"] = {f"{provider}_api_key": key}
    with create_context(**overrides):
        yield


def validate(
    provider: str, key: Secret | None = None, base_url: str | None = None, *, timeout: float = TIMEOUT
) -> Verdict:
    """Ask `provider` for its models with `key` at `base_url`; None means what is configured. Takes `timeout` seconds.

    Raises NotRegistered for a provider there is not, and InvalidCredential for what cannot be a key.
    """
    models = api("models")
    with trying(provider, key, base_url):
        about = models.about_provider(provider)
        known = Verdict(provider, "ok", "", about.base_url)
        if about.key is not None:
            known = known._replace(
                key=about.key.secret, key_layer=about.key.layer, key_source=about.key.source
            )
        if about.problem:
            missing = about.needs_key and about.key is None and about.base_url == about.default_base_url
            return known._replace(outcome="missing" if missing else "failed", message=about.problem)
        if about.in_process:
            return _weights(known, about.models)
        if not about.listable:
            return known._replace(outcome="unchecked", message="it cannot be asked without a call.")
        begun = time.monotonic()
        try:
            found = models.discover(provider, timeout=timeout)
        except EmberError as error:
            outcome = _outcome(error)
            seconds = time.monotonic() - begun
            return known._replace(outcome=outcome, message=str(error), seconds=seconds)
        return known._replace(models=tuple(map(str, found)), seconds=time.monotonic() - begun)


def _outcome(error: EmberError) -> Outcome:
    kinds = {cls.__name__ for cls in type(error).__mro__}
    if "AuthenticationError" in kinds:
        # 403: the key is known, and may not list models, as keys of narrow rights may not.
        return "limited" if getattr(error, "status", None) == 403 else "refused"
    if "RateLimitError" in kinds:
        return "limited"
    if kinds & {"ConnectionFailed", "ModelTimeout", "ProviderUnavailable"}:
        return "unreachable"
    return "refused" if code_of(error) == KEY else "failed"


def _weights(known: Verdict, names: tuple[str, ...]) -> Verdict:
    from ember.core import plugins

    plugin = plugins.find("ember.providers", known.provider)
    here: Any = plugin.load()() if plugin is not None else None
    if not hasattr(here, "pulled"):
        return known._replace(outcome="unchecked", message="it cannot be asked without a call.")
    there = [name for name in names if here.pulled(name)]
    if not there:
        wanted = names[0] if names else "MODEL"
        return known._replace(
            outcome="missing", message=f"its weights are not on this machine: ember models pull {wanted}"
        )
    return known._replace(models=tuple(f"{known.provider}/{name}" for name in there))
