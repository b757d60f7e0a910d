"""The process's one I/O loop: an asyncio loop on a daemon thread, where every asynchronous external call runs.

`run` blocks for a coroutine's result, `arun` awaits it from any other loop; both carry the caller's context along and
cancel the work when the waiting ends early. The loop is made on first use, made anew in a forked child, and stopped at
interpreter exit (by `externals`).

Crossing threads one call at a time is what such a loop spends its time on (`run_coroutine_threadsafe` plus
`wrap_future` cost more than an HTTP request here), so messages go through mailboxes that wake a loop once for as many
as have come in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from contextvars import Context, copy_context
from typing import Any, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary, ref

from .crew import crew
from .errors import BlockedLoop

_T = TypeVar("_T")
_log = logging.getLogger("ember.loop")


class Mailbox:
    """Functions to be called on a loop, from any thread; the loop is woken once for all that wait."""

    __slots__ = ("_asleep", "_context", "_items", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Weakly: mailboxes are kept by loop, and one that held its loop would keep it for ever.
        self._loop = ref(loop)
        self._items: deque[Callable[[], object]] = deque()
        self._asleep = True
        # An own, empty context: entering one that runs on another thread would raise.
        self._context = Context()

    def post(self, item: Callable[[], object]) -> None:
        """Have `item` called on the loop soon. Raises RuntimeError if that loop is closed."""
        self._items.append(item)
        if self._asleep:
            try:
                self._asleep = False
                loop = self._loop()
                if loop is None:
                    raise RuntimeError("The loop is gone.")
                loop.call_soon_threadsafe(self._drain, context=self._context)
            except BaseException as error:
                # Perhaps nobody will drain it (it may be Ctrl-C): the next to post has to wake it, or to hear so too.
                self._asleep = True
                if isinstance(error, RuntimeError):
                    self._items.clear()
                raise

    def _drain(self) -> None:
        # First asleep, then empty: an item posted in between wakes the loop again, needlessly but never too late.
        self._asleep = True
        items = self._items
        while items:
            try:
                items.popleft()()
            except Exception:
                _log.exception("A message to the I/O loop failed")


class Started(Protocol):
    """A coroutine on its way, for whoever does not wait for it."""

    def result(self) -> Any:
        """Return or raise what came of it, once it has ended."""
        ...

    def cancel(self) -> None:
        """End it soon; callable from any thread, any number of times."""
        ...


class _Job:
    """One coroutine on its way: started on the I/O loop, told about when it ends, cancellable from anywhere."""

    __slots__ = ("_cancelled", "_context", "_coroutine", "_io", "_on_end", "task")

    def __init__(self, io: IOLoop, coroutine: Coroutine[Any, Any, Any], on_end: Callable[[], object]) -> None:
        self._io, self._coroutine, self._on_end = io, coroutine, on_end
        self._context = copy_context()
        self._cancelled = False
        self.task: asyncio.Task[Any] | None = None

    def start(self) -> None:
        if self._cancelled or self._io.stopped:
            self._coroutine.close()
            self._tell()
            return
        try:
            self.task = self._io.loop.create_task(self._coroutine, context=self._context)
        except BaseException:
            self._tell()
            raise
        self.task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        # Marks the exception as retrieved: a caller that left early must not make asyncio complain.
        if not task.cancelled():
            task.exception()
        self._tell()

    def _tell(self) -> None:
        # At interpreter exit only daemon threads still wait. Woken, they would print tracebacks into the silence.
        if not self._io.stopped:
            self._on_end()

    def cancel(self) -> None:
        """End the job soon; callable from any thread, any number of times."""
        self._cancelled = True
        with contextlib.suppress(RuntimeError):  # the loop is closed, and every task of it ended
            self._io.mail.post(self._cancel)

    def _cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def result(self) -> Any:
        try:
            if self.task is None:
                raise asyncio.CancelledError
            return self.task.result()
        finally:
            del (
                self
            )  # an exception's traceback has this frame: through it, the error would hold itself in memory


class IOLoop:
    """An asyncio loop on its own daemon thread, with a mailbox and the resources that live as long as it does."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.mail = Mailbox(self.loop)
        self._resources: dict[Hashable, Any] = {}
        self._closers: list[Callable[[], Awaitable[object]]] = []
        self._unawaited: set[asyncio.Task[object]] = set()
        self.stopped = False
        self._thread = threading.Thread(target=self._serve, name="ember-io", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        while not self.stopped:
            # asyncio lets these two out of a task and out of its loop. Here they belong to the caller, who gets them as
            # the result of the call, and everybody else's calls go on.
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                self.loop.run_forever()
        self.loop.close()

    def is_here(self) -> bool:
        """Whether the calling thread is the loop's own."""
        return threading.get_ident() == self._thread.ident

    def resource(self, key: Hashable, make: Callable[[], _T], close: Callable[[_T], Awaitable[object]]) -> _T:
        """Return what `make` made for this loop, making it the first time; closed with the loop. Only on the loop."""
        if key not in self._resources:
            made = make()
            self._resources[key] = made
            self._closers.append(lambda: close(made))
        return cast(_T, self._resources[key])

    def run(self, coroutine: Coroutine[Any, Any, _T], name: str) -> _T:
        """Run `coroutine` on the loop and block until it ends. An exception while waiting (Ctrl-C) cancels it."""
        if self.is_here():
            coroutine.close()
            raise BlockedLoop(name)
        ended = threading.Lock()
        ended.acquire()
        job, group = _Job(self, coroutine, ended.release), crew.get()
        waiting = True
        try:
            if group is not None:
                group.join(job)
            self._post(job)
            ended.acquire()
            waiting = False
            return cast(_T, job.result())
        finally:
            if waiting:
                job.cancel()
            if group is not None:
                group.leave(job)
            del job  # see _Job.result

    def start(
        self,
        coroutine: Coroutine[Any, Any, Any],
        on_end: Callable[[], object],
        made: Callable[[Started], object] | None = None,
    ) -> Started:
        """Run `coroutine` on the loop and go on; `on_end` is called on the loop's thread when it has ended.

        `made` is given what is returned, but before the coroutine can begin: whoever is interrupted in here by Ctrl-C
        can still cancel it.
        """
        job = _Job(self, coroutine, on_end)
        if made is not None:
            made(job)
        self._post(job)
        return job

    async def arun(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run `coroutine` on the loop and await its end from another loop. Cancelling this cancels it."""
        if self.is_here():
            return await coroutine
        here = asyncio.get_running_loop()
        ended: asyncio.Future[None] = here.create_future()
        mail = _mailbox_of(here)

        def wake() -> None:
            if not ended.done():
                ended.set_result(None)

        def on_end() -> None:
            with contextlib.suppress(RuntimeError):  # the caller's loop is gone, and the caller with it
                mail.post(wake)

        job, group = _Job(self, coroutine, on_end), crew.get()
        waiting = True
        try:
            if group is not None:
                group.join(job)
            self._post(job)
            await ended
            waiting = False
            return cast(_T, job.result())
        finally:
            if waiting:
                job.cancel()
            if group is not None:
                group.leave(job)
            del job

    def _post(self, job: _Job) -> None:
        if not self.stopped:
            with contextlib.suppress(RuntimeError):  # it stopped just now
                self.mail.post(job.start)
                return
        job.start()  # which only disposes of it
        if threading.current_thread() is threading.main_thread():
            raise RuntimeError("External calls cannot be made any more: the interpreter is exiting.")
        threading.Event().wait()  # a daemon thread: it ends with the interpreter, at once and silently

    def spawn(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run `coroutine` on the loop, with nobody waiting for it. Only on the loop."""
        task = self.loop.create_task(coroutine)
        self._unawaited.add(task)  # asyncio itself holds tasks weakly
        task.add_done_callback(self._unawaited.discard)

    def stop(self) -> None:
        """End everything that runs, close the resources and the loop. Called at interpreter exit."""
        if self.stopped or self.is_here():
            return
        self.mail.post(lambda: self.spawn(self._wind_up()))
        # A task that refuses to end must not keep the interpreter: the thread is a daemon.
        self._thread.join(timeout=2.0)

    async def _wind_up(self) -> None:
        self.stopped = True
        try:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=1.0)
            for task in tasks:
                if not task.done():
                    task._log_destroy_pending = False  # type: ignore[attr-defined]  # as asyncio itself silences one
                elif not task.cancelled():
                    task.exception()  # retrieved: asyncio does not print it
            for close in reversed(self._closers):
                with contextlib.suppress(Exception):
                    await close()
            await self.loop.shutdown_asyncgens()
        finally:
            self.loop.stop()


_current: IOLoop | None = None
_lock = threading.Lock()
_mailboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, Mailbox] = WeakKeyDictionary()
# Loops of a parent process. They are never closed here: the child shares their epoll descriptors, and unregistering a
# socket in it would silence the parent's.
_abandoned: list[IOLoop] = []


