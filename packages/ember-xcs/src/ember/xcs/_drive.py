"""A run that an asyncio task drives: whenever nothing of it can go on, the event loop has the thread.

The program stays in greenlets, as it is. The task that awaits it resumes them, and where a blocking run would wait for
the next call to end, this one goes back to the task, which waits as any other does.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from types import MethodType
from typing import Any

from greenlet import getcurrent, greenlet

from ._interrupts import guard
from ._memory import perform
from ._program import program_of
from ._run import Run, local
from ._tasks import Abandoned, Turn


class Drive:
    """One run, to be awaited. `program` is given the drive, makes a `Run` with it and returns the result."""

    def __init__(self, program: Callable[[Drive], Any]) -> None:
        self._program = program
        self._host: greenlet | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bell: asyncio.Future[None] | None = None
        self._thrown: BaseException | None = None
        self._asleep = False
        self._run: Run | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        self._loop = asyncio.get_running_loop()
        value: list[Any] = []
        errors: list[BaseException] = []

        def play() -> None:
            try:
                value.append(self._program(self))
            except BaseException as error:
                errors.append(error)

        root = greenlet(play)
        target: Any = root
        root.gr_context = getcurrent().gr_context
        try:
            while True:
                self._host = root.parent = getcurrent()
                self._step(target.switch)
                if root.dead:
                    break
                run = self._run
                assert run is not None
                target = run.hub
                yield from self._wait(run)
        finally:
            if root:  # begun, and thrown away unfinished
                root.parent = getcurrent()
                if self._run is not None:
                    self._run.current = self._run.root
                    self._run.root.dead = True
                self._step(partial(root.throw, Abandoned))
        if errors:
            try:
                raise errors[0]
            finally:
                errors.clear()
        return value[0]

    def _step(self, go_on: Callable[[], Any]) -> None:
        """Have the thread be the run's until it waits."""
        # asyncio's own handler of SIGINT asks the task to end. Only where SIGINT raises, it must not raise in here.
        taken = guard() if signal.getsignal(signal.SIGINT) is signal.default_int_handler else None
        outer, local.run = local.run, self._run
        try:
            if taken is not None:
                taken.enter()
            go_on()
        finally:
            self._run, local.run = local.run, outer
            if taken is not None:
                taken.leave()

    def _wait(self, run: Run) -> Generator[Any, Any, None]:
        """Wait, as the task does, until something has ended. What is thrown in meanwhile is for the program."""
        assert self._loop is not None
        self._bell = bell = self._loop.create_future()
        self._asleep = True
        try:
            if not run.has_arrivals():
                yield from bell
        except GeneratorExit:
            raise
        except BaseException as error:
            self._thrown = error
        finally:
            self._asleep, self._bell = False, None

    def pause(self) -> None:
        """In the hub: nothing can go on. Returns when something may."""
        assert self._host is not None
        self._host.switch()
        thrown, self._thrown = self._thrown, None
        if thrown is not None:
            raise thrown

    def ring(self) -> None:
        """From any thread: something has ended."""
        if self._asleep and self._loop is not None:
            self._asleep = False
            with suppress(RuntimeError):  # the loop is closed, and nobody waits
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if self._bell is not None:
            with suppress(asyncio.InvalidStateError):  # the task was cancelled, perhaps by a signal just now
                self._bell.set_result(None)

    def turn(self, run: Run, future: Any) -> None:
        """Wait for what an awaitable has yielded to the event loop. Raises what the caller's task is told meanwhile."""
        told = False

        def ended(_: object = None) -> None:
            nonlocal told
            if not told:
                told = True
                run.arrive(entry)

        def cancel(error: BaseException) -> None:
            if future is None or not future.cancel():
                run.set(entry, None, error)

        entry = Turn(run, cancel)
        run.turns += 1
        if future is None:  # a bare `yield`: one round of the loop
            assert self._loop is not None
            self._loop.call_soon(ended)
        else:
            future._asyncio_future_blocking = False
            future.add_done_callback(ended)
        run.wait(entry)
        if entry.error is not None:
            raise entry.error


def on_loop(run: Run, awaitable: Any) -> Any:
    """Await anything, as the caller's task would, while what else is under way goes on."""
    drive = run.drive
    if drive is None or threading.get_ident() != run.thread:
        raise RuntimeError("await outside of a running event loop")
    steps = awaitable if isinstance(awaitable, Generator) else awaitable.__await__()
    error: BaseException | None = None
    while True:
        try:
            future = next(steps) if error is None else steps.throw(error)
        except StopIteration as stop:
            return stop.value
        error = None
        try:
            drive.turn(run, future)
        except Abandoned:
            steps.close()
            raise
        except BaseException as failure:
            error = failure


# Coroutines that lowered code makes and does not await at once --------------------------------------------------------


class Call:
    """What a coroutine object stands for: a coroutine function of the user's or an external's `aio`, and arguments."""

    __slots__ = ("args", "function", "kwargs")

    def __init__(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs


def later(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return a coroutine for `function(*args, **kwargs)` whose arguments may be pending.

    Awaited by lowered code it is part of the run. Whoever else gets it (a task of asyncio's, say) gets the arguments
    settled, and a run of its own by awaiting it.
    """
    if not isinstance(function, MethodType):
        function(*args, **kwargs).close()  # raises TypeError if these are not its arguments
    call = Call(function, args, kwargs)
    coroutine: Any = _later(call)
    coroutine.__name__, coroutine.__qualname__ = function.__name__, function.__qualname__
    run.coroutines[id(coroutine)] = (coroutine, call)
    return coroutine


async def _later(call: Call) -> Any:
    function = call.function
    if isinstance(function, MethodType):  # an external's
        return await function(*call.args, **call.kwargs)
    twin = program_of(function).twin(function)
    return await Drive(lambda drive: perform(Run(None, drive), twin, call.args, call.kwargs))
