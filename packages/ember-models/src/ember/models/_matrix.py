"""Vectors of one length, in one array."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias, cast, overload

Vector: TypeAlias = tuple[float, ...]

_SINGLE: Final = "f"
_DOUBLE: Final = "d"


class Matrix(Sequence[Vector]):
    """Vectors of one length: a sequence of tuples that takes 4 or 8 bytes a number, where tuples take 32.

    `numpy.asarray` gives a read-only [vectors, numbers] array of it without copying. It equals any sequence of
    sequences of the same numbers.

    >>> Matrix.of([(1.0, 2.0), (3.0, 4.0)])[1]
    (3.0, 4.0)
    """

    __slots__ = ("numbers", "width")

    def __init__(self, numbers: array[float], width: int) -> None:
        if width < 1 or len(numbers) % width:
            raise ValueError(f"{len(numbers)} numbers are no vectors of {width}.")
        self.numbers, self.width = numbers, width

    @classmethod
    def of(cls, vectors: Sequence[Sequence[float]]) -> Matrix:
        """Return `vectors` in one array, of 4-byte numbers where all of them have those. ValueError if they differ in
        length, or are none.
        """
        if isinstance(vectors, Matrix):
            return vectors
        if len(widths := set(map(len, vectors))) != 1:
            raise ValueError("The vectors differ in length." if widths else "There are no vectors.")
        single = all(isinstance(vector, array) and vector.typecode == _SINGLE for vector in vectors)
        numbers = array(_SINGLE if single else _DOUBLE)
        for vector in vectors:
            numbers.extend(vector if single else array(_DOUBLE, vector))
        return cls(numbers, widths.pop())

    @overload
    def __getitem__(self, index: int) -> Vector: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Vector, ...]: ...
    def __getitem__(self, index: int | slice) -> Vector | tuple[Vector, ...]:
        if isinstance(index, slice):
            return tuple(map(self._vector, range(len(self))[index]))
        return self._vector(range(len(self))[index])

    def _vector(self, at: int) -> Vector:
        return tuple(self.numbers[at * self.width : (at + 1) * self.width])

    def __len__(self) -> int:
        return len(self.numbers) // self.width

    def __iter__(self) -> Iterator[Vector]:
        return map(self._vector, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Matrix):
            return self.width == other.width and self.numbers == other.numbers
        if not isinstance(other, Sequence) or isinstance(other, (str, bytes)):
            return NotImplemented
        theirs = cast("Sequence[object]", other)
        return len(theirs) == len(self) and all(map(_same, self, theirs))

    def __hash__(self) -> int:
        return hash(self.numbers.tobytes())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        import numpy  # whoever calls this has it

        shared = numpy.frombuffer(self.numbers, dtype=self.numbers.typecode).reshape(len(self), self.width)
        shared.flags.writeable = False
        if dtype is not None and shared.dtype != dtype:
            if copy is False:
                raise ValueError(f"An array of {dtype} takes a copy of these numbers.")
            return shared.astype(dtype)
        return shared.copy() if copy else shared

    def __repr__(self) -> str:
        return f"<Matrix of {len(self)} vectors of {self.width}>"


def _same(ours: Vector, theirs: object) -> bool:
    return isinstance(theirs, Sequence) and ours == tuple(cast("Sequence[object]", theirs))


class Sheet:
    """A matrix of `rows` vectors that is filled in any order, a few vectors at a time."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._whole: Matrix | None = None

    def put(self, first: int, part: Matrix) -> None:
        """Put the vectors of `part` where the one numbered `first` belongs. ValueError if they differ in length."""
        code, whole = part.numbers.typecode, self._whole
        if whole is None:
            room = part.numbers[:0]
            room.frombytes(bytes(self._rows * part.width * room.itemsize))
            whole = self._whole = Matrix(room, part.width)
        if part.width != whole.width:
            raise ValueError("The vectors differ in length.")
        if whole.numbers.typecode == _SINGLE and code == _DOUBLE:
            whole = self._whole = Matrix(array(_DOUBLE, whole.numbers), part.width)
        numbers = part.numbers if whole.numbers.typecode == code else array(_DOUBLE, part.numbers)
        start = first * part.width
        whole.numbers[start : start + len(numbers)] = numbers

    def matrix(self) -> Matrix:
        """Return the whole."""
        if self._whole is None:
            raise ValueError("There are no vectors.")
        return self._whole
