"""vmap: one call per element, results in order, errors that say where, and jax.vmap where all is numbers."""

# pyright: reportUnknownMemberType=false, reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# Half of jax's annotations are unknown to a strict checker, and what is mapped here are mostly lambdas.

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import threading
import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crowd import Crowd

from ember.context import get_context, with_context
from ember.core import External, handling
from ember.xcs import external, vmap

TABLE = jnp.arange(6.0).reshape(3, 2)


def until(condition: Callable[[], bool]) -> None:
    """Wait, at most twenty seconds, for what another thread is about to do."""
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    assert condition()


@external
async def ask(prompt: str, seconds: float = 0.05) -> str:
    await asyncio.sleep(seconds)
    return prompt.upper()


def process(item: str) -> str:
    return f"<{ask(item)}>"


class Case(NamedTuple):
    question: Any
    answer: Any


@dataclasses.dataclass
class Query:
    text: Any
    limit: Any


# Batches and axes


def test_the_results_are_those_of_a_loop_in_the_time_of_one_call() -> None:
    crowd = Crowd()
    crowd.expect(40)

    @external
    async def crowded(prompt: str) -> str:
        async with crowd.joined():
            return prompt.upper()

    results = vmap(lambda item: f"<{crowded(item)}>")([f"item {index}" for index in range(40)])
    assert results == [f"<ITEM {index}>" for index in range(40)]
    assert crowd.most == 40


@pytest.mark.parametrize(
    "batch",
    [["a", "b"], ("a", "b"), deque("ab"), iter("ab"), (each for each in "ab"), {"a": 1, "b": 2}.keys()],
)
def test_sequences_and_iterators_are_batches(batch: Any) -> None:
    assert vmap(str.upper)(batch) == ["A", "B"]


def test_several_arguments_are_mapped_together() -> None:
    assert vmap(lambda a, b: a + b)(["a", "b"], ("c", "d")) == ["ac", "bd"]
    assert vmap(lambda a, b: a + b)(["a", "b"], iter(["c", "d"])) == ["ac", "bd"]
    assert vmap(lambda a, *, b: a + b)(["a", "b"], b=["c", "d"]) == ["ac", "bd"]
    assert vmap(lambda a, b: a + b, in_axes=(0, None))(["a", "b"], "x") == ["ax", "bx"]
    assert vmap(lambda a, b: a + b, in_axes=[None, 0])("x", ["a", "b"]) == ["xa", "xb"]


def test_structures_are_taken_apart_to_the_batches_in_them() -> None:
    def joined(case: Any) -> str:
        return f"{case['q']}-{case['a']['text']}"

    batch = {"q": ["a", "b"], "a": {"text": ["c", "d"]}}
    assert vmap(joined)(batch) == ["a-c", "b-d"]
    assert vmap(lambda case: case.question + case.answer)(Case(["a", "b"], ["c", "d"])) == ["ac", "bd"]
    assert vmap(lambda query: query.text * query.limit)(Query(["a", "b"], [1, 2])) == ["a", "bb"]
    assert vmap(lambda case: case["q"] + case["k"], in_axes=({"q": 0, "k": None},))(
        {"q": ["a", "b"], "k": "!"}
    ) == ["a!", "b!"]
    assert vmap(lambda pair: pair[0] + pair[1], in_axes=((0, None),))((["a", "b"], "x")) == ["ax", "bx"]


def test_axis_1_of_lists_is_their_columns() -> None:
    assert vmap("".join, in_axes=1)([["a", "b", "c"], ["d", "e", "f"]]) == ["ad", "be", "cf"]
    assert vmap(lambda x: [x, x + 1], out_axes=1)([1, 2, 3]) == [[1, 2, 3], [2, 3, 4]]


