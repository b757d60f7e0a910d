"""Arrays, told from other things without importing NumPy or JAX."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import sys
from typing import Any

_NUMERIC = frozenset("biufcV")  # V: bfloat16 and its like


def is_array(value: Any) -> bool:
    """Whether `value` is an array of numbers, of NumPy's or JAX's, or what JAX follows in the place of one."""
    kind = type(value)
    known = _kinds.get(kind)
    if known is None:
        known = _is_array_type(value)
        if known or kind.__module__ == "builtins":
            _kinds[kind] = known
    return known and (not hasattr(value, "dtype") or getattr(value.dtype, "kind", "V") in _NUMERIC)


_kinds: dict[type, bool] = {}


def _is_array_type(value: Any) -> bool:
    numpy, jax = sys.modules.get("numpy"), sys.modules.get("jax")
    ndarray = getattr(numpy, "ndarray", None)
    if ndarray is not None and isinstance(value, (ndarray, getattr(numpy, "generic", ndarray))):
        return True
    array = getattr(jax, "Array", None)
    return array is not None and isinstance(value, (array, getattr(jax, "ShapeDtypeStruct", array)))


def is_number(value: object) -> bool:
    """Whether `value` is a plain number, which JAX can learn."""
    return isinstance(value, int | float | complex) and not isinstance(value, bool)


def array_text(array: Any) -> str:
    """Return type and shape of an array, as Equinox writes it: `f32[2,3]`."""
    name = str(array.dtype)
    for long, short in (("float", "f"), ("uint", "u"), ("int", "i"), ("complex", "c")):
        if name.startswith(long):
            name = short + name.removeprefix(long)
            break
    return f"{name}[{','.join(map(str, array.shape))}]"
