"""The user's own HTTP client as a `Transport`: an `AsyncClient` of httpx or httpx2, for proxies, mTLS, custom auth.

Neither library is a dependency, and neither is imported here: a client is known by its class, and so are its errors.
What the client was made with holds, but for what a call's safety rests on: redirects are not followed, timeouts are off
(the engine's deadline is the only clock), bodies are unpacked and counted here. It is never closed.
"""

from __future__ import annotations

import inspect
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import PurePath
from typing import Any, Final, Protocol, cast
from weakref import WeakSet

from ember.core.loop import io_loop

from ._provider import HttpRequest
from ._unpack import ACCEPTED, MOST_BYTES, MOST_STREAMED, Unpacker
from .errors import ConnectionFailed, InvalidRequestError, InvalidResponse, ModelError


class HttpClient(Protocol):
    """What `http_client=` takes: an `AsyncClient` of httpx or httpx2, or of a class made from one of them."""

    @property
    def is_closed(self) -> bool: ...
    def build_request(self, *args: Any, **kwargs: Any) -> Any: ...
    async def send(self, *args: Any, **kwargs: Any) -> Any: ...
    async def aclose(self) -> None: ...


class ClientTransport:
    """Sends requests by a user's client, on Ember's I/O loop. Raises TypeError for what is no such client."""

    def __init__(self, client: object) -> None:
        if not _is_client(client):
            blocking = any(cls.__name__ == "Client" for cls in type(client).__mro__)
            advice = (
                " A Client blocks, and a call that is cancelled could not end it: make an AsyncClient with the same "
                "arguments. Calls that wait take it too."
                if blocking
                else ""
            )
            raise TypeError(
                f"http_client is an AsyncClient of httpx or httpx2; got {type(client).__name__}.{advice}"
            )
        self._client = cast(HttpClient, client)

    async def send(self, request: HttpRequest) -> ClientExchange:
        """Send `request`; return when the reply's head is there. Raises `ConnectionFailed`, `InvalidRequestError`."""
        client = self._client
        if client.is_closed:
            raise InvalidRequestError("the http_client is closed. Leave it open for as long as calls use it.")
        _check_loop(client)
        _check_headers(request.headers)
        try:
            asked = client.build_request(
                request.method,
                request.url,
                headers={**request.headers, "accept-encoding": ACCEPTED},
                content=request.body or None,
                timeout=None,
            )
            return ClientExchange(await client.send(asked, stream=True, follow_redirects=False))
        except Exception as error:  # the client may run a user's code: hooks, auth, a transport
            raise _failure(error) from None


class ClientExchange:
    """A reply whose head has arrived, through a user's client."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def read(self) -> bytes:
        """Return the whole body, decompressed. Raises `ResponseTooLarge`, `ConnectionFailed`, `InvalidResponse`."""
        return b"".join([portion async for portion in self._pieces(MOST_BYTES)])

    def chunks(self) -> AsyncIterator[bytes]:
        """Return the body as it arrives, decompressed, at most 256 MiB of it."""
        return self._pieces(MOST_STREAMED)

    async def _pieces(self, most: int) -> AsyncIterator[bytes]:
        if self._response.is_stream_consumed:  # by a hook of the user's, say; and unpacked by the client
            yield Unpacker("", most).feed(self._read_already())
            return
        unpack = Unpacker(self.headers.get("content-encoding", ""), most)
        portions = self._response.aiter_raw()
        while True:
            try:
                portion = await anext(portions, None)
            except Exception as error:  # as above
                raise _failure(error) from None
            if portion is None:
                break
            for piece in unpack.pieces(portion):
                yield piece
        unpack.finish()

    def _read_already(self) -> bytes:
        try:
            return cast(bytes, self._response.content)
        except RuntimeError:  # taken, and not kept
            raise InvalidRequestError(
                "a hook of the http_client took the answer's body, and kept none."
            ) from None

    async def close(self) -> None:
        """Let go: the client keeps a connection whose body was read whole, and closes any other."""
        await self._response.aclose()


def _is_client(client: object) -> bool:
    """Whether this is an AsyncClient: by its class, since only one of httpx's is known to take what is sent above."""
    families = {
        cls.__module__.partition(".")[0] for cls in type(client).__mro__ if cls.__name__ == "AsyncClient"
    }
    send: object = getattr(client, "send", None)
    return bool(families & _LIBRARIES) and inspect.iscoroutinefunction(send)


