"""Find a sibling's resource by kind and name, without importing the sibling."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from .errors import NotRegistered
from .siblings import sibling


class _Home(NamedTuple):
    module: str
    function: str


# Who answers for a kind of resource. A distribution adds its line here when it comes into being.
_HOMES: Final = {
    "model": _Home("ember.models", "bound"),
    "embedder": _Home("ember.models", "embedder"),
}


def resolve(kind: str, name: str | None) -> Any:
    """Return the resource of `kind` called `name`: `resolve("model", "gpt-4")` is a callable, as `models.instance` is.

    `resolve("embedder", ...)` is one that makes vectors of a list of texts.

    Raises `NotRegistered` for an unknown kind, ImportError naming the distribution to install if the sibling that has
    this kind is absent, and whatever the sibling raises for a name it does not know.
    """
    home = _HOMES.get(kind)
    if home is None:
        raise NotRegistered("kind of resource", kind, tuple(_HOMES))
    return getattr(sibling(home.module, f"A {kind}"), home.function)(name)
