"""Marks: attributes of ours on what users hand in."""

from __future__ import annotations

from typing import Any, Final

_PLAIN: Final = object.__getattribute__


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
    if kind.__getattribute__ is _PLAIN and not hasattr(kind, "__getattr__"):
        return getattr(thing, name, default)
    look = type.__getattribute__ if isinstance(thing, type) else _PLAIN
    try:
        return look(thing, name)
    except AttributeError:
        return default
