"""The pytest fixtures: no network, a fresh home; seen from inside and from a suite of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ember.models.testing import LocalServer, NetworkRefused, refusing

# 192.0.2.0/24 is set aside for documentation: should the guard fail, nobody is there.
FAR = ("192.0.2.1", 80)


def test_a_connection_beyond_this_machine_is_refused_and_written_down() -> None:
    with refusing() as refused, socket.socket() as far:
        with pytest.raises(NetworkRefused, match=r"192\.0\.2\.1 is beyond this machine"):
            far.connect(FAR)
    assert refused == ["192.0.2.1"]


def test_so_is_one_from_another_thread_or_an_event_loop() -> None:
    caught: list[BaseException] = []

    async def connect() -> None:
        await asyncio.open_connection(*FAR)

    def work() -> None:
        try:
            asyncio.run(connect())
        except OSError as error:
            caught.append(error)

    with refusing():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert [type(error) for error in caught] == [NetworkRefused]


def test_so_is_a_datagram() -> None:
    with refusing(), socket.socket(type=socket.SOCK_DGRAM) as far:
        with pytest.raises(NetworkRefused):
            far.sendto(b"?", FAR)


@pytest.mark.parametrize("name", ["api.openai.com", b"api.openai.com"])
def test_so_is_asking_for_an_address(name: str | bytes) -> None:
    with refusing() as refused, pytest.raises(NetworkRefused):
        socket.getaddrinfo(name, 443)
    assert refused == ["api.openai.com"]


def test_this_machine_is_reached_by_all_its_names(server: LocalServer) -> None:
    with refusing() as refused:
        for name in ("127.0.0.1", "localhost", "0.0.0.0"):
            socket.create_connection((name, server.port), timeout=5).close()
        with pytest.raises(socket.gaierror):
            socket.getaddrinfo("nobody.invalid", 80)
    assert refused == []


def test_unix_sockets_are_this_machine(tmp_path: Path) -> None:
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("no such sockets on this system")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as near, refusing():
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        near.connect(str(tmp_path / "s"))


def test_nothing_is_refused_any_more_afterwards() -> None:
    with refusing() as outer:
        with refusing() as inner:
            pass
        with socket.socket() as far, pytest.raises(NetworkRefused):
            far.connect(FAR)
    assert (outer, inner) == (["192.0.2.1"], [])


def test_the_home_is_fresh_and_the_environment_has_no_keys(ember_home: Path) -> None:
    assert os.environ["EMBER_HOME"] == str(ember_home)
    assert not ember_home.exists()
    assert not [name for name in os.environ if name.endswith(("_API_KEY", "_BASE_URL"))]


SUITE = """
import os, socket
from ember.context import get_context

def test_code_that_swallows_the_refusal():
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    except OSError:
        pass

def test_a_setting(ember_home):
    get_context().set_config("models.default", "gpt-4")
    assert "OPENAI_API_KEY" not in os.environ

def test_that_it_is_gone(ember_home, server):
    assert get_context().get_config("models.default") is None
    assert server.requests == []
"""


def test_a_suite_that_names_the_plugin_gets_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["ember.models.testing.plugin"]\n')
    (tmp_path / "test_suite.py").write_text(SUITE)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "OPENAI_API_KEY": "sk-from-outside"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "3 passed, 1 error" in run.stdout
    assert "this test reached for the network: 192.0.2.1" in run.stdout
