"""What is the user's own in an operator of ours: whether `@xcs.jit` may begin it before its turn hangs on that alone.

Where nothing is, the operator is one external call, as that of a model. The user's own Python could print, or change
what others look at: xcs looks into it, and the operator keeps its place in the program if it might.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType, MethodDescriptorType
from typing import Any, Final, cast

from ember.core import External

from ._fields import values_of
from ._operator import Operator

_PURE: Final = frozenset[Any]({len, sum, max, min, sorted, any, all, str, int, float, bool, list, tuple})


class Whole(External[..., Any]):
    """All of an operator, as tasks of Ember's I/O loop."""

    kind = "operator"

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self.name = type(operator).__name__

    def run(self, *args: Any, **kwargs: Any) -> Any:
        return self._operator.call(*args, **kwargs)

    async def arun(self, *args: Any, **kwargs: Any) -> Any:
        return await self._operator.acall(*args, **kwargs)


def whole(operator: Operator) -> Whole | None:
    """Return `operator` as one external call, or None if it is not made of external calls alone."""
    return Whole(operator) if next(_users_own(operator), None) is None else None


def calls(operator: Operator) -> tuple[Any, ...] | None:
    """Return the user's own Python in `operator`. Beside that, ours computes and makes external calls.

    None for a class of the user's, who may have written anything into it.
    """
    return tuple(_users_own(operator)) if _ours(type(operator)) else None


def _users_own(part: Any) -> Iterator[Any]:
    """Yield what of `part`, an operator or something in one, is the user's own: nobody but him knows what it does."""
    kind: Any = part.__class__
    if part is None or isinstance(part, (str, int, float, External)):
        return
    if isinstance(part, type) and issubclass(part, BaseException):
        return
    if isinstance(part, (list, tuple)):
        for one in cast("list[Any]", part):
            yield from _users_own(one)
    elif isinstance(part, dict):
        yield from _users_own(list(cast("dict[str, Any]", part).values()))
    elif isinstance(part, Operator) and _ours(type(part)):
        yield from _users_own(list(values_of(part).values()))
    elif not (_ours(part) if isinstance(part, FunctionType) else _ours(kind) or _pure(part)):
        yield part


def _ours(thing: Any) -> bool:
    return str(thing.__module__).startswith("ember.operators.")


def _pure(part: Any) -> bool:
    if isinstance(part, MethodDescriptorType):
        return part.__objclass__ is str
    if hasattr(part, "dtype") and hasattr(part, "shape"):  # an array
        return True
    try:
        return part in _PURE
    except TypeError:
        return False
