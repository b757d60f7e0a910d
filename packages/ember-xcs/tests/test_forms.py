"""What `jit` works on: everything that can be called and has source, each at its critical path."""

# pyright: reportUnknownMemberType=false, reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false

# Class and static methods under jit are found by Jitted.__get__, which pyright does not follow in either order.
# pyright: reportAttributeAccessIssue=false, reportIncompatibleVariableOverride=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from crowd import Crowd

from ember.xcs import external, jit

T = TypeVar("T")
crowd = Crowd()


@external
async def ask(prompt: str) -> str:
    async with crowd.joined():
        await asyncio.sleep(0.02)
    return prompt.upper()


def together(expected: int, call: Callable[..., T], *args: Any) -> tuple[T, int]:
    """Return what `call(...)` returns and how many calls were under way at once; `expected` have the time for it."""
    crowd.expect(expected)
    return call(*args), crowd.most


class Writer:
    """Has a method of every kind."""

    tone = "calm"

    def __init__(self, name: str = "ann") -> None:
        self.name = name

    @jit
    def pair(self, a: str, b: str = "b") -> str:
        """Two at once."""
        return ask(f"{self.name} {a}") + ask(f"{self.name} {b}")

    @jit
    @classmethod
    def above_class(cls, a: str) -> str:
        return ask(f"{cls.tone} {a}") + ask(f"{cls.tone} b")

    @classmethod
    @jit
    def below_class(cls, a: str) -> str:
        return ask(f"{cls.tone} {a}") + ask(f"{cls.tone} b")

    @jit
    @staticmethod
    def above_static(a: str) -> str:
        return ask(a) + ask("b")

    @staticmethod
    @jit
    def below_static(a: str) -> str:
        return ask(a) + ask("b")

    @property
    @jit
    def both(self) -> str:
        return ask(self.name) + ask("b")

    def plain(self, a: str) -> str:
        return ask(f"{self.name} {a}") + ask("b")

    @jit
    def __call__(self, a: str) -> str:
        return self.plain(a)

    @jit
    def outer(self) -> list[str]:
        return [self.pair("x"), Writer.below_static("y"), self.above_class("z")]


class Loud(Writer):
    tone = "loud"

    @jit
    def pair(self, a: str, b: str = "b") -> str:
        return super().pair(a, b) + "!"


class Callable_:
    def __init__(self, word: str) -> None:
        self.word = word

    def __call__(self, a: str) -> str:
        return ask(self.word + a) + ask(a)


@jit
def first(a: str, b: str) -> str:
    """Ask twice."""
    return ask(a) + ask(b)


def plain_second(a: str, b: str = "b", *, c: str = "c") -> str:
    return ask(a) + ask(b) + ask(c)


second = jit(plain_second)


@jit
def countdown(n: int) -> list[str]:
    return [] if n == 0 else [ask(f"{n}"), *countdown(n - 1)]


@pytest.mark.parametrize(
    ("call", "args", "result"),
    [
        (Writer().pair, ("a",), "ANN AANN B"),
        (Writer("bob").pair, ("a", "c"), "BOB ABOB C"),
        (functools.partial(Writer.pair, Writer()), ("a",), "ANN AANN B"),
        (Loud().pair, ("a",), "ANN AANN B!"),
        (Writer.above_class, ("a",), "CALM ACALM B"),
        (Writer().above_class, ("a",), "CALM ACALM B"),
        (Loud.above_class, ("a",), "LOUD ALOUD B"),
        (Writer.below_class, ("a",), "CALM ACALM B"),
        (Loud().below_class, ("a",), "LOUD ALOUD B"),
        (Writer.above_static, ("a",), "AB"),
        (Writer().above_static, ("a",), "AB"),
        (Writer.below_static, ("a",), "AB"),
        (Writer().below_static, ("a",), "AB"),
        (lambda: Writer().both, (), "ANNB"),
        (jit(Writer("eve").plain), ("a",), "EVE AB"),
        (Writer("obj"), ("a",), "OBJ AB"),
        (jit(Writer("obj")), ("a",), "OBJ AB"),
        (jit(Callable_("w")), ("a",), "WAA"),
        (jit(functools.partial(plain_second, "p", c="z")), (), "PBZ"),
        (jit(functools.partial(first, "p")), ("q",), "PQ"),
        (jit(jit(plain_second)), ("a",), "ABC"),
        (jit(lambda a: ask(a) + ask("b")), ("a",), "AB"),
        (second, ("a",), "ABC"),
    ],
)  # fmt: skip
def test_everything_that_can_be_called_makes_its_calls_at_once(
    call: Callable[..., str], args: tuple[str, ...], result: str
) -> None:
    found, at_once = together(2, call, *args)
    assert found == result
    assert at_once >= 2


