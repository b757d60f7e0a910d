"""Calls with `cache=`: looked for on disk first, made once for all who ask the same at once, kept when whole."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ember.core import loop
from ember.core.events import Usage
from ember.core.pool import in_pool

from ._call import Call, EmbedCall
from ._disk_cache import CacheStats, disk_cache
from ._embed import aembed as aask, embed as ask
from ._engine import NO_COST, NOTHING_USED, amade, answer, encoded, made
from ._job import Job, Watch
from ._keep import Keep, board, leave, text_keys
from ._matrix import Matrix
from ._packing import packed_vector, unpacked_vector
from ._provider import Completion
from ._response import Embeddings, Response
from .errors import ModelTimeout, SchemaMismatch


class AnswerCache:
    """The answers that calls with `cache=` keep on disk, for all of this user's programs."""

    def clear(self) -> int:
        """Throw all of them away; return how many there were. Raises StorageError for a file that cannot be used."""
        return disk_cache().clear()

    def stats(self) -> CacheStats:
        """Return how many there are and what they take. Raises StorageError for a file that cannot be used."""
        return disk_cache().stats()


def complete(job: Job[Call], keep: Keep) -> Response:
    """Answer from the cache, or else make the call; if the same is under way already, wait for that one first."""
    kept = keep.find()
    request = encoded(job, job.provider.encode) if kept is None else None
    with Watch(job) as watch:
        if (found := _hit(job, kept, watch)) is not None:
            return found
        request = request or encoded(job, job.provider.encode)
        flight, leads = board(keep.key)
        if leads:
            try:
                return made(job, request, watch)
            finally:
                leave(keep.key)
        try:
            loop.run(flight.landing(_left(job, watch)), "models")
        except TimeoutError:
            raise _late(job) from None
        found = _hit(job, keep.find(), watch)
        # Its request failed, or what came cannot be kept: each of those who waited asks for itself.
        return made(replace(job, spent=watch.seconds()), request, watch) if found is None else found


async def acomplete(job: Job[Call], keep: Keep) -> Response:
    """As `complete`, awaited."""
    kept = await keep.afind()
    request = encoded(job, job.provider.encode) if kept is None else None
    with Watch(job) as watch:
        if (found := _hit(job, kept, watch)) is not None:
            return found
        request = request or encoded(job, job.provider.encode)
        flight, leads = board(keep.key)
        if leads:
            try:
                return await amade(job, request, watch)
            finally:
                leave(keep.key)
        try:
            await loop.arun(flight.landing(_left(job, watch)))
        except TimeoutError:
            raise _late(job) from None
        found = _hit(job, await keep.afind(), watch)
        return await amade(replace(job, spent=watch.seconds()), request, watch) if found is None else found


def _hit(job: Job[Call], kept: Completion | None, watch: Watch) -> Response | None:
    if kept is None:
        return None
    try:
        return answer(job, kept, watch, cached=True)
    except SchemaMismatch:  # the type's validators have become stricter since
        return None


def _left(job: Job[Any], watch: Watch) -> float:
    return max(0.0, job.policy.timeout - watch.seconds())


def _late(job: Job[Any]) -> ModelTimeout:
    return ModelTimeout(f"no answer to the same call within the {job.policy.timeout:g} s this one may take.")


class _Vectors:
    """The vectors of one embedding call: those that are kept, and those that have to be asked for."""

    def __init__(self, job: Job[EmbedCall], keep: Keep) -> None:
        self._job, self._keep = job, keep
        self._begun = time.perf_counter()
        self._keys = text_keys(job)
        self._known: dict[str, tuple[str, tuple[float, ...]]] = {}

    def find(self) -> Embeddings | None:
        """Look for what is kept; return the answer if that is all of it."""
        data = self._keep.cache.get(tuple(self._keys.values()), self._keep.ttl)
        for text, key in self._keys.items():
            if (kept := data.get(key)) is not None:
                with suppress(ValueError):
                    self._known[text] = unpacked_vector(kept)
        models = {model for model, _ in self._known.values()}
        if (
            len(models) > 1
        ):  # the vendor changed what the name stands for, and vectors of two models do not compare
            self._known.clear()
        if len(self._known) < len(self._keys):
            return None
        with Watch(self._job) as watch:
            watch.usage, watch.cost = NOTHING_USED, NO_COST
            seconds = watch.finished(cached=True)
        return self._answer(models.pop(), NOTHING_USED, NO_COST, seconds, None, cached=True)

    def rest(self) -> Job[EmbedCall]:
        """Return the call for the texts that are not known."""
        texts = tuple(text for text in self._keys if text not in self._known)
        call, hold = replace(self._job.call, texts=texts), self._job.hold
        if hold is not None:
            hold = hold.of(self._job.provider, call)  # what is kept costs nothing
        spent = time.perf_counter() - self._begun
        return replace(self._job, call=call, keep=None, hold=hold, spent=spent)

    def add(self, job: Job[EmbedCall], asked: Embeddings) -> Embeddings | None:
        """Keep what came for `job`; return the answer, or None if what was kept is of another model."""
        if any(model != asked.model for model, _ in self._known.values()):
            self._known.clear()
            return None
        for text, vector in zip(job.call.texts, asked.vectors, strict=True):
            self._known[text] = asked.model, vector
            self._keep.cache.put(self._keys[text], packed_vector(vector, asked.model), self._keep.bound)
        seconds = time.perf_counter() - self._begun
        return self._answer(asked.model, asked.usage, asked.cost, seconds, asked.request_id, cached=False)

    def _answer(
        self,
        model: str,
        usage: Usage,
        cost: Decimal | None,
        seconds: float,
        request_id: str | None,
        *,
        cached: bool,
    ) -> Embeddings:
        vectors = Matrix.of([self._known[text][1] for text in self._job.call.texts])
        return Embeddings(vectors, model, self._job.provider.name, usage, cost, seconds, request_id, cached)


def embed(job: Job[EmbedCall], keep: Keep) -> Embeddings:
    """Return the vectors that are kept, and ask for the others; if the same is under way already, wait for it first."""
    vectors = _Vectors(job, keep)
    found = vectors.find()
    if found is not None:
        return found
    flight, leads = board(keep.key)
    if leads:
        try:
            return _asked(vectors)
        finally:
            leave(keep.key)
    try:
        loop.run(flight.landing(job.policy.timeout), "models.embed")
    except TimeoutError:
        with Watch(job):
            raise _late(job) from None
    found = vectors.find()
    return _asked(vectors) if found is None else found


def _asked(vectors: _Vectors) -> Embeddings:
    while True:
        rest = vectors.rest()
        whole = vectors.add(rest, ask(rest))
        if whole is not None:
            return whole


async def aembed(job: Job[EmbedCall], keep: Keep) -> Embeddings:
    """As `embed`, awaited."""
    vectors = _Vectors(job, keep)
    found = await _alook(vectors)
    if found is not None:
        return found
    flight, leads = board(keep.key)
    if leads:
        try:
            return await _aasked(vectors)
        finally:
            leave(keep.key)
    try:
        await loop.arun(flight.landing(job.policy.timeout))
    except TimeoutError:
        with Watch(job):
            raise _late(job) from None
    found = await _alook(vectors)
    return await _aasked(vectors) if found is None else found


async def _aasked(vectors: _Vectors) -> Embeddings:
    while True:
        rest = vectors.rest()
        whole = vectors.add(rest, await aask(rest))
        if whole is not None:
            return whole


async def _alook(vectors: _Vectors) -> Embeddings | None:
    found: Embeddings | None = await in_pool(vectors.find, (), {}) if loop.is_here() else vectors.find()
    return found
