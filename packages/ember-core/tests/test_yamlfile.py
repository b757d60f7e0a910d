"""Reading YAML nobody vouches for, and editing YAML somebody wrote by hand."""

from __future__ import annotations

import contextlib
import resource
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ember.core.errors import ConfigFileError
from ember.core.files import Content
from ember.core.secrets import Secret
from ember.core.yamlfile import Change, edit, load

PATH = Path("config.yaml")


def read(text: str | bytes) -> dict[str, Any]:
    return load(Content(text if isinstance(text, bytes) else text.encode()), PATH).tree


def edited(text: str, *changes: Change) -> str:
    return edit(Content(text.encode()), changes, PATH).data.decode()


def test_a_file_is_read_with_the_place_of_each_key() -> None:
    document = load(Content(b"# one\nmodels:\n  default: gpt-4\n  stop: [a, b]\n"), PATH)
    assert document.tree == {"models": {"default": "gpt-4", "stop": ["a", "b"]}}
    assert document.places["models", "default"] == (3, 3)


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "null\n", "{}\n", "\ufeff"])
def test_a_file_without_keys_says_nothing(text: str) -> None:
    assert read(text) == {}


def test_a_byte_order_mark_and_carriage_returns_are_read_over() -> None:
    assert read(b"\xef\xbb\xbfmodels:\r\n  seed: 1\r\n") == {"models": {"seed": 1}}


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (b"- a\n- b\n", "1:1", "key: value"),
        (b"just text sk-secret", "1:1", "key: value"),
        (b"a: 1\nb: 2\na: sk-secret\n", "3:1", "same key twice"),
        (b"a:\n  b: 1\n  b: 2\n", "3:3", "same key twice"),
        (b"a: &x [sk-secret]\nb: *x\n", "1:4", "anchor or alias"),
        (b"a: !!python/object/apply:os.system [ls]\n", "1:4", "uses a tag"),
        (b"a: !sk-secret x\n", "1:4", "uses a tag"),
        (b"a: 1\n---\nb: 2\n", "2:1", "more than one document"),
        (b"<<: {a: 1}\n", "1:1", "put it in quotes"),
        (b"on: 1\n", "1:1", "put it in quotes"),
        (b"1: sk-secret\n", "1:1", "put it in quotes"),
        (b"? [a]\n: 1\n", "1:3", "put it in quotes"),
        (b"a: 'sk-secret\n", "2:1", "is not YAML"),
        (b"ok: 1\nkey: sk-secret: x\n", "2:15", "is not YAML"),
        (b"key: sk-secret\n\tx: 1\n", "2:1", "is not YAML"),
        (b"a: %sk-secret\n", "1:4", "is not YAML"),
        (b"a: 2024-13-45\n", "1:4", "quote it"),
        (b"a: " + b"9" * 5000 + b"\n", "1:4", "quote it"),
        (b"a: =\n", "1:4", "quote it"),
        (b"a: 1\nb: \xff\xfe\n", "2", "not UTF-8"),
        ("a: sk-secret".encode("utf-16"), "1:1", "UTF-16"),
        ("a: sk-secret".encode("utf-16-be"), "1", "NUL"),
        (b"\x7fELF\x02\x01\x01\x00", "1", "NUL"),
        (b"a: 1\nb: \x07\n", "2", "does not allow"),
    ],
)
def test_what_is_no_settings_file_is_refused_at_its_place_and_never_quoted(
    text: bytes, place: str, problem: str
) -> None:
    with pytest.raises(ConfigFileError) as caught:
        read(text)
    assert str(caught.value).startswith(f"config.yaml:{place}: ")
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 500_000,
        "{a: " * 200_000,
        "? " * 500_000,
        "- " * 500_000,
        "\n".join(" " * depth + "a:" for depth in range(1_400)),
        "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
        "a: " + "[" * 51 + "]" * 51,
        "x" * (1024 * 1024 + 1),
        "a" * (1024 * 1024),
        "'" * (1024 * 1024),
        "a: |\n" + " x\n" * 300_000,
    ],
    ids=str.__len__,
)
def test_nothing_takes_long_or_much_memory_to_refuse(text: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    with contextlib.suppress(ConfigFileError):
        read(text)
    assert time.process_time() - started < 1
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 50


def test_fifty_levels_are_read() -> None:
    assert read("a: " + "[" * 49 + "]" * 49)


def test_an_edit_keeps_comments_order_quotes_and_indents() -> None:
    text = """\
# my settings
models:
    default: 'gpt-4'   # the good one
    # cold
    temperature: 0.1
    stop:
      - "a"
      - b

# last
logging: {content: false}
"""
    assert edited(text, (("models", "temperature"), 0.7)) == text.replace("0.1", "0.7")


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("", [(("a", "b"), 1)], "a:\n  b: 1\n"),
        ("# mine\n", [(("a",), "x")], "# mine\na: x\n"),
        ("# mine", [(("a",), "x")], "# mine\na: x\n"),
        ("{}\n", [(("a",), 1)], "a: 1\n"),
        ("a:\nb: 1\n", [(("a", "x"), 1)], "a:\n  x: 1\nb: 1\n"),
        ("a: {x: 1}\n", [(("a", "z"), 2)], "a: {x: 1, z: 2}\n"),
        ("a: 1 # one\nb: 2\n", [(("b",), 3)], "a: 1 # one\nb: 3\n"),
        ("a: 1\nb: 2\n", [(("a",), None)], "b: 2\n"),
        ("a:\n  x: 1\nb: 2\n", [(("a", "x"), None)], "b: 2\n"),
        ("a: 1\n", [(("missing", "too"), None)], "a: 1\n"),
        ("a: 1\r\nb: 2\r\n", [(("b",), 3)], "a: 1\r\nb: 3\r\n"),
        ("a: [x]\n", [(("a",), ["z", "no"])], 'a:\n- z\n- "no"\n'),
        ("a: 1\n", [(("k",), Secret("sk-12345678"))], 'a: 1\nk: "sk-12345678"\n'),
    ],
)
def test_an_edit_changes_what_it_is_told(text: str, changes: list[Change], expected: str) -> None:
    assert edited(text, *changes) == expected


