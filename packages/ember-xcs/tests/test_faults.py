"""A call fails, hangs or is interrupted, at every position of a program: as in plain Python, and nothing is left."""

# A fault of the scheduler has to be made, for the watchdog to find one.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import greenlet
import pytest

from ember.core.errors import EmberError
from ember.xcs import Stuck, external, jit
from ember.xcs._run import Run

_lock = threading.Lock()
_now = 0
fails = -1
_count = 0


@external
async def ask(prompt: str, seconds: float = 0.002) -> str:
    global _now, _count
    with _lock:
        _now += 1
        _count += 1
    try:
        await asyncio.sleep(seconds)
        if prompt.endswith(f"#{fails}"):
            raise ValueError(f"no {prompt}")
        return prompt.upper()
    finally:
        with _lock:
            _now -= 1


def until(condition: Callable[[], bool]) -> None:
    """Wait, at most twenty seconds, for what another thread is about to do."""
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    assert condition()


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """After each test: no call is under way, no greenlet waits, no thread was added."""
    global fails
    fails = -1
    ask("warm")
    threads, before = threading.active_count(), waiting()
    yield
    until(lambda: _now == 0)
    until(lambda: threading.active_count() <= threads)
    until(lambda: [one for one in waiting() if one not in before] == [])


def waiting() -> list[greenlet.greenlet]:
    """Return the greenlets that have begun and not ended. A test that fails keeps its own, in its traceback."""
    gc.collect()
    here = greenlet.getcurrent()
    return [one for one in gc.get_objects() if isinstance(one, greenlet.greenlet) and one and one is not here]


log: list[str] = []


def helper(name: str, number: int) -> str:
    first = ask(f"{name} #{number}")
    if "9" in first:
        return first
    return ask(f"{first} again #{number + 1}")


def program() -> list[str]:
    out = [ask("a #0"), ask("b #1")]
    log.append("begun")
    for n in (2, 4):
        out.append(helper(f"h{n}", n))
    try:
        out.append(ask("risky #6"))
        log.append("safe")
        out.append(ask("risky #7"))
    except ValueError as error:
        out.append(f"<{error}>")
    else:
        log.append("fine")
    finally:
        log.append(ask("always #8"))
    if out[0].startswith("A"):
        out.append(ask("then #9"))
    pairs = {key: ask(f"{key} #{n}") for n, key in ((10, "x"), (11, "y"))}
    out.append(max((ask(f"{one} #12") for one in pairs.values()), key=len))
    log.append("ended")
    return out


def outcome(function: Callable[[], Any]) -> tuple[Any, list[str]]:
    log.clear()
    try:
        result: Any = function()
    except ValueError as error:
        result = f"ValueError({error})"
    return result, list(log)


@pytest.mark.parametrize("limit", [None, 1, 2])
@pytest.mark.parametrize("position", range(-1, 13))
def test_a_call_that_fails_fails_as_in_plain_python_wherever_it_stands(
    position: int, limit: int | None
) -> None:
    global fails
    fails = position
    expected = outcome(program)
    found = outcome(jit(max_concurrency=limit)(program))
    assert found == expected
    fails = -1
    assert outcome(jit(program)) == outcome(program)


@pytest.mark.parametrize("position", range(13))
def test_an_awaited_program_fails_as_in_plain_python_wherever_a_call_fails(position: int) -> None:
    global fails
    fails = position
    expected = outcome(program)
    assert outcome(lambda: asyncio.run(jit(program).aio())) == expected


@pytest.mark.parametrize("after", [n / 1000 for n in range(0, 30, 2)])
def test_an_awaited_program_can_be_cancelled_at_every_moment(after: float) -> None:
    async def main() -> list[str]:
        task = asyncio.create_task(jit(program).aio())
        await asyncio.sleep(after)
        task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return []

    log.clear()
    found = asyncio.run(main())
    assert found == [] or log[-1] == "ended"
    until(lambda: _now == 0)
    assert outcome(jit(program)) == outcome(program)


def test_calls_after_a_failing_one_are_cancelled() -> None:
    global fails
    fails = 1

    @jit
    def many() -> list[str]:
        return [ask("fails #1"), *[ask(f"{n}", 60.0) for n in range(20)]]

    began = time.monotonic()
    with pytest.raises(ValueError, match="no fails #1"):
        many()
    assert time.monotonic() - began < 20
    until(lambda: _now == 0)


