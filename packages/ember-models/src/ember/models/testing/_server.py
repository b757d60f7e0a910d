"""`LocalServer`: an HTTP server that plays a model provider, as well or as badly as a test wants."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final, Self, Unpack

from ._connection import Connection
from ._dialect import Dialect, Say
from ._frames import Frames, frames
from ._limits import Limit, Limits, Style
from ._process import ServerProcess
from ._record import STATS_PATH, Account, Request, Stats
from ._reply import How, Reply, Script, reply
from ._speech import find, speak

_NO_MORE: Mapping[str, Dialect] = MappingProxyType({})


_ports: Final = set[int]()


def _listener(port: int) -> socket.socket:
    """Return a socket that listens at `port`; 0 is one that no server of this process has had.

    What Ember has learned of an endpoint (its breaker, its limits) is kept by its URL, and is not another's.
    """
    had = list[socket.socket]()
    while True:
        listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        if port or listener.getsockname()[1] not in _ports or len(had) > 100:
            break
        had.append(listener)
    for other in had:
        other.close()
    _ports.add(listener.getsockname()[1])
    return listener


class LocalServer:
    """A scriptable server on 127.0.0.1 that speaks the APIs of OpenAI, Anthropic, Google and Ollama.

    Without a script it repeats the last user message (or says what `answer` returns for it) after `latency` seconds,
    whole or streamed as asked. Tokens are words. It runs in a thread of its own, for `lifetime` seconds at most, and
    keeps the last `keep` requests. `speaks` gives it further dialects, by the end of the path.

    >>> import http.client
    >>> with LocalServer() as server:
    ...     script = server.replies(429, {"retry-after": "2"}).then(200, text="hi")
    ...     first = http.client.HTTPConnection("127.0.0.1", server.port)
    ...     first.request("GET", "/v1/models", headers={"Authorization": "Bearer sk-a"})
    ...     first.getresponse().getheader("retry-after"), server.requests[0].key
    ...     first.close()
    ('2', 'sk-a')
    """

    def __init__(
        self,
        *,
        latency: float = 0.0,
        lifetime: float = 300.0,
        keep: int = 10_000,
        speaks: Mapping[str, Dialect] = _NO_MORE,
    ) -> None:
        self.latency = latency
        self.answer: Say = _repeat
        self.port = 0
        self.ledger: dict[str, Account] = {}
        self.in_flight = self.high_water = self.connections = 0
        self.scratch = memoryview(bytearray(262_144))
        self._lifetime = lifetime
        self._requests: deque[Request] = deque(maxlen=keep)
        self._scripts: dict[str | None, Script] = {}
        self._speaks, self._dialects = speaks, dict[str, Dialect | None]()
        self._limits = Limits()
        self._open: set[Connection] = set()
        self._ending, self._stopping = asyncio.Event(), False
        self._count = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @staticmethod
    def process(*, latency: float = 0.0, lifetime: float = 300.0) -> ServerProcess:
        """Return a server in a process of its own, for measurements; it cannot be scripted."""
        return ServerProcess(latency=latency, lifetime=lifetime)

    # Life

    @property
    def url(self) -> str:
        """The base URL, without a path or trailing slash; OpenAI's base URL is this and "/v1"."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Listen; on the same port again after `stop`. Raises OSError if that is taken by now."""
        if self._thread is not None:
            raise RuntimeError("this server is running already")
        # Bound here, so that the port is known and clients can connect before the thread gets to run.
        listener = _listener(self.port)
        # Connections inherit it. asyncio sets it on none whose listener does not name its protocol, and without it each
        # piece of a stream waits 40 ms for the other side to say that it has the one before.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = listener.getsockname()[1]
        self._loop, self._ending, self._stopping = asyncio.new_event_loop(), asyncio.Event(), False
        self._thread = threading.Thread(
            target=self._run, args=(self._loop, listener), name="ember-local-server", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every connection and end the thread. Does nothing if the server is not running."""
        thread, loop = self._thread, self._loop
        if thread is None or loop is None:
            return
        with suppress(RuntimeError):  # its lifetime has passed and the loop is closed
            loop.call_soon_threadsafe(self._ending.set)
        thread.join(10)
        self._thread = self._loop = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _run(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        try:
            loop.run_until_complete(self._serve(loop, listener))
        finally:
            loop.close()
            listener.close()

    async def _serve(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        server = await loop.create_server(lambda: Connection(self, loop), sock=listener, backlog=4096)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._lifetime):
                await self._ending.wait()
        self._stopping = True
        # A connection accepted a moment ago takes asyncio a few rounds to make. It cannot be added to a closed server,
        # nor be made by a cancelled task: its socket would leak. So no more are accepted, and these are made.
        loop.remove_reader(listener)
        for _ in range(4):
            await asyncio.sleep(0)
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in list(self._open):
            connection.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # an aborted transport closes its socket in the loop's next round

    # What it says

    def replies(
        self,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        path: str | None = None,
        times: int = 1,
        **how: Unpack[How],
    ) -> Script:
        """Set what is answered from now on, on `path` or on all paths that have no script of their own.

        Add what comes next with `.then(...)`; the last reply is repeated. A 200 that is given no body is the dialect's
        own answer, another status the dialect's own error. `How` lists the keywords.
        """
        script = Script(reply(status, headers, how), times)
        self._scripts[path] = script
        return script

    def limit(
        self,
        requests: int | None = None,
        *,
        tokens: int | None = None,
        concurrency: int | None = None,
        per: float = 60.0,
        key: str | None = None,
        model: str | None = None,
        headers: Style | None = None,
        retry_after: bool = True,
        status: int = 429,
    ) -> None:
        """From now on, let each key do no more than this with each model, or lift such a limit by giving none.

        That is `requests` and `tokens` in any `per` seconds, and `concurrency` requests at once; what is more is
        refused with `status`, at once, and uses nothing up. A request is refused for its tokens when those before it
        have used all. `key` and `model` say whom the limit is for, the most specific one counting. `headers` adds a
        vendor's rate-limit headers to every reply, `retry_after` says in a refusal when the window has room again.
        """
        given = Limit(requests, tokens, concurrency, per, headers, retry_after, status)
        if given.requests is given.tokens is given.concurrency is None:
            self._limits.rules.pop((key, model), None)
        else:
            self._limits.rules[key, model] = given

    def dialect(self, path: str) -> Dialect | None:
        """Return the dialect that is spoken at `path`, None where there is none."""
        if path not in self._dialects:
            self._dialects[path] = find(path, self._speaks)
        return self._dialects[path]

    def reset(self) -> None:
        """Forget scripts, limits, requests, ledger and high water; connections stay open."""
        self._scripts.clear()
        self._limits.rules.clear()
        self._requests.clear()
        self.ledger.clear()
        self.answer, self._count, self.high_water = _repeat, 0, self.in_flight

    # What it saw

    @property
    def requests(self) -> list[Request]:
        """The requests that arrived whole, oldest first; a copy."""
        return list(self._requests)

    def stats(self) -> Stats:
        """Return the counters of this moment."""
        ledger = dict(self.ledger)
        return Stats(
            self._count, self.in_flight, self.high_water, self.connections, time.process_time(), ledger
        )

    def wait_for(self, condition: Callable[[], object], seconds: float = 10.0) -> None:
        """Return as soon as `condition()` is true. Raises AssertionError after `seconds`."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(
                    f"this did not come true within {seconds:g} s; requests: {self.requests}"
                )
            time.sleep(0.002)

    # Called by connections, on the server's thread

    def opened(self, connection: Connection) -> int:
        self._open.add(connection)
        self.connections += 1
        return self.connections

    def closed(self, connection: Connection) -> None:
        self._open.discard(connection)

    def begin(self, request: Request) -> Frames:
        if request.path == STATS_PATH:
            return frames(Reply(), self.stats().to_json(), {"content-type": "application/json"}, 0.0)
        self._count += 1
        self._requests.append(request)
        self._account(request).requests += 1
        self.in_flight += 1
        self.high_water = max(self.high_water, self.in_flight)
        refusal = self._limits.admit(request) if self._limits.rules else None
        if refusal is not None:
            self._account(request).refused += 1
        script = self._scripts.get(request.path) or self._scripts.get(None)
        try:
            plan = speak(
                request,
                self.dialect(request.path),
                refusal or (script.take() if script else None),
                say=self.answer,
                latency=self.latency,
                number=self._count,
            )
        except Exception as error:  # `answer` and `change` are a test's own code
            said = f"the test's own function raised {error!r}".encode()
            return frames(Reply(500), said, {"content-type": "text/plain"}, 0.0)
        if self._limits.rules and plan.head:
            status, _, rest = plan.head.partition(b"\r\n")
            plan.head = status + b"\r\n" + self._limits.spend(request, plan.bill) + rest
        return plan

    def book(self, request: Request, plan: Frames) -> None:
        if plan.bill is not None:
            account = self._account(request)
            account.calls += 1
            account.input_tokens += plan.bill[0]
            account.output_tokens += plan.bill[1]

    def finish(self, request: Request, *, aborted: bool) -> None:
        if request.path == STATS_PATH:
            return
        self.in_flight -= 1
        self._limits.leave(request)
        request.aborted, request.done = aborted and not self._stopping, not aborted

    def _account(self, request: Request) -> Account:
        key = request.key
        account = self.ledger.get(key)
        if account is None:
            account = self.ledger[key] = Account()
        return account


def _repeat(prompt: str) -> str:
    return prompt
