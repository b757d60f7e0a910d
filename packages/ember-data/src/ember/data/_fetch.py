"""Files fetched over HTTP, and kept in Ember's home: whole or not at all, and gone on with where they were cut off."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from filelock import FileLock

from ember.core.home import folder
from ember.core.secrets import scrub

from .errors import SourceDenied, SourceError, SourceNotFound

_TRIES: Final = 4
_PAUSE: Final = 0.5  # seconds, doubled each time
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
    data: bytes = _patiently(url, lambda: _read(url, headers))
    return data


def _read(url: str, headers: Mapping[str, str]) -> bytes:
    with _opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=_TIMEOUT) as reply:
        data: bytes = reply.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise SourceError(f"The answer of {_bare(url)} is larger than {_LARGEST:,} bytes.")
    return data


def fetched(url: str, headers: Mapping[str, str]) -> str:
    """Return the path of a copy of the file at `url`, made now if there is none that is the same.

    Whether it is the same the server's ETag says, or its time and size; where nobody answers, the copy is taken.
    """
    place = folder("fetched") / sha256(url.encode()).hexdigest()[:40]
    place.mkdir(mode=0o700, exist_ok=True)
    with FileLock(place / "lock", thread_local=False):
        whole, note = place / "file", place / "tag"
        try:
            tag = _patiently(url, lambda: _tag(url, headers))
        except (SourceNotFound, SourceDenied):
            raise
        except SourceError:
            if whole.exists():
                return str(whole)
            raise
        if not (whole.exists() and note.exists() and note.read_text("utf-8") == tag):
            _patiently(url, lambda: _fetch(url, headers, place / "part", place / "part-tag", tag))
            os.replace(place / "part", whole)
            note.write_text(tag, "utf-8")
    return str(whole)


def _tag(url: str, headers: Mapping[str, str]) -> str:
    request = urllib.request.Request(url, headers=dict(headers), method="HEAD")
    with _opener.open(request, timeout=_TIMEOUT) as reply:
        said = reply.headers
        return said.get("ETag") or f"{said.get('Last-Modified', '')} {said.get('Content-Length', '')}"


def _fetch(url: str, headers: Mapping[str, str], part: Path, note: Path, tag: str) -> None:
    if not note.exists() or note.read_text("utf-8") != tag:
        part.unlink(missing_ok=True)
        note.write_text(tag, "utf-8")
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


def _patiently(url: str, work: Any) -> Any:
    """Do `work`, again where the network is at fault, and say plainly what went wrong."""
    problem = ""
    for turn in range(_TRIES):
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
            if isinstance(error, SourceError):
                raise
            if isinstance(error, OSError) and error.filename is not None and error.errno is not None:
                raise SourceError(f"{error.filename} cannot be written: {error.strerror}.") from error
            problem = scrub(str(getattr(error, "reason", None) or error) or type(error).__name__)
        if turn < _TRIES - 1:
            time.sleep(_PAUSE * 2**turn)
    raise SourceError(f"{_bare(url)} cannot be read: {problem}. It was tried {_TRIES} times.")


def _bare(url: str) -> str:
    """Return an address without what may be secret in it: the user, the query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
