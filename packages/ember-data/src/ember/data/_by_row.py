"""Conditions as functions of a row: a dict, or an object with attributes. None is what is unknown."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

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

Test: TypeAlias = Callable[[Any], Any]


def _remainder(a: Any, b: Any) -> Any:
    return (
        a % b if b else None
    )  # of a division by zero: as unknown as to a reader of columns, which does not raise


_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CALCULATE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "%": _remainder,
}
_TEXT: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": operator.contains,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}


def by_row(expression: Expression) -> Test:
    """Return a function from a row to the value of `expression`."""
    match expression:
        case Column(name):
            return partial(_held, name)
        case Literal(value):
            return lambda row: value
        case Compared(Column(name), sign, Literal(value)):
            return _compared_with(name, _COMPARE[sign], value)
        case Compared(left, sign, right):
            return _of_both(_COMPARE[sign], by_row(left), by_row(right))
        case Calculated(left, sign, right):
            return _of_both(_CALCULATE[sign], by_row(left), by_row(right))
        case Length(inner):
            return _of(len, by_row(inner))
        case Text(inner, how, text):
            test = _TEXT[how]
            return _of(lambda value: test(value, text), by_row(inner))
        case Among(inner, values):
            # A list takes what is identical for equal, and NaN, which is not equal to itself, for one of its members.
            sound = [value for value in values if value == value]
            return _of(lambda value: value in sound, by_row(inner))
        case Missing(inner):
            there = by_row(inner)
            return lambda row: there(row) is None
        case Not(inner):
            return _of(operator.not_, by_row(inner))
        case Both(left, right):
            return _both(by_row(left), by_row(right))
        case Either(left, right):
            return _either(by_row(left), by_row(right))
        case _:
            raise TypeError(f"{type(expression).__name__} is no expression that col() begins.")


def _held(name: str, row: Any) -> Any:
    return row.get(name) if hasattr(row, "keys") else getattr(row, name, None)


def _compared_with(name: str, compare: Callable[[Any, Any], Any], wanted: Any) -> Test:
    if wanted is None:
        return lambda row: None

    def test(row: Any) -> Any:
        value = row.get(name) if row.__class__ is dict else _held(name, row)
        return None if value is None else compare(value, wanted)

    return test


def _of(make: Callable[[Any], Any], inner: Test) -> Test:
    def value(row: Any) -> Any:
        a = inner(row)
        return None if a is None else make(a)

    return value


def _of_both(make: Callable[[Any, Any], Any], left: Test, right: Test) -> Test:
    def value(row: Any) -> Any:
        a, b = left(row), right(row)
        return None if a is None or b is None else make(a, b)

    return value


def _both(left: Test, right: Test) -> Test:
    def test(row: Any) -> Any:
        a = left(row)
        if a is False:
            return False
        b = right(row)
        return b if a else (False if b is False else None)

    return test


def _either(left: Test, right: Test) -> Test:
    def test(row: Any) -> Any:
        a = left(row)
        if a:
            return True
        b = right(row)
        return True if b else (False if a is False and b is False else None)

    return test
