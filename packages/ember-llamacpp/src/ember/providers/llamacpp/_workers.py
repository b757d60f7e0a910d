"""A few threads that run jobs in order. Daemons: whoever owns them stops them, at a moment of its choosing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

Job: TypeAlias = Callable[[], None]


class Workers:
    """At most `count` threads, started as they are needed.

    The standard library's pool is no use here: the interpreter waits for its threads before it runs exit handlers, so
    an answer of minutes would hold up the end of the program with nobody able to stop it.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count, self._name = count, name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._waiting = 0  # threads free to take a job, less the jobs nobody has taken yet

    def submit(self, job: Job) -> None:
        """Have `job` run, once a thread is free. It must not raise."""
        with self._lock:
            if self._waiting <= 0 and len(self._threads) < self._count:
                thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                self._threads.append(thread)
                thread.start()
                self._waiting += 1
            self._waiting -= 1
        self._jobs.put(job)

    def stop(self, deadline: float) -> bool:
        """Let the threads end after the jobs they have, until `deadline` (monotonic seconds); whether all did."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # while it waits, a thread keeps no call, and no model, alive
            with self._lock:
                self._waiting += 1
