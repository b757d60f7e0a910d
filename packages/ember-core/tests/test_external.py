"""External calls: two forms of one function, on one loop or in a pool, always in the caller's context."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, ContextVar
from typing import Any, cast

import pytest

from ember.core import (
    CallFailed,
    CallFinished,
    CallStarted,
    Estimate,
    Event,
    External,
    external,
    handling,
    subscribe,
)
from ember.core.errors import BlockedLoop

request: ContextVar[str] = ContextVar("request", default="nobody's")


@external
async def shout(text: str, mark: str = "!") -> str:
    """Say it louder."""
    await asyncio.sleep(0)
    return text.upper() + mark


@external
def whisper(text: str) -> str:
    return text.lower()


@external
async def thread_name() -> str:
    return threading.current_thread().name


@external
async def seen_by_async() -> str:
    return request.get()


@external
def seen_by_sync() -> str:
    return request.get()


@external
async def fail(message: str) -> str:
    raise KeyError(message)


def reading_time(library: Library, title: str) -> Estimate:
    return Estimate(seconds=len(title))


class Library:
    """A class with external methods, one of each kind."""

    def __init__(self, shelf: str) -> None:
        self.shelf = shelf

    @external
    async def find(self, title: str) -> str:
        return f"{self.shelf}: {title}"

    @external(kind="tool", estimate=reading_time)
    def lend(self, title: str) -> str:
        return f"{title} from {self.shelf}"

    @staticmethod
    @external
    def opens() -> str:
        return "at nine"


def test_an_external_is_called_and_waited_for() -> None:
    assert shout("hi") == "HI!"
    assert shout("hi", mark="?") == "HI?"
    assert whisper("HI") == "hi"


def test_aio_awaits_the_same_work() -> None:
    async def main() -> tuple[str, str]:
        return await shout.aio("hi"), await whisper.aio("HI")

    assert asyncio.run(main()) == ("HI!", "hi")


def test_aio_is_an_async_def() -> None:
    assert inspect.iscoroutinefunction(shout.aio)
    assert inspect.iscoroutinefunction(whisper.aio)
    assert inspect.iscoroutinefunction(Library("A").find.aio)


def test_an_external_looks_like_the_function_it_was() -> None:
    assert isinstance(shout, External)
    assert (shout.__name__, shout.__doc__, shout.__module__) == ("shout", "Say it louder.", __name__)  # type: ignore[attr-defined]
    assert str(inspect.signature(shout)) == "(text: 'str', mark: 'str' = '!') -> 'str'"
    assert repr(shout) == "<external shout>"


def test_a_wrong_call_is_a_type_error_in_both_forms() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'loud'"):
        shout("hi", loud=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        asyncio.run(shout.aio())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_an_error_of_the_function_arrives_unchanged() -> None:
    with pytest.raises(KeyError, match="lost") as blocking:
        fail("lost")
    with pytest.raises(KeyError, match="lost"):
        asyncio.run(fail.aio("lost"))
    # ... and says where it happened.
    assert blocking.traceback[-1].name == "fail"


def test_an_error_holds_neither_itself_nor_its_caller_in_memory() -> None:
    import gc
    import weakref

    class Big:
        pass

    def call() -> weakref.ref[Big]:
        big = Big()
        with contextlib.suppress(KeyError):
            fail("lost")
        return weakref.ref(big)

    gc.collect()
    gc.disable()
    try:
        assert call()() is None
    finally:
        gc.enable()


def test_async_functions_run_on_one_loop_whoever_calls() -> None:
    async def main() -> list[str]:
        return [await thread_name.aio(), thread_name()]

    names = {thread_name(), *asyncio.run(main()), *asyncio.run(main())}
    assert names == {"ember-io"}


def test_the_blocking_form_works_inside_a_running_loop() -> None:
    async def main() -> str:
        return shout("from a coroutine")

    assert asyncio.run(main()) == "FROM A COROUTINE!"


def test_the_blocking_form_on_embers_own_loop_says_to_await() -> None:
    @external
    async def careless() -> str:
        return shout("hi")

    @external
    async def careless_too() -> str:
        return whisper("hi")

    with pytest.raises(BlockedLoop, match=r"await shout\.aio\(\.\.\.\)"):
        careless()
    with pytest.raises(BlockedLoop, match=r"await whisper\.aio\(\.\.\.\)"):
        careless_too()
    assert shout("still here") == "STILL HERE!"


def test_an_external_awaits_others_on_embers_loop() -> None:
    @external
    async def careful() -> tuple[str, str]:
        first, second = await asyncio.gather(shout.aio("a"), whisper.aio("B"))
        return first, second

    assert careful() == ("A!", "b")
    assert asyncio.run(careful.aio()) == ("A!", "b")


def test_everything_sees_the_callers_context() -> None:
    async def main() -> list[str]:
        return [seen_by_async(), await seen_by_async.aio(), await seen_by_sync.aio(), seen_by_sync()]

    token = request.set("mine")
    try:
        assert [seen_by_async(), seen_by_sync(), *asyncio.run(main())] == ["mine"] * 6
    finally:
        request.reset(token)
    assert seen_by_async() == "nobody's"


def test_what_an_external_sets_stays_in_it() -> None:
    @external
    async def set_it() -> None:
        request.set("leaked")

    set_it()
    assert request.get() == "nobody's"


def test_awaited_plain_functions_run_together_up_to_a_bound() -> None:
    running: set[int] = set()
    together = threading.Barrier(64)

    @external
    def wait_for_the_others(number: int) -> int:
        running.add(threading.get_ident())
        together.wait(timeout=30)
        return number

    async def main() -> list[int]:
        return await asyncio.gather(*(wait_for_the_others.aio(number) for number in range(128)))

    assert asyncio.run(main()) == list(range(128))
    assert len(running) == 64


def test_plain_functions_that_wait_for_plain_functions_do_not_use_up_the_threads() -> None:
    @external
    def innermost() -> int:
        return 1

    @external
    async def between() -> int:
        return await innermost.aio()

    @external
    def outermost() -> int:
        return between()

    async def main() -> int:
        return sum(await asyncio.gather(*(outermost.aio() for _ in range(200))))

    async def in_time() -> int:
        return await asyncio.wait_for(main(), timeout=30)

    assert asyncio.run(in_time()) == 200


def test_a_stop_iteration_does_not_leave_its_caller_waiting() -> None:
    @external
    def first(items: Iterator[int]) -> int:
        return next(items)

    async def main() -> int:
        return await asyncio.wait_for(first.aio(iter(())), timeout=30)

    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(main())


def test_cancelling_the_task_ends_the_work_on_the_loop() -> None:
    begun, ended = threading.Event(), threading.Event()

    @external
    async def forever() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async def main() -> None:
        task = asyncio.create_task(forever.aio())
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ended.wait(30)


def test_a_timeout_of_the_callers_ends_the_work_on_the_loop() -> None:
    ended = threading.Event()

    @external
    async def forever() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async def main() -> None:
        async with asyncio.timeout(0.05):
            await forever.aio()

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert ended.wait(30)


def test_methods_are_externals_of_their_instance() -> None:
    library = Library("A")

    async def main() -> tuple[str, str]:
        return await library.find.aio("Emma"), await library.lend.aio(title="Emma")

    assert (library.find("Emma"), library.lend("Emma")) == ("A: Emma", "Emma from A")
    assert asyncio.run(main()) == ("A: Emma", "Emma from A")
    assert Library.find(Library("B"), "Emma") == "B: Emma"
    assert (library.find.name, library.lend.kind) == ("Library.find", "tool")
    untyped, cls = (
        cast(Any, library),
        cast(Any, Library),
    )  # of static methods checkers know nothing but functions
    assert (untyped.opens(), cls.opens()) == ("at nine", "at nine")


def test_an_external_may_say_what_a_call_would_use() -> None:
    assert Library("A").lend.estimate("Emma") == Estimate(seconds=4)
    assert shout.estimate("hi") is None


def test_what_cannot_be_an_external_is_refused_where_it_is_marked() -> None:
    async def stream() -> Any:
        yield 1

    with pytest.raises(TypeError, match="not an async generator"):
        external(stream)
    with pytest.raises(TypeError, match="not a classmethod"):
        external(cast(Any, classmethod(cast(Any, Library.find))))


def test_attributes_of_the_function_do_not_become_the_externals() -> None:
    def plain() -> int:
        return 1

    vars(plain).update(kind="mine", name="mine", _function=None)
    marked = external(kind="tool")(plain)
    assert (marked.kind, marked(), marked.name.endswith("plain")) == ("tool", 1, True)


def test_a_partial_is_named_without_its_arguments() -> None:
    bound = external(functools.partial(whisper, "a-password"))
    assert (bound(), bound.name) == ("a-password", "partial")


# Handlers


class Recorder:
    """Notes every call, and makes it."""

    def __init__(self, note: list[str], mark: str = "") -> None:
        self.note, self.mark = note, mark

    def call(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.note.append(f"{self.mark}{external.name}{args}{kwargs or ''}")
        return external.run(*args, **kwargs)

    async def acall(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.note.append(f"{self.mark}await {external.name}{args}{kwargs or ''}")
        return await external.arun(*args, **kwargs)

    def gather(
        self, thunks: Iterable[Callable[[], Any]], limit: int | None, return_exceptions: bool = False
    ) -> list[Any]:
        self.note.append(f"{self.mark}gather {limit}")
        return [thunk() for thunk in thunks]


class Replay(Recorder):
    """Answers every call without making it."""

    def call(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return f"replayed {external.name}"

    async def acall(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return f"replayed {external.name}"


def test_a_handler_gets_the_calls_of_both_forms() -> None:
    note: list[str] = []
    with handling(Recorder(note)):
        assert shout("a", mark="?") == "A?"
        assert asyncio.run(whisper.aio("B")) == "b"
        assert Library("A").find("Emma") == "A: Emma"
    assert shout("unseen") == "UNSEEN!"
    assert note == ["shout('a',){'mark': '?'}", "await whisper('B',)", "Library.find('Emma',)"]


def test_a_handler_may_answer_instead() -> None:
    with handling(Replay([])):
        assert (shout("a"), fail("x"), asyncio.run(whisper.aio("b"))) == (
            "replayed shout",
            "replayed fail",
            "replayed whisper",
        )


def test_the_innermost_handler_is_in_force_and_none_takes_it_out() -> None:
    note: list[str] = []
    with handling(Recorder(note, "outer ")):
        with handling(Recorder(note, "inner ")):
            whisper("A")
            with handling(None):
                whisper("B")
            whisper("C")
        whisper("D")
    whisper("E")
    assert note == ["inner whisper('A',)", "inner whisper('C',)", "outer whisper('D',)"]


def test_a_handler_is_in_force_inside_the_calls_it_makes() -> None:
    @external
    async def outer() -> str:
        return await shout.aio("deep")

    note: list[str] = []
    with handling(Recorder(note)):
        assert outer() == "DEEP!"
    assert [line.split("(")[0].split(".")[-1] for line in note] == ["outer", "await shout"]


def test_a_handler_is_not_in_force_on_other_threads() -> None:
    note: list[str] = []
    with handling(Recorder(note)):
        thread = threading.Thread(target=whisper, args=("A",))
        thread.start()
        thread.join()
    assert note == []


COUNTED = """
import sys
from ember.core import external

