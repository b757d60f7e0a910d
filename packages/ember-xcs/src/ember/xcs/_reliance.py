"""What global variables held when functions were looked into, and whether they still do.

What is known of a function holds as long as the functions and classes that it names are the same. Tests replace them,
and so do plugins. Each run begins with a look: a list is compared with another one, which takes 20 ns for each name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final, cast

_namespaces: list[dict[str, Any]] = []
_names: list[str] = []
_values: list[object] = []
_places: dict[tuple[int, str], int] = {}
_changes: Counter[tuple[str, str]] = Counter()
_OFTEN: Final = 3
"""A variable that changed so often is one of which nothing is assumed any more."""


def relied_on(namespace: dict[str, Any], name: str, value: Any) -> bool:
    """Note that `value`, something that can be called, is what a global variable holds. False if that changes often."""
    key = id(namespace), name
    if key not in _places:
        if _changes and _changes[_told(namespace, name)] >= _OFTEN:
            return False
        _places[key] = len(_values)
        _namespaces.append(namespace)  # kept, as is its number
        _names.append(name)
        _values.append(value)
    return True


def still_holds() -> bool:
    """Whether all that was relied on is as it was."""
    return [*map(_get, _namespaces, _names)] == _values


_get: Final[Callable[[dict[str, Any], str], object]] = cast(Any, dict).get


def look_again() -> None:
    """Note what has changed, and forget all that was relied on."""
    for namespace, name, value in zip(_namespaces, _names, _values):
        if namespace.get(name) is not value:
            _changes[_told(namespace, name)] += 1
    _namespaces.clear()
    _names.clear()
    _values.clear()
    _places.clear()


def _told(namespace: dict[str, Any], name: str) -> tuple[str, str]:
    return str(namespace.get("__name__")), name
