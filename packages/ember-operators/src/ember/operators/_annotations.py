"""What a class's annotations say of its fields before there is any instance: dynamic to JAX, constant, or either."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import dataclasses
import sys
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from ._fields import HasFields, roles

_CONSTANTS: Final = (str, int, float, complex, bool, bytes, NoneType, Enum)
_UNKNOWN: Final = None


def decided(kind: type[HasFields]) -> tuple[list[str], list[str]] | None:
    """Return the names of the dynamic and of the constant fields, or None where values have to say it.

    Classes with an `__init__` of their own are of the latter kind too: JAX would call it to make each instance anew.
    """
    fields = kind.__dataclass_fields__  # InitVars are among them, which are no fields
    if hasattr(kind.__init__, "_ember_opens") or hasattr(kind, "__post_init__"):
        return None
    if not all(fields[name].init for name in roles(kind)) or any(
        isinstance(field.type, dataclasses.InitVar) or "InitVar" in str(field.type)
        for field in fields.values()
    ):
        return None
    try:
        hints = get_type_hints(kind, localns={kind.__name__: kind}, include_extras=True)
    except (
        Exception
    ):  # an annotation is code of the user's; what names nothing that is there yet says nothing here
        return None
    dynamic: list[str] = []
    constant: list[str] = []
    for name, role in roles(kind).items():
        hint = hints.get(name)
        if role == "param":
            learns = _learns(hint)
        else:
            learns = _is_dynamic(hint)
            if role and learns is not False:
                return None  # an array or module that is pinned is compared by what it holds
        if learns is None:
            return None
        (dynamic if learns else constant).append(name)
    return dynamic, constant


def _learns(hint: Any) -> bool | None:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return True if hint in (int, float, complex) else _is_dynamic(hint) or None


def _is_dynamic(hint: Any) -> bool | None:
    """Whether all values of a type are dynamic to JAX (True) or all are hashable constants (False)."""
    if hint is None:
        hint = NoneType
    origin = get_origin(hint)
    if origin is Annotated:
        return _is_dynamic(get_args(hint)[0])
    if origin is Literal:
        return False
    if origin in (Union, UnionType):
        return _together([_is_dynamic(one) for one in get_args(hint) if one is not NoneType])
    if origin in (list, dict, tuple):
        inner = get_args(hint)[1:] if origin is dict else [one for one in get_args(hint) if one is not ...]
        said = _together([_is_dynamic(one) for one in inner])
        return said if said or origin is tuple else _UNKNOWN  # a list or dict of constants has no hash
    if not isinstance(hint, type):
        return _UNKNOWN
    if issubclass(hint, HasFields) or _is_array_type(hint):
        return True
    return False if issubclass(hint, _CONSTANTS) else _UNKNOWN


def _together(said: list[bool | None]) -> bool | None:
    return said[0] if said and all(one == said[0] for one in said) else _UNKNOWN


def _is_array_type(hint: type) -> bool:
    numpy, jax = sys.modules.get("numpy"), sys.modules.get("jax")
    return hint in (getattr(numpy, "ndarray", None), getattr(jax, "Array", None))
