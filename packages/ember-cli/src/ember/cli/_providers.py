"""The providers there are, and which of them somebody has set up."""

from __future__ import annotations

import os
from typing import Any

from ember.context import get_context

from ._exits import USAGE, Failure
from ._siblings import api
from ._vendors import VENDORS


def known(name: str) -> str:
    """Return `name` if there is such a provider. Raises Failure, with what is meant or what to install."""
    names: tuple[str, ...] = api("models").providers()
    if name in names:
        return name
    vendor = VENDORS.get(name)
    if vendor is not None:
        dist = vendor.distribution
        raise Failure(
            f"{name!r} lives in the distribution {dist}, which is not installed: `pip install {dist}`, or "
            f"`pip install ./packages/{dist}` in a checkout of Ember."
        )
    from ember.core.suggest import nearest

    near = nearest(name, {*names, *VENDORS}, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise Failure(f"there is no provider {name!r}.{hint} Those here: {', '.join(names) or 'none'}.", USAGE)


def is_set_up(about: Any) -> bool:
    """Whether somebody has set up the provider: it has a key, an address of its own, or a section in config.yaml."""
    if about.key is not None or about.base_url_source:
        return True
    return bool(get_context().section(f"providers.{about.name}"))


def completed(incomplete: str) -> list[str]:
    """Return the names that begin so, for a shell."""
    return [name for name in VENDORS if name.startswith(incomplete)]


def ci() -> bool:
    """Whether this runs where nobody is there to answer."""
    return os.environ.get("CI", "").strip().lower() not in ("", "0", "false")
