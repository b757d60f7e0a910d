"""Where a function's text comes from: edited files, none at all, notebooks. Never another function's text."""

# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import importlib.util
import itertools
import linecache
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ember import xcs
from ember.xcs import external, jit

BEFORE = """
    from ember.xcs import external

    @external
    async def ask(word: str) -> str:
        return word.upper()

    def pair(a, b):
        return f"{ask(a)} and {ask(b)}"

    def helped(a):
        return pair(a, "x") + "!"

    def counting():
        n = 0
        def step():
            nonlocal n
            n += 1
            return n
        def now():
            return n
        return step, now
"""
_numbers = itertools.count()


def imported(path: Path, text: str) -> ModuleType:
    path.write_text(textwrap.dedent(text))
    spec = importlib.util.spec_from_file_location(f"edited_{next(_numbers)}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{ask(a)} and {ask(b)}", "{ask(b)} and {ask(a)}"),
        ("{ask(a)} and", "{ask(a)} or "),
        ("ask(b)", "asq(b)"),
        ('f"{ask(a)} and {ask(b)}"', 'ask(a)\n    return "late"'),
        ("def pair", "\n\ndef pair"),
        ("def pair(a, b)", "def pair(b, a)"),
    ],
)
def test_a_function_whose_file_was_edited_runs_as_it_was_imported(
    tmp_path: Path, before: str, after: str
) -> None:
    module = imported(tmp_path / "edited.py", BEFORE)
    text = (tmp_path / "edited.py").read_text()
    (tmp_path / "edited.py").write_text(text.replace(before, after))
    function = jit(module.pair)
    assert function("a", "b") == "A and B"
    assert "has changed since" in function.reason
    assert "has changed since" in str(xcs.explain(function)("a", "b"))
    assert jit(module.helped)("a") == "A and X!"


def test_an_edit_elsewhere_in_the_file_does_not_matter(tmp_path: Path) -> None:
    module = imported(tmp_path / "edited.py", BEFORE)
    with (tmp_path / "edited.py").open("a") as file:
        file.write("\n\nmore = 1\n")
    function = jit(module.pair)
    assert function("a", "b") == "A and B"
    assert function.reason == ""


def test_a_file_that_is_gone_or_no_longer_python_is_a_reason_to_run_as_it_is(tmp_path: Path) -> None:
    for number, left in enumerate(["", "def pair(a, b:\n" * 30]):
        path = tmp_path / f"edited_{number}.py"
        module = imported(path, BEFORE)
        path.write_text(left)
        if not left:
            path.unlink()
        function = jit(module.pair)
        assert function("a", "b") == "A and B"
        assert "source" in function.reason


@external
async def ask(word: str) -> str:
    return word.upper()


def made(text: str, name: str) -> Callable[..., Any]:
    namespace: dict[str, Any] = {"ask": ask}
    exec(compile(textwrap.dedent(text), name, "exec"), namespace)
    function: Callable[..., Any] = namespace["f"]
    return function


def test_a_function_without_source_says_so() -> None:
    function = jit(made("def f(a):\n    return ask(a) + ask('b')", "<string>"))
    assert function("a") == "AB"
    assert "no source" in function.reason
    assert "no source" in str(xcs.explain(function)("a"))


def test_a_function_that_claims_to_be_of_another_file_is_not_taken_for_what_stands_there(
    tmp_path: Path,
) -> None:
    path = tmp_path / "other.py"
    path.write_text("def f(a):\n    return ask(a) + ask('c')\n")
    function = jit(made("def f(a):\n    return ask(a) + ask('b')", str(path)))
    assert function("a") == "AB"
    assert function.reason != ""


def test_a_cell_of_a_notebook_has_the_text_that_the_notebook_keeps() -> None:
    text = "def f(a):\n    return ask(a) + ask('b')\n"
    name = "<ipython-input-7-of-a-test>"
    lines: list[Any] = text.splitlines(keepends=True)
    linecache.cache[name] = (len(text), None, lines, name)
    try:
        function = jit(made(text, name))
        assert function("a") == "AB"
        assert function.reason == ""
    finally:
        del linecache.cache[name]


def test_two_lambdas_on_one_line_are_told_apart() -> None:
    one, other = jit(lambda a: ask(a) + "1"), jit(lambda a: ask(a) + "2")  # fmt: skip
    first, second = (jit(lambda a: ask(a) + "1"), jit(lambda a: ask(a) + "2"))
    assert [one("a"), other("a"), first("a"), second("a")] == ["A1", "A2", "A1", "A2"]
    assert (one.reason, other.reason, first.reason, second.reason) == ("", "", "", "")


def test_an_interactive_session_runs_what_was_typed() -> None:
    typed = """\
    from ember.xcs import external, jit
    @external
    async def ask(word: str) -> str:
        return word.upper()

    @jit
    def f(a):
        return ask(a) + ask("b")

    print(f("a"), "|", f.reason[:60])
    """
    done = subprocess.run(
        [sys.executable, "-i", "-q"], input=textwrap.dedent(typed), capture_output=True, text=True,
        timeout=60, env={**os.environ, "PYTHON_BASIC_REPL": "1"},
    )  # fmt: skip
    assert "AB |" in done.stdout, done.stderr
