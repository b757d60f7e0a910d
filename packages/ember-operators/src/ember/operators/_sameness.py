"""Whether two values are the same to a compiler: by type and content, also where `==` says otherwise or nothing."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

from typing import Any

from ._arrays import is_array
from ._fields import HasFields, values_of


def same(one: Any, other: Any) -> bool:
    """Whether `one` can stand for `other`. 1, 1.0 and True are three; NaN is itself; arrays are compared by content.

    >>> same([1, 2], [1, 2]), same(1, True), same(float("nan"), float("nan")), same(0.0, -0.0)
    (True, False, True, False)
    """
    if one is other:
        return True
    kind = type(one)
    if is_array(one):
        return is_array(other) and _same_array(one, other)
    if kind is not type(other):
        return False
    if kind is float:
        return bool(one.hex() == other.hex())
    if kind is complex:
        return same((one.real, one.imag), (other.real, other.imag))
    if isinstance(one, HasFields):
        return same(values_of(one), values_of(other))
    if kind in (list, tuple) or (isinstance(one, tuple) and hasattr(one, "_fields")):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    try:
        return bool(one == other)
    except Exception:  # a stranger's `==`: one that cannot say so does not say yes
        return False


def _same_array(one: Any, other: Any) -> bool:
    try:
        return bool(one.shape == other.shape and one.dtype == other.dtype and (one == other).all())
    except Exception:  # what JAX follows has no value to compare, and a mere shape none either
        return False


def content_hash(value: Any) -> int:
    """Return a hash that is equal where `same` is. What has none of its own is told apart by its type alone."""
    if is_array(value):
        return hash((value.shape, str(value.dtype)))
    kind = type(value)
    if kind is float:
        return hash(value.hex())
    if kind is complex:
        return content_hash((value.real, value.imag))
    if isinstance(value, HasFields):
        return hash((kind, content_hash(values_of(value))))
    if isinstance(value, list | tuple):
        return hash((kind, tuple(map(content_hash, value))))
    if isinstance(value, dict):
        return hash((kind, frozenset((key, content_hash(part)) for key, part in value.items())))
    try:
        return hash((kind, value))
    except TypeError:
        return hash(kind)
