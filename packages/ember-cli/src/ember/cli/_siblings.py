"""Ember's other distributions, each by its name in `ember.api`, when a command needs it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ._exits import Failure


def api(name: str) -> Any:
    """Return `ember.api.<name>`. Raises Failure with the line that installs it where it is not installed."""
    try:
        return getattr(import_module("ember.api"), name)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("ember."):
            raise  # something is missing inside an installed distribution
        raise Failure(f"{error}") from error
