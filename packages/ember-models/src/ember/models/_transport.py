"""HTTP, by aiohttp: the one place that owns sockets.

One client session per I/O loop, no redirects (the prompt and the key would follow them), no cookies, no limit on
connections but the engine's.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache

import aiohttp
from yarl import URL

from ember.core.loop import io_loop

from ._provider import HttpRequest
from ._proxy import proxy_for
from ._unpack import ACCEPTED, MOST_STREAMED, Unpacker
from .errors import ConnectionFailed, InvalidRequestError, InvalidResponse


class HttpTransport:
    """Sends requests over HTTP/1.1 on Ember's I/O loop, connections kept alive and shared by all calls."""

    async def send(self, request: HttpRequest) -> HttpExchange:
        """Send `request`; return when the reply's head is there. Raises `ConnectionFailed`, `InvalidResponse`."""
        session = io_loop().resource("http", _new_session, _close_session)
        try:
            url, proxy = _target(request.url)
            response = await session.request(
                request.method,
                url,
                data=request.body or None,
                headers=request.headers,
                allow_redirects=False,
                proxy=proxy,
            )
        except InvalidRequestError:  # of a proxy; it is a ValueError too, and says what is wrong
            raise
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise InvalidRequestError("the request's URL is none; check providers.<name>.base_url.") from None
        except aiohttp.ClientError as error:
            raise _failure(error) from None
        except OSError as error:
            raise ConnectionFailed(f"the connection failed: {_reason(error)}.") from None
        except (ValueError, TypeError):
            # aiohttp refuses a header that holds a line feed, or is no text. Its own words would show the header.
            raise InvalidRequestError("the request has a URL or a header that cannot be sent.") from None
        return HttpExchange(response)


def _new_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=None
        ),  # the engine's deadline is the only clock
        auto_decompress=False,
        headers={"accept-encoding": ACCEPTED, "user-agent": "ember"},
    )


async def _close_session(session: aiohttp.ClientSession) -> None:
    await session.close()


@lru_cache(maxsize=256)
def _target(url: str) -> tuple[URL, str | None]:
    """Return the URL as sent, and the proxy to send it by."""
    target = URL(url, encoded=True)
    return target, proxy_for(target)


class HttpExchange:
    """A reply whose head has arrived."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def read(self) -> bytes:
        """Return the whole body, decompressed. Raises `ResponseTooLarge`, `ConnectionFailed`, `InvalidResponse`."""
        unpack = Unpacker(self.headers.get("content-encoding", ""))
        portions: list[bytes] = []
        while not self._response.content.at_eof():
            portions.append(unpack.feed(await self._next()))
        unpack.finish()
        return portions[0] if len(portions) == 1 else b"".join(portions)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, decompressed, at most 256 MiB of it."""
        unpack = Unpacker(self.headers.get("content-encoding", ""), MOST_STREAMED)
        while not self._response.content.at_eof():
            for piece in unpack.pieces(await self._next()):
                yield piece
        unpack.finish()

    async def _next(self) -> bytes:
        try:
            return await self._response.content.readany()
        except aiohttp.ClientError as error:
            raise _failure(error) from None
        except OSError as error:
            raise ConnectionFailed(f"the connection broke: {_reason(error)}.") from None

    async def close(self) -> None:
        """Let go: a connection whose body was read whole is kept alive, any other is closed."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def _failure(error: aiohttp.ClientError) -> ConnectionFailed | InvalidResponse:
    """Return Ember's error for one of aiohttp's. Its text is not taken over: it may quote a header."""
    host = getattr(error, "host", None)
    where = f" to {host}:{getattr(error, 'port', '')}" if host else ""
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError)):
        cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
        reason = (
            cause.verify_message
            if isinstance(cause, ssl.SSLCertVerificationError)
            else "the handshake failed"
        )
        problem = f"no secure connection{where}: {reason}. Ember never turns verification off."
        return ConnectionFailed(problem, should_retry=False)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        wrong = error.status in (401, 403, 407)  # what was asked will be refused again
        problem = f"the proxy refused to connect to the server: HTTP {error.status}."
        return ConnectionFailed(problem, should_retry=False if wrong else None)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return ConnectionFailed(f"no connection{where}, the proxy: {_reason(error.os_error)}.")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return ConnectionFailed(f"no connection{where}: the host name is not known.")
    if isinstance(error, aiohttp.ClientConnectorError):
        return ConnectionFailed(f"no connection{where}: {_reason(error.os_error)}.")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return ConnectionFailed("the server closed the connection without an answer.")
    if isinstance(error, aiohttp.ClientPayloadError):
        return ConnectionFailed("the connection broke before the answer was whole.")
    if isinstance(error, aiohttp.ClientConnectionError):
        reason = _reason(error) if isinstance(error, OSError) else type(error).__name__
        return ConnectionFailed(f"the connection broke: {reason}.")
    return InvalidResponse(f"the server did not speak HTTP: {type(error).__name__}.")


def _reason(error: OSError) -> str:
    """Return the operating system's words for an error."""
    return os.strerror(error.errno) if error.errno else type(error).__name__
