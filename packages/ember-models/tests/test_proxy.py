"""Proxies from the environment: a real one in between, and what it may and may not see."""

from __future__ import annotations

import base64
import contextlib
import select
import shutil
import socket
import socketserver
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest
from acme import KEY
from secured import Answering, certificate as certificate, secure as secure

from ember.api import models
from ember.context import with_context
from ember.core import loop
from ember.models.errors import ConnectionFailed, InvalidRequestError, ModelError, ModelTimeout
from ember.models.testing import LocalServer

Script = Callable[..., "subprocess.CompletedProcess[str]"]

PASSWORD = "open-sesame-0123456789"


class Proxy(socketserver.ThreadingTCPServer):
    """A forward proxy that sends everything to one server, whatever host is asked for, and keeps what it saw."""

    daemon_threads, allow_reuse_address = True, True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.upstream = urlsplit(upstream)
        self.heads: list[str] = []
        self.seen = b""
        self.refusal = ""
        self.wait = 0.0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Passing(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):  # of whoever leaves first
            self.take(cast(Proxy, self.server))

    def take(self, proxy: Proxy) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.request.recv(65_536)
            if not more:
                return
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        proxy.heads.append(head.decode())
        time.sleep(proxy.wait)
        if proxy.refusal:
            self.request.sendall(f"HTTP/1.1 {proxy.refusal}\r\ncontent-length: 0\r\n\r\n".encode())
            return
        with socket.create_connection((proxy.upstream.hostname, proxy.upstream.port or 0)) as upstream:
            if head.startswith(b"CONNECT "):
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                upstream.sendall(rest)
            else:
                method, url, version = head.split(b"\r\n", 1)[0].split(b" ")
                line = b" ".join((method, urlsplit(url).path, version))
                upstream.sendall(line + b"\r\n" + head.split(b"\r\n", 1)[1] + b"\r\n\r\n" + rest)
            self.pass_on(upstream, proxy)

    def pass_on(self, upstream: socket.socket, proxy: Proxy) -> None:
        while True:
            for ready in select.select([self.request, upstream], [], [])[0]:
                data = ready.recv(65_536)
                if not data:
                    return
                if ready is self.request:
                    proxy.seen += data
                    upstream.sendall(data)
                else:
                    self.request.sendall(data)


@contextlib.contextmanager
def proxying(upstream: str) -> Iterator[Proxy]:
    with Proxy(upstream) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join()


