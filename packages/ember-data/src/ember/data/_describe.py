"""What columns rows have: one pass, and memory that does not grow with the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

# More different values than this are not counted one by one.
_VALUES = 100
_COLUMNS = 1_000


@dataclass
class Column:
    """What one column holds. `least`, `most` and `mean` are of numbers, or of the lengths of texts and lists."""

    types: Counter[str] = field(default_factory=Counter[str])
    least: float | None = None
    most: float | None = None
    total: float = 0.0
    measured: int = 0
    values: Counter[Any] | None = field(default_factory=Counter[Any])

    @property
    def mean(self) -> float | None:
        return self.total / self.measured if self.measured else None

    def add(self, value: object) -> None:
        """Take one value into the account."""
        self.types[type(value).__name__] += 1
        size: float | None = None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            size = value
        elif isinstance(value, (str, bytes, list, tuple, dict)):
            size = len(cast("Any", value))
        if size is not None and size == size:  # not NaN
            self.measured += 1
            self.total += size
            self.least = size if self.least is None else min(self.least, size)
            self.most = size if self.most is None else max(self.most, size)
        if self.values is not None:
            if isinstance(value, (str, int, float, bool)) and not (
                isinstance(value, str) and len(value) > 80
            ):
                self.values[value] += 1
            elif value is not None:
                self.values = None
            if self.values is not None and len(self.values) > _VALUES:
                self.values = None


@dataclass
class Description:
    """What `describe()` found: how many rows, and each column by its name."""

    rows: int
    columns: dict[str, Column]

    def __str__(self) -> str:
        table = [("column", "rows", "types", "least", "mean", "most", "values")]
        for name, column in self.columns.items():
            types = ", ".join(kind for kind, _ in column.types.most_common())
            numbers = ["" if n is None else f"{n:.6g}" for n in (column.least, column.mean, column.most)]
            seen = column.values
            values = "many" if seen is None else ", ".join(f"{v!r} {n}" for v, n in seen.most_common(3))
            if seen is not None and len(seen) > 3:
                values += f", {len(seen) - 3} more"
            table.append(
                (name, f"{column.types.total():,}", types, numbers[0], numbers[1], numbers[2], values)
            )
        widths = [max(len(row[place]) for row in table) for place in range(len(table[0]) - 1)]
        lines = [
            "  ".join([*(text.ljust(width) for text, width in zip(row, widths)), row[-1]]).rstrip()
            for row in table
        ]
        return "\n".join([f"{self.rows:,} rows", *lines])

    def __repr__(self) -> str:
        return str(self)


def describe(rows: Iterable[Any]) -> Description:
    """Return what columns `rows` have. What is no dict counts as the one column "row"."""
    columns: dict[str, Column] = {}
    count = 0
    for row in rows:
        count += 1
        fields: dict[str, Any] = cast("dict[str, Any]", row) if isinstance(row, dict) else {"row": row}
        for name, value in fields.items():
            column = columns.get(name)
            if column is None:
                if len(columns) >= _COLUMNS:
                    continue
                column = columns[name] = Column()
            column.add(value)
    return Description(count, columns)
