"""What others have told JAX of: modules of Equinox and Flax, and whatever users registered as pytrees."""

from __future__ import annotations

import sys
from typing import Any


def is_node(value: Any) -> bool:
    """Whether JAX knows the type of `value` as one that has parts. Without JAX, nothing is."""
    tree_util = sys.modules.get("jax.tree_util")
    return hasattr(tree_util, "all_leaves") and not tree_util.all_leaves([value])  # type: ignore[union-attr]


def node_parts(value: Any) -> list[tuple[str, Any]] | None:
    """Return the parts of such a value, each with the step of a path that leads to it; None if it is none."""
    if value is None or isinstance(value, str) or not is_node(value):
        return None
    tree_util: Any = sys.modules["jax.tree_util"]
    return [(tree_util.keystr(path), part) for path, part in _one_level(tree_util, value)[0]]


def with_node_parts(value: Any, parts: list[Any]) -> Any:
    """Return `value` with other parts in the places of what `node_parts` found."""
    tree_util: Any = sys.modules["jax.tree_util"]
    return tree_util.tree_unflatten(_one_level(tree_util, value)[1], parts)


def _one_level(tree_util: Any, value: Any) -> Any:
    def is_part(part: Any) -> bool:
        return part is not value

    return tree_util.tree_flatten_with_path(value, is_leaf=is_part)