def test_a_call_with_the_wrong_arguments_fails_where_it_stands() -> None:
    @jit
    def wrong() -> list[str]:
        return [ask("a"), ask(), ask("b")]  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

    with pytest.raises(TypeError, match="missing 1 required positional argument: 'prompt'"):
        wrong()


def test_a_program_that_can_never_go_on_is_told_with_its_tasks_instead_of_hanging(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = Run._land

    def losing(run: Run, entry: Any) -> None:
        """A scheduler that forgets an answer: what waits for it waits for ever."""
        if entry.args == ("lost",):
            run.in_flight -= 1
        else:
            whole(run, entry)

    monkeypatch.setattr(Run, "_land", losing)

    def asking(word: str) -> str:
        answer = ask(word)
        return f"{answer}!" if answer == "LOST" else answer

    def forgetful() -> list[str]:
        return [asking(word) for word in ("found", "lost", "also")]

    def awaited() -> list[str]:
        return asyncio.run(jit(forgetful).aio())

    forms: list[Callable[[], list[str]]] = [jit(forgetful), jit(max_concurrency=1)(forgetful), awaited]
    for form in forms:
        with pytest.raises(Stuck) as found:
            form()
        assert "fault of XCS" in str(found.value)
        first, *others = found.value.tasks.splitlines()
        assert first.startswith("the program #0 waits for")
        assert others
        assert all("waits for" in line for line in others)
    monkeypatch.undo()
    assert jit(forgetful)() == ["FOUND", "LOST!", "ALSO"]


# Ctrl-C ---------------------------------------------------------------------------


PROGRAM = """
    import asyncio, os, signal, sys, threading, time
    from ember.xcs import external, jit

    under_way = []

    @external
    async def ask(prompt, seconds=0.01):
        under_way.append(prompt)
        try:
            await asyncio.sleep(seconds)
        finally:
            under_way.remove(prompt)
        return prompt.upper()

    def interrupt(after):
        threading.Timer(after, lambda: os.kill(os.getpid(), signal.SIGINT)).start()

    def interrupt_during(prompt):
        def send():
            while prompt not in under_way:
                time.sleep(0.002)
            time.sleep(0.05)  # the program has come to wait for it
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=send).start()

    def left():
        end = time.monotonic() + 20
        while (under_way or threading.active_count() > 2) and time.monotonic() < end:
            time.sleep(0.005)
        return under_way, [t.name for t in threading.enumerate()][1:]
"""


def run_program(tmp_path: Path, text: str) -> str:
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PROGRAM) + textwrap.dedent(text))
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_ctrl_c_ends_a_program_at_every_moment_and_the_next_call_works(tmp_path: Path) -> None:
    found = run_program(
        tmp_path,
        """
        @jit
        def program():
            first = [ask(f"a{n}") for n in range(3)]
            second = []
            for one in first:
                if one > "A":
                    second.append(ask(one + "!"))
            return ask("".join(second), 20.0)

        @jit
        def short():
            return ask("a") + ask("b")

        ask("warm")
        for after in (0.001, 0.005, 0.012, 0.02, 0.03, 0.05):
            try:
                interrupt(after)
                program()
                print("it ended")
            except KeyboardInterrupt as error:
                del error
            print(short(), *left())
        """,
    )
    assert found == "AB [] ['ember-io']\n" * 6


def test_ctrl_c_can_be_handled_where_plain_python_would_wait(tmp_path: Path) -> None:
    found = run_program(
        tmp_path,
        """
        @jit
        def program():
            log = [ask("quick")]
            try:
                log.append(ask("slow", 20.0))
            except KeyboardInterrupt:
                log.append("interrupted")
            finally:
                log.append(ask("cleaned"))
            log.append(ask("after"))
            return log

        interrupt_during("slow")
        print(program(), *left())
        """,
    )
    assert found == "['QUICK', 'interrupted', 'CLEANED', 'AFTER'] [] ['ember-io']\n"