def test_methods_that_call_jitted_methods_are_one_run() -> None:
    found, at_once = together(6, Writer().outer)
    assert found == ["ANN XANN B", "YB", "CALM ZCALM B"]
    assert at_once == 6


def test_recursion_through_the_jitted_name_is_one_run() -> None:
    found, at_once = together(5, countdown, 5)
    assert found == ["5", "4", "3", "2", "1"]
    assert at_once == 5


def test_a_closure_sees_its_variables_as_they_are_when_it_is_called() -> None:
    word = "before"

    @jit
    def tell() -> str:
        return ask(word) + ask("x")

    word = "after"
    found, at_once = together(2, tell)
    assert (found, at_once) == ("AFTERX", 2)


def test_each_closure_of_one_function_has_its_own_variables() -> None:
    def make(word: str) -> Callable[[], str]:
        @jit
        def tell() -> str:
            return ask(word) + ask("x")

        return tell

    assert [make("a")(), make("b")()] == ["AX", "BX"]


def shouting(function: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> str:
        return function(*args, **kwargs) + "!"

    return wrapper


def times(count: int) -> Callable[[Callable[..., str]], Callable[..., list[str]]]:
    def decorate(function: Callable[..., str]) -> Callable[..., list[str]]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> list[str]:
            return [function(*args, **kwargs) for _ in range(count)]

        return wrapper

    return decorate


def test_decorators_in_between_are_seen_through() -> None:
    @jit
    @times(3)
    @shouting
    def pair(a: str) -> str:
        return ask(a) + ask("b")

    found, at_once = together(6, pair, "a")
    assert found == ["AB!", "AB!", "AB!"]
    assert at_once == 6


def test_a_decorated_method_is_seen_through() -> None:
    class Guide:
        @jit
        @shouting
        def lead(self, a: str) -> str:
            return ask(a) + ask("b")

    found, at_once = together(2, Guide().lead, "a")
    assert (found, at_once) == ("AB!", 2)


def test_a_cache_in_between_is_kept() -> None:
    calls: list[str] = []

    @jit
    @functools.lru_cache
    def once(a: str) -> str:
        calls.append(a)
        return ask(a)

    assert [once("a"), once("a")] == ["A", "A"]
    assert calls == ["a"]


def test_jitted_functions_called_by_jitted_functions_overlap() -> None:
    @jit
    def inner(a: str) -> str:
        return ask(ask(a))

    @jit
    def outer() -> list[str]:
        return [inner(a) for a in "abc"]

    found, at_once = together(3, outer)
    assert (found, at_once) == (["A", "B", "C"], 3)


def test_a_jitted_function_called_back_by_a_library_is_part_of_the_run() -> None:
    @jit
    def inner(a: str) -> str:
        return ask(a) + ask("x")

    @jit
    def outer() -> list[str]:
        return [
            a for group in (list(zip(map(inner, "ab"), "cd", strict=True)),) for pair in group for a in pair
        ]

    found, at_once = together(2, outer)
    assert found == ["AX", "c", "BX", "d"]
    assert at_once >= 2


# What stays as it is --------------------------------------------------------------


def test_name_docstring_signature_and_attributes_stay() -> None:
    assert (first.__name__, first.__qualname__, first.__module__, first.__doc__) == (
        "first", "first", __name__, "Ask twice.",
    )  # fmt: skip
    assert str(inspect.signature(first)) == "(a: 'str', b: 'str') -> 'str'"
    assert str(inspect.signature(Writer().pair)) == "(a: 'str', b: 'str' = 'b') -> 'str'"
    assert inspect.getdoc(Writer.pair) == "Two at once."
    assert inspect.unwrap(second) is plain_second
    assert "jit" in repr(first)
    assert "first" in repr(first)


def test_a_jitted_function_is_pickled_by_reference() -> None:
    assert pickle.loads(pickle.dumps(first)) is first
    assert copy.deepcopy(first) is first
    assert pickle.loads(pickle.dumps(second))("a") == "ABC"
    assert pickle.loads(pickle.dumps(Writer("bob").pair))("a") == "BOB ABOB B"
    assert pickle.loads(pickle.dumps(Loud.above_class))("a") == "LOUD ALOUD B"
    assert pickle.loads(pickle.dumps(jit(max_concurrency=1)(functools.partial(plain_second, "p"))))() == "PBC"


def test_wrong_arguments_raise_as_they_do_without_jit() -> None:
    def plain(a: str) -> str:
        return ask(a)

    for args, kwargs in (((), {}), (("a", "b"), {}), (("a",), {"a": 1}), (("a",), {"z": 1})):
        with pytest.raises(TypeError) as expected:
            plain(*args, **kwargs)  # type: ignore[arg-type]
        with pytest.raises(TypeError) as found:
            jit(plain)(*args, **kwargs)  # type: ignore[arg-type]
        assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("thing", [3, "text", None, [1]])
def test_what_cannot_be_called_is_refused_at_once(thing: Any) -> None:
    with pytest.raises(TypeError, match="can be called"):
        jit(thing)


@pytest.mark.parametrize("limit", [0, -1, "two", 1.5])
def test_a_limit_that_is_none_is_refused_at_once(limit: Any) -> None:
    with pytest.raises(ValueError, match="max_concurrency"):
        jit(max_concurrency=limit)


def test_a_limit_holds() -> None:
    found, at_once = together(2, jit(max_concurrency=2)(lambda: [ask(f"{n}") for n in range(7)]))
    assert found == [f"{n}" for n in range(7)]
    assert at_once == 2


# What cannot be followed --------------------------------------------------------------


def test_a_function_without_source_runs_as_it_is() -> None:
    namespace: dict[str, Any] = {"ask": ask}
    exec("def f(a):\n    return ask(a) + ask('b')", namespace)
    assert jit(namespace["f"])("a") == "AB"


def test_a_generator_function_gives_its_items_one_by_one() -> None:
    @jit
    def items(count: int) -> Iterator[str]:
        for n in range(count):
            yield ask(f"n{n}")

    steps = items(3)
    assert next(steps) == "N0"
    assert list(steps) == ["N1", "N2"]


def test_functions_of_c_and_classes_run_as_they_are() -> None:
    assert jit(len)("abc") == 3
    assert jit(sorted)([2, 1], reverse=True) == [2, 1]
    assert jit(Writer)("joe").name == "joe"
    assert jit("-".join)(["a", "b"]) == "a-b"


def test_an_external_runs_as_it_is() -> None:
    assert jit(ask)("a") == "A"


def test_calls_in_a_function_that_is_run_as_it_is_are_still_calls_of_the_run() -> None:
    namespace: dict[str, Any] = {"ask": ask}
    exec("def f(a):\n    return ask(a) + ask('b')", namespace)
    f = namespace["f"]

    @jit
    def outer() -> list[str]:
        a = f("x")
        b = ask("y")
        return [a, b]

    found, at_once = together(2, outer)
    assert found == ["XB", "Y"]
    assert at_once >= 2


# Elsewhere --------------------------------------------------------------


def test_several_threads_at_once_have_a_run_each() -> None:
    results: dict[int, list[str]] = {}

    @jit
    def tell(n: int) -> list[str]:
        return [ask(f"{n} {k}") for k in range(5)]

    def work(n: int) -> None:
        results[n] = [one for _ in range(5) for one in tell(n)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: [f"{n} {k}" for k in range(5)] * 5 for n in range(8)}


def test_the_first_call_may_be_of_several_threads_at_once(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    helpers = "\n".join(f"def h{n}(a):\n    return h{n + 1}(a) + ask(a)" for n in range(30))
    program.write_text(
        "import asyncio, sys, threading\nfrom ember.xcs import external, jit\nsys.setswitchinterval(1e-6)\n"
        "@external\nasync def ask(a):\n    return a\n" + helpers + "\ndef h30(a):\n    return ask(a)\n"
        "f, out = jit(h0), []\n"
        "threads = [threading.Thread(target=lambda: out.append(f('a'))) for _ in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\nprint(set(out) == {'a' * 31}, len(out))\n"
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("True 8\n", "")


PROGRAM = """
    import asyncio, multiprocessing, os, sys, threading, time
    from ember.xcs import external, jit

    @external
    async def ask(a, seconds=0.05):
        await asyncio.sleep(seconds)
        return a.upper()

    @jit
    def both(a):
        return ask(a) + ask("b")

    @jit
    def long(a):
        return ask(a, 0.5) + ask("b", 0.5)
"""


def run_program(tmp_path: Path, text: str) -> str:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM) + textwrap.dedent(text))
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(program)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_after_a_fork_parent_and_child_go_on(tmp_path: Path) -> None:
    found = run_program(
        tmp_path,
        """
        print(both("a"), flush=True)
        child = os.fork()
        if child == 0:
            print("child", both("c"), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print("parent", both("p"), flush=True)
        """,
    )
    assert found == "AB\nchild CB\nparent PB\n"


def test_a_fork_while_another_thread_runs_a_program_leaves_the_child_able_to_run_its_own(
    tmp_path: Path,
) -> None:
    found = run_program(
        tmp_path,
        """
        out = []
        other = threading.Thread(target=lambda: out.append(long("o")))
        other.start()
        time.sleep(0.1)
        child = os.fork()
        if child == 0:
            print("child", both("c"), flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        other.join()
        print("parent", status, out, both("p"), flush=True)
        """,
    )
    assert found == "child CB\nparent 0 ['OB'] PB\n"


def test_a_program_that_forks_goes_on_in_both_processes(tmp_path: Path) -> None:
    found = run_program(
        tmp_path,
        """
        @jit
        def program():
            a = ask("a")
            child = os.fork()
            b = ask("b", 0.2)
            return child, a + b

        child, text = program()
        if child == 0:
            print("child", text, flush=True)
            os._exit(0)
        print("parent", os.waitpid(child, 0)[1], text, flush=True)
        """,
    )
    assert sorted(found.splitlines()) == ["child AB", "parent 0 AB"]


def test_spawned_processes_find_the_function_by_its_name(tmp_path: Path) -> None:
    found = run_program(
        tmp_path,
        """
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(2) as pool:
                print(pool.map(both, ["x", "y"]))
        """,
    )
    assert found == "['XB', 'YB']\n"


def test_in_a_running_loop_it_blocks_as_plain_python_does() -> None:
    async def main() -> tuple[str, float]:
        began = time.perf_counter()
        return first("a", "b"), time.perf_counter() - began

    assert asyncio.run(main())[0] == "AB"


class Box:
    @property
    def word(self) -> str:
        return ask("word")


def test_properties_and_maps_make_calls_in_every_thread() -> None:
    @jit
    def program() -> str:
        return Box().word + "".join(map(ask, ["a", "b"]))

    found = [program()]
    thread = threading.Thread(target=lambda: found.append(program()))
    thread.start()
    thread.join()
    assert len(found) == 2 and found[0] == found[1]
