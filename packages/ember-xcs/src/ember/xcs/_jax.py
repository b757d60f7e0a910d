"""jax, when somebody needs it, and without its types: half of them are unknown to a strict type checker."""

from __future__ import annotations

from typing import Any


def the_jax() -> Any:
    """Import jax (0.8 s if nobody has before) and return it."""
    import jax

    return jax


def tree_flatten(tree: Any) -> tuple[list[Any], Any]:
    """Return the leaves of a pytree, and its structure. Iterators are leaves, of which jax must be told."""
    return the_jax().tree_util.tree_flatten(tree, is_leaf=_is_iterator)  # type: ignore[no-any-return]


def tree_leaves(tree: Any) -> list[Any]:
    """Return the leaves of a pytree."""
    return tree_flatten(tree)[0]


def kind_of(value: object) -> type[Any]:
    """Return `type(value)`, of which type checkers say `type[Unknown]` if the value is Any."""
    return type(value)


def _is_iterator(value: object) -> bool:
    return hasattr(type(value), "__next__")
