"""Files fetched over HTTP, and kept in Ember's home: whole or not at all, and gone on with where they were cut off."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from ember.core.secrets import scrub

from ._copies import Copy, copied
from ._patience import TryAgain, of_the_disk, patiently
from .errors import SourceDenied, SourceError, SourceNotFound

T = TypeVar("T")

_TIMEOUT: Final = 60.0  # seconds without a byte
_PART: Final = 1 << 20
_LARGEST: Final = 64 << 20  # of an answer that is held in memory


class _Careful(urllib.request.HTTPRedirectHandler):
    """Follows a redirection, and takes what is secret along only to the same host."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None:
            following.method = req.get_method()  # of a HEAD, urllib would make a GET
        if following is not None and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            following.remove_header("Authorization")
        return following


_opener: Final = urllib.request.build_opener(_Careful)


def get(url: str, headers: Mapping[str, str]) -> bytes:
    """Return what is at `url`. Raises SourceNotFound, SourceDenied or SourceError."""
    return _patiently(url, lambda: _read(url, headers))


def _read(url: str, headers: Mapping[str, str]) -> bytes:
    with _opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=_TIMEOUT) as reply:
        data: bytes = reply.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise SourceError(f"The answer of {_bare(url)} is larger than {_LARGEST:,} bytes.")
    return data


def fetched(url: str, headers: Mapping[str, str]) -> Copy:
    """Return a copy of the file at `url`, fetched now if there is none of it as its server's ETag, or its time and
    size, say it is.
    """
    return copied(
        url,
        lambda: _patiently(url, lambda: _tag(url, headers)),
        lambda part: _patiently(url, lambda: _fetch(url, headers, part)),
    )


def _tag(url: str, headers: Mapping[str, str]) -> str:
    request = urllib.request.Request(url, headers=dict(headers), method="HEAD")
    with _opener.open(request, timeout=_TIMEOUT) as reply:
        said = reply.headers
        return said.get("ETag") or f"{said.get('Last-Modified', '')} {said.get('Content-Length', '')}"


def _fetch(url: str, headers: Mapping[str, str], part: Path) -> None:
    """Fetch what of the file at `url` is not in `part` yet."""
    had = part.stat().st_size if part.exists() else 0
    asked = dict(headers) | ({"Range": f"bytes={had}-"} if had else {})
    try:
        reply = _opener.open(urllib.request.Request(url, headers=asked), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and had:  # it was whole already
            error.close()
            return
        raise
    with reply:
        if had and reply.status != 206:
            had = 0
        length = reply.headers.get("Content-Length")
        with open(part, "ab" if had else "wb") as file:
            while data := reply.read(_PART):
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
    if length is not None and part.stat().st_size != had + int(length):
        raise ConnectionError("the connection was cut off")


def _patiently(url: str, work: Callable[[], T]) -> T:
    """Do `work`, again where the network is at fault, and say plainly what went wrong."""

    def attempt() -> T:
        try:
            return work()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (404, 410):
                raise SourceNotFound(_bare(url)) from None
            if error.code in (401, 403):
                raise SourceDenied(f"{_bare(url)} may not be read: HTTP {error.code}.") from None
            problem = f"HTTP {error.code}"
            if error.code < 500 and error.code not in (408, 429):
                raise SourceError(f"{_bare(url)} cannot be read: {problem}.") from None
        except (OSError, HTTPException) as error:
            if isinstance(error, SourceError) or of_the_disk(error):
                raise
            if isinstance(error, OSError) and error.filename is not None and error.errno is not None:
                raise SourceError(f"{error.filename} cannot be written: {error.strerror}.") from error
            problem = scrub(str(getattr(error, "reason", None) or error) or type(error).__name__)
        raise TryAgain(problem)

    return patiently(_bare(url), attempt)


def _bare(url: str) -> str:
    """Return an address without what may be secret in it: the user, the query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
