"""What a message holds beside text: images and files, as values that know what they are by their content.

A part is made once, where the user writes it: a path is read there and then, so that whatever is wrong with it is said
before there is a call. Ember fetches nothing: a URL goes to the vendor as it is, who fetches it or refuses.
"""

from __future__ import annotations

import binascii
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes, urlsplit

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview
"""Where a part comes from: its bytes, a path, or a URL (`http`, `https` or `data`)."""

MAX_PART_BYTES: Final = 20 * 1024 * 1024
"""What one image or file may have at most, decoded: 20 MiB."""

_IMAGE_TOKENS: Final = 1_000
_FILE_TOKENS: Final = 1_500
_BYTES_PER_PDF_TOKEN: Final = 40
_MOST_PDF_TOKENS: Final = 100_000

PDF: Final = "application/pdf"
TEXT: Final = "text/plain"
_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", PDF),
)
# By the ending of a URL: the only thing there is to go by without fetching it.
_ENDINGS: Final[Mapping[str, str]] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "pdf": PDF,
    "txt": TEXT,
}


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Attachment:
    """What `Image` and `File` have in common: content or a URL, never both.

    `media_type` is what the content is. Of a URL it is what the ending says, None if that says nothing.
    """

    data: bytes | None
    url: str | None
    media_type: str | None
    name: str | None

    def _set(self, source: Source, name: str | None, kind: str) -> None:
        data, url, known = _content(source, kind)
        if data is None:
            media_type = _by_ending(url or "")
        else:
            media_type = _checked(data, kind, known or "its content")
        for field, value in (("data", data), ("url", url), ("media_type", media_type)):
            object.__setattr__(self, field, value)
        object.__setattr__(self, "name", name or known)

    @property
    def base64(self) -> str:
        """The content in base64, as JSON carries it; "" for a URL."""
        return binascii.b2a_base64(self.data or b"", newline=False).decode("ascii")

    @property
    def data_url(self) -> str:
        """The content as a `data:` URL; the URL itself where there is no content."""
        return self.url or f"data:{self.media_type};base64,{self.base64}"

    def __repr__(self) -> str:
        kind = type(self).__name__
        if self.data is not None:
            return f"<{kind} {self.media_type}, {len(self.data):,} bytes>"
        return f"<{kind} at {urlsplit(self.url or '').hostname}>"  # the rest may hold a signature


class Image(Attachment):
    """An image in a user's message: PNG, JPEG, GIF or WebP, from bytes, a path, or a URL.

    A path is read at once. What it is, is told by its first bytes and not by its name. Raises OSError for a path that
    cannot be read, ValueError for what is no such image, is empty, or has more than 20 MiB, TypeError for another type.

    >>> Image(b"\\x89PNG\\r\\n\\x1a\\n and so on")
    <Image image/png, 18 bytes>
    >>> Image("https://example.org/cat.webp").media_type
    'image/webp'
    """

    __slots__ = ()

    def __init__(self, source: Source) -> None:
        self._set(source, None, "Image")


class File(Attachment):
    """A file in a user's message: a PDF, or text in UTF-8, from bytes, a path, or a URL.

    `name` is what the vendor is told that the file is called; if it is not given, the last part of the path. Otherwise
    like `Image`.

    >>> File(b"%PDF-1.7 and so on", name="report.pdf").media_type
    'application/pdf'
    """

    __slots__ = ()

    def __init__(self, source: Source, *, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"The name of a file is a string; got {type(name).__name__}.")
        self._set(source, name, "File")

    @property
    def text(self) -> str | None:
        """The text of a text file, None for any other."""
        if self.data is None or self.media_type != TEXT:
            return None
        return self.data.decode("utf-8-sig")

    @property
    def title(self) -> str:
        """A name for vendors that insist on one."""
        return self.name or ("file.pdf" if self.media_type == PDF else "file.txt")


@dataclass(frozen=True, slots=True)
class CachePoint:
    """A hint in a user's message, or at the end of a system prompt: what stands before it comes again in other calls.

    A vendor that keeps prompts where it is told to (Anthropic) reads what it kept at a lower price; others ignore it.

    >>> [File(b"a long contract"), CachePoint(), "Who are the parties?"][1]
    CachePoint()
    """


Part: TypeAlias = str | Image | File
"""One part of a message's content; a string is text."""