@pytest.fixture
def proxy(acme: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before the local server, that the environment names for plain HTTP."""
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    with proxying(acme.url) as made:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://user:{PASSWORD}@{made.address}")
        yield made


def ask(host: str, **params: float) -> str:
    """Call a model at a host that only the proxy knows: each test another, for a URL's proxy is looked up once."""
    away = {"acme": {"base_url": f"http://{host}/v1", "allow_http": True}}
    with with_context(providers=away, credentials={"acme_api_key": KEY}):
        return models("acme-small", "Hi", timeout=10, **params)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def failure(host: str, **params: float) -> tuple[ModelError, str]:
    with pytest.raises(ModelError) as caught:
        ask(host, **params)
    return caught.value, "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))


def test_plain_http_goes_by_the_proxy_with_the_proxys_own_password(acme: LocalServer, proxy: Proxy) -> None:
    assert ask("plain.test") == "Hi"
    assert proxy.heads[0].startswith("POST http://plain.test/v1/chat/completions HTTP/1.1")
    credentials = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    assert f"proxy-authorization: basic {credentials}".lower() in proxy.heads[0].lower()
    assert acme.requests[0].key == KEY


def test_an_answer_comes_in_pieces_by_a_proxy_too(acme: LocalServer, proxy: Proxy) -> None:
    acme.replies(text="one two three")
    away = {"acme": {"base_url": "http://pieces.test/v1", "allow_http": True}}
    with with_context(providers=away, credentials={"acme_api_key": KEY}):
        assert len(list(models.stream("acme-small", "Hi"))) > 1
    assert len(proxy.heads) == 1


def test_a_proxy_may_be_written_without_its_scheme(
    acme: LocalServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy.address)
    assert ask("schemeless.test") == "Hi"
    assert len(proxy.heads) == 1


@pytest.mark.parametrize(
    ("exception", "host"),
    [
        ("one.invalid", "one.invalid"),
        ("two.invalid", "api.two.invalid"),
        (".three.invalid", "api.three.invalid"),
        ("other.test, four.invalid", "four.invalid"),
        ("five.invalid:8080", "five.invalid:8080"),
        ("*", "six.invalid"),
    ],
)
def test_hosts_that_no_proxy_names_are_reached_without_it(
    acme: LocalServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, exception: str, host: str
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, exception)
    error, _ = failure(host)
    assert "the host name is not known" in str(error)
    assert proxy.heads == []


def test_others_are_not(acme: LocalServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "other.test, seven.test:8080, ven.test")
    assert ask("seven.test") == "Hi"
    assert len(proxy.heads) == 1


def test_this_machine_is_never_reached_by_a_proxy(acme: LocalServer, proxy: Proxy) -> None:
    port = acme.url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost"):
        assert ask(f"{host}:{port}/by-itself") == "Hi"
    assert proxy.heads == [] and len(acme.requests) == 2


@pytest.mark.parametrize(
    "proxy_url", [f"socks5://user:{PASSWORD}@127.0.0.1:9", f"http://user:{PASSWORD}@:x/"]
)
def test_a_proxy_of_another_kind_is_an_error_and_not_left_out(
    acme: LocalServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, proxy_url: str
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy_url)
    error, said = failure("socks.test", max_retries=2)
    assert type(error) is InvalidRequestError and "HTTP_PROXY" in str(error) and "http_client" in str(error)
    assert PASSWORD not in said
    assert acme.requests == []


def test_a_proxy_that_is_not_there_is_named_without_its_password(
    acme: LocalServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://user:{PASSWORD}@{nobody}")
        error, said = failure("nobody.test")
    assert type(error) is ConnectionFailed and f"{nobody}, the proxy" in str(error)
    assert PASSWORD not in said and KEY not in said


def test_the_deadline_holds_for_a_proxy_that_does_not_answer(acme: LocalServer, proxy: Proxy) -> None:
    proxy.wait = 10.0
    begun = time.monotonic()
    away = {"acme": {"base_url": "http://silent.test/v1", "allow_http": True}}
    with with_context(providers=away, credentials={"acme_api_key": KEY}), pytest.raises(ModelTimeout):
        models("acme-small", "Hi", timeout=0.3)
    assert time.monotonic() - begun < 5.0


# Over TLS


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_over_tls_a_proxy_sees_where_to_connect_and_nothing_else(
    secure: str, certificate: Path, script: Script
) -> None:
    with proxying(secure) as proxy:
        named = f"http://user:{PASSWORD}@{proxy.address}"
        done = script(
            'register()\nprint(models("acme-small", "A prompt of mine"))',
            ACME_BASE_URL="https://vendor.test:4433/v1",
            SSL_CERT_FILE=str(certificate),
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), named),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), ""),
        )
    assert done.stdout == "Secured.\n", done.stderr
    (head,) = proxy.heads
    assert head.startswith("CONNECT vendor.test:4433 HTTP/1.1\r\n")
    names = {line.partition(":")[0].lower() for line in head.split("\r\n")[1:]}
    assert names <= {"host", "proxy-authorization", "accept", "accept-encoding", "user-agent"}
    assert KEY not in head and KEY.encode() not in proxy.seen and b"A prompt of mine" not in proxy.seen
    (headers,) = Answering.posts
    assert headers["authorization"] == f"Bearer {KEY}" and "proxy-authorization" not in headers


@pytest.mark.parametrize(("refusal", "requests"), [("407 No", 1), ("403 No", 1), ("502 Bad", 2)])
def test_a_proxy_that_refuses_to_connect_says_so(
    acme: LocalServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, refusal: str, requests: int
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://user:{PASSWORD}@{proxy.address}")
    proxy.refusal = refusal
    away = {"acme": {"base_url": f"https://refused-{refusal[:3]}.test/v1"}}
    with (
        with_context(providers=away, credentials={"acme_api_key": KEY}),
        pytest.raises(ConnectionFailed, match=f"the proxy refused.*HTTP {refusal[:3]}") as caught,
    ):
        models("acme-small", "Hi", max_retries=1)
    said = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert PASSWORD not in said and KEY not in said
    assert len(proxy.heads) == requests


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_a_proxy_that_answers_in_the_servers_place_is_not_believed(secure: str, script: Script) -> None:
    with proxying(secure) as proxy:
        done = script(
            """
            register()
            try:
                models("acme-small", "Hi")
            except ConnectionError as error:
                print(error)
            """,
            ACME_BASE_URL="https://vendor.test/v1",
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), f"http://{proxy.address}"),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), ""),
        )
    assert "self-signed certificate" in done.stdout, done.stderr
    assert Answering.posts == []


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_a_clients_own_proxy_is_used_and_its_password_is_in_no_error(
    acme: LocalServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    library = pytest.importorskip(name)
    for variable in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(variable)
    mine = library.AsyncClient(proxy=f"http://user:{PASSWORD}@{proxy.address}")
    away = {"acme": {"base_url": f"http://{name}.test/v1", "allow_http": True}}
    with with_context(providers=away, credentials={"acme_api_key": KEY}, models={"http_client": mine}):
        assert models("acme-small", "Hi") == "Hi"
    proxy.refusal = "407 No"
    away = {"acme": {"base_url": f"https://{name}.test/v1"}}
    with (
        with_context(providers=away, credentials={"acme_api_key": KEY}, models={"http_client": mine}),
        pytest.raises(ConnectionFailed, match="proxy refused") as caught,
    ):
        models("acme-small", "Hi", max_retries=1)
    said = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert PASSWORD not in said and KEY not in said
    assert len(proxy.heads) == 2 and KEY not in proxy.heads[1]
    loop.run(mine.aclose())
