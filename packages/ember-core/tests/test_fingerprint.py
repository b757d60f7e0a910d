"""What tells calls apart, and what does not."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ember.core import Secret, external
from ember.core.fingerprint import Unknowable, fingerprint

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def made(text: str, name: str = "f", **names: Any) -> Callable[..., Any]:
    """A function of a module of its own."""
    space: dict[str, Any] = {"__name__": "users_own", **names}
    exec(text, space)
    return space[name]  # type: ignore[no-any-return]


@given(PLAIN, PLAIN)
def test_values_have_the_same_fingerprint_when_they_read_the_same_and_no_other(left: Any, right: Any) -> None:
    assert (fingerprint(left) == fingerprint(right)) == (repr(left) == repr(right))


def test_what_is_equal_but_not_the_same_is_told_apart() -> None:
    kinds: list[Any] = [
        1,
        1.0,
        True,
        "1",
        b"1",
        [1],
        (1,),
        {1},
        {1: 1},
        Decimal(1),
        -0.0,
        0.0,
        None,
        "",
        [],
        (),
        [[]],
    ]
    assert len({fingerprint(kind) for kind in kinds}) == len(kinds)


def test_where_one_value_ends_and_the_next_begins_counts() -> None:
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert fingerprint([1, [2]], 3) != fingerprint([1, [2, 3]])


def test_values_that_hold_themselves_have_a_fingerprint() -> None:
    first: list[Any] = [1]
    first.append(first)
    second: list[Any] = [1]
    second.append(second)
    assert fingerprint(first) == fingerprint(second)


@dataclass
class Row:
    question: str
    level: int


def test_objects_are_known_by_class_and_content() -> None:
    assert fingerprint(Row("a", 1)) == fingerprint(Row("a", 1))
    assert fingerprint(Row("a", 1)) != fingerprint(Row("a", 2))
    assert fingerprint(Path("a")) != fingerprint("a")
    assert fingerprint(datetime(2026, 1, 1, tzinfo=UTC)) != fingerprint(datetime(2026, 1, 1))


def test_what_has_no_certain_form_is_refused() -> None:
    with open("/dev/null") as file:
        for thing in (threading.Lock(), file, object(), (n for n in (1, 2)), {"deep": [threading.Lock()]}):
            with pytest.raises(Unknowable, match="no certain form"):
                fingerprint(thing)


def test_an_object_says_what_it_is_by_its_own_method() -> None:
    class Client:
        def __init__(self, url: str) -> None:
            self.url, self.lock = url, threading.Lock()

        def __fingerprint__(self) -> str:
            return self.url

    assert fingerprint(Client("a")) == fingerprint(Client("a"))
    assert fingerprint(Client("a")) != fingerprint(Client("b"))


def test_who_pays_does_not_count() -> None:
    assert fingerprint(Secret("sk-first-key-1234567")) == fingerprint(Secret("sk-second-key-7654321"))


def test_a_function_is_known_by_what_it_does_and_not_by_its_name_or_place() -> None:
    text = "def f(x):\n    return x + 1\n"
    assert fingerprint(made(text)) == fingerprint(made("\n\n# moved\n" + text))
    assert fingerprint(made(text)) == fingerprint(
        made("def g(y):\n    return y + 1\n".replace("y", "x"), "g")
    )
    assert fingerprint(made(text)) != fingerprint(made("def f(x):\n    return x + 2\n"))
    assert fingerprint(made(text)) != fingerprint(made("def f(x, y=1):\n    return x + 1\n"))
    assert fingerprint(made("def f(x, y=1):\n    return x\n")) != fingerprint(
        made("def f(x, y=2):\n    return x\n")
    )


def test_what_a_function_names_counts_too() -> None:
    text = "def f(x):\n    return ask(PROMPT + x)\n"
    other = "def ask(p):\n    return p.upper()\n"
    first = fingerprint(made(text + other, PROMPT="Label: "))
    assert first == fingerprint(made(text + other, PROMPT="Label: ", unused=1))
    assert first != fingerprint(made(text + other, PROMPT="Rate: "))
    assert first != fingerprint(made(text + other.replace("upper", "lower"), PROMPT="Label: "))


def test_what_a_function_closes_over_counts() -> None:
    def labelled(prompt: str) -> Callable[[str], str]:
        return lambda x: prompt + x

    assert fingerprint(labelled("a")) == fingerprint(labelled("a"))
    assert fingerprint(labelled("a")) != fingerprint(labelled("b"))
    assert fingerprint(functools.partial(max, 1)) != fingerprint(functools.partial(max, 2))


def test_functions_and_classes_that_name_each_other_in_circles_have_a_fingerprint() -> None:
    text = """
def f(n):
    return n and g(n - 1)
def g(n):
    return n and f(n - 1)
class A:
    def other(self):
        return B()
class B:
    limit = 3
    def other(self):
        return A()
"""
    for name in "fgAB":
        assert fingerprint(made(text, name)) == fingerprint(made(text, name))
        assert fingerprint(made(text, name)) != fingerprint(
            made(text.replace("- 1", "- 2").replace("3", "4"), name)
        )


def test_a_method_counts_with_what_it_belongs_to() -> None:
    class Labeller:
        def __init__(self, prompt: str) -> None:
            self.prompt = prompt

        def __call__(self, x: str) -> str:
            return self.prompt + x

    assert fingerprint(Labeller("a").__call__) == fingerprint(Labeller("a").__call__)
    assert fingerprint(Labeller("a").__call__) != fingerprint(Labeller("b").__call__)
    assert fingerprint(Labeller("a")) != fingerprint(Labeller("b"))


def test_an_external_is_known_by_its_function() -> None:
    first, same = (external(made("def f(x):\n    return x + 1\n")) for _ in range(2))
    other = external(made("def f(x):\n    return x + 2\n"))
    assert fingerprint(first) == fingerprint(same) != fingerprint(other)


def test_a_module_s_own_lock_or_client_does_not_stand_in_the_way() -> None:
    text = "def f(x):\n    with lock:\n        return x\n"
    assert fingerprint(made(text, lock=threading.Lock())) == fingerprint(made(text, lock=threading.Lock()))


def test_fingerprints_are_the_same_in_every_process() -> None:
    program = """
from dataclasses import dataclass
from ember.core.fingerprint import fingerprint
WORDS = {"a", "b", "c", "d", "e"}
@dataclass
class Row:
    text: str
    def shout(self): return self.text in WORDS
def f(row):
    return row.shout() if row.text in {"x", "y", "z"} else g(row)
def g(row):
    return f(row), Row
print(fingerprint(f, Row("a"), {"p", "q", "r"}).hex())
"""
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1