_LIBRARIES: Final = frozenset({"httpx", "httpx2"})


async def _forget(clients: WeakSet[HttpClient]) -> None:
    clients.clear()


def _check_loop(client: HttpClient) -> None:
    """Raise `InvalidRequestError` if `client` has connections of another event loop when it first comes to this one.

    A request on one of those would be sent, and its answer never be read: the client tells only then.
    """
    known = io_loop().resource("http clients", WeakSet[HttpClient], _forget)
    if client in known:
        return
    mounted: Mapping[object, object] = getattr(client, "_mounts", {})
    for transport in (getattr(client, "_transport", None), *mounted.values()):
        if getattr(getattr(transport, "_pool", None), "connections", ()):
            raise InvalidRequestError(_ELSEWHERE)
    known.add(client)


_ELSEWHERE: Final = (
    "the http_client is used on another event loop, or was before a fork. Ember uses it on its own: give it a client "
    "that nothing else uses."
)


def _check_headers(headers: Mapping[str, Any]) -> None:
    # httpx would refuse most of these too, in words that show the header.
    for name, value in headers.items():
        if not isinstance(value, str) or not f"{name}{value}".isprintable() or not f"{name}{value}".isascii():
            raise InvalidRequestError("the request has a URL or a header that cannot be sent.")


def _failure(error: Exception) -> ModelError:
    """Return Ember's error for one of the client's. Its text is not taken over: it may quote a header or a password."""
    if isinstance(error, ModelError):
        return error
    kinds = {cls.__name__ for cls in type(error).__mro__}
    if kinds & {"InvalidURL", "UnsupportedProtocol"}:
        return InvalidRequestError("the request's URL is none; check providers.<name>.base_url.")
    if "LocalProtocolError" in kinds:
        return InvalidRequestError("the request has a URL or a header that cannot be sent.")
    if "ProxyError" in kinds:
        return ConnectionFailed("the http_client's proxy refused the connection.", should_retry=False)
    if "RemoteProtocolError" in kinds:
        return _broken_off(str(error))
    # httpx2 lets some of TLS's own through: a server that misses a certificate says so after the handshake.
    if "TransportError" in kinds or isinstance(error, (ssl.SSLError, ConnectionError)):
        return _unconnected(error)
    if isinstance(error, RuntimeError) and "loop" in str(error):
        return InvalidRequestError(_ELSEWHERE)
    return InvalidRequestError(f"the http_client failed: {type(error).__name__}{_place(error)}.")


def _broken_off(said: str) -> ModelError:
    if "disconnected" in said:
        return ConnectionFailed("the server closed the connection without an answer.")
    if "closed connection" in said or "without sending" in said:
        return ConnectionFailed("the connection broke before the answer was whole.")
    return InvalidResponse("the server did not speak HTTP.")


def _unconnected(error: Exception) -> ConnectionFailed:
    """Return the error for a connection that could not be made or broke, in the words of what lies below it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            problem = f"no secure connection: {cause.verify_message}. Ember never turns verification off."
            return ConnectionFailed(problem, should_retry=False)
        if isinstance(cause, ssl.SSLError):
            return ConnectionFailed("no secure connection: the handshake failed.", should_retry=False)
        if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
            return ConnectionFailed(f"the connection failed: {os.strerror(cause.errno)}.")
        cause = cause.__cause__ or cause.__context__
    return ConnectionFailed(f"the connection failed: {type(error).__name__}.")


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f", {PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
