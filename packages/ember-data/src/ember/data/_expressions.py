"""Conditions on rows, as values: `col("level") >= 3`. A reader of columns takes them over; else they become functions.

A comparison with what is not there (no such column in this row, or None in it) is neither true nor false, `&`, `|` and
`~` carry that on as SQL does, and `where` keeps the rows of which the condition is true. So it does not matter who
evaluates it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias, cast

Test: TypeAlias = Callable[[Any], Any]

_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "%": operator.mod,
}
_TEXT: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": operator.contains,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}


def _held(name: str, row: Any) -> Any:
    return row.get(name) if hasattr(row, "keys") else getattr(row, name, None)


class Expression:
    """A value worked out of a row: made by `col`, combined by operators."""

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return Compared("==", self, _value(other))

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return Compared("!=", self, _value(other))

    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    def __lt__(self, other: object) -> Condition:
        return Compared("<", self, _value(other))

    def __le__(self, other: object) -> Condition:
        return Compared("<=", self, _value(other))

    def __gt__(self, other: object) -> Condition:
        return Compared(">", self, _value(other))

    def __ge__(self, other: object) -> Condition:
        return Compared(">=", self, _value(other))

    def __add__(self, other: object) -> Expression:
        return Calculated("+", self, _value(other))

    def __sub__(self, other: object) -> Expression:
        return Calculated("-", self, _value(other))

    def __mul__(self, other: object) -> Expression:
        return Calculated("*", self, _value(other))

    def __mod__(self, other: object) -> Expression:
        return Calculated("%", self, _value(other))

    def is_in(self, values: Iterable[object]) -> Condition:
        """Whether it is one of `values`."""
        return Among(self, tuple(values))

    def is_null(self) -> Condition:
        """Whether it is None, or not there."""
        return Missing(self)

    def is_not_null(self) -> Condition:
        """Whether it is there."""
        return Not(Missing(self))

    def contains(self, text: str) -> Condition:
        """Whether `text` stands in it."""
        return Text("contains", self, text)

    def starts_with(self, text: str) -> Condition:
        """Whether it begins with `text`."""
        return Text("starts_with", self, text)

    def ends_with(self, text: str) -> Condition:
        """Whether it ends with `text`."""
        return Text("ends_with", self, text)

    def length(self) -> Expression:
        """Its length in characters."""
        return Length(self)

    def columns(self) -> frozenset[str]:
        """Return the columns that it is worked out of."""
        raise NotImplementedError

    def compiled(self) -> Test:
        """Return a function from a row to the value; None where that is unknown."""
        raise NotImplementedError

    def polars(self, floats: frozenset[str]) -> Any:
        """Return the same for polars, in a file with the columns `floats` of floating point numbers."""
        raise NotImplementedError

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self!r} is a condition on rows, and neither true nor false by itself. Combine conditions with &, | "
            f"and ~, each in parentheses: (col('a') > 1) & (col('b') < 2)."
        )


class Condition(Expression):
    """A yes or no worked out of a row."""

    def __and__(self, other: Condition) -> Condition:
        return Both(self, _condition(other))

    def __or__(self, other: Condition) -> Condition:
        return Either(self, _condition(other))

    def __invert__(self) -> Condition:
        return Not(self)


@dataclass(frozen=True, eq=False)
class Column(Expression):
    """The value of a column."""

    name: str

    def columns(self) -> frozenset[str]:
        return frozenset((self.name,))

    def compiled(self) -> Test:
        name = self.name

        return partial(_held, name)

    def polars(self, floats: frozenset[str]) -> Any:
        import polars

        return polars.col(self.name)

    def __repr__(self) -> str:
        return f"col({self.name!r})"


@dataclass(frozen=True, eq=False)
class Literal(Expression):
    """A value that is the same for all rows."""

    value: Any

    def columns(self) -> frozenset[str]:
        return frozenset()

    def compiled(self) -> Test:
        value = self.value
        return lambda row: value

    def polars(self, floats: frozenset[str]) -> Any:
        import polars

        return polars.lit(self.value)

    def __repr__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, eq=False)
class _Of(Expression):
    """Something made of two."""

    sign: str
    left: Expression
    right: Expression

    def columns(self) -> frozenset[str]:
        return self.left.columns() | self.right.columns()

    def __repr__(self) -> str:
        return f"({self.left!r} {self.sign} {self.right!r})"


class Compared(_Of, Condition):
    """A comparison."""

    def compiled(self) -> Test:
        compare = _COMPARE[self.sign]
        if isinstance(self.left, Column) and isinstance(self.right, Literal):
            return _compared_with(self.left.name, compare, self.right.value)
        return _unless_none(compare, self.left.compiled(), self.right.compiled())

    def polars(self, floats: frozenset[str]) -> Any:
        import polars

        test = _COMPARE[self.sign](self.left.polars(floats), self.right.polars(floats))
        # To polars NaN equals NaN and exceeds every number; to Python it does neither. What is unknown stays so.
        for side in (self.left, self.right):
            if side.columns() & floats:
                nan = side.polars(floats).is_nan()
                known = (test | nan) if self.sign == "!=" else (test & ~nan)
                test = polars.when(test.is_null()).then(test).otherwise(known)
        return test


class Calculated(_Of):
    """A sum, difference, product or remainder."""

    def compiled(self) -> Test:
        return _unless_none(_ARITHMETIC[self.sign], self.left.compiled(), self.right.compiled())

    def polars(self, floats: frozenset[str]) -> Any:
        return _ARITHMETIC[self.sign](self.left.polars(floats), self.right.polars(floats))


def _compared_with(name: str, compare: Callable[[Any, Any], Any], wanted: Any) -> Test:
    if wanted is None:
        return lambda row: None

    def test(row: Any) -> Any:
        value = row.get(name) if row.__class__ is dict else _held(name, row)
        return None if value is None else compare(value, wanted)

    return test


def _unless_none(make: Callable[[Any, Any], Any], left: Test, right: Test) -> Test:
    def value(row: Any) -> Any:
        a, b = left(row), right(row)
        return None if a is None or b is None else make(a, b)

    return value


@dataclass(frozen=True, eq=False)
class Both(Condition):
    """Two conditions, both of them."""

    left: Condition
    right: Condition

    def columns(self) -> frozenset[str]:
        return self.left.columns() | self.right.columns()

    def compiled(self) -> Test:
        left, right = self.left.compiled(), self.right.compiled()

        def test(row: Any) -> Any:
            a = left(row)
            if a is False:
                return False
            b = right(row)
            return b if a else (False if b is False else None)

        return test

    def polars(self, floats: frozenset[str]) -> Any:
        return self.left.polars(floats) & self.right.polars(floats)

    def __repr__(self) -> str:
        return f"({self.left!r} & {self.right!r})"


@dataclass(frozen=True, eq=False)
class Either(Condition):
    """Two conditions, one of them or both."""

    left: Condition
    right: Condition

    def columns(self) -> frozenset[str]:
        return self.left.columns() | self.right.columns()

    def compiled(self) -> Test:
        left, right = self.left.compiled(), self.right.compiled()

        def test(row: Any) -> Any:
            a = left(row)
            if a:
                return True
            b = right(row)
            return True if b else (False if a is False and b is False else None)

        return test

    def polars(self, floats: frozenset[str]) -> Any:
        return self.left.polars(floats) | self.right.polars(floats)

    def __repr__(self) -> str:
        return f"({self.left!r} | {self.right!r})"


@dataclass(frozen=True, eq=False)
class Not(Condition):
    """The opposite of a condition."""

    inner: Condition

    def columns(self) -> frozenset[str]:
        return self.inner.columns()

    def compiled(self) -> Test:
        inner = self.inner.compiled()

        def test(row: Any) -> Any:
            value = inner(row)
            return None if value is None else not value

        return test

    def polars(self, floats: frozenset[str]) -> Any:
        return ~self.inner.polars(floats)

    def __repr__(self) -> str:
        return f"~{self.inner!r}"


@dataclass(frozen=True, eq=False)
class Among(Condition):
    """Being one of several values."""

    inner: Expression
    values: tuple[Any, ...]

    def columns(self) -> frozenset[str]:
        return self.inner.columns()

    def compiled(self) -> Test:
        inner, values = self.inner.compiled(), [value for value in self.values if value is not None]

        def test(row: Any) -> Any:
            value = inner(row)
            return None if value is None else value in values

        return test

    def polars(self, floats: frozenset[str]) -> Any:
        return self.inner.polars(floats).is_in([value for value in self.values if value is not None])

    def __repr__(self) -> str:
        return f"{self.inner!r}.is_in({list(self.values)!r})"


@dataclass(frozen=True, eq=False)
class Missing(Condition):
    """Not being there."""

    inner: Expression

    def columns(self) -> frozenset[str]:
        return self.inner.columns()

    def compiled(self) -> Test:
        inner = self.inner.compiled()
        return lambda row: inner(row) is None

    def polars(self, floats: frozenset[str]) -> Any:
        return self.inner.polars(floats).is_null()

    def __repr__(self) -> str:
        return f"{self.inner!r}.is_null()"


@dataclass(frozen=True, eq=False)
class Text(Condition):
    """What stands in a text."""

    how: str
    inner: Expression
    text: str

    def columns(self) -> frozenset[str]:
        return self.inner.columns()

    def compiled(self) -> Test:
        inner, test, text = self.inner.compiled(), _TEXT[self.how], self.text

        def found(row: Any) -> Any:
            value = inner(row)
            return None if value is None else test(value, text)

        return found

    def polars(self, floats: frozenset[str]) -> Any:
        value = self.inner.polars(floats).str
        if self.how == "contains":
            return value.contains(self.text, literal=True)
        return getattr(value, self.how)(self.text)

    def __repr__(self) -> str:
        return f"{self.inner!r}.{self.how}({self.text!r})"


@dataclass(frozen=True, eq=False)
class Length(Expression):
    """The length of a text."""

    inner: Expression

    def columns(self) -> frozenset[str]:
        return self.inner.columns()

    def compiled(self) -> Test:
        inner = self.inner.compiled()

        def length(row: Any) -> Any:
            value = inner(row)
            return None if value is None else len(value)

        return length

    def polars(self, floats: frozenset[str]) -> Any:
        # Of what a subtraction goes below zero with, as in Python: polars counts in unsigned numbers.
        import polars

        return self.inner.polars(floats).str.len_chars().cast(polars.Int64)

    def __repr__(self) -> str:
        return f"{self.inner!r}.length()"


def col(name: str) -> Expression:
    """Return the value of the column `name`, for conditions.

    >>> (col("level") >= 3) & col("subject").is_in(["math", "law"])
    ((col('level') >= 3) & col('subject').is_in(['math', 'law']))
    """
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"col() takes the name of a column, and was given {name!r}.")
    return Column(name)


def _value(value: object) -> Expression:
    return value if isinstance(value, Expression) else Literal(value)


def _condition(value: object) -> Condition:
    if isinstance(value, Condition):
        return value
    raise TypeError(
        f"{value!r} is no condition. Each side of & and | is one, in parentheses: (col('a') > 1) & (...)."
    )


def require_condition(value: object) -> Condition:
    """Return `value`, which `where` was given. Raises TypeError for anything but a condition."""
    if isinstance(value, Condition):
        return value
    if callable(value):
        raise TypeError("where() takes a condition, as col('level') >= 3. filter() takes functions.")
    if isinstance(value, Expression):
        raise TypeError(f"where() takes a condition; {value!r} is a value. Compare it with something.")
    raise TypeError(f"where() takes a condition, as col('level') >= 3, and was given {cast('Any', value)!r}.")
