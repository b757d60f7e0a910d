"""The vectors that answer `batchEmbedContents`: one per text, in the order of the texts."""

from __future__ import annotations

import math
from typing import Any, cast

from ember.models import EmbedCall, Usage, Vectors, errors
from ember.models.wire import Fields, malformed, sequence, tokens

from ._faults import raise_error_in


def vectors(call: EmbedCall, body: Fields) -> Vectors:
    """Return the vectors in a response. Raises `InvalidResponse` unless there is a finite one for each text."""
    raise_error_in(body)
    entries = sequence(body, "embeddings")
    if len(entries) != len(call.texts):
        raise errors.InvalidResponse(
            f"{len(call.texts)} texts were sent, and {len(entries)} embeddings came back"
        )
    found = tuple(map(_vector, entries))
    if len(set(map(len, found))) > 1:
        raise errors.InvalidResponse("the embeddings of one answer differ in length")
    read = tokens(body.get("usageMetadata"), "promptTokenCount")
    # Embeddings have no output: with the input known, nothing is unknown.
    return Vectors(found, call.model, Usage(read, None if read is None else 0))


def _vector(entry: Fields) -> tuple[float, ...]:
    values: Any = entry.get("values")
    if not isinstance(values, list):
        raise malformed(entry, "values", "a vector")
    numbers = cast("list[object]", values)
    if any(isinstance(number, bool) or not isinstance(number, (int, float)) for number in numbers):
        raise malformed(entry, "values", "a vector")
    try:
        vector = tuple(map(float, cast("list[float]", numbers)))
    except OverflowError:
        raise malformed(entry, "values", "a vector") from None
    if not vector or not all(map(math.isfinite, vector)):
        raise errors.InvalidResponse("an embedding is empty, or holds a number that is not finite")
    return vector
