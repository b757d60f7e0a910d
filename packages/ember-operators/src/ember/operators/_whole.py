"""An operator as one external call: what `@xcs.jit` may begin before its turn, as it begins the call of a model.

It may only where nothing in the operator is the user's own Python: that could print, or change what others look at, and
then keeps its place in the program.
"""

from __future__ import annotations

from types import FunctionType, MethodDescriptorType
from typing import Any, Final, cast

from ember.core import External

from ._fields import values_of
from ._operator import Operator
from ._steps import Stepped

_PURE: Final = frozenset[Any]({len, sum, max, min, sorted, any, all, str, int, float, bool, list, tuple})


class Whole(External[..., Any]):
    """All of an operator, as tasks of Ember's I/O loop."""

    kind = "operator"

    def __init__(self, operator: Stepped) -> None:
        self._operator = operator
        self.name = type(operator).__name__

    def run(self, *args: Any, **kwargs: Any) -> Any:
        return self._operator.call(*args, **kwargs)

    async def arun(self, *args: Any, **kwargs: Any) -> Any:
        return await self._operator.acall(*args, **kwargs)


def whole(operator: Stepped) -> Whole | None:
    """Return `operator` as one external call, or None if it is not made of external calls alone."""
    return Whole(operator) if _elsewhere(operator) else None


def _elsewhere(part: Any) -> bool:
    kind: Any = part.__class__
    if part is None or isinstance(part, (str, int, float, External)):
        return True
    if isinstance(part, type) and issubclass(part, BaseException):
        return True
    if isinstance(part, MethodDescriptorType):
        return part.__objclass__ is str
    if isinstance(part, (list, tuple)):
        return all(map(_elsewhere, cast("list[Any]", part)))
    if isinstance(part, dict):
        return all(map(_elsewhere, cast("dict[str, Any]", part).values()))
    if isinstance(part, FunctionType):
        return _ours(part)
    if isinstance(part, Operator):
        return _ours(type(part)) and all(map(_elsewhere, values_of(part).values()))
    return _ours(kind) or _pure(part)


def _ours(thing: Any) -> bool:
    return str(thing.__module__).startswith("ember.operators.")


def _pure(part: Any) -> bool:
    if hasattr(part, "dtype") and hasattr(part, "shape"):  # an array
        return True
    try:
        return part in _PURE
    except TypeError:
        return False
