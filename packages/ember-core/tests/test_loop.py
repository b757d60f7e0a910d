"""The I/O loop: one a process, made when needed, and survived: by forks, by signals, by exits, by its callers."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from ember.core import external
from ember.core.loop import io_loop

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Output = Callable[..., str]


@external
async def echo(value: int) -> int:
    await asyncio.sleep(0)
    return value


# Forking a process with threads is what these are about; Python 3.12 warns of it.
FORKING = ("-W", "ignore:This process:DeprecationWarning")


def test_two_hundred_threads_making_the_first_call_start_one_loop(output: Output) -> None:
    program = """
        import threading
        from ember.core import external

        @external
        async def here() -> int:
            return threading.get_ident()

        idents = []
        together = threading.Barrier(200)

        def call() -> None:
            together.wait()
            idents.append(here())

        threads = [threading.Thread(target=call) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        loops = [thread for thread in threading.enumerate() if thread.name == "ember-io"]
        print(len(idents), len(set(idents)), len(loops))
    """
    assert output(program) == "200 1 1\n"


def test_fifty_loops_of_the_users_share_it_and_none_is_kept() -> None:
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def main(number: int) -> int:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        return sum(await asyncio.gather(*(echo.aio(number) for _ in range(3))))

    assert [asyncio.run(main(number)) for number in range(50)] == [3 * number for number in range(50)]
    gc.collect()
    assert [loop() for loop in loops] == [None] * 50


def test_loops_on_many_threads_use_it_at_once() -> None:
    results: list[int] = []

    async def main(number: int) -> int:
        return sum(await asyncio.gather(*(echo.aio(number) for _ in range(20))))

    def thread(number: int) -> None:
        results.extend(asyncio.run(main(number)) for _ in range(5))

    threads = [threading.Thread(target=thread, args=(number,)) for number in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(results) == sorted(20 * number for number in range(20) for _ in range(5))


def test_calls_from_threads_and_from_a_loop_mix() -> None:
    async def main() -> int:
        both = (function for _ in range(50) for function in (echo.aio(1), asyncio.to_thread(echo, 1)))
        return sum(await asyncio.gather(*both))

    assert asyncio.run(main()) == 100


def test_a_caller_whose_loop_is_closed_meanwhile_harms_nobody() -> None:
    @external
    async def late() -> None:
        await asyncio.sleep(0.05)

    loop = asyncio.new_event_loop()
    waiting = loop.create_task(late.aio())
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    loop.close()
    time.sleep(0.1)
    assert [echo(number) for number in range(100)] == list(range(100))
    # asyncio complains, rightly, of the task that its loop was closed under.
    abandoned: Any = waiting
    abandoned.get_coro().close()
    abandoned._log_destroy_pending = False


@pytest.mark.parametrize("ending", ["sys.exit(3)", "raise SystemExit(3)", "raise KeyboardInterrupt"])
def test_a_call_that_exits_ends_its_caller_and_not_the_loop(ending: str, output: Output) -> None:
    program = f"""
        import sys, threading
        from ember.core import external

        @external
        async def leave():
            {ending}

        @external
        async def stay():
            return threading.get_ident()

        before = stay()
        try:
            leave()
        except BaseException as error:
            print(type(error).__name__)
        print(stay() == before)
    """
    assert output(program) in ("SystemExit\nTrue\n", "KeyboardInterrupt\nTrue\n")


def test_something_that_is_no_coroutine_does_not_leave_its_caller_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(BaseException) as caught:
        io_loop().run(cast(Any, "no coroutine"), "test")
    assert isinstance(caught.value, asyncio.CancelledError)
    assert echo(1) == 1  # by now the loop has said what was wrong
    assert "coroutine was expected" in caplog.text


def test_resources_are_made_once_and_closed_with_the_loop(output: Output) -> None:
    program = """
        from ember.core import external
        from ember.core.loop import io_loop

        async def close(thing):
            print("closed", thing)

        @external
        async def use(key):
            return io_loop().resource(key, lambda: print("made", key) or key, close)

        print(use("a"), use("b"), use("a"))
    """
    assert output(program) == "made a\nmade b\na b a\nclosed b\nclosed a\n"


# Forks


def test_a_forked_child_and_its_parent_both_go_on(output: Output) -> None:
    program = """
        import os, sys
        from ember.core import external

        @external
        async def pid() -> int:
            return os.getpid()

        assert pid() == os.getpid()
        child = os.fork()
        if child == 0:
            assert all(pid() == os.getpid() for _ in range(100))
            sys.exit(7)
        assert all(pid() == os.getpid() for _ in range(100))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), pid() == os.getpid())
    """
    assert output(program, *FORKING) == "7 True\n"


def test_a_child_forked_while_calls_are_in_flight_has_its_own_loop_and_pool(output: Output) -> None:
    program = """
        import asyncio, os, sys, threading, time
        from ember.core import external, gather

        @external
        async def pid() -> int:
            await asyncio.sleep(0.01)
            return os.getpid()

        @external
        def plain() -> int:
            time.sleep(0.001)
            return os.getpid()

        async def both() -> set:
            return {await pid.aio(), await plain.aio()}

        def busy() -> None:
            while not stop.is_set():
                pid(), asyncio.run(both())

        stop = threading.Event()
        threads = [threading.Thread(target=busy) for _ in range(8)]
        for thread in threads:
            thread.start()
        children = []
        for _ in range(5):
            time.sleep(0.02)
            child = os.fork()
            if child == 0:
                stop.set()
                good = asyncio.run(both()) == {os.getpid()} and set(gather([pid] * 4)) == {os.getpid()}
                os._exit(0 if good else 1)
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        stop.set()
        for thread in threads:
            thread.join()
        print(codes, asyncio.run(both()) == {os.getpid()})
    """
    assert output(program, *FORKING) == "[0, 0, 0, 0, 0] True\n"


def test_a_forked_pool_of_processes_makes_calls(output: Output) -> None:
    program = """
        import multiprocessing
        from ember.core import external

        @external
        async def double(number: int) -> int:
            return number * 2

        if __name__ == "__main__":
            double(1)
            with multiprocessing.get_context("fork").Pool(3) as pool:
                print(pool.map(double, range(5)), double(5))
    """
    assert output(program, *FORKING) == "[0, 2, 4, 6, 8] 10\n"


# Ctrl-C


def interrupted(folder: Path, program: str) -> tuple[int, str, str]:
    """Run `program`, interrupt it once it has said "ready", and return its exit code and what it said further."""
    path = folder / "program.py"
    path.write_text(program, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)  # let it begin to wait
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


WAITING = r"""
import asyncio
from ember.core import external

