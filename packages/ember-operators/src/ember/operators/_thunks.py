"""What `gather` is given: calls that `@xcs.jit` looks into as into the user's own, so that they overlap as tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__ember_lower__ = True


def kept(thunk: Callable[[], Any]) -> Callable[[], tuple[Any, Exception | None]]:
    """Return a thunk that gives the result of `thunk` and None, or None and its error."""
    return lambda: _kept(thunk)


def _kept(thunk: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return thunk(), None
    except Exception as error:
        return None, error
