"""The vectors that answer `batchEmbedContents`: one per text, in the order of the texts."""

from __future__ import annotations

from ember.models import EmbedCall, Usage, Vectors
from ember.models.chat_completions import vectors_in
from ember.models.wire import Fields, sequence, tokens

from ._faults import raise_error_in


def vectors(call: EmbedCall, body: Fields) -> Vectors:
    """Return the vectors in a response. Raises `InvalidResponse` unless there is a finite one for each text."""
    raise_error_in(body)
    entries = [{"embedding": entry.get("values")} for entry in sequence(body, "embeddings")]
    read = tokens(body.get("usageMetadata"), "promptTokenCount")
    # Embeddings have no output: with the input known, nothing is unknown.
    return Vectors(vectors_in(entries, len(call.texts)), call.model, Usage(read, None if read is None else 0))
