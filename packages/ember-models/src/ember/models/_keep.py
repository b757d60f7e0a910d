"""Answers kept on disk: what a call's key is made of, and one request for identical calls made at once.

The key is a SHA-256 of everything that shapes the answer, in a form that is the same for the same call in every
process: who is asked and where, the call itself with schema, tools and vendor fields, and the provider's settings. The
API key is no part of it. Whether the answer streams is none either: a stream is answered by what a plain call kept.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from hashlib import sha256
from typing import Any, Final, TypeVar, cast

from ember.core import loop
from ember.core.errors import ConfigWarning, StorageError
from ember.core.notice import say_once
from ember.core.pool import in_pool
from ember.core.secrets import scrub

from ._call import Call, EmbedCall, Policies
from ._disk_cache import DiskCache, disk_cache
from ._job import Job
from ._packing import packed, unpacked
from ._provider import Completion

_FORM: Final = 1
"""The version of the key and of what is kept under it. Raised when either changes: old answers are then not found."""

DEFAULT_BOUND: Final = 1_000_000_000
"""Bytes that all answers may take, when `models.cache_size` does not say."""

_C = TypeVar("_C", Call, EmbedCall)


@dataclass(frozen=True, slots=True)
class Keep:
    """Where a call's answer is kept, and how old one may be that is taken instead of asking."""

    cache: DiskCache
    key: bytes
    ttl: float
    bound: int

    def find(self) -> Completion | None:
        """Return the answer that is kept, if there is one that can be read."""
        data = self.cache.get((self.key,), self.ttl).get(self.key)
        if data is None:
            return None
        try:
            return unpacked(data)
        except ValueError:
            return None

    async def afind(self) -> Completion | None:
        """As `find`. On the I/O loop, where nothing may block, a thread looks."""
        if not loop.is_here():
            return self.find()
        found: Completion | None = await in_pool(self.find, (), {})
        return found

    def keep(self, completion: Completion) -> None:
        """Keep a whole answer.

        One that the provider's filter ended is not kept, since it may pass the next time, and none in which a known
        secret stands.
        """
        if completion.finish_reason == "content_filter":
            return
        try:
            data = packed(completion)
        except (TypeError, ValueError) as error:
            notice(f"Ember does not cache an answer of {completion.model}: {error}.")
            return
        if is_clean(data):
            self.cache.put(self.key, data, self.bound)


def is_clean(data: bytes) -> bool:
    """Whether no known secret stands in `data`."""
    text = data.decode("utf-8", "replace")
    return scrub(text) == text


def notice(message: str) -> None:
    """Warn once, and never fail: a cache is not worth an answer."""
    with suppress(ConfigWarning):  # where warnings are errors
        say_once(message)


def kept(job: Job[_C], bound: int | None) -> Job[_C]:
    """Return `job` with the place where its answer is kept; as it is, if it cannot be."""
    ttl = job.policy.cache
    if ttl is None:
        return job
    try:
        key = key_of(job, job.call)
        return replace(job, keep=Keep(disk_cache(), key, ttl, DEFAULT_BOUND if bound is None else bound))
    except (TypeError, ValueError, RecursionError) as error:
        notice(f"Ember does not cache a call of {job.provider.name}/{job.call.model}: {error}.")
    except StorageError as error:
        notice(f"Ember goes on without its cache of answers: {error}")
    return job


def key_of(job: Job[Any], call: Call | EmbedCall) -> bytes:
    """Return the key of `call` as `job` makes it. Raises TypeError or ValueError for what has no certain form.

    The order within a schema, a tool or a message counts, since models write fields in the order they are told of
    them; that of vendor fields and settings does not.
    """
    options = job.endpoint.options
    said: dict[str, Any] = {field.name: getattr(call, field.name) for field in fields(call)}
    said.pop("stream", None)
    said["extra"] = dict(sorted(call.extra.items()))
    form = [
        _FORM,
        f"{type(job.provider).__module__}.{type(job.provider).__qualname__}",
        job.provider.name,
        job.endpoint.base_url,
        {name: options[name] for name in sorted(options) if name not in _SHAPELESS},
        type(call).__name__,
        {name: _number(value) for name, value in said.items()},
    ]
    text = json.dumps(form, default=_formed, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return sha256(text.encode()).digest()


def text_keys(job: Job[EmbedCall]) -> dict[str, bytes]:
    """Return the key of each text's vector."""
    whole = key_of(job, replace(job.call, texts=()))
    texts = dict.fromkeys(job.call.texts)
    return {text: sha256(whole + text.encode("utf-8", "surrogatepass")).digest() for text in texts}


# Settings of a provider that say how a call is made, not what is answered.
_SHAPELESS: Final = (
    frozenset({"base_url", "allow_http", "fallback", "embed_texts"}) | Policies.__annotations__.keys()
)


def _number(value: Any) -> Any:
    return (
        int(value) if isinstance(value, float) and value.is_integer() else value
    )  # 0 and 0.0 are asked alike


def _formed(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        told = {field.name: getattr(value, field.name) for field in fields(value) if field.compare}
        return [type(value).__name__, told]
    if isinstance(value, Mapping):
        return dict(cast("dict[str, Any]", value))
    if isinstance(value, bytes):
        return ["bytes", sha256(value).hexdigest()]
    raise TypeError(f"a value of type {type(value).__name__} has no certain form")


class Flight:
    """A request under way, for which identical calls wait before they look again."""

    def __init__(self) -> None:
        self.followers = 0
        self._landed = False
        self._event = asyncio.Event()

    def land(self) -> None:
        """Let the followers go on."""
        self._landed = True
        if self.followers:
            loop.io_loop().mail.post(self._event.set)

    async def landing(self, seconds: float) -> None:
        """Wait for the end of the request; on the I/O loop. Raises TimeoutError after `seconds`."""
        if not self._landed:
            async with asyncio.timeout(seconds):
                await self._event.wait()


_flights: dict[bytes, Flight] = {}
_lock = threading.Lock()


def board(key: bytes) -> tuple[Flight, bool]:
    """Return the flight of `key`, and whether the caller leads it: then it makes the request, and calls `leave`."""
    with _lock:
        flight = _flights.get(key)
        if flight is None:
            flight = _flights[key] = Flight()
            return flight, True
        flight.followers += 1
        return flight, False


def leave(key: bytes) -> None:
    """End the flight of `key`."""
    with _lock:
        flight = _flights.pop(key, None)
    if flight is not None:
        flight.land()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    _flights.clear()  # their leaders are the parent's


os.register_at_fork(after_in_child=_after_fork)
