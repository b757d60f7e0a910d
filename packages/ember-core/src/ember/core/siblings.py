"""Ember's other distributions: import one, or say how to install it."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def sibling(package: str, what: str) -> ModuleType:
    """Import and return `package`, which another distribution owns; `what` is the thing wanted of it, for the error.

    Raises ModuleNotFoundError with the command that installs it if that distribution is absent. A module missing
    *inside* an installed distribution is that distribution's error, and stays itself.
    """
    try:
        module = import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
    else:
        # A folder that a removed distribution left behind (__pycache__ is enough) imports as an empty namespace.
        if module.__file__ is not None:
            return module
    distribution = package.replace(".", "-")
    raise ModuleNotFoundError(
        f"{what} lives in the distribution {distribution}, which is not installed: `pip install {distribution}`, or "
        f"`pip install ./packages/{distribution}` in a checkout of Ember.",
        name=package,
    )


def present(package: str) -> bool:
    """Whether the distribution of `package` is installed; imports nothing."""
    from importlib.util import find_spec

    spec = find_spec(package)
    return spec is not None and spec.origin is not None
