"""Which proxy a request goes by: HTTPS_PROXY, HTTP_PROXY and NO_PROXY, or the system's settings where it has some."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from ._route import is_loopback
from .errors import InvalidRequestError

_SPOKEN: Final = ("http", "https")


def proxy_for(url: URL) -> str | None:
    """Return the URL of the proxy for `url`, with its user name and password if it has some; None to go straight.

    This machine is never reached by way of another. Raises `InvalidRequestError` for a proxy that is none, or is spoken
    to otherwise than by HTTP.
    """
    proxies = getproxies()
    named = proxies.get(url.scheme)
    if not named or not url.host or is_loopback(url.host):
        return None
    # With its port: an exception may be for one port of a host.
    if proxy_bypass(url.host if ":" in url.host else f"{url.host}:{url.port}"):
        return None
    proxy = named if "://" in named else f"http://{named}"
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme in _SPOKEN and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        # Not shown: it may hold a password.
        raise InvalidRequestError(
            f"{url.scheme.upper()}_PROXY names no http:// or https:// proxy. Ember speaks to those; http_client= takes "
            "an httpx client, which may speak to others, and NO_PROXY names hosts to reach without one."
        )
    return proxy