def test_ctrl_c_while_the_programs_own_code_computes_ends_the_calls_under_way(tmp_path: Path) -> None:
    found = run_program(
        tmp_path,
        """
        @jit
        def program():
            slow = ask("slow", 20.0)
            count = 0
            while count < 10**12:
                count += 1
            return slow

        interrupt_during("slow")
        began = time.monotonic()
        try:
            program()
        except KeyboardInterrupt as error:
            del error
        print(time.monotonic() - began < 15, *left())
        """,
    )
    assert found == "True [] ['ember-io']\n"


def test_ctrl_c_ends_an_awaited_program(tmp_path: Path) -> None:
    found = run_program(
        tmp_path,
        """
        @jit
        def program():
            try:
                return [ask(f"slow {n}", 20.0) for n in range(3)]
            finally:
                print("finally", flush=True)

        interrupt_during("slow 2")
        try:
            asyncio.run(program.aio())
        except KeyboardInterrupt as error:
            del error
        print(*left())
        """,
    )
    assert found == "finally\n[] ['ember-io']\n"


def test_a_keyboard_interrupt_that_the_program_raises_comes_after_what_stands_before_it() -> None:
    @jit
    def raising() -> str:
        first = ask("a", 0.02)
        if ask("b") == "B":
            raise KeyboardInterrupt(first)
        return first

    with pytest.raises(KeyboardInterrupt) as found:
        raising()
    assert found.value.args == ("A",)


# Many, and deep -------------------------------------------------------------------


def test_recursion_five_hundred_deep() -> None:
    @jit
    def down(n: int) -> int:
        if n == 0:
            return 0
        word = ask(f"{n}", 0.0)
        return down(n - 1) + len(word)

    assert down(500) == sum(len(f"{n}") for n in range(1, 501))


def test_recursion_that_decides_by_answers_five_hundred_deep() -> None:
    @jit
    def down(n: int) -> int:
        if ask(f"{n}", 0.0) == "0":
            return 0
        return down(n - 1) + 1

    assert down(500) == 500


def test_recursion_without_end_is_an_error_and_no_crash(tmp_path: Path) -> None:
    found = run_program(
        tmp_path,
        """
        @jit
        def down(n):
            return down(n + 1) + ask(f"{n}", 0.0)

        @jit
        def deciding(n):
            if ask("x", 0.0) == "X":
                return deciding(n + 1) + "."
            return ""

        for function in (down, deciding):
            try:
                function(0)
            except RecursionError as error:
                print("RecursionError")
                del error
        print(*left())
        """,
    )
    assert found == "RecursionError\nRecursionError\n[] ['ember-io']\n"


def test_ten_thousand_calls_are_in_flight_at_little_cost_each() -> None:
    count = 10_000

    @jit
    def many(count: int) -> int:
        out: list[str] = []
        for n in range(count):
            out.append(ask(f"{n}", 1.0))
        return len(out)

    def seconds(count: int) -> float:
        began = time.process_time()
        assert many(count) == count
        return time.process_time() - began

    few = seconds(1_000)
    many_ = seconds(count)
    assert many_ < 25 * few + 1.0
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        many(count)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak / count < 8_000  # with the coroutine, its task and its timer


def test_ten_thousand_tasks_wait_at_once_and_their_failure_ends_them_quickly() -> None:
    @jit
    def many(count: int) -> list[str]:
        out: list[str] = []
        for n in range(count):
            answer = ask(f"{n}", 0.5)
            if answer == "9":
                raise ValueError(answer)
            out.append(answer)
        return out

    began = time.process_time()
    with pytest.raises(ValueError, match="9"):
        many(3_000)
    assert time.process_time() - began < 20


def test_a_value_of_a_program_that_has_ended_says_so() -> None:
    global fails
    fails = 1

    @jit
    def leaky() -> str:
        first = ask("fails #1")
        second = ask("second", 10.0)
        if first == "x":
            return second
        return first

    with pytest.raises(ValueError, match="no fails") as found:
        leaky()
    trace: Any = found.tb
    values: list[Any] = []
    while trace is not None:
        values += [value for name, value in trace.tb_frame.f_locals.items() if name == "second"]
        trace = trace.tb_next
    for value in values:
        assert repr(value).startswith("<pending")
        with pytest.raises(EmberError, match="program it belongs to ended"):
            str(value)
    assert values
