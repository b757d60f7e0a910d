"""Fetching the weights of an embedded model, for whoever wants to: a command, the wizard, the bridge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ember.core import plugins

from ._exits import Failure
from ._vendors import VENDORS

PROVIDER = "local"


def embedded() -> Any:
    """Return the provider of models in this process. Raises Failure with what to install."""
    plugin = plugins.find("ember.providers", PROVIDER)
    if plugin is None:
        dist = VENDORS[PROVIDER].distribution
        raise Failure(
            f"embedded models live in the distribution {dist}, which is not installed: `pip install {dist}`, or "
            f"`pip install ./packages/{dist}` in a checkout of Ember."
        )
    return plugin.load()()


def is_installed() -> bool:
    """Whether there is a provider of embedded models."""
    return plugins.find("ember.providers", PROVIDER) is not None


def pull(model: str, progress: Callable[[int, int], object]) -> Path:
    """Fetch the weights of `model`, unless they are here; return where they are. `progress` is told bytes."""
    provider = embedded()
    if model not in provider.known_models:
        from ember.core.suggest import nearest

        from ._exits import USAGE

        near = nearest(model, provider.known_models, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise Failure(
            f"{model!r} cannot be pulled.{hint} Those that can: {', '.join(provider.known_models)}.", USAGE
        )
    path: Path = provider.pull(model, progress)
    return path
