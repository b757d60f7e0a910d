"""A package index, over HTTPS: where a wheel lies, and its bytes from any point on."""

from __future__ import annotations

import base64
import html.parser
import http.client
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import unquote, urljoin, urlsplit

from ember.core.errors import ConfigError
from ember.models.errors import ConnectionFailed

PUBLIC: Final = "https://pypi.org/simple"
_VARIABLES: Final = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
_JSON: Final = "application/vnd.pypi.simple.v1+json"
_STALLED: Final = 60.0  # seconds without a byte
_LARGEST_PAGE: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Portion:
    """A file from byte `start` on, and how many bytes the whole of it has (None: not said)."""

    start: int
    total: int | None
    reply: http.client.HTTPResponse

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield the bytes as they come. Raises `ConnectionFailed` if the connection breaks."""
        while True:
            try:
                piece = self.reply.read(size)
            except (OSError, http.client.HTTPException) as error:
                raise _broken(self.reply.geturl(), error) from None
            if not piece:
                return
            yield piece


@dataclass(frozen=True)
class Index:
    """The index at `url`, which may hold a user name and password: they are sent to its own host only."""

    url: str = field(repr=False)

    @staticmethod
    def of_this_machine(configured: str | None) -> Index:
        """Return the configured index, else the one pip and uv are told to use by the environment, else PyPI."""
        named = (configured, *(os.environ.get(name) for name in _VARIABLES))
        return Index(next((url for url in named if url and url.strip()), PUBLIC).strip().rstrip("/"))

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ConfigError(
                f"A package index is an http(s) URL; {self.shown!r} is none. Set providers.local.index."
            )

    @property
    def shown(self) -> str:
        """The URL without what might be a password."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()

    def find(self, distribution: str, wheel: str) -> str:
        """Return the URL of `wheel`. Raises `ConnectionFailed` if the index cannot be asked, or has no such file."""
        page = f"{self.url}/{re.sub(r'[-_.]+', '-', distribution).lower()}/"
        with self._open(page, {"accept": f"{_JSON}, text/html;q=0.5"}) as reply:
            body = b"".join(Portion(0, None, reply).pieces(_LARGEST_PAGE))[:_LARGEST_PAGE]
            kind, base = reply.headers.get_content_type(), reply.geturl()
        for name, link in _files(kind, body):
            if name == wheel:
                url = urljoin(base, link)
                if urlsplit(url).scheme in ("http", "https"):
                    return url.partition("#")[0]
        raise ConnectionFailed(f"the package index {self.shown} has no {wheel}. {_ANOTHER_INDEX}")

    @contextmanager
    def portion(self, url: str, start: int) -> Iterator[Portion]:
        """Open the file at `url` from byte `start` on; the server may begin at 0 all the same."""
        # As it lies: a range of a compressed form would be bytes of something else.
        headers = {"accept-encoding": "identity"} | ({"range": f"bytes={start}-"} if start else {})
        with self._open(url, headers) as reply:
            length = reply.headers.get("content-length")
            told = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", reply.headers.get("content-range", ""))
            if reply.status == 206 and told is not None:
                yield Portion(int(told[1]), int(told[2]), reply)
            else:
                yield Portion(0, int(length) if length and length.isdigit() else None, reply)

    def _open(self, url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        parts, own = urlsplit(url), urlsplit(self.url)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        request = urllib.request.Request(bare, headers={"user-agent": "ember-llamacpp", **headers})
        if own.username is not None and (parts.hostname, parts.port) == (own.hostname, own.port):
            login = f"{unquote(own.username)}:{unquote(own.password or '')}".encode()
            # Unredirected: a login is for the index alone, and not for wherever it sends us.
            request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(login).decode()}")
        try:
            return cast(http.client.HTTPResponse, urllib.request.urlopen(request, timeout=_STALLED))
        except urllib.error.HTTPError as error:
            error.close()
            problem = f"{_host(bare)} answered HTTP {error.code} {error.reason}. {_ANOTHER_INDEX}"
            raise Refusal(error.code, problem) from None
        except (OSError, http.client.HTTPException) as error:
            raise _broken(bare, error) from None


def _broken(url: str, error: Exception) -> ConnectionFailed:
    reason = getattr(error, "reason", None) or str(error) or type(error).__name__
    return ConnectionFailed(
        f"the download from {_host(url)} failed: {reason}. Run it again: it goes on from where it stopped. "
        f"{_ANOTHER_INDEX}"
    )


class Refusal(ConnectionFailed):
    """The server answered with an HTTP error."""

    def __init__(self, code: int, problem: str) -> None:
        super().__init__(problem)
        self.code = code


_ANOTHER_INDEX: Final = "Another index is set by providers.local.index, or by PIP_INDEX_URL."


def _host(url: str) -> str:
    return urlsplit(url).hostname or "the index"


def _files(kind: str, body: bytes) -> Iterator[tuple[str, str]]:
    """Yield names and links of the files on an index's page, which is JSON (PEP 691) or HTML (PEP 503)."""
    if kind == _JSON:
        try:
            page: Any = json.loads(body)
            yield from [(str(file["filename"]), str(file["url"])) for file in page["files"]]
        except (ValueError, LookupError, TypeError, RecursionError):
            return
    else:
        links = _Links()
        links.feed(body.decode("utf-8", "replace"))
        for link in links.found:
            yield unquote(urlsplit(link).path.rpartition("/")[2]), link


class _Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]
