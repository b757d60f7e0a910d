"""Conditions as polars has them, made to mean what they mean in Python."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from ._expressions import (
    Among,
    Both,
    Calculated,
    Column,
    Compared,
    Either,
    Expression,
    Length,
    Literal,
    Missing,
    Not,
    Text,
)
from .errors import SourceError

_OF_TWO: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}


def by_column(expression: Expression, floats: frozenset[str]) -> Any:
    """Return `expression` for polars, in a file whose columns of floating point numbers are `floats`."""
    import polars

    def made(expression: Expression) -> Any:
        match expression:
            case Column(name):
                return polars.col(name)
            case Literal(value):
                return polars.lit(value)
            case Compared(left, sign, right):
                return compared(left, sign, right)
            case Calculated(left, "%", right):
                if is_float(left) or is_float(right):
                    raise SourceError(
                        f"{expression!r} is the remainder of a fraction, which a reader of columns rounds otherwise "
                        f"than Python does. Give filter() a function that works it out."
                    )
                return polars.when(made(right) == 0).then(None).otherwise(made(left) % made(right))
            case Calculated(left, sign, right):
                return _OF_TWO[sign](made(left), made(right))
            case Length(inner):
                # Polars counts in unsigned numbers, of which a subtraction goes wrong below zero.
                return made(inner).str.len_chars().cast(polars.Int64)
            case Text(inner, "contains", text):
                return made(inner).str.contains(text, literal=True)
            case Text(inner, how, text):
                return getattr(made(inner).str, how)(text)
            case Among(inner, values):
                return made(inner).is_in([value for value in values if value == value])
            case Missing(inner):
                return made(inner).is_null()
            case Not(inner):
                return ~made(inner)
            case Both(left, right):
                return made(left) & made(right)
            case Either(left, right):
                return made(left) | made(right)
            case _:
                raise TypeError(f"{type(expression).__name__} is no expression that col() begins.")

    def compared(left: Expression, sign: str, right: Expression) -> Any:
        test = _OF_TWO[sign](made(left), made(right))
        # To polars NaN equals NaN and exceeds every number; to Python it does neither. What is unknown stays so.
        for side in (left, right):
            if may_be_nan(side):
                nan = made(side).is_nan()
                known = (test | nan) if sign == "!=" else (test & ~nan)
                test = polars.when(test.is_null()).then(test).otherwise(known)
        return test

    def may_be_nan(side: Expression) -> bool:
        match side:
            case Column(name):
                return name in floats
            case Literal(value):
                return isinstance(value, float) and value - value != 0
            case Calculated(left, _, right):
                return is_float(left) or is_float(right)
            case _:
                return False

    def is_float(side: Expression) -> bool:
        match side:
            case Column(name):
                return name in floats
            case Literal(value):
                return isinstance(value, float)
            case Calculated(left, _, right):
                return is_float(left) or is_float(right)
            case _:
                return False

    return made(expression)
