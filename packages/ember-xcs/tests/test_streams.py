"""`vmap(f).stream(...)`: tasks of one run, a bounded number ahead of who asks, whoever asks and however many."""

# What is mapped here are mostly lambdas.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ember.context import get_context, with_context
from ember.xcs import external, jit, trace, vmap

_lock = threading.Lock()
_begun: list[str] = []
_ended: list[str] = []
_open = threading.Event()


@external
async def ask(prompt: str) -> str:
    with _lock:
        _begun.append(prompt)
    try:
        if "held" in prompt:
            while not _open.is_set():  # noqa: ASYNC110  # it is set by another thread
                await asyncio.sleep(0.001)
        if "bad" in prompt:
            raise ValueError(prompt)
        return prompt.upper()
    finally:
        with _lock:
            _ended.append(prompt)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    ask("warm")
    _begun.clear()
    _ended.clear()
    _open.clear()
    yield
    _open.set()
    until(lambda: len(_begun) == len(_ended))
    until(lambda: not any(thread.name == "ember-stream" for thread in threading.enumerate()))


def until(condition: Callable[[], bool]) -> None:
    """Wait for what other threads are about to do."""
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    assert condition()


def twice(word: str) -> str:
    return ask(f"{word} again {ask(f'{word} held')}")


def test_elements_are_tasks_and_go_on_while_nobody_asks() -> None:
    before = threading.active_count()
    stream = vmap(twice).stream(f"w{n}" for n in range(100))
    first: list[str] = []
    asking = threading.Thread(target=lambda: first.append(next(stream)))
    asking.start()
    until(lambda: len(_begun) == 100)  # all first calls at once
    assert threading.active_count() <= before + 2  # who asks, and the stream's own thread
    _open.set()
    asking.join()
    until(lambda: len(_ended) == 200)  # the second ones too, though one result was asked for
    assert [*first, *stream] == [f"W{n} AGAIN W{n} HELD" for n in range(100)]


def test_no_more_than_the_limit_is_under_way() -> None:
    stream = vmap(twice, max_concurrency=3).stream(f"{n}" for n in range(10))
    asking = threading.Thread(target=lambda: list(stream))
    asking.start()
    until(lambda: len(_begun) == 3)
    time.sleep(0.05)
    assert len(_begun) == 3
    _open.set()
    asking.join()
    assert len(_ended) == 20


def test_a_result_that_is_late_holds_back_how_far_a_stream_in_order_goes_ahead() -> None:
    taken = [0]

    def words() -> Iterator[str]:
        yield "held"
        for n in itertools.count():
            taken[0] += 1
            yield f"{n}"

    stream = vmap(ask, max_concurrency=4).stream(words())
    found: list[str] = []
    asking = threading.Thread(target=lambda: found.extend(itertools.islice(stream, 5)))
    asking.start()
    until(lambda: len(_ended) >= 12)
    time.sleep(0.05)
    assert taken[0] <= 16  # four windows
    _open.set()
    asking.join()
    assert found == ["HELD", "0", "1", "2", "3"]
    stream.close()


class Item:
    """Knows how many of its kind are alive."""

    alive = most = 0

    def __init__(self, number: int) -> None:
        self.number = number
        Item.alive += 1
        Item.most = max(Item.most, Item.alive)

    def __del__(self) -> None:
        Item.alive -= 1


@pytest.mark.parametrize(
    ("function", "count", "most"),
    [
        pytest.param(lambda item: ask(f"{item.number}"), 2_000, 200, id="calls"),
        pytest.param(lambda item: item.number * 2, 50_000, 5, id="computing"),
        pytest.param(
            lambda item: ask(f"{item.number}"), 100_000, 200, id="many-calls", marks=pytest.mark.long
        ),
        pytest.param(lambda item: item.number * 2, 1_000_000, 5, id="a-million", marks=pytest.mark.long),
    ],
)
def test_a_long_stream_keeps_a_bounded_number_of_elements_alive(
    function: Callable[[Item], Any], count: int, most: int
) -> None:
    Item.alive = Item.most = 0
    stream = vmap(function, max_concurrency=8).stream(Item(n) for n in range(count))
    assert sum(1 for _ in stream) == count
    assert Item.most <= most


def test_a_failed_element_ends_a_stream_after_the_results_before_it() -> None:
    words = ["a", "b", "bad", "held", "c"]
    got: list[str] = []
    with pytest.raises(ValueError, match="bad") as caught:
        for one in vmap(ask).stream(iter(words)):
            got.append(one)
    assert got == ["A", "B"]
    assert caught.value.__notes__ == ["in element 2 of vmap(ask): 'bad'"]
    until(lambda: len(_begun) == len(_ended))  # the call that was held was cancelled
    assert list(vmap(ask).stream(["a"])) == ["A"]


