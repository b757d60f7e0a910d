"""A server in a process of its own, so that a measurement does not share a core's interpreter with it."""

from __future__ import annotations

import argparse
import http.client
import os
import subprocess
import sys
import threading
from typing import Self

from ._record import STATS_PATH, Stats

_MAIN = "from ember.models.testing._process import main; main()"


class ServerProcess:
    """A `LocalServer` in another process: it answers by itself, keeps only counters, and ends when this process does.

    >>> with ServerProcess() as server:
    ...     server.stats().requests
    0
    """

    def __init__(self, *, latency: float = 0.0, lifetime: float = 300.0) -> None:
        self._arguments = [f"--latency={latency}", f"--lifetime={lifetime}"]
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The base URL, without a path or trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start the process and wait until it listens. Raises RuntimeError if it does not come up."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MAIN, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        if not said.isdigit():
            self.stop()
            raise RuntimeError("the server's process ended before it listened; its error is on stderr")
        self.port = int(said)
        return self

    def stats(self) -> Stats:
        """Return the server's counters. Asking is not counted as a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", STATS_PATH)
            return Stats.from_json(connection.getresponse().read())
        finally:
            connection.close()

    def stop(self) -> None:
        """End the process. Does nothing if it is not running."""
        process, self._process = self._process, None
        if process is not None:
            try:
                process.communicate(timeout=5)  # closes its standard input, which asks it to end
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()


def main() -> None:
    """Serve until standard input is closed (whoever started this is gone) or the lifetime has passed."""
    from ._server import LocalServer

    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, required=True)
    parser.add_argument("--lifetime", type=float, required=True)
    options = parser.parse_args()
    _allow_many_sockets()
    server = LocalServer(latency=options.latency, lifetime=options.lifetime, keep=0).start()
    print(server.port, flush=True)
    # Not sys.stdin.read: a thread inside that holds a lock which the interpreter needs to exit.
    closed = threading.Thread(target=os.read, args=(0, 1), daemon=True)
    closed.start()
    closed.join(options.lifetime)
    server.stop()


def _allow_many_sockets() -> None:
    """Raise the soft limit of open files to the hard one, where there are such limits."""
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if soft != hard else soft, hard))