def io_loop() -> IOLoop:
    """Return this process's I/O loop, starting it on first use."""
    global _current
    found = _current
    if found is None:
        with _lock:
            if _current is None:
                _current = IOLoop()
            found = _current
    return found


def is_here() -> bool:
    """Whether the calling thread is the I/O loop's own, where nothing may block."""
    return _current is not None and _current.is_here()


def run(coroutine: Coroutine[Any, Any, _T], name: str = "this function") -> _T:
    """Run `coroutine` on the I/O loop and block until it ends.

    Raises `BlockedLoop`, with the advice to await `name`.aio, when called on that loop itself.
    """
    return io_loop().run(coroutine, name)


async def arun(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run `coroutine` on the I/O loop and await it here."""
    return await io_loop().arun(coroutine)


def _mailbox_of(loop: asyncio.AbstractEventLoop) -> Mailbox:
    mail = _mailboxes.get(loop)
    if mail is None:
        mail = _mailboxes.setdefault(loop, Mailbox(loop))
    return mail


def _after_fork() -> None:
    global _current, _lock, _mailboxes
    if _current is not None:
        _abandoned.append(_current)
    _current = None
    _lock = threading.Lock()
    _mailboxes = WeakKeyDictionary()


def stop() -> None:
    """End what runs on the I/O loop, and the loop. For interpreter exit."""
    if _current is not None:
        _current.stop()


os.register_at_fork(after_in_child=_after_fork)
