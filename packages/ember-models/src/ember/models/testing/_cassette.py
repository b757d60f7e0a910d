"""Real exchanges kept in a file and given again without a network: `recording(path)`, then `replaying(path)`.

The file has a line of JSON for each exchange: what was asked, what came. Request headers are not in it, and what is
known to be a secret is masked. A request is answered by what was recorded for the same method, path and body, however
the calls are ordered or run at once; the second such request by the second such recording.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

from ember.core.secrets import scrub

from .._provider import Exchange, HttpRequest, Transport
from ..errors import ModelError

_HEAD: Final = {"ember": "recorded exchanges", "version": 1}
# What Ember reads of a reply's head. Anything else may be a cookie, an account or a key.
_KEPT: Final = (
    "content-type",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-request-id",
    "request-id",
)
_SHOWN: Final = 40  # lines of difference


class NotRecorded(ModelError):
    """Nothing was recorded for this request; the message shows how the nearest recording differs."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem, should_retry=False)


class _Asked(NamedTuple):
    """What a recording is found by: method, path, and the body in one form."""

    method: str
    path: str
    body: str

    @classmethod
    def of(cls, method: str, url: str, body: object) -> _Asked:
        text = (
            body if isinstance(body, str) else json.dumps(body, sort_keys=True, indent=1, ensure_ascii=False)
        )
        return cls(method, urlsplit(url).path, text)


@dataclass(slots=True)
class _Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes
    used: bool = False


def _plain(body: bytes) -> object:
    """Return a body as a reader wants to see it: JSON as JSON, else text, else base64."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    # A list of one key would be read back as something else, and a bare string as a text.
    return text if isinstance(value, str) or _is_packed(value) else value


def _is_packed(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"base64"}


def _bytes(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode()
    if _is_packed(body):
        return base64.b64decode(body["base64"], validate=True)
    return json.dumps(body, ensure_ascii=False).encode()


def _scrubbed(value: object) -> Any:
    """Return JSON data with known secrets masked in its texts, wherever they stand."""
    return json.loads(scrub(json.dumps(value, ensure_ascii=False)))


class _Recorder:
    """A transport that writes down what goes through another."""

    def __init__(self, file: IO[str], inner: Transport) -> None:
        self._file, self._inner = file, inner

    async def send(self, request: HttpRequest) -> Exchange:
        return _Recorded(self._file, request, await self._inner.send(request))


class _Recorded:
    """An exchange that is written down when it is closed, as far as it was read."""

    def __init__(self, file: IO[str], request: HttpRequest, inner: Exchange) -> None:
        self._file, self._request, self._inner = file, request, inner
        self.status, self.headers = inner.status, inner.headers
        self._body = bytearray()
        self._written = False

    async def read(self) -> bytes:
        body = await self._inner.read()
        self._body += body
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner.chunks():
            self._body += chunk
            yield chunk

    async def close(self) -> None:
        await self._inner.close()
        if not self._written:
            self._written = True
            url = urlsplit(self._request.url)
            asked = {"method": self._request.method, "path": url.path, "body": _plain(self._request.body)}
            headers = {name: self.headers[name] for name in _KEPT if name in self.headers}
            came = {"status": self.status, "headers": headers, "body": _plain(bytes(self._body))}
            line = _scrubbed({"request": asked, "reply": came})
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()


class _Replayer:
    """A transport that answers from a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._replies: dict[_Asked, list[_Reply]] = {}
        lines = path.read_text(encoding="utf-8").splitlines()
        try:
            if json.loads(lines[0]) != _HEAD:
                raise ValueError
            for line in lines[1:]:
                asked, came = (
                    cast("dict[str, Any]", json.loads(line)[name]) for name in ("request", "reply")
                )
                reply = _Reply(came["status"], came["headers"], _bytes(came["body"]))
                self._replies.setdefault(_Asked.of(asked["method"], asked["path"], asked["body"]), []).append(
                    reply
                )
        except (ValueError, LookupError, TypeError, binascii.Error):
            raise ValueError(f"{path} is not a file that recording() wrote; record it again.") from None

    async def send(self, request: HttpRequest) -> Exchange:
        asked = _Asked.of(request.method, request.url, _scrubbed(_plain(request.body)))
        recorded = self._replies.get(asked, [])
        for reply in recorded:
            if not reply.used:
                reply.used = True
                return _Replayed(reply)
        raise NotRecorded(self._told(asked, len(recorded)))

    def _told(self, asked: _Asked, times: int) -> str:
        if times:
            return f"{self._path} has this request {times} times, and it was made once more. Record it again."
        candidates = {known: known.path == asked.path for known in self._replies}
        if not candidates:
            return f"{self._path} has no recording at all. Record it again."

        def likeness(known: _Asked) -> tuple[bool, float]:
            return candidates[known], difflib.SequenceMatcher(None, known.body, asked.body).quick_ratio()

        nearest = max(candidates, key=likeness)
        lines = list(
            difflib.unified_diff(
                [f"{nearest.method} {nearest.path}", *nearest.body.splitlines()],
                [f"{asked.method} {asked.path}", *asked.body.splitlines()],
                "recorded",
                "asked",
                n=1,
                lineterm="",
            )
        )
        shown = "\n".join(lines[:_SHOWN])
        return f"{self._path} has no recording of this request. From the nearest it differs so:\n{shown}\n"

    def unused(self) -> list[_Asked]:
        return [asked for asked, replies in self._replies.items() for reply in replies if not reply.used]


class _Replayed:
    def __init__(self, reply: _Reply) -> None:
        self.status, self.headers, self._body = reply.status, reply.headers, reply.body

    async def read(self) -> bytes:
        return self._body

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    async def close(self) -> None:
        pass


@contextmanager
def recording(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write what all calls of this process send and get to `path`, in place of what stood there.

    Calls are made for real. What was left before its end is recorded as far as it came.
    """
    from .._job import between  # brings aiohttp, which a server's process does without

    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as lines:
        lines.write(json.dumps(_HEAD) + "\n")
        with between(lambda inner: _Recorder(lines, inner)):
            yield file


@contextmanager
def replaying(path: str | os.PathLike[str], *, all_used: bool = False) -> Iterator[Path]:
    """Answer all calls of this process from what `recording` wrote to `path`; nothing is sent.

    A call that was not recorded raises `NotRecorded`, which shows how it differs. With `all_used`, the block ends with
    an AssertionError if a recording was not asked for. Raises OSError or ValueError for a file that is none.
    """
    from .._job import between

    file = Path(path)
    replayer = _Replayer(file)
    with between(lambda _: replayer):
        yield file
    if all_used and (unused := replayer.unused()):
        told = ", ".join(f"{asked.method} {asked.path}" for asked in unused[:5])
        raise AssertionError(f"{len(unused)} recordings in {file} were not asked for: {told}.")