def test_out_axes_puts_results_together_as_asked() -> None:
    def both(x: int) -> tuple[int, dict[str, int]]:
        return x, {"double": 2 * x}

    assert vmap(both)([1, 2]) == [(1, {"double": 2}), (2, {"double": 4})]
    assert vmap(both, out_axes=(0, {"double": 0}))([1, 2]) == ([1, 2], {"double": [2, 4]})
    assert vmap(lambda x: "same", out_axes=None)([1, 2]) == "same"
    with pytest.raises(ValueError, match="out_axes=None"):
        vmap(lambda x: x, out_axes=None)([1, 2])


def test_vmaps_nest() -> None:
    assert vmap(vmap(process))([["a", "b"], [], ["c"]]) == [["<A>", "<B>"], [], ["<C>"]]


def test_an_empty_batch_gives_an_empty_list() -> None:
    assert vmap(process)([]) == []
    assert vmap(process)(iter(())) == []
    assert vmap(process, out_axes=(0, 0))([]) == ([], [])


def test_a_method_is_mapped_for_its_object() -> None:
    class Greeter:
        greeting = "hello"

        @vmap
        def greet(self, name: str) -> str:
            return f"{self.greeting} {name}"

    assert Greeter().greet(["a", "b"]) == ["hello a", "hello b"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: vmap(process)(["a"], ["b", "c"]), ValueError, "argument 0 has 1, argument 1 has 2"),
        (lambda: vmap(process)({"q": ["a"], "a": []}), ValueError, r"argument 0\['q'\] has 1"),
        (lambda: vmap(process)("abc"), TypeError, "argument 0 is a str"),
        (lambda: vmap(process)({"q": "abc"}), TypeError, r"argument 0\['q'\] is a str"),
        (lambda: vmap(process)(3), TypeError, "argument 0 is a int"),
        (lambda: vmap(process)({1, 2}), TypeError, "no order"),
        (lambda: vmap(process)(["a"], key=0.3), TypeError, "argument 'key' is a float"),
        (lambda: vmap(process)(), ValueError, "nothing to map"),
        (lambda: vmap(process, in_axes=None)(["a"]), ValueError, "nothing to map"),
        (lambda: vmap(process, in_axes=(0, 0))(["a"]), ValueError, "in_axes for 2 positional arguments"),
        (lambda: vmap(process, in_axes=1)([["a", "b"], ["c"]]), ValueError, "ragged"),
        (lambda: vmap(process, in_axes=1)(["a"]), ValueError, "no axis that deep"),
        (lambda: vmap(process, in_axes=-1)(["a"]), ValueError, "counted from 0"),
        (lambda: vmap(process, in_axes="0")(["a"]), TypeError, "in_axes are ints"),
        (lambda: vmap(process, in_axes=({"q": 0},))({"r": ["a"]}), ValueError, "'q'"),
        (lambda: vmap(process, in_axes=((0, 0),))((["a"],)), ValueError, "2 parts"),
        (lambda: vmap(process, in_axes=2)(np.ones((2, 2))), ValueError, "2 axes"),
        (lambda: vmap(process)(np.float64(1)), ValueError, "0 axes"),
        (lambda: vmap(lambda x: ["a"] * x, out_axes=1)([1, 2]), ValueError, "ragged"),
        (lambda: vmap(process, out_axes=-1)(["a"]), ValueError, "out_axes"),
        (lambda: vmap(process, max_concurrency=0), ValueError, "max_concurrency"),
        (lambda: vmap(process, on_error=cast(Any, "ignore")), ValueError, "on_error"),
        (lambda: vmap(cast(Any, 3)), TypeError, "a function, not a int"),
    ],
)
def test_what_cannot_be_mapped_says_which_argument_and_why(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_iterators_of_different_lengths_fail_when_one_ends() -> None:
    seen: list[object] = []
    with pytest.raises(ValueError, match="argument 0 ended after 2"):
        vmap(lambda a, b: seen.append((a, b)))(iter([1, 2]), [1, 2, 3])
    with pytest.raises(ValueError, match="argument 1 ended after 2"):
        vmap(lambda a, b: seen.append((a, b)))(itertools.count(), iter([1, 2]))
    assert len(seen) == 4


def test_an_iterator_that_raises_does_so_after_the_elements_it_has_given() -> None:
    seen: list[int] = []

    def numbers() -> Iterator[int]:
        yield from (1, 2)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        vmap(seen.append)(numbers())
    assert sorted(seen) == [1, 2]


# Errors


def picky(x: int) -> int:
    if x == 5:
        raise KeyError("five")
    if x == 3:
        time.sleep(0.05)
        raise ValueError("three")
    return x


def test_the_error_of_the_earliest_element_is_raised_whichever_comes_first() -> None:
    with pytest.raises(ValueError, match="three") as caught:
        vmap(picky)(range(8))
    assert caught.value.__notes__ == ["in element 3 of vmap(picky): 3"]


def test_elements_after_a_failed_one_are_cancelled_and_those_before_it_end() -> None:
    begun: list[str] = []
    ended: list[str] = []

    @external
    async def wait(what: str, seconds: float) -> None:
        begun.append(what)
        try:
            while len(begun) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            ended.append(f"{what} cancelled")
            raise

    def work(what: str) -> None:
        wait(what, 0.3 if what == "before" else 0.1 if what == "fail" else 30.0)
        if what == "fail":
            raise RuntimeError
        ended.append(what)

    started = time.perf_counter()
    with pytest.raises(RuntimeError):
        vmap(work)(["before", "fail", "after"])
    until(lambda: len(ended) == 2)
    assert ended == ["before", "after cancelled"]
    assert time.perf_counter() - started < 15


def test_errors_may_stand_in_the_place_of_results() -> None:
    results = vmap(picky, on_error="return")(range(7))
    assert [type(result) for result in results] == [int, int, int, ValueError, int, KeyError, int]
    assert getattr(results[5], "__notes__") == ["in element 5 of vmap(picky): 5"]  # noqa: B009
    columns = vmap(lambda x: (picky(x), x), on_error="return", out_axes=(0, 0))([1, 5])
    assert columns[0][1] is columns[1][1]


def test_a_note_names_each_level_and_shortens_what_was_given() -> None:
    def fails(x: str) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError) as caught:
        vmap(vmap(fails))([["x" * 10_000]])
    inner, outer = caught.value.__notes__
    assert inner.startswith("in element 0 of vmap(fails): 'xxx") and len(inner) < 300
    assert outer.startswith("in element 0 of vmap(fails): [")


