"""Embeddings as OpenAI's format carries them: a numbered vector per text, in base64 or as a list of numbers."""

from __future__ import annotations

import binascii
import math
import sys
from array import array
from collections.abc import Sequence
from typing import Any, cast

from . import errors
from ._matrix import Matrix
from .wire import Fields, malformed, shown


def vectors_in(entries: Sequence[Fields], count: int) -> Matrix:
    """Return the `count` vectors in `entries`, by their numbers; an entry without one has that of its place.

    Raises `InvalidResponse` unless there is exactly one finite vector for each number, all of one length.
    """
    vectors: dict[int, array[float]] = {}
    for place, entry in enumerate(entries):
        index = entry.get("index", place)
        if not isinstance(index, int) or isinstance(index, bool):
            raise malformed(entry, "index", "a number")
        vectors[index] = _vector(entry)
    if len(entries) != count or set(vectors) != set(range(count)):
        numbers = shown(sorted(vectors))
        raise errors.InvalidResponse(
            f"{count} texts were sent, and {len(entries)} embeddings came back, numbered {numbers}"
        )
    if len(set(map(len, vectors.values()))) > 1:
        raise errors.InvalidResponse("the embeddings of one answer differ in length")
    return Matrix.of([vectors.pop(index) for index in range(count)])


def _vector(entry: Fields) -> array[float]:
    value: Any = entry.get("embedding")
    try:
        vector = _from_base64(value) if isinstance(value, str) else _from_list(value)
    except (TypeError, ValueError, OverflowError):
        raise malformed(entry, "embedding", "a vector") from None
    # Their sum tells at once that all are finite; where it does not, each is looked at.
    if not vector or (not math.isfinite(sum(vector)) and not all(map(math.isfinite, vector))):
        raise errors.InvalidResponse("an embedding is empty, or holds a number that is not finite")
    return vector


def _from_list(value: object) -> array[float]:
    if not isinstance(value, list):
        raise TypeError
    numbers = cast("list[object]", value)
    if any(isinstance(number, bool) or not isinstance(number, (int, float)) for number in numbers):
        raise TypeError
    return array("d", cast("list[float]", numbers))


def _from_base64(value: str) -> array[float]:
    """Return the little-endian 32-bit floats that `value` holds."""
    numbers = array("f")
    numbers.frombytes(binascii.a2b_base64(value, strict_mode=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
