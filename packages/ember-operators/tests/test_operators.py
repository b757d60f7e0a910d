"""Operators: calling one is calling its `call`; functions and operators compose."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ember.operators import Cache, Chain, MajorityVote, Operator, Parallel, op

place: ContextVar[str] = ContextVar("place", default="nowhere")


@op
def shout(text: str, *, mark: str = "!") -> str:
    """Say it louder."""
    return text.upper() + mark


@op
async def whisper(text: str) -> str:
    await asyncio.sleep(0)
    return text.lower()


class Wrap(Operator):
    left: str = "<"
    right: str = ">"

    def call(self, text: str) -> str:
        return f"{self.left}{text}{self.right}"

    @op
    def twice(self, text: str) -> str:
        return str(self(self(text)))


class Round(Wrap):
    def call(self, text: str) -> str:
        return f"({super().call(text)})"


class Awaited(Operator):
    async def call(self, text: str) -> str:
        await asyncio.sleep(0)
        return text[::-1]


def where(_: object) -> str:
    return place.get()


async def awhere(_: object) -> str:
    return place.get()


def test_calling_an_operator_is_calling_its_call() -> None:
    assert Wrap.__call__ is Wrap.call
    assert Wrap()("a") == "<a>"
    assert Round(left="[")("a") == "([a>)"


def test_an_operator_without_a_call_says_so() -> None:
    class Nothing(Operator):
        pass

    with pytest.raises(NotImplementedError, match="Nothing has no `call`"):
        Nothing()()


def test_a_function_stays_what_it_is() -> None:
    assert shout("a", mark="?") == "A?"
    assert (shout.__name__, shout.__doc__, shout.__module__) == ("shout", "Say it louder.", __name__)
    assert str(inspect.signature(shout)) == "(text: 'str', *, mark: 'str' = '!') -> 'str'"
    assert "Say it louder" in inspect.getsource(shout)
    assert inspect.iscoroutinefunction(whisper) and not inspect.iscoroutinefunction(shout)
    assert pickle.loads(pickle.dumps(shout)) is shout
    assert repr(shout) == "<op shout>"


def test_a_method_under_op_is_bound_and_composes() -> None:
    assert Wrap().twice("a") == "<<a>>"
    assert (Wrap().twice >> shout)("a") == "<<A>>!"
    assert pickle.loads(pickle.dumps(Wrap().twice))("a") == "<<a>>"


def test_static_and_class_methods_compose_too() -> None:
    class Words(Operator):
        @op
        @staticmethod
        def split(text: str) -> list[str]:
            return text.split()

        @staticmethod
        @op
        def join(words: list[str]) -> str:
            return "-".join(words)

        @op
        @classmethod
        def named(cls, text: str) -> str:
            return f"{cls.__name__} {text}"

    kind: Any = Words  # op over a classmethod is no function to type checkers
    assert (kind.split >> kind().join)("a b") == "a-b"
    assert kind.named("x") == kind().named("x") == "Words x"


def test_op_takes_functions_only() -> None:
    for thing in (3, Wrap):
        with pytest.raises(TypeError, match="@op is for functions"):
            op(thing)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]


MEMBERS: list[Any] = [shout, Wrap(), Round(), str.title, "~".join, whisper, Awaited()]


@given(st.lists(st.sampled_from(MEMBERS), min_size=3, max_size=5), st.text(max_size=5), st.data())
def test_composition_is_associative_and_one_after_the_other(members: list[Any], text: str, data: Any) -> None:
    cut = data.draw(st.integers(1, len(members) - 1))
    left, right = Chain(tuple(members[:cut])), Chain(tuple(members[cut:]))
    assert (left >> right).ops == tuple(members)
    assert ((left >> shout) >> right).ops == (left >> (shout >> right)).ops
    assert (left >> right)(text) == right(left(text))


def test_anything_callable_composes_with_an_operator() -> None:
    assert (str.strip >> shout >> len)(" hi ") == 3
    assert (Wrap() >> str.upper)("a") == "<A>"
    with pytest.raises(TypeError, match="composes callables"):
        shout >> "text"  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnusedExpression]


def test_a_chain_passes_all_arguments_to_its_first_member() -> None:
    assert (shout >> len)("hi", mark="???") == 5
    assert Chain(())("as it is") == "as it is"


def test_parallel_answers_in_order_or_by_name() -> None:
    assert Parallel([shout, whisper, Awaited()])("Ab") == ["AB!", "ab", "bA"]
    assert Parallel({"loud": shout, "soft": whisper})("Ab") == {"loud": "AB!", "soft": "ab"}


def test_members_of_parallel_are_under_way_at_once() -> None:
    meeting = threading.Barrier(3, timeout=20)

    def meet(_: object) -> int:
        return meeting.wait()

    assert sorted(Parallel([meet] * 3)("x")) == [0, 1, 2]


def test_members_see_the_callers_context() -> None:
    token = place.set("here")
    try:
        both = Parallel([where, awhere])
        assert both("x") == ["here", "here"]
        assert asyncio.run(both.acall("x")) == ["here", "here"]
        assert asyncio.run(Chain([where]).acall("x")) == "here"
    finally:
        place.reset(token)


@pytest.mark.parametrize("member", MEMBERS)
def test_every_member_can_be_awaited(member: Any) -> None:
    async def main() -> Any:
        return await (Chain([member]) >> shout).acall("Ab")

    assert asyncio.run(main()) == (Chain([member]) >> shout)("Ab")


def test_a_blocking_call_that_is_awaited_leaves_the_loop_free() -> None:
    class Blocking(Operator):
        def call(self, seconds: float) -> str:
            time.sleep(seconds)
            return "done"

    async def main() -> tuple[str, int]:
        ticks = 0
        task = asyncio.ensure_future(Blocking().acall(0.3))
        while not task.done():
            ticks += 1
            await asyncio.sleep(0.01)
        return await task, ticks

    answer, ticks = asyncio.run(main())
    assert answer == "done" and ticks > 2


def test_awaited_members_are_cancelled_when_one_fails() -> None:
    ended: list[str] = []

    async def waits(_: object) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    async def fails(_: object) -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(Parallel([waits, fails]).acall("x"))
    with pytest.raises(ValueError, match="no"):
        Parallel([waits, fails])("x")
    assert ended == ["cancelled"] * 2


def test_what_an_operator_prints_is_the_same_in_every_process_and_after_every_call() -> None:
    def short(text: str) -> str:
        return text[:3]

    same: Callable[[str], str] = lambda text: text  # noqa: E731
    operator = Cache(MajorityVote([short, str.upper, same]))
    before = repr(operator)
    operator("the sea")
    assert repr(operator) == before and " at 0x" not in before
    assert "members=[short, <method 'upper' of 'str' objects>, <lambda>]" in before and "key=normal" in before
