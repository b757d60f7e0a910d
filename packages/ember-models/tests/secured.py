"""A server that speaks TLS, with a certificate made for the test."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers every POST in the chat completions format."""

    posts: list[dict[str, str]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        type(self).posts.append({name.lower(): value for name, value in self.headers.items()})
        body = b'{"model":"m","choices":[{"message":{"content":"Secured."},"finish_reason":"stop"}]}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A fresh certificate for localhost and vendor.test, signed by nobody but itself; its key is in the same file."""
    file = tmp_path / "localhost.pem"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
        f"-addext subjectAltName=DNS:localhost,DNS:vendor.test -keyout {file}.key -out {file}".split(),
        check=True,
        capture_output=True,
    )
    file.write_text(file.read_text() + Path(f"{file}.key").read_text())
    return file


@contextmanager
def serving(certificate: Path, *, known_callers: bool = False) -> Iterator[str]:
    """Yield the base URL of a server with that certificate, which may want its callers to have it too."""
    Answering.posts = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if known_callers:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a refused handshake is what is wanted
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def secure(certificate: Path) -> Iterator[str]:
    """The base URL of a server that speaks TLS with that certificate."""
    with serving(certificate) as url:
        yield url