def test_errors_may_stand_in_the_place_of_streamed_results() -> None:
    found = list(vmap(ask, on_error="return").stream(iter(["a", "bad", "c"])))
    assert found[0::2] == ["A", "C"]
    assert isinstance(found[1], ValueError)
    done = dict(vmap(ask, on_error="return").as_completed(["a", "bad"]))
    assert done[0] == "A" and isinstance(done[1], ValueError)


def test_an_iterator_that_raises_ends_the_stream_after_what_it_gave() -> None:
    def words() -> Iterator[str]:
        yield from "ab"
        raise OSError("gone")

    got: list[str] = []
    with pytest.raises(OSError, match="gone"):
        for one in vmap(ask).stream(words()):
            got.append(one)
    assert got == ["A", "B"]


def test_results_may_be_taken_by_one_thread_after_the_other() -> None:
    stream = vmap(ask).stream(list("abc"))
    found: list[str] = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: found.append(next(stream)))
        thread.start()
        thread.join()
    assert found == ["A", "B", "C"]
    assert next(stream, "end") == "end"


def test_the_context_of_a_stream_is_that_of_who_asked_for_it() -> None:
    @external
    async def tone(_: int) -> object:
        return get_context().get_config("models.temperature")

    with with_context(models={"temperature": 0.5}):
        stream = vmap(tone).stream(range(3))
    assert list(stream) == [0.5] * 3


def test_a_stream_that_nobody_begins_leaves_nothing_behind() -> None:
    stream = vmap(ask).stream(["a", "b"])
    stream.close()
    assert _begun == []


def test_an_awaited_stream_gives_results_while_the_loop_goes_on() -> None:
    async def main() -> tuple[list[str], int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                if ticks == 5:
                    _open.set()
                await asyncio.sleep(0.001)

        ticking = asyncio.create_task(tick())
        found = [one async for one in vmap(ask).astream(["held a", "held b"])]
        ticking.cancel()
        return found, ticks

    found, ticks = asyncio.run(main())
    assert found == ["HELD A", "HELD B"]
    assert ticks >= 5


def test_a_stream_is_traced_as_one_run() -> None:
    with trace() as seen:
        assert list(vmap(ask).stream(list("abc"))) == ["A", "B", "C"]
    assert [len(run.calls) for run in seen.runs] == [3]


# vmap and jit ---------------------------------------------------------------------------------


def under_way_together(call: Callable[[], Any], count: int) -> Any:
    """Return what `call` returns, whose first `count` calls are held until all of them are under way."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    until(lambda: len(_begun) >= count)
    _open.set()
    thread.join()
    return found[0]


@jit
def jitted(word: str) -> str:
    return ask(f"{word} held") + ask(f"{word} held too")


def test_vmap_of_jit_and_jit_of_vmap_make_their_calls_at_once() -> None:
    expected = ["A HELDA HELD TOO", "B HELDB HELD TOO"]
    assert under_way_together(lambda: vmap(jitted)(["a", "b"]), 4) == expected

    @jit
    def whole(words: list[str]) -> tuple[list[str], str]:
        side = ask("side held")
        return vmap(jitted)(words), side

    _begun.clear()
    _ended.clear()
    _open.clear()
    assert under_way_together(lambda: whole(["a", "b"]), 5) == (expected, "SIDE HELD")
    _open.clear()
    _begun.clear()
    _ended.clear()
    assert under_way_together(lambda: jit(vmap(jitted))(["a", "b"]), 4) == expected


def test_vmaps_in_vmaps_in_jit_keep_axes_errors_and_order() -> None:
    @jit
    def table(rows: list[list[str]], tail: str) -> list[list[str]]:
        return vmap(vmap(lambda word, end: ask(word + end), in_axes=(0, None)), in_axes=(0, None))(rows, tail)

    assert table([["a", "b"], ["c"]], "!") == [["A!", "B!"], ["C!"]]

    @jit
    def kept(words: dict[str, list[str]]) -> list[Any]:
        return vmap(lambda case: ask(case["q"] + case["a"]), on_error="return")(words)

    found = kept({"q": ["a", "bad", "c"], "a": ["x", "y", "z"]})
    assert found[0::2] == ["AX", "CZ"]
    assert str(found[1]) == "bady"
    assert found[1].__notes__ == ["in element 1 of vmap(<lambda>): {'a': 'y', 'q': 'bad'}"]


def test_a_stream_in_a_jitted_function_is_a_part_of_it() -> None:
    @jit
    def program() -> list[str]:
        out = [ask("first")]
        for one in vmap(ask).stream(iter("ab")):
            out.append(one)
        return out

    assert program() == ["FIRST", "A", "B"]
