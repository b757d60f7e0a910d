"""Marks: attributes of ours on what users hand in."""

from __future__ import annotations

from types import FunctionType
from typing import Any


def mark(thing: Any, name: str, default: Any = None) -> Any:
    """Return the attribute `name` of `thing` as it stands there: no `__getattr__` of the user's is asked for it.

    What makes up its attributes as they are asked for would have any mark, and may do anything when it is asked.

    >>> class Path:
    ...     def __getattr__(self, name: str) -> "Path":
    ...         return Path()
    >>> mark(Path(), "__ember_jit__") is None
    True
    """
    kind: Any = type(thing)  # pyright: ignore[reportUnknownVariableType]
    if type(kind.__getattribute__) is not FunctionType and not hasattr(kind, "__getattr__"):
        return getattr(thing, name, default)
    look = type.__getattribute__ if isinstance(thing, type) else object.__getattribute__
    try:
        return look(thing, name)
    except AttributeError:
        return default
