"""Embedding calls: any number of texts, in as many requests as the provider's limits take.

However many requests there are, it is one call: one deadline, one event, one sum of what was used. Up to eight of them
are under way at once, as the gate lets them; each holds its own texts and reply and nothing else, and the vectors go
into one array. The first that fails ends the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from ember.core import loop
from ember.core.pool import in_pool

from ._call import EmbedCall
from ._engine import book, decoded, encoded, reply_to
from ._job import Job, Watch
from ._matrix import Matrix, Sheet
from ._provider import HttpReply, Vectors
from ._response import Embeddings
from .errors import InvalidResponse

AT_ONCE: Final = 8
"""How many requests of one call may be under way together."""


def embed(job: Job[EmbedCall]) -> Embeddings:
    """Make the embedding call and wait for the vectors."""
    if job.keep is not None:
        from ._cached import embed as cached

        return cached(job, job.keep)
    batches = _batches(job)
    if len(batches) > 1:
        with Watch(job) as watch:
            return loop.run(_in_batches(job, batches, watch), "models.embed")
    request = encoded(job, job.provider.encode_embed)
    with Watch(job) as watch:
        reply = loop.run(reply_to(job, request, watch), "models.embed")
        return _whole(job, decoded(job, job.provider.decode_embed, reply, watch), watch)


async def aembed(job: Job[EmbedCall]) -> Embeddings:
    """Make the embedding call and await the vectors."""
    if job.keep is not None:
        from ._cached import aembed as cached

        return await cached(job, job.keep)
    batches = _batches(job)
    if len(batches) > 1:
        with Watch(job) as watch:
            return await loop.arun(_in_batches(job, batches, watch))
    request = encoded(job, job.provider.encode_embed)
    with Watch(job) as watch:
        reply = await loop.arun(reply_to(job, request, watch))
        return _whole(job, decoded(job, job.provider.decode_embed, reply, watch), watch)


def _batches(job: Job[EmbedCall]) -> tuple[range, ...]:
    """Return which texts go together: as many as the provider, or the user in its settings, allows in one request."""
    texts, provider = job.call.texts, job.provider
    most, room = job.endpoint.options.get("embed_texts") or provider.embed_texts, provider.embed_bytes
    if len(texts) <= most and room is None:
        return (range(len(texts)),)
    return tuple(_split(texts, most, room))


def _split(texts: Sequence[str], most: int, room: int | None) -> Iterator[range]:
    """Yield the numbers of the texts of each request. One that is too long for any is sent alone: the vendor says so.

    >>> list(_split(["a", "bb", "cccc", "d"], most=3, room=4))
    [range(0, 2), range(2, 3), range(3, 4)]
    """
    first = size = 0
    for number, text in enumerate(texts):
        # No token is shorter than a byte, so a limit of tokens is kept by as many bytes.
        length = 0 if room is None else len(text.encode("utf-8", "replace"))
        if number > first and (number - first >= most or (room is not None and size + length > room)):
            yield range(first, number)
            first, size = number, 0
        size += length
    yield range(first, len(texts))


async def _in_batches(job: Job[EmbedCall], batches: Sequence[range], watch: Watch) -> Embeddings:
    """Make the requests, at most `AT_ONCE` together, and put what comes in order; on the I/O loop."""
    sheet, left, answers = Sheet(len(job.call.texts)), iter(batches), list[Vectors]()

    async def work() -> None:
        for numbers in left:
            call = replace(job.call, texts=job.call.texts[numbers.start : numbers.stop])
            part = replace(job, call=call, spent=job.spent + watch.seconds())
            # In threads, so that the loop only moves bytes.
            request = await in_pool(encoded, (part, part.provider.encode_embed), {})
            reply = await reply_to(part, request, watch)
            vectors = await _read(part, reply, watch)
            answers.append(replace(vectors, vectors=()))
            _put(sheet, numbers.start, _checked(call, vectors))

    workers = [asyncio.create_task(work()) for _ in range(min(AT_ONCE, len(batches)))]
    try:
        done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        for worker in done:
            worker.result()
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    if len(models := {answer.model for answer in answers}) > 1:
        raise InvalidResponse(f"the vectors are of different models: {', '.join(sorted(models))}.")
    watch.admitted = None  # each request has its own
    return _embeddings(job, sheet.matrix(), answers[0], watch)


async def _read(job: Job[EmbedCall], reply: HttpReply, watch: Watch) -> Vectors:
    """Decode and book what came back, to its end: it is paid for, even when the call is ended meanwhile."""

    async def read() -> Vectors:
        vectors: Vectors = await in_pool(decoded, (job, job.provider.decode_embed, reply, watch), {})
        book(job, vectors.model, vectors.usage, watch)
        return vectors

    reading = asyncio.create_task(read())
    try:
        return await asyncio.shield(reading)
    finally:
        await asyncio.wait((reading,))


def _put(sheet: Sheet, first: int, part: Matrix) -> None:
    try:
        sheet.put(first, part)
    except ValueError:
        raise InvalidResponse("the vectors of one call differ in length.") from None


def _whole(job: Job[EmbedCall], vectors: Vectors, watch: Watch) -> Embeddings:
    book(job, vectors.model, vectors.usage, watch)
    return _embeddings(job, _checked(job.call, vectors), vectors, watch)


def _checked(call: EmbedCall, vectors: Vectors) -> Matrix:
    if len(vectors.vectors) != len(call.texts):
        raise InvalidResponse(f"{len(vectors.vectors)} vectors came back for {len(call.texts)} texts.")
    try:
        matrix = Matrix.of(vectors.vectors)
    except (TypeError, ValueError):
        raise InvalidResponse("the vectors differ in length, or are none.") from None
    if call.dimensions is not None and matrix.width != call.dimensions:
        raise InvalidResponse(
            f"vectors of {call.dimensions} numbers were asked for, and such of {matrix.width} came back."
        )
    return matrix


def _embeddings(job: Job[EmbedCall], matrix: Matrix, answer: Vectors, watch: Watch) -> Embeddings:
    assert watch.usage is not None  # it was booked
    return Embeddings(
        matrix,
        answer.model,
        job.provider.name,
        watch.usage,
        watch.cost,
        watch.finished(),
        answer.request_id,
    )