@pytest.mark.parametrize(
    "value",
    [
        "on",
        "no",
        "1",
        "1e3",
        "0x1F",
        "12:30:00",
        "2024-01-01",
        "~",
        "",
        " x ",
        "a: b",
        "# x",
        "é…",
        "a\nb",
        "'",
        "*",
        "=",
    ],
)
def test_a_text_is_read_back_as_the_same_text(value: str) -> None:
    assert read(edited("", (("a", "k" + value), value))) == {"a": {"k" + value: value}}
    assert read(edited("", (("a",), value))) == {"a": value}


def test_numbers_as_people_write_them_survive_an_edit_of_something_else() -> None:
    text = (
        "a: 1e3\nb: 0x1F\nc: 012\nd: 1_000\ne: 1.50\nf: .5\ng: 12:30:00\nh: yes\ni:\nj: 2024-01-01\nk: .inf\n"
    )
    assert edited(text, (("z",), 1)) == text + "z: 1\n"


def test_an_edit_of_a_file_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ConfigFileError, match="same key twice"):
        edited("a: 1\na: 2\n", (("b",), 1))


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_whatever_a_file_holds_it_is_read_or_refused(text: str | bytes) -> None:
    try:
        tree = read(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    except ConfigFileError:
        return
    assert isinstance(tree, dict)


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
        st.text(st.characters(codec="utf-8"), max_size=30) | st.integers() | st.booleans() | st.floats(),
        max_size=4,
    )
)
def test_whatever_is_written_is_read_back_or_refused(values: dict[str, Any]) -> None:
    try:
        text = edited("# mine\nz: 1\n", *((("a", name), value) for name, value in values.items()))
    except ConfigFileError:
        return
    assert text.startswith("# mine\nz: 1\n")
    found = read(text).get("a", {})
    assert repr(found) == repr(values)
