"""Conditions on rows, as values: `col("level") >= 3`.

A comparison with what is not there (no such column in this row, or None in it) is neither true nor false, `&`, `|` and
`~` carry that on as SQL does, and `where` keeps the rows of which the condition is true. Numbers compare as in Python:
NaN equals nothing, itself included, and is neither less nor more. So it does not matter who evaluates a condition: a
function of a row (`_by_row`) or a reader of columns (`_by_column`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, cast


class Expression:
    """A value worked out of a row: made by `col`, combined by operators."""

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return Compared(self, "==", _value(other))

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return Compared(self, "!=", _value(other))

    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    def __lt__(self, other: object) -> Condition:
        return Compared(self, "<", _value(other))

    def __le__(self, other: object) -> Condition:
        return Compared(self, "<=", _value(other))

    def __gt__(self, other: object) -> Condition:
        return Compared(self, ">", _value(other))

    def __ge__(self, other: object) -> Condition:
        return Compared(self, ">=", _value(other))

    def __add__(self, other: object) -> Expression:
        return Calculated(self, "+", _value(other))

    def __sub__(self, other: object) -> Expression:
        return Calculated(self, "-", _value(other))

    def __mul__(self, other: object) -> Expression:
        return Calculated(self, "*", _value(other))

    def __mod__(self, other: object) -> Expression:
        return Calculated(self, "%", _value(other))

    def is_in(self, values: Iterable[object]) -> Condition:
        """Whether it is one of `values`."""
        return Among(self, tuple(value for value in values if value is not None))

    def is_null(self) -> Condition:
        """Whether it is None, or not there."""
        return Missing(self)

    def is_not_null(self) -> Condition:
        """Whether it is there."""
        return Not(Missing(self))

    def contains(self, text: str) -> Condition:
        """Whether `text` stands in it."""
        return Text(self, "contains", text)

    def starts_with(self, text: str) -> Condition:
        """Whether it begins with `text`."""
        return Text(self, "starts_with", text)

    def ends_with(self, text: str) -> Condition:
        """Whether it ends with `text`."""
        return Text(self, "ends_with", text)

    def length(self) -> Expression:
        """Its length in characters."""
        return Length(self)

    def columns(self) -> frozenset[str]:
        """Return the columns that it is worked out of."""
        return frozenset[str]().union(*(part.columns() for part in self.parts()))

    def parts(self) -> Iterator[Expression]:
        """Yield the expressions that it is made of."""
        for field in fields(cast(Any, self)):
            part = getattr(self, field.name)
            if isinstance(part, Expression):
                yield part

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

    def __repr__(self) -> str:
        return f"col({self.name!r})"


@dataclass(frozen=True, eq=False)
class Literal(Expression):
    """A value that is the same for all rows."""

    value: Any

    def __repr__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, eq=False)
class Calculated(Expression):
    """A sum, difference, product or remainder."""

    left: Expression
    sign: str
    right: Expression

    def __repr__(self) -> str:
        return f"({self.left!r} {self.sign} {self.right!r})"


@dataclass(frozen=True, eq=False)
class Length(Expression):
    """The length of a text."""

    inner: Expression

    def __repr__(self) -> str:
        return f"{self.inner!r}.length()"


@dataclass(frozen=True, eq=False)
class Compared(Condition):
    """A comparison."""

    left: Expression
    sign: str
    right: Expression

    def __repr__(self) -> str:
        return f"({self.left!r} {self.sign} {self.right!r})"


@dataclass(frozen=True, eq=False)
class Among(Condition):
    """Being one of several values, none of them None."""

    inner: Expression
    values: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"{self.inner!r}.is_in({list(self.values)!r})"


@dataclass(frozen=True, eq=False)
class Missing(Condition):
    """Not being there."""

    inner: Expression

    def __repr__(self) -> str:
        return f"{self.inner!r}.is_null()"


@dataclass(frozen=True, eq=False)
class Text(Condition):
    """What stands in a text."""

    inner: Expression
    how: str
    text: str

    def __repr__(self) -> str:
        return f"{self.inner!r}.{self.how}({self.text!r})"


@dataclass(frozen=True, eq=False)
class Both(Condition):
    """Two conditions, both of them."""

    left: Condition
    right: Condition

    def __repr__(self) -> str:
        return f"({self.left!r} & {self.right!r})"


@dataclass(frozen=True, eq=False)
class Either(Condition):
    """Two conditions, one of them or both."""

    left: Condition
    right: Condition

    def __repr__(self) -> str:
        return f"({self.left!r} | {self.right!r})"


@dataclass(frozen=True, eq=False)
class Not(Condition):
    """The opposite of a condition."""

    inner: Condition

    def __repr__(self) -> str:
        return f"~{self.inner!r}"


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
