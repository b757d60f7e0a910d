"""The environment as a layer. Read anew each time, so that a rotated key is used without a restart."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ember.core.secrets import Secret

from ._credentials import provider_of, stripped
from ._explain import ENVIRONMENT, Origin
from ._tree import EMPTY, Path, Tree, grow

# Wrapping a key takes microseconds and is wanted for every call. Each is kept with the whole text it was stripped from,
# which tells whether the variable still holds the same.
_wrapped: dict[str, tuple[Secret, Secret | None]] = {}


def key_variable(provider: str) -> str:
    """Return the variable that holds the key of `provider` by convention.

    >>> key_variable("my-host")
    'MY_HOST_API_KEY'
    """
    return _prefix(provider) + "_API_KEY"


def url_variable(provider: str) -> str:
    """Return the variable that holds the base URL of `provider` by convention."""
    return _prefix(provider) + "_BASE_URL"


def base_url(provider: str) -> str | None:
    """Return the base URL the environment gives `provider`, or None if it is absent or blank."""
    return (os.environ.get(url_variable(provider)) or "").strip() or None


def overlay(provider: str) -> Tree:
    """Return the settings the environment holds for `provider`, as `providers.<provider>` would."""
    url = base_url(provider)
    return EMPTY if url is None else grow(("base_url",), url)


def key(variable: str) -> Secret | None:
    """Return the key that `variable` holds now, or None if it is absent or blank."""
    text = os.environ.get(variable)
    if not text:
        return None
    known = _wrapped.get(variable)
    if known is None or known[0].reveal() != text:
        whole = Secret(text)
        known = _wrapped[variable] = (whole, stripped(whole))
    return known[1]


def origins(path: Path) -> Iterator[Origin]:
    """Yield what the environment says of a setting."""
    if path[0] == "credentials" and len(path) == 2:
        variable = key_variable(provider_of(path[1]))
        found: Secret | str | None = key(variable)
    elif path[0] == "providers" and path[2:] == ("base_url",):
        variable = url_variable(path[1])
        found = base_url(path[1])
    else:
        return
    if found is not None:
        yield Origin(found, ENVIRONMENT, variable)


_prefixes: dict[str, str] = {}


def _prefix(provider: str) -> str:
    prefix = _prefixes.get(provider)
    if prefix is None:
        prefix = _prefixes[provider] = provider.upper().replace("-", "_")
    return prefix