# Concurrency


def test_no_more_than_max_concurrency_run_at_once() -> None:
    crowd = Crowd()

    @external
    async def work(x: int) -> int:
        async with crowd.joined():
            await asyncio.sleep(0.01)
        return x

    def most_of(mapped: Callable[[Iterable[int]], Iterable[int]], limit: int) -> int:
        crowd.expect(limit)
        assert list(mapped(range(8))) == list(range(8))
        return crowd.most

    assert most_of(vmap(work, max_concurrency=3), 3) == 3
    assert most_of(vmap(work, max_concurrency=2).stream, 2) == 2
    assert most_of(vmap(work, max_concurrency=1), 1) == 1


def test_a_context_around_reaches_every_element() -> None:
    def default(_: int) -> str | None:
        return get_context().get_config("models.default")

    with with_context(models={"default": "mine"}):
        assert vmap(default)(range(3)) == ["mine"] * 3
        assert vmap(default, max_concurrency=1)(range(2)) == ["mine"] * 2
        assert list(vmap(default).stream(range(3))) == ["mine"] * 3
        assert asyncio.run(vmap(default).aio(range(3))) == ["mine"] * 3
        lazy = vmap(default).stream(range(3))
        first = next(lazy)
    assert [first, *lazy] == ["mine"] * 3


