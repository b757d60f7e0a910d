"""Ember's other distributions: which of them has what, and what to say when one is not installed."""

from __future__ import annotations


def absent(error: ModuleNotFoundError, package: str, what: str) -> ModuleNotFoundError:
    """Return the error that says how to install the distribution of `package`, or `error` if that is not the trouble.

    A module missing *inside* an installed distribution is that distribution's error, and stays itself.
    """
    if error.name != package:
        return error
    distribution = package.replace(".", "-")
    return ModuleNotFoundError(
        f"{what} lives in the distribution {distribution}, which is not installed: `pip install {distribution}`, or "
        f"`pip install ./packages/{distribution}` in a checkout of Ember.",
        name=package,
    )