def characters(content: str | tuple[Part, ...]) -> int:
    """Return about how long `content` is in characters, of which four are taken for a token.

    An image counts as 1,000 tokens, a PDF as one for every 40 bytes (1,500 at least, 100,000 at most), text as text,
    and a file at a URL as 1,500: estimates for admission, and of what a call would use.

    >>> characters("four"), characters(("What is this?", Image("https://example.org/cat.png")))
    (4, 4013)
    """
    if isinstance(content, str):
        return len(content)
    return sum(len(part) if isinstance(part, str) else 4 * _tokens(part) for part in content)


def _tokens(part: Attachment) -> int:
    if isinstance(part, Image):
        return _IMAGE_TOKENS
    if part.data is None:
        return _FILE_TOKENS
    if part.media_type == TEXT:
        return len(part.data) // 4
    return min(_MOST_PDF_TOKENS, max(_FILE_TOKENS, len(part.data) // _BYTES_PER_PDF_TOKEN))


def _content(source: Source, kind: str) -> tuple[bytes | None, str | None, str | None]:
    """Return the bytes or the URL that `source` means, and the name of its file."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), None, None
    if isinstance(source, str):
        scheme, separator, _ = source.partition(":")
        scheme = scheme.lower()
        if separator and scheme == "data":
            return _from_data_url(source), None, None
        if separator and scheme in ("http", "https"):
            return None, _checked_url(source), None
        if "://" in source:
            raise ValueError(
                f"{kind}() takes http, https and data URLs; this one's scheme is {scheme[:20]!r}."
            )
        if len(source) > 4096:
            raise ValueError(
                f"A text of {len(source):,} characters is no path. {kind}() takes bytes, a path or a URL; base64 goes "
                'into a URL: "data:image/png;base64,...".'
            )
    elif not isinstance(source, os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{kind}() takes bytes, a path or a URL; got {type(source).__name__}.")
    return _read(source, kind), None, os.path.basename(os.fspath(source))


def _read(path: str | os.PathLike[str], kind: str) -> bytes:
    about = os.stat(path)
    # Another kind of file may have no end, or nobody who writes it.
    if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
        raise ValueError(f"{kind}() reads ordinary files only; {os.fspath(path)!r} is none.")
    _check_size(about.st_size, os.fspath(path))
    with open(path, "rb") as file:
        data = file.read(MAX_PART_BYTES + 1)
    _check_size(len(data), os.fspath(path))
    return data


def _check_size(size: int, what: str) -> None:
    if size > MAX_PART_BYTES:
        raise ValueError(
            f"{what} has {size:,} bytes; an image or a file may have 20 MiB ({MAX_PART_BYTES:,} bytes). Make it "
            "smaller, or give a URL to a vendor that takes one."
        )


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host, parts = None, None
    if not host or parts is None or any(letter <= " " for letter in url):
        raise ValueError("This is no URL that could be given to a vendor: it has no host, or spaces in it.")
    if "@" in parts.netloc:
        raise ValueError("This URL has a user's name or password in it, which the vendor would be told.")
    return url


def _by_ending(url: str) -> str | None:
    return _ENDINGS.get(urlsplit(url).path.rpartition(".")[2].lower())


def _from_data_url(url: str) -> bytes:
    head, comma, body = url.partition(",")
    if not comma:
        raise ValueError('A data URL is "data:<type>;base64,<content>"; this one has no comma.')
    if not head.lower().endswith(";base64"):
        return unquote_to_bytes(body)
    return from_base64(body, "the data URL")


def from_base64(text: str, what: str) -> bytes:
    """Return the bytes that `text` is the base64 of. Raises ValueError, which calls it `what`."""
    _check_size(len(text) * 3 // 4 - 2, what)
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):  # ValueError: characters outside ASCII
        raise ValueError(f"The content of {what} is not base64.") from None


def _checked(data: bytes, kind: str, what: str) -> str:
    """Return the media type of `data`. Raises ValueError if an attachment of this kind cannot hold it."""
    _check_size(len(data), what)
    if not data:
        raise ValueError(f"{what} is empty: there is nothing to send.")
    found = _sniffed(data)
    image = found is not None and found.startswith("image/")
    if kind == "Image" and not image:
        other = " Send a PDF or text as File(...)." if found is not None else ""
        raise ValueError(
            f"{what} is no image that models take: its first bytes are not those of PNG, JPEG, GIF or WebP.{other}"
        )
    if kind == "File" and (found is None or image):
        other = " Send an image as Image(...)." if image else ""
        raise ValueError(f"{what} is no file that models take: it is neither a PDF nor text in UTF-8.{other}")
    return found or TEXT


def _sniffed(data: bytes) -> str | None:
    for magic, media_type in _MAGIC:
        if data.startswith(magic):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if b"\0" in data:
        return None
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return TEXT
