"""The one call engine: every call, of every provider, blocking or awaited, whole or streamed, goes through here.

    encode -> send -> decode -> validate -> cost -> event

under one total deadline. Encoding and decoding happen where the caller is, so that the I/O loop only moves bytes; what
one attempt at a call is, is `_attempt`, and what is done about its failure belongs there too.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ember.core import events, loop
from ember.core.events import CallFailed, CallFinished, CallStarted, Scope, Usage
from ember.core.externals import current_call

from . import _cost
from ._call import Call, EmbedCall
from ._provider import BaseProvider, Completion, Endpoint, Exchange, HttpReply, HttpRequest, Transport, Vectors
from ._response import Embeddings, Response
from ._transport import HttpTransport
from .errors import AuthenticationError, InvalidResponse, ModelError, ModelTimeout

_C = TypeVar("_C", Call, EmbedCall)

_http = HttpTransport()


@dataclass(frozen=True, slots=True)
class Job(Generic[_C]):
    """A call that knows who serves it: everything the engine needs, fixed when the user called.

    `timeout` is the total number of seconds; `key_source` says where the key came from, for errors; `parse` makes the
    value of a schema from the answer's text.
    """

    provider: BaseProvider
    call: _C
    endpoint: Endpoint
    key_source: str
    timeout: float
    scope: Scope
    parse: Callable[[str], Any] | None = None

    @property
    def transport(self) -> Transport:
        return self.provider.transport or _http

    def explained(self, error: ModelError) -> ModelError:
        """Return `error` with what only the engine knows: who was asked for what, with whose key."""
        error.provider = error.provider or self.provider.name
        error.model = error.model or self.call.model
        if isinstance(error, AuthenticationError) and self.key_source not in error.problem:
            error.problem = f"{error.problem} ({self.key_source})"
        return error


class Watch:
    """The account of one call: events, duration, and the errors' finishing touch."""

    __slots__ = ("_begun", "_job", "_number", "_over", "_parent", "requests", "usage")

    def __init__(self, job: Job[Any]) -> None:
        self._job = job
        self._number, self._parent = events.next_call(), current_call()
        self._over = False
        self.requests = 0
        self.usage: Usage | None = None
        self._begun = time.perf_counter()
        if events.listening(CallStarted):
            events.emit(CallStarted(*self._facts()))

    def _facts(self) -> tuple[int, int | None, str, str, float, Scope]:
        job = self._job
        name = f"{job.provider.name}/{job.call.model}"
        return self._number, self._parent, "model", name, time.time(), job.scope

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._begun

    def finished(self, usage: Usage, cost: Any) -> float:
        """Tell that the call answered; return its duration in seconds."""
        self._over = True
        seconds = self.seconds
        events.emit(CallFinished(*self._facts(), duration=seconds, usage=usage, cost=cost, requests=self.requests))
        return seconds

    def failed(self, error: BaseException) -> None:
        """Tell that the call ended without an answer, once."""
        if not self._over:
            self._over = True
            name = type(error).__name__
            events.emit(
                CallFailed(*self._facts(), duration=self.seconds, error=name, usage=self.usage, requests=self.requests)
            )

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self.failed(error)
            if isinstance(error, ModelError):
                self._job.explained(error)


def complete(job: Job[Call]) -> Response:
    """Make the call and wait for the answer."""
    with Watch(job) as watch:
        request = job.provider.encode(job.call, job.endpoint)
        reply = loop.run(_attempt(job, request, watch), "models")
        return answer(job, _decoded(job, job.provider.decode, reply), watch)


async def acomplete(job: Job[Call]) -> Response:
    """Make the call and await the answer."""
    with Watch(job) as watch:
        request = job.provider.encode(job.call, job.endpoint)
        reply = await loop.arun(_attempt(job, request, watch))
        return answer(job, _decoded(job, job.provider.decode, reply), watch)


def embed(job: Job[EmbedCall]) -> Embeddings:
    """Make the embedding call and wait for the vectors."""
    with Watch(job) as watch:
        request = job.provider.encode_embed(job.call, job.endpoint)
        reply = loop.run(_attempt(job, request, watch), "models.embed")
        return _embeddings(job, _decoded(job, job.provider.decode_embed, reply), watch)


