"""The one call engine: every call, of every provider, blocking or awaited, whole or streamed, goes through here.

    encode -> send -> decode -> validate -> cost -> event

under one total deadline. Encoding and decoding happen where the caller is, so that the I/O loop only moves bytes. Who
may send when, and whether a failed attempt is made again, is said in `_attempts`.

A provider may be a stranger's code: whatever it raises beside `ModelError` becomes one here, with its type, its text
without secrets, and its place; never as a cause, whose traceback would print what the server said.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Final, NoReturn, TypeVar

from ember.core import loop
from ember.core.events import Usage
from ember.core.secrets import scrub

from . import _cost, _reask
from ._attempts import Attempts
from ._call import Call, EmbedCall, ToolCall
from ._job import Job, Watch
from ._likelihood import probabilities
from ._provider import (
    BaseProvider,
    Completion,
    Endpoint,
    Exchange,
    HttpReply,
    HttpRequest,
    Vectors,
    clipped,
)
from ._response import Response
from ._retry import heed
from .errors import (
    ConnectionFailed,
    InvalidRequestError,
    InvalidResponse,
    ModelError,
    ModelTimeout,
    SchemaMismatch,
)

_C = TypeVar("_C", Call, EmbedCall)


def complete(job: Job[Call]) -> Response:
    """Make the call and wait for the answer."""
    if job.keep is not None:
        from ._cached import complete as cached

        return cached(job, job.keep)
    request = encoded(job, job.provider.encode)
    with Watch(job) as watch:
        return made(job, request, watch)


def made(job: Job[Call], request: HttpRequest, watch: Watch) -> Response:
    """Send `request`, and wait for an answer that is what was asked for."""
    while True:
        reply = loop.run(reply_to(job, request, watch), "models")
        try:
            return answer(job, decoded(job, job.provider.decode, reply, watch), watch)
        except SchemaMismatch as error:
            job = _reask.again(job, error, watch)
            request = encoded(job, job.provider.encode)


async def acomplete(job: Job[Call]) -> Response:
    """Make the call and await the answer."""
    if job.keep is not None:
        from ._cached import acomplete as cached

        return await cached(job, job.keep)
    request = encoded(job, job.provider.encode)
    with Watch(job) as watch:
        return await amade(job, request, watch)


async def amade(job: Job[Call], request: HttpRequest, watch: Watch) -> Response:
    """Send `request`, and await an answer that is what was asked for."""
    while True:
        reply = await loop.arun(reply_to(job, request, watch))
        try:
            return answer(job, decoded(job, job.provider.decode, reply, watch), watch)
        except SchemaMismatch as error:
            job = _reask.again(job, error, watch)
            request = encoded(job, job.provider.encode)


def discover(job: Job[EmbedCall]) -> tuple[str, ...]:
    """Ask which models are served, and wait. Nothing is booked and no event tells of it: no model is called."""
    with _explaining(job):
        return _served(job, loop.run(_asking(job), "models.discover"))


async def adiscover(job: Job[EmbedCall]) -> tuple[str, ...]:
    """Ask which models are served, and await the answer."""
    with _explaining(job):
        return _served(job, await loop.arun(_asking(job)))


def _asking(job: Job[EmbedCall]) -> Coroutine[Any, Any, HttpReply]:
    request = encoded(job, lambda _, endpoint: job.provider.encode_discover(endpoint))
    return reply_to(job, request, Watch(job))


def _served(job: Job[EmbedCall], reply: HttpReply) -> tuple[str, ...]:
    return decoded(job, lambda _, whole: job.provider.decode_discover(whole), reply, Watch(job))


@contextmanager
def _explaining(job: Job[Any]) -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        job.explained(error)
        raise


_T = TypeVar("_T")


def encoded(job: Job[_C], encode: Callable[[_C, Endpoint], _T]) -> _T:
    """Return what the provider makes of the call before it is sent. Nothing has been made yet: no event tells of it."""
    try:
        return encode(job.call, job.endpoint)
    except ModelError as error:
        job.explained(error)
        raise
    except Exception as error:  # a plugin boundary
        fault = f"the provider could not write the request ({told(error)}); that is a fault of the provider."
        raise job.explained(InvalidRequestError(fault)) from None


async def reply_to(job: Job[Any], request: HttpRequest, watch: Watch) -> HttpReply:
    """Send `request`, as often as it takes and is allowed, and return the reply in 2xx; on the I/O loop."""
    attempts = Attempts(job, watch)
    deadline = asyncio.timeout_at(attempts.deadline)
    try:
        async with deadline:
            while True:
                try:
                    exchange = await opened(job, request, watch, attempts)
                    try:
                        reply = HttpReply(exchange.status, exchange.headers, await exchange.read())
                    finally:
                        await exchange.close()
                    attempts.leave(None)
                    return reply
                except ModelError as error:
                    attempts.leave(error)
                    if not await attempts.again(error):
                        raise
    except Exception as error:
        attempts.leave(error)
        raise_for(error, job, deadline)
    except BaseException as error:
        attempts.leave(error)
        raise


async def opened(job: Job[Any], request: HttpRequest, watch: Watch, attempts: Attempts) -> Exchange:
    """Enter, send `request` and return the exchange once a head of status 2xx is there; on the I/O loop."""
    if job.provider.prices is not None:
        _cost.warm()
    await attempts.enter()
    watch.requests += 1
    exchange = await job.transport.send(request)
    watch.heads = exchange.headers
    attempts.heard(exchange.headers)
    if 200 <= exchange.status < 300:
        return exchange
    try:
        body = await exchange.read()
    except ModelError:
        body = b""  # the status says more than how its body broke
    finally:
        await exchange.close()
    error = _explanation(job.provider, HttpReply(exchange.status, exchange.headers, body))
    heed(error, exchange.headers, time.time())
    raise error


def _explanation(provider: BaseProvider, reply: HttpReply) -> ModelError:
    try:
        error = provider.explain(reply)
        if isinstance(error, ModelError):  # pyright: ignore[reportUnnecessaryIsInstance]
            return error
    except Exception:  # a plugin boundary: the status alone says a good deal
        pass
    return BaseProvider.explain(provider, reply)


def raise_for(error: Exception, job: Job[Any], deadline: asyncio.Timeout) -> NoReturn:
    """Raise the `ModelError` for what went wrong between sending a request and having its reply."""
    if isinstance(error, TimeoutError) and deadline.expired():
        raise ModelTimeout(
            f"no complete answer within the {job.policy.timeout:g} s this call may take."
        ) from None
    if isinstance(error, ModelError):
        raise error
    # A plugin boundary: a provider's own transport may fail in ways we do not know.
    raise ConnectionFailed(f"the provider's transport failed ({told(error)}).") from None


_D = TypeVar("_D", Completion, Vectors, tuple[str, ...])


def decoded(job: Job[_C], decode: Callable[[_C, HttpReply], _D], reply: HttpReply, watch: Watch) -> _D:
    try:
        return decode(job.call, reply)
    except Exception as error:
        failure = undecoded(job, error, "the answer", watch)
        failure.status = failure.status or reply.status
        if failure.request_id is None:
            failure.request_id = _request_id(reply.headers)
        raise failure from None


def _request_id(headers: Mapping[str, str]) -> str | None:
    """Return the id that the head of a reply gives the request, in either of the two headers that vendors use."""
    known = headers.get("x-request-id") or headers.get("request-id")
    return None if known is None else scrub(known)


def undecoded(job: Job[Any], error: Exception, what: str, watch: Watch) -> ModelError:
    """Return the error for what a provider's decoder raised: mostly, a shape that it did not foresee.

    A provider that refuses to answer may have been paid for it, and says so in the error: that is booked.
    """
    if isinstance(error, ModelError):
        if error.usage is not None:
            book(job, job.call.model, error.usage, watch)
        return error
    return InvalidResponse(f"{what} has an unknown shape ({told(error)}).")


def told(error: Exception) -> str:
    """Return the type, the text (200 characters, no secrets) and the place of an exception in a provider's code."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = (
        f", {PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else ""
    )
    return f"{type(error).__name__}: {clipped(str(error))}{place}"


