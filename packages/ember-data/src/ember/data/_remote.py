"""Files elsewhere, through fsspec: `s3://`, `gs://`, `https://` and whatever else it speaks.

Lines are read from there block by block. Files in columns are fetched whole first, and kept in Ember's home, for a
reader of columns goes to and fro in a file.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ember.core.secrets import scrub

from ._patience import TryAgain, patiently
from .errors import SourceError, SourceNotFound

if TYPE_CHECKING:
    from ._copies import Copy

T = TypeVar("T")

_MOST_AHEAD: Final = 4 << 20  # bytes of one request: a round trip costs more than they do


def is_remote(path: str) -> bool:
    """Whether `path` is an address and no path of this machine."""
    return "://" in path


def _at(url: str) -> tuple[Any, str]:
    try:
        core = import_module("fsspec.core")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "fsspec":
            raise
        raise SourceError(f'Reading {shown(url)} needs fsspec: pip install "ember-data[remote]"') from error
    try:
        files, path = core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise SourceError(f"{shown(url)} cannot be read: {scrub(str(error)).rstrip('.')}.") from error
    return files, path


def shown(url: str) -> str:
    """Return an address as it may be shown: without user and query, in which keys stand."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("?")[0].partition("/")
    return scrub(f"{scheme}://{host.rpartition('@')[2]}{slash}{path}")


def find_remote(url: str) -> tuple[str, ...]:
    """Return the addresses that `url`, which may be a pattern, stands for, in order. Raises SourceNotFound."""
    files, path = _at(url)
    if not any(sign in path for sign in "*[") or url.startswith(("http://", "https://")):
        return (url,)
    found = _patiently(url, lambda: files.glob(path))
    if not found:
        raise SourceNotFound(shown(url), (), "No file matches the pattern.")
    return tuple(files.unstrip_protocol(one) for one in sorted(found))


def stamp(url: str) -> tuple[Any, ...]:
    """Return what tells whether the file at `url` is still the same."""
    files, path = _at(url)
    info: dict[str, Any] = _patiently(url, lambda: files.info(path))
    return tuple(
        str(info.get(name, "")) for name in ("size", "ETag", "etag", "mtime", "LastModified", "updated")
    )


class RemoteContent:
    """A file elsewhere: `block` returns up to `size` bytes from `offset` on. A broken connection is tried again."""

    def __init__(self, url: str) -> None:
        self._url, self.begin = url, 0
        self._files, self._path = _at(url)
        info: dict[str, Any] = _patiently(url, lambda: self._files.info(self._path))
        self.size: int | None = info.get("size")
        self._held, self._held_at = b"", 0

    def block(self, offset: int, size: int) -> bytes:
        at = offset - self._held_at
        if not 0 <= at <= at + size <= len(self._held):
            # The first blocks are small, for whoever wants the first rows; each further request asks for more.
            ahead = min(max(size, 4 * len(self._held)), _MOST_AHEAD)
            self._held, self._held_at = self._asked(offset, max(size, ahead)), offset
            at = 0
        return self._held[at : at + size]

    def _asked(self, offset: int, size: int) -> bytes:
        if self.size is not None:
            size = min(size, self.size - offset)
            if size <= 0:
                return b""
        data: bytes = _patiently(
            self._url, lambda: self._files.cat_file(self._path, start=offset, end=offset + size)
        )
        return data[:size]

    def close(self) -> None: ...


def fetched_copy(url: str) -> Copy:
    """Return a copy of the file at `url`, fetched now if there is none of it as it is."""
    from ._copies import copied  # not before something is to be kept

    return copied(url, lambda: repr(stamp(url)), lambda part: _copy(url, part))


def _copy(url: str, to: Path) -> None:
    content, at = RemoteContent(url), 0
    with open(to, "wb") as file:
        while data := content.block(at, 8 << 20):
            file.write(data)
            at += len(data)


def _patiently(url: str, work: Callable[[], T]) -> T:
    def attempt() -> T:
        try:
            return work()
        except FileNotFoundError:
            raise SourceNotFound(shown(url)) from None
        except PermissionError:
            raise SourceError(f"{shown(url)} may not be read with the credentials at hand.") from None
        except (ImportError, NotImplementedError, SourceError):
            raise
        except Exception as error:  # every protocol has errors of its own
            raise TryAgain(
                scrub(str(error).rstrip(".").replace(url, shown(url)) or type(error).__name__)
            ) from error

    return patiently(shown(url), attempt)