async def aembed(job: Job[EmbedCall]) -> Embeddings:
    """Make the embedding call and await the vectors."""
    with Watch(job) as watch:
        request = job.provider.encode_embed(job.call, job.endpoint)
        reply = await loop.arun(_attempt(job, request, watch))
        return _embeddings(job, _decoded(job, job.provider.decode_embed, reply), watch)


async def _attempt(job: Job[Any], request: HttpRequest, watch: Watch) -> HttpReply:
    """Send `request` and return the reply in 2xx, within the deadline; on the I/O loop."""
    try:
        async with asyncio.timeout(job.timeout):
            exchange = await opened(job, request, watch)
            try:
                return HttpReply(exchange.status, exchange.headers, await exchange.read())
            finally:
                await exchange.close()
    except TimeoutError:
        raise timed_out(job) from None


async def opened(job: Job[Any], request: HttpRequest, watch: Watch) -> Exchange:
    """Send `request` and return the exchange once a head of status 2xx is there; on the I/O loop."""
    if job.provider.prices is not None:
        _cost.warm()
    watch.requests += 1
    exchange = await job.transport.send(request)
    if 200 <= exchange.status < 300:
        return exchange
    try:
        reply = HttpReply(exchange.status, exchange.headers, await exchange.read())
    finally:
        await exchange.close()
    raise job.provider.explain(reply)


def timed_out(job: Job[Any]) -> ModelTimeout:
    """Return the error of a deadline that passed."""
    return ModelTimeout(f"no complete answer within the {job.timeout:g} s this call may take.")


_D = TypeVar("_D", Completion, Vectors)


def _decoded(job: Job[_C], decode: Callable[[_C, HttpReply], _D], reply: HttpReply) -> _D:
    try:
        return decode(job.call, reply)
    except ModelError as error:
        error.status = error.status or reply.status
        raise
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        # A codec met a shape it did not foresee: the answer's fault, and never a half-read answer to the user.
        raise InvalidResponse(
            f"the answer has an unknown shape ({type(error).__name__} while reading it).", status=reply.status
        ) from error


def answer(job: Job[Call], completion: Completion, watch: Watch) -> Response:
    """Return the `Response` for a decoded answer, and book it."""
    watch.usage = completion.usage
    parsed = job.parse(completion.text) if job.parse is not None else None
    cost = _cost.cost(job.provider, (completion.model, job.call.model), completion.usage)
    return Response(
        completion.text,
        usage=completion.usage,
        cost=cost,
        model=completion.model,
        provider=job.provider.name,
        finish_reason=completion.finish_reason,
        tool_calls=completion.tool_calls,
        parsed=parsed,
        probabilities=completion.probabilities,
        latency=watch.finished(completion.usage, cost),
        request_id=completion.request_id,
        raw=completion.raw,
    )


def _embeddings(job: Job[EmbedCall], vectors: Vectors, watch: Watch) -> Embeddings:
    if len(vectors.vectors) != len(job.call.texts):
        raise InvalidResponse(f"{len(vectors.vectors)} vectors came back for {len(job.call.texts)} texts.")
    cost = _cost.cost(job.provider, (vectors.model, job.call.model), vectors.usage)
    return Embeddings(
        vectors.vectors,
        vectors.model,
        job.provider.name,
        vectors.usage,
        cost,
        watch.finished(vectors.usage, cost),
        vectors.request_id,
    )


def parser(schema: Any) -> tuple[Mapping[str, Any], Callable[[str], Any]]:
    """Return the JSON schema of `schema` and the function that makes a value from an answer's text.

    `schema` is a JSON schema, or a class with pydantic's `model_json_schema` and `model_validate_json`.
    """
    if isinstance(schema, Mapping):
        return schema, _read_json
    if hasattr(schema, "model_json_schema") and hasattr(schema, "model_validate_json"):

        def validated(text: str) -> Any:
            try:
                return schema.model_validate_json(text)
            except ValueError as error:  # pydantic's ValidationError is one
                raise InvalidResponse(f"the answer does not fit {schema.__name__}: {error}") from error

        return schema.model_json_schema(), validated
    raise TypeError(f"schema is a JSON schema (a dict) or a pydantic model class; got {type(schema).__name__}.")


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidResponse(f"the answer is not the JSON that was asked for: {text[:200]!r}") from error