def answer(job: Job[Call], completion: Completion, watch: Watch, *, cached: bool = False) -> Response:
    """Return the `Response` for a decoded answer, and book it; one that was `cached` has used nothing."""
    # Decoders may be strangers' code, and a `str` of None would be "None".
    if not isinstance(getattr(completion, "text", None), str):
        raise InvalidResponse("the provider made no answer of the reply; that is a fault of the provider.")
    if cached:
        usage = _add(watch, NOTHING_USED, NO_COST)
    else:
        usage = book(job, completion.model, completion.usage, watch)
    # From here on what is wrong with the answer is known to have been paid for.
    text, calls, parsed = _meant(job, completion)
    scores = completion.probabilities
    if job.call.keyed and (scores := probabilities(job.call, completion.text, completion.logprobs)):
        text = max(scores, key=scores.__getitem__)  # what was sampled may be another, at a temperature
    candidates = () if job.call.n is None else _candidates(job, completion, watch)
    if job.keep is not None and not cached:
        job.keep.keep(completion)
    return Response(
        well_formed(text),
        usage=usage,
        cost=watch.cost,
        model=completion.model,
        provider=job.provider.name,
        finish_reason=completion.finish_reason,
        tool_calls=calls,
        parsed=parsed,
        probabilities=scores,
        latency=watch.finished(text, cached=cached),
        request_id=completion.request_id or (_request_id(watch.heads) if watch.heads is not None else None),
        raw=completion.raw,
        reasoning=completion.reasoning,
        opaque=completion.opaque,
        logprobs=completion.logprobs,
        candidates=candidates,
        cached=cached,
    )


