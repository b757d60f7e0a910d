"""How the local server begins and ends, in this process and in its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from ember.models.testing import LocalServer


def ask(port: int, words: str = "hello") -> int:
    """Post one request on a connection of its own and return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        body = json.dumps({"model": "m", "input": words})
        connection.request("POST", "/v1/responses", body, {"authorization": "Bearer sk-one"})
        reply = connection.getresponse()
        reply.read()
        return reply.status
    finally:
        connection.close()


def test_it_stops_without_leaving_threads_or_connections() -> None:
    before = set(threading.enumerate())
    with LocalServer() as server, socket.create_connection(("127.0.0.1", server.port), timeout=5) as idle:
        assert ask(server.port) == 200
        server.stop()
        assert idle.recv(1) == b""
    assert set(threading.enumerate()) == before


def test_it_may_be_stopped_at_once_and_more_than_once() -> None:
    for _ in range(20):
        server = LocalServer().start()
        server.stop()
        server.stop()


def test_it_starts_again_on_the_same_port() -> None:
    server = LocalServer().start()
    port = server.port
    ask(port)
    server.stop()
    with server:
        assert (server.port, ask(port)) == (port, 200)
        with pytest.raises(RuntimeError, match="running already"):
            server.start()


def test_it_ends_by_itself_after_its_lifetime() -> None:
    with LocalServer(lifetime=0.05) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as idle:
            assert idle.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_waiting_in_vain_says_what_was_seen(server: LocalServer) -> None:
    ask(server.port)
    with pytest.raises(AssertionError, match=r"did not come true within 0\.01 s.*path='/v1/responses'"):
        server.wait_for(lambda: False, seconds=0.01)


def test_a_process_of_its_own_answers_and_counts() -> None:
    with LocalServer.process(latency=0.05) as server:
        begun = time.monotonic()
        assert [ask(server.port, "one two"), ask(server.port)] == [200, 200]
        assert time.monotonic() - begun >= 0.1
        stats = server.stats()
    assert (stats.requests, stats.in_flight, stats.high_water) == (2, 0, 1)
    assert (stats.ledger["sk-one"].input_tokens, stats.ledger["sk-one"].output_tokens) == (3, 3)
    assert stats.cpu_seconds > 0


def test_its_process_ends_with_it() -> None:
    with LocalServer.process() as server:
        port = server.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.skipif(
    not hasattr(signal, "SIGKILL"), reason="kills without warning only where that is possible"
)
def test_its_process_ends_when_its_parent_is_killed() -> None:
    program = (
        "import time; from ember.models.testing import LocalServer\n"
        "print(LocalServer.process().start().port, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        assert ask(port) == 200
        os.kill(parent.pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            ask(port)
        except OSError:
            return
        time.sleep(0.05)
    pytest.fail("the server outlived the process that started it by 10 s")


def test_its_process_ends_by_itself_after_its_lifetime() -> None:
    with LocalServer.process(lifetime=0.3) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as idle:
            assert idle.recv(1) == b""


def test_stopping_while_connections_are_made_leaks_none_of_them() -> None:
    for _ in range(100):  # one in five leaked where the server was closed before they were made
        server = LocalServer().start()
        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        server.stop()
        for client in clients:
            client.close()