@external
def whisper(text):
    return text.lower()

def note(frame, event, argument):
    if event == "call":
        made.append(frame.f_code.co_name)

made = []
whisper("A")
sys.setprofile(note)
whisper("A")
sys.setprofile(None)
print(*made)
"""


def test_without_a_handler_the_dispatch_is_a_handful_of_calls() -> None:
    """In a process of its own: whoever listens to events, as parts of Ember do once they are imported, adds to it."""
    ran = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, text=True, check=True)
    made = ran.stdout.split()
    assert "whisper" in made and len(made) <= 14, made  # 12


# Events


@pytest.fixture
def events() -> Iterator[list[Event]]:
    seen: list[Event] = []
    stop = subscribe(seen.append)
    yield seen
    stop()


def test_a_call_tells_of_its_start_and_its_end(events: list[Event]) -> None:
    Library("A").lend("Emma")
    asyncio.run(shout.aio("a"))
    told = [(type(event), event.kind, event.name) for event in events]
    assert told == [
        (CallStarted, "tool", "Library.lend"),
        (CallFinished, "tool", "Library.lend"),
        (CallStarted, "external", "shout"),
        (CallFinished, "external", "shout"),
    ]
    assert events[0].call == events[1].call < events[2].call == events[3].call


def test_a_failed_call_tells_the_class_of_its_error_only(events: list[Event]) -> None:
    with pytest.raises(KeyError):
        fail("a secret message")
    failed = events[-1]
    assert isinstance(failed, CallFailed)
    assert failed.error == "KeyError"
    assert "message" not in repr(events)


def test_a_call_made_in_a_call_names_it_as_its_parent(events: list[Event]) -> None:
    @external
    async def outer() -> str:
        return await shout.aio("a")

    @external
    def outermost() -> str:
        return outer()

    outermost()
    started = [event for event in events if isinstance(event, CallStarted)]
    assert [event.name.split(".")[-1] for event in started] == ["outermost", "outer", "shout"]
    assert [event.parent for event in started] == [None, started[0].call, started[1].call]


def test_who_subscribes_during_a_call_hears_of_the_next(output: Callable[..., str]) -> None:
    program = """
        from ember.core import external, subscribe

        @external
        def subscribing():
            subscribe(lambda event: print(type(event).__name__, event.name))

        @external
        def following():
            print("called")

        subscribing()
        following()
    """
    assert output(program) == "CallStarted following\ncalled\nCallFinished following\n"


def test_who_unsubscribes_during_a_call_hears_no_more_of_it() -> None:
    seen: list[Event] = []
    stop = subscribe(seen.append)
    external(stop)()
    assert [type(event) for event in seen] == [CallStarted]
    whisper("A")
    assert len(seen) == 1


def test_a_coroutine_thrown_away_unfinished_raises_nothing(events: list[Event]) -> None:
    @external
    async def forever() -> None:
        await asyncio.sleep(3600)

    async def main() -> None:
        # Begun in one context and closed in another, as by the garbage collector.
        pending = forever.aio()
        Context().run(pending.send, None)
        pending.close()

    asyncio.run(main())
    failed = events[-1]
    assert isinstance(failed, CallFailed)
    assert failed.error == "GeneratorExit"


# Pickling


def test_externals_are_pickled_by_name() -> None:
    assert pickle.loads(pickle.dumps(shout)) is shout
    assert pickle.loads(pickle.dumps(Library.find)) is Library.find
    bound = pickle.loads(pickle.dumps(Library("A").lend))
    assert (bound("Emma"), bound.kind) == ("Emma from A", "tool")


def test_an_external_of_a_function_within_a_function_is_not_picklable() -> None:
    local = external(lambda: 1)
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(local)


def test_a_spawned_process_makes_its_own_calls(output: Callable[..., str]) -> None:
    program = """
        import asyncio, multiprocessing
        from ember.core import external

        @external
        async def double(number: int) -> int:
            await asyncio.sleep(0)
            return number * 2

        if __name__ == "__main__":
            double(1)
            for method in ("spawn", "forkserver"):
                with multiprocessing.get_context(method).Pool(2) as pool:
                    print(pool.map(double, range(4)))
    """
    assert output(program) == "[0, 2, 4, 6]\n" * 2