def _meant(job: Job[Call], completion: Completion) -> tuple[str, tuple[ToolCall, ...], Any]:
    """Return the text of an answer, the calls in it and its value. Raises `SchemaMismatch`, `ContentFilterError`."""
    text, calls = _reask.text(job.call, completion), completion.tool_calls
    if job.tools is not None:
        calls = tuple(map(job.tools.checked, calls))
    # An answer that calls tools is not the last one, and has no value yet.
    return text, calls, _reask.value(job.parse, completion) if job.parse is not None and not calls else None


def _candidates(job: Job[Call], completion: Completion, watch: Watch) -> tuple[Response, ...]:
    """Return all answers, where several were asked for. What each of them used is not known, only what all did."""
    several = completion.candidates or (completion,)
    if len(several) != job.call.n:
        raise InvalidResponse(f"{job.call.n} answers were asked for, and {len(several)} came.")
    answers: list[Response] = []
    for each in several:
        text, calls, parsed = _meant(job, each)
        answers.append(
            Response(
                well_formed(text),
                model=completion.model,
                provider=job.provider.name,
                finish_reason=each.finish_reason,
                tool_calls=calls,
                parsed=parsed,
                latency=watch.seconds(),
                request_id=completion.request_id,
                reasoning=each.reasoning,
                opaque=each.opaque,
                logprobs=each.logprobs,
            )
        )
    return tuple(answers)


NOTHING_USED: Final = Usage(0, 0, 0, 0, 0)
NO_COST: Final = Decimal(0)


def book(job: Job[Any], model: str, used: Usage, watch: Watch) -> Usage:
    """Add the tokens of one reply to the call's account, and their price; return all that the call used."""
    used = _believable(used)
    return _add(watch, used, _cost.cost(job.provider, (model, job.call.model), used))


def _add(watch: Watch, used: Usage, price: Decimal | None) -> Usage:
    watch.cost = _reask.summed_cost(watch.usage is not None, watch.cost, price)
    watch.usage = _reask.summed(watch.usage, used)
    return watch.usage


def well_formed(text: str) -> str:
    """Return `text` with U+FFFD for each half of a surrogate pair: JSON can hold one, and no file or terminal can."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


_MOST_TOKENS: Final = 1_000_000_000
_COUNTS: Final = tuple(field.name for field in fields(Usage))


def _believable(usage: Usage) -> Usage:
    """Return `usage` without counts that cannot be: one of them in a total would spoil it for ever."""
    counts = {name: getattr(usage, name) for name in _COUNTS}
    if all(count is None or (type(count) is int and 0 <= count <= _MOST_TOKENS) for count in counts.values()):
        return usage
    return Usage(
        **{name: n if type(n) is int and 0 <= n <= _MOST_TOKENS else None for name, n in counts.items()}
    )
