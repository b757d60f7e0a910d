"""Real certificates: one that nobody vouches for is refused, one that the machine trusts is not."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from acme import KEY
from secured import Answering, certificate as certificate, secure as secure

from ember.api import models
from ember.context import with_context
from ember.models.errors import ConnectionFailed
from ember.models.testing import LocalServer

Script = Callable[..., "CompletedProcess[str]"]

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")


def test_a_certificate_signed_by_nobody_is_refused(acme: LocalServer, secure: str) -> None:
    before = models.usage().requests
    with (
        with_context(providers={"acme": {"base_url": secure}}, credentials={"acme_api_key": KEY}),
        pytest.raises(ConnectionFailed, match="self-signed certificate") as caught,
    ):
        models("acme-small", "Hi", max_retries=2)
    assert models.usage().requests - before == 1  # it would be refused again
    assert "never turns verification off" in str(caught.value)
    assert Answering.posts == []


def test_a_certificate_for_another_host_is_refused(
    acme: LocalServer, secure: str, certificate: Path, script: Script
) -> None:
    by_number = secure.replace("localhost", "127.0.0.1")
    done = script(
        """
        register()
        try:
            models("acme-small", "Hi")
        except ConnectionError as error:
            print(error)
        """,
        ACME_BASE_URL=by_number,
        SSL_CERT_FILE=str(certificate),
    )
    assert "IP address mismatch" in done.stdout, done.stderr
    assert Answering.posts == []


def test_a_certificate_that_the_machine_trusts_is_accepted(
    secure: str, certificate: Path, script: Script
) -> None:
    done = script(
        'register()\nprint(models("acme-small", "Hi"))', ACME_BASE_URL=secure, SSL_CERT_FILE=str(certificate)
    )
    assert done.stdout == "Secured.\n", done.stderr


def test_a_server_without_tls_is_no_secure_connection(acme: LocalServer) -> None:
    with socket.create_server(("localhost", 0)) as plain:

        def refuse() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=refuse, daemon=True).start()
        with (
            with_context(
                providers={"acme": {"base_url": f"https://localhost:{plain.getsockname()[1]}/v1"}},
                credentials={"acme_api_key": KEY},
            ),
            pytest.raises(ConnectionFailed, match=r"no secure connection.*handshake failed"),
        ):
            models("acme-small", "Hi")