def test_a_handler_in_force_gets_the_elements_as_its_tasks() -> None:
    class Recording:
        def __init__(self) -> None:
            self.tasks: list[tuple[int, int | None]] = []

        def call(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            return f"stand-in for {args[0]}"

        async def acall(self, external: External[..., Any], args: Any, kwargs: Any) -> Any:
            raise AssertionError

        def gather(
            self, thunks: Iterable[Callable[[], Any]], limit: int | None, return_exceptions: bool = False
        ) -> list[Any]:
            results = [thunk() for thunk in thunks]
            self.tasks.append((len(results), limit))
            return results

    recording = Recording()
    with handling(recording):
        assert vmap(process, max_concurrency=2)(["a", "b", "c"]) == [
            f"<stand-in for {name}>" for name in "abc"
        ]
        assert list(vmap(ask, max_concurrency=2).stream(iter("abc"))) == [
            f"stand-in for {name}" for name in "abc"
        ]
    assert recording.tasks == [(3, 2), (2, 2), (1, 2)]


# Streams


def test_a_stream_gives_results_in_order_and_as_completed_as_they_finish() -> None:
    ended: list[int] = []

    @external
    async def wait(after: int) -> int:
        while len(ended) < after:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)  # what ended before has been handed on
        ended.append(after)
        return after

    assert list(vmap(wait).stream([2, 1, 0])) == [2, 1, 0]
    ended.clear()
    assert list(vmap(wait).as_completed([2, 1, 0])) == [(2, 0), (1, 1), (0, 2)]


def test_a_stream_takes_a_bounded_number_ahead_of_who_asks() -> None:
    taken = 0

    def numbers() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    stream = vmap(lambda x: x, max_concurrency=4).stream(numbers())
    assert [next(stream) for _ in range(3)] == [1, 2, 3]
    time.sleep(0.1)
    assert taken < 30
    stream.close()
    now = taken
    time.sleep(0.05)
    assert taken <= now + 1


def test_a_long_stream_needs_no_more_memory_than_a_short_one() -> None:
    def most(count: int) -> int:
        tracemalloc.start()
        for _ in vmap(lambda x: [x] * 10, max_concurrency=8).stream(iter(range(count))):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(100)
    assert most(20_000) < most(1_000) + 200_000


def test_a_stream_raises_after_the_results_before_the_error() -> None:
    got: list[int] = []
    with pytest.raises(ValueError, match="three"):
        for each in vmap(picky).stream(itertools.count()):
            got.append(each)
    assert got == [0, 1, 2]


def test_closing_a_stream_cancels_what_is_in_flight() -> None:
    before = threading.active_count()
    stream = vmap(lambda x: ask(x, 30.0)).stream(["a", "b"])
    waiting = threading.Thread(target=lambda: list(itertools.islice(vmap(process).stream(["a"]), 1)))
    waiting.start()
    waiting.join()
    quick = vmap(lambda x: ask(x, 0.0 if x == "a" else 30.0)).stream(["a", "b", "c"])
    assert next(quick) == "A"
    begun = time.perf_counter()
    quick.close()
    stream.close()
    assert time.perf_counter() - begun < 15
    until(lambda: threading.active_count() <= before + 1)  # the I/O loop's own


# Async


async def shout(text: str) -> str:
    await asyncio.sleep(0.05)
    if text == "bad":
        raise ValueError(text)
    return text.upper()


def test_an_async_function_is_mapped_from_both_worlds() -> None:
    begun = time.perf_counter()
    assert vmap(shout)([str(index) for index in range(500)]) == [str(index) for index in range(500)]
    assert time.perf_counter() - begun < 12  # a loop takes 25
    assert asyncio.run(vmap(shout).aio(["a", "b"])) == ["A", "B"]
    assert asyncio.run(vmap(process).aio(["a", "b"])) == ["<A>", "<B>"]
    with pytest.raises(ValueError, match="bad") as caught:
        vmap(shout)(["a", "bad", "b"])
    assert caught.value.__notes__ == ["in element 1 of vmap(shout): 'bad'"]
    assert list(vmap(shout).stream(["a", "b"])) == ["A", "B"]


def test_an_async_stream_gives_results_in_order() -> None:
    async def main() -> list[str]:
        return [each async for each in vmap(process).astream(["a", "b", "c"])]

    assert asyncio.run(main()) == ["<A>", "<B>", "<C>"]


