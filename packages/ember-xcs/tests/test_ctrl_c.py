"""Ctrl-C between any two steps of the bookkeeping of a run: the program ends, nothing is lost, the next call works."""

from __future__ import annotations

import asyncio
import dis
import gc
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypeAlias

import greenlet
import pytest

from ember import xcs
from ember.xcs import external, jit

_lock = threading.Lock()
_now = 0

Position: TypeAlias = tuple[str, str, int]
Tracer: TypeAlias = Callable[[FrameType, str, Any], Any]

BOOKS = frozenset({"_log.py", "_switching.py", "_run.py", "_drive.py"})
"""The files of `ember.xcs` that say what of a run is where: an exception in the middle of them would lose something."""
FOLDER = str(Path(xcs.__file__).parent)


@external
async def ask(prompt: str) -> str:
    global _now
    with _lock:
        _now += 1
    try:
        await asyncio.sleep(0)
        if prompt == "no":
            raise ValueError(prompt)
        return prompt.upper()
    finally:
        with _lock:
            _now -= 1


def helper(word: str) -> str:
    answer = ask(word)
    return ask(answer + "!") if answer > "B" else answer


def program() -> list[str]:
    out = [helper(word) for word in "abc"]
    for word in "xy":
        if ask(word) == "X":
            out.append(ask("then"))
    try:
        out.append(ask("no"))
    except ValueError:
        out.append(ask("yes"))
    total = {word: ask(word + out[0]) for word in "de"}
    return [*out, *sorted(total.values(), key=len)]


EXPECTED = ["A", "B", "C!", "THEN", "YES", "DA", "EA"]


@cache
def moments(code: CodeType) -> frozenset[int]:
    """Return where Python looks for signals: after a call, at the begin of a function, after a jump back."""
    found, after = set[int](), False
    for one in dis.get_instructions(code):
        if after and one.opname not in ("CACHE", "EXTENDED_ARG"):
            found.add(one.offset)
        if one.opname != "CACHE":
            after = one.opname.startswith(("CALL", "RESUME", "JUMP_BACKWARD"))
    return frozenset(found)


def traced(do: Callable[[Position, FrameType], None]) -> Tracer:
    """Return a tracer that does something at each position of the bookkeeping where a signal may come."""

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        folder, _, name = code.co_filename.rpartition("/")
        if folder != FOLDER or name not in BOOKS:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and frame.f_lasti in moments(code):
            do((name, code.co_qualname, frame.f_lasti), frame)
        return trace

    return trace


def run_traced(function: Callable[[], Any], trace: Tracer) -> Any:
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return function()
    finally:
        sys.settrace(before)


def positions(function: Callable[[], Any]) -> list[Position]:
    """Return all positions at which a signal may come while `function` runs, each once."""
    found: dict[Position, None] = {}
    for _ in range(3):  # what has arrived when differs a little
        assert run_traced(function, traced(lambda position, _: found.setdefault(position))) == EXPECTED
    return list(found)


def interrupted(function: Callable[[], Any], at: Position, when: int) -> tuple[bool, BaseException | None]:
    """Run `function`, with the signal's handler called when it comes `at` a position for that time."""
    sent, left = False, when

    def send(position: Position, frame: FrameType) -> None:
        nonlocal sent, left
        left -= position == at
        if left == 0 and not sent:
            sent = True
            sys.settrace(None)  # when it is sent again, it shall not come in here
            handler: Any = signal.getsignal(signal.SIGINT)
            handler(signal.SIGINT, frame)  # as the interpreter does: what it raises comes up in that frame

    trace = traced(send)
    try:
        run_traced(function, trace)
    except BaseException as error:
        return sent, error.with_traceback(None)
    return sent, None


def wrong(function: Callable[[], Any], at: Position, when: int = 1) -> Iterator[str]:
    handler = signal.getsignal(signal.SIGINT)
    sent, found = interrupted(function, at, when)
    if sent and type(found) is not KeyboardInterrupt:
        yield f"{at}: ended with {found!r}"
    end = time.monotonic() + 20
    while _now and time.monotonic() < end:
        time.sleep(0.0005)
    if _now:
        yield f"{at}: {_now} calls are still under way"
    if any(type(one) is greenlet.greenlet and one and one.gr_frame for one in gc.get_objects(0)):
        yield f"{at}: a greenlet is left"
    if signal.getsignal(signal.SIGINT) != handler:
        yield f"{at}: the handler of the signal stays another"
    try:
        if (result := function()) != EXPECTED:
            yield f"{at}: the next call returned {result}"
    except BaseException as later:
        yield f"{at}: the next call raised {later!r}"


def awaited() -> list[str]:
    return asyncio.run(jit(program).aio())


def awaited_with_pythons_own_handler() -> list[str]:
    async def main() -> list[str]:
        signal.signal(
            signal.SIGINT, signal.default_int_handler
        )  # asyncio.run has taken it over to cancel the task
        return await jit(program).aio()

    return asyncio.run(main())


FORMS: dict[str, Callable[[], list[str]]] = {
    "called": jit(program),
    "called with a limit": jit(max_concurrency=2)(program),
    "awaited": awaited,
    "awaited with Python's own handler": awaited_with_pythons_own_handler,
}


def test_ctrl_c_may_come_at_every_step_of_the_bookkeeping() -> None:
    function = FORMS["called"]
    every = positions(function)
    assert len(every) > 150
    assert [line for at in every for line in wrong(function, at)] == []


@pytest.mark.parametrize("form", list(FORMS)[1:])
def test_ctrl_c_may_come_at_many_steps_of_the_bookkeeping(form: str) -> None:
    function = FORMS[form]
    assert [line for at in positions(function)[::4] for line in wrong(function, at)] == []


@pytest.mark.long
@pytest.mark.parametrize("time_", range(1, 8))
@pytest.mark.parametrize("form", FORMS)
def test_ctrl_c_may_come_at_every_step_whichever_time_the_bookkeeping_comes_there(
    form: str, time_: int
) -> None:
    function = FORMS[form]
    assert [line for at in positions(function) for line in wrong(function, at, time_)] == []
