"""Nested settings as values: frozen, merged, walked. Nothing here knows what a setting means."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeGuard, cast

from ember.core.secrets import Secret

Tree: TypeAlias = Mapping[str, Any]
Path: TypeAlias = tuple[str, ...]

EMPTY: Final[Tree] = MappingProxyType({})
_DEEPEST: Final = 50


class Misfit(Exception):
    """A value cannot stand at a path. Caught where it is known whether a caller, or which file, gave the value."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem


def is_tree(value: object) -> TypeGuard[Tree]:
    """Whether `value` is a level of the tree rather than a value in it."""
    return isinstance(value, Mapping)


def freeze(value: Any, path: Path = (), is_live: Callable[[Path], bool] = lambda _: False) -> Any:
    """Return a copy of `value` that nobody can change: read-only mappings, tuples, plain values.

    Where `is_live` says so, any other object stands for itself.

    >>> freeze({"stop": ["a", "b"]})
    mappingproxy({'stop': ('a', 'b')})
    """
    if len(path) > _DEEPEST:
        raise Misfit(path[:3], f"is nested more than {_DEEPEST} deep")
    if value is None or isinstance(value, (str, bool, int, float, Secret)):
        return value
    if isinstance(value, Mapping):
        frozen: dict[str, Any] = {}
        for name, inner in cast("Mapping[object, Any]", value).items():
            if not isinstance(name, str):
                raise Misfit(path, f"has a name that is not text but {kind(name)}")
            frozen[name] = freeze(inner, (*path, name), is_live)
        return MappingProxyType(frozen)
    if isinstance(value, (list, tuple)):
        return tuple(freeze(inner, (*path, "[]")) for inner in cast("Sequence[Any]", value))
    if isinstance(value, os.PathLike):
        return os.fsdecode(cast("os.PathLike[str]", value))
    if is_live(path):
        return value
    raise Misfit(path, f"expects text, numbers, lists or mappings, got {kind(value)}")


def thaw(value: object) -> Any:
    """Return `value` as plain dicts and lists, for a writer of files. Secrets stay wrapped."""
    if isinstance(value, Mapping):
        return {name: thaw(inner) for name, inner in cast("Tree", value).items()}
    if isinstance(value, tuple):
        return [thaw(inner) for inner in cast("tuple[object, ...]", value)]
    return value


def conceal(value: Any, within: Path = ()) -> Any:
    """Return a copy of `value` in which every text that stands where a key belongs is a `Secret`.

    Done before anything is checked, so that no error, and no local variable in an error's traceback, shows a key.
    """
    if is_tree(value) and len(within) <= _DEEPEST:
        return {name: conceal(inner, (*within, str(name))) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [conceal(inner, within) for inner in cast("Sequence[object]", value)]
    return Secret(value) if isinstance(value, str) and holds_key(within) else value


def holds_key(path: Path) -> bool:
    """Whether what stands at `path` is a credential, in its place or out of it."""
    return path[:1] == ("credentials",) or (
        bool(path) and path[-1].lower().replace("-", "_").endswith("api_key")
    )


def merge(low: Tree, high: Tree) -> Tree:
    """Return `low` with `high` laid over it, level by level. None in `high` takes a name away.

    >>> merge({"a": {"x": 1, "y": 2}}, {"a": {"y": None, "z": 3}})
    mappingproxy({'a': mappingproxy({'x': 1, 'z': 3})})
    """
    merged = dict(low)
    for name, value in high.items():
        if value is None:
            merged.pop(name, None)
        elif is_tree(value):
            below = merged.get(name, EMPTY)
            merged[name] = merge(below if is_tree(below) else EMPTY, value)
        else:
            merged[name] = value
    return MappingProxyType(merged)


def look_up(tree: Tree, path: Path) -> Any:
    """Return what stands at `path`, or None.

    >>> look_up({"models": {"default": "gpt-4"}}, ("models", "default"))
    'gpt-4'
    """
    value: Any = tree
    for name in path:
        if not is_tree(value):
            return None
        value = value.get(name)
    return value


def mentions(tree: Tree, path: Path) -> bool:
    """Whether `tree` says anything about `path`: a value, or None to take it (or what holds it) away."""
    value: Any = tree
    for name in path:
        if value is None:
            return True
        if not is_tree(value) or name not in value:
            return False
        value = value[name]
    return True


def grow(path: Path, value: Any) -> Tree:
    """Return the tree that holds nothing but `value` at `path`."""
    for name in reversed(path):
        value = MappingProxyType({name: value})
    return cast("Tree", value)


def leaves(value: Any, path: Path = ()) -> list[tuple[Path, Any]]:
    """Return every value of a tree with its path.

    >>> leaves({"a": {"x": 1}, "b": None})
    [(('a', 'x'), 1), (('b',), None)]
    """
    if not is_tree(value):
        return [(path, value)]
    found: list[tuple[Path, Any]] = []
    for name, inner in value.items():
        found += leaves(inner, (*path, name))
    return found


def dotted(path: Path) -> str:
    """Return `path` as a user writes it. A name that may be a key, put where its name belongs, is not repeated."""
    if (
        path[:1] == ("credentials",)
        and len(path) > 1
        and len(path[1]) > 24
        and not path[1].endswith("api_key")
    ):
        return "credentials.…"
    return ".".join(path)


_KINDS: Final[Mapping[type, str]] = MappingProxyType(
    {
        str: "text",
        Secret: "a masked key",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        list: "a list",
        tuple: "a list",
        type(None): "nothing",
    }
)


def kind(value: object) -> str:
    """Name what sort of value this is, for an error. Never the value itself: it may be a key in the wrong place.

    >>> kind("hot"), kind(3), kind({})
    ('text', 'a whole number', 'a mapping')
    """
    return "a mapping" if is_tree(value) else _KINDS.get(type(value), type(value).__name__)