def test_cancelling_an_awaited_map_cancels_its_elements() -> None:
    ends: list[str] = []

    async def slow(x: int) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ends.append("async")
            raise

    @external
    async def wait() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ends.append("plain")
            raise

    def plain(x: int) -> None:
        wait()

    async def main() -> None:
        for function in (slow, plain):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(vmap(function).aio([1, 2]), 1.0)

    asyncio.run(main())
    until(lambda: len(ends) == 4)
    assert ends == ["async"] * 2 + ["plain"] * 2


def test_an_awaited_map_keeps_to_its_limit_and_to_the_earliest_error() -> None:
    running = most = 0

    async def work(x: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01 if x else 0.03)
        running -= 1
        if x < 3:
            raise ValueError(x)
        return x

    with pytest.raises(ValueError, match="0"):
        asyncio.run(vmap(work, max_concurrency=2).aio(range(10)))
    results = asyncio.run(vmap(work, max_concurrency=2, on_error="return").aio(iter(range(10))))
    assert results[3:] == list(range(3, 10)) and most == 2


# Numbers


def test_a_numeric_function_of_arrays_is_jax_vmap() -> None:
    def weighted(x: Any, w: Any) -> Any:
        return {"sum": (x * w).sum(), "x": x + w}

    weights = jnp.array([1.0, 2.0])
    for in_axes, out_axes in (((0, None), 0), ((1, None), {"sum": 0, "x": 1}), ((None, 0), 0)):
        args = (
            (TABLE.T, weights)
            if in_axes[0] == 1
            else (TABLE, weights)
            if in_axes[0] == 0
            else (TABLE[0], weights)
        )
        got = vmap(weighted, in_axes, out_axes)(*args)
        expected = jax.vmap(weighted, in_axes, out_axes)(*args)
        assert jax.tree.all(
            jax.tree.map(lambda a, b: a.shape == b.shape and bool((a == b).all()), got, expected)
        )
    assert vmap(vmap(jnp.sin))(TABLE).shape == (3, 2)
    assert vmap(lambda x, *, y: x * y)(TABLE, y=TABLE).shape == (3, 2)


def test_a_function_of_arrays_that_keeps_a_record_is_called_once_per_element() -> None:
    shapes: list[Any] = []

    def looks(x: Any) -> Any:
        shapes.append(x.shape)
        return x * 2

    assert vmap(looks)(TABLE).tolist() == (TABLE * 2).tolist()
    assert shapes == [(2,)] * 3  # it keeps a record, so it is called once per element


def test_a_print_in_a_function_of_arrays_changes_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    def loud(x: Any) -> Any:
        print("row")
        return x.sum(), {"first": x[0]}

    sums, rest = vmap(loud)(TABLE)
    expected = jax.vmap(lambda x: (x.sum(), {"first": x[0]}))(TABLE)
    assert (sums.tolist(), rest["first"].tolist()) == (expected[0].tolist(), expected[1]["first"].tolist())
    assert capsys.readouterr().out == "row\n" * 3


def test_arrays_and_external_calls_mix() -> None:
    def scored(row: Any, name: str) -> str:
        return f"{ask(name)} {float(row.sum())}"

    assert vmap(scored)(TABLE, ["a", "b", "c"]) == ["A 1.0", "B 5.0", "C 9.0"]
    assert vmap(lambda row: ask(str(row.sum())))(TABLE) == ["1.0", "5.0", "9.0"]
    assert vmap(lambda name: jnp.ones(2) * len(ask(name)))(["a", "bc"])[1].tolist() == [2.0, 2.0]


def test_numpy_batches_are_mapped_without_a_loss_of_digits() -> None:
    rows = np.array([[0.1, 0.2], [0.3, 0.4]])
    results = vmap(lambda row: row.sum())(rows)
    assert isinstance(results, list) and results[0].dtype == np.float64
    assert vmap(lambda column: column.sum(), in_axes=1)(rows) == [rows[:, 0].sum(), rows[:, 1].sum()]