@external
async def forever():
    print("ready", flush=True)
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        print("cancelled\n", end="", flush=True)
        raise
"""


def test_ctrl_c_while_waiting_cancels_the_work(tmp_path: Path) -> None:
    program = rf"""{WAITING}
try:
    forever()
except KeyboardInterrupt:
    print("interrupted\n", end="", flush=True)

@external
async def after():
    return "went on"

print(after())
"""
    code, out, err = interrupted(tmp_path, program)
    assert (code, sorted(out.splitlines()), err) == (0, ["cancelled", "interrupted", "went on"], "")


def test_ctrl_c_that_nobody_catches_ends_the_program_as_python_does(tmp_path: Path) -> None:
    code, out, err = interrupted(tmp_path, f"{WAITING}\nforever()\n")
    assert (code, out) == (-signal.SIGINT, "cancelled\n")
    assert err.endswith("KeyboardInterrupt\n")
    assert err.count("Traceback") == 1


def test_ctrl_c_in_asyncio_run_cancels_the_work(tmp_path: Path) -> None:
    program = rf"""{WAITING}
try:
    asyncio.run(forever.aio())
except KeyboardInterrupt:
    print("interrupted\n", end="", flush=True)
"""
    code, out, err = interrupted(tmp_path, program)
    assert (code, sorted(out.splitlines()), err) == (0, ["cancelled", "interrupted"], "")


# Exits

IN_FLIGHT = {
    "blocked daemon threads": """
for _ in range(5):
    threading.Thread(target=forever, daemon=True).start()
""",
    "daemon threads with loops of their own": """
for _ in range(5):
    threading.Thread(target=lambda: asyncio.run(forever.aio()), daemon=True).start()
""",
    "daemon threads in a gather": """
threading.Thread(target=lambda: gather([forever] * 5), daemon=True).start()
""",
    "an abandoned task": """
async def main():
    global task
    task = asyncio.create_task(forever.aio())
    await asyncio.sleep(0.1)
asyncio.run(main())
""",
    "a task that refuses to end": """
@external
async def stubborn():
    while True:
        begun.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
threading.Thread(target=stubborn, daemon=True).start()
""",
    "a task that fails when it is cancelled": """
@external
async def failing():
    begun.set()
    try:
        await asyncio.sleep(3600)
    finally:
        raise ValueError("in the way out")
threading.Thread(target=failing, daemon=True).start()
""",
    "work that nobody waits for": """
from ember.core.loop import io_loop
async def orphan():
    begun.set()
    await asyncio.sleep(3600)
io = io_loop()
io.mail.post(lambda: io.spawn(orphan()))
""",
}


@pytest.mark.parametrize("options", [(), ("-X", "dev")], ids=["plain", "dev"])
@pytest.mark.parametrize("flying", IN_FLIGHT)
def test_an_interpreter_exits_silently_with_calls_in_flight(
    flying: str, options: tuple[str, ...], program: Run
) -> None:
    text = f"""
import asyncio, threading
from ember.core import external, gather

begun = threading.Event()

@external
async def forever():
    begun.set()
    await asyncio.sleep(3600)

{IN_FLIGHT[flying]}
assert begun.wait(30)
print("done")
"""
    done = program(text, *options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_the_exit_code_is_the_programs_own(program: Run) -> None:
    done = program("""
        import sys, threading, time
        from ember.core import external

        @external
        async def forever():
            import asyncio
            await asyncio.sleep(3600)

        threading.Thread(target=forever, daemon=True).start()
        time.sleep(0.1)
        sys.exit(5)
    """)
    assert (done.returncode, done.stderr) == (5, "")


def test_exit_handlers_of_the_program_can_still_make_calls(output: Output) -> None:
    program = """
        import atexit
        from ember.core import external

        @external
        async def save() -> str:
            return "saved"

        atexit.register(lambda: print(save()))
        save()
    """
    assert output(program) == "saved\n"


def test_a_call_after_the_loop_is_gone_is_refused_and_does_not_wait(output: Output) -> None:
    program = """
        import atexit

        def late():
            try:
                save()
            except RuntimeError as error:
                print(error)

        atexit.register(late)
        from ember.core import external  # later: so the loop is stopped before `late` runs

        @external
        async def save() -> str:
            return "saved"

        save()
    """
    assert output(program) == "External calls cannot be made any more: the interpreter is exiting.\n"


def test_importing_core_starts_no_thread_and_no_asyncio(output: Output) -> None:
    program = """
        import sys, threading
        from ember.core import external, gather, subscribe

        @external
        def plain():
            return 1

        gather([plain] * 3)
        print(threading.active_count(), "asyncio" in sys.modules)
    """
    assert output(program) == "1 False\n"
