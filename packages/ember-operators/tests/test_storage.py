"""Modules in files: what was saved is loaded, what differs is named, and nothing in a file runs."""

from __future__ import annotations

import enum
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ember.core import Secret
from ember.operators import CannotLoad, CannotSave, Chain, Module, Operator, param


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Leaf(Module):
    value: Any = None
    gain: float = param(1.0)


class Holder(Module):
    leaves: list[Leaf]
    function: Callable[..., Any] = len


class Other(Module):
    value: Any = None
    gain: float = 1.0


class Own(Module):
    size: int

    def __init__(self) -> None:
        raise AssertionError("loading calls no __init__")


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.sampled_from(Mood)
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
        | st.tuples(inner, inner)
        | st.builds(Leaf, value=inner, gain=st.floats())
    ),
    max_leaves=8,
)


@given(VALUES)
def test_what_was_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    file = tmp_path_factory.getbasetemp() / "leaf.ember"
    module = Leaf(value=value)
    module.save(file)
    assert Leaf.load(file) == module
    assert Leaf.load(file, like=module) == module
    assert Module.load(file) == module


def test_sets_and_nested_modules_are_loaded(tmp_path: Path) -> None:
    module = Leaf(
        value={"a": [{1, 2}, frozenset("x"), {"$tuple": 1}], "b": Leaf(value=(Mood.BAD, b"x", -0.0))}
    )
    module.save(tmp_path / "m")
    again = Leaf.load(tmp_path / "m")
    assert again == module and type(again.value["b"].value) is tuple


def test_an_own_init_is_not_called(tmp_path: Path) -> None:
    made = object.__new__(Own).replace(size=3)
    made.save(tmp_path / "own")
    assert Own.load(tmp_path / "own").size == 3


def test_functions_come_from_a_module_that_has_them(tmp_path: Path) -> None:
    module = Holder(leaves=[Leaf(value=1)])
    module.save(tmp_path / "h")
    with pytest.raises(CannotLoad, match=r"`function` was builtins:len, which a file cannot hold.*like="):
        Holder.load(tmp_path / "h")
    assert Holder.load(tmp_path / "h", like=module) == module
    with pytest.raises(CannotLoad, match="`function` was builtins:len when it was saved and is builtins:max"):
        Holder.load(tmp_path / "h", like=module.replace(function=max))


def test_everything_that_differs_is_named(tmp_path: Path) -> None:
    Holder(leaves=[Leaf(value=1), Leaf(value="a")], function=len).save(tmp_path / "h")
    like: Any = Holder(leaves=[Leaf(value=2), Other(value="b")])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    with pytest.raises(CannotLoad) as caught:
        Holder.load(tmp_path / "h", like=like)
    assert caught.value.problems[0] == "`leaves[0].value` is 1 in the file and 2 in `like`"
    assert "`leaves[1]` is a" in caught.value.problems[1] and ":Other in `like`" in caught.value.problems[1]


def test_another_class_is_refused(tmp_path: Path) -> None:
    Leaf().save(tmp_path / "leaf")
    with pytest.raises(CannotLoad, match=r"Leaf, and .*Other is to be loaded"):
        Other.load(tmp_path / "leaf")


def rewritten(file: Path, change: Callable[[Any], Any]) -> None:
    with zipfile.ZipFile(file) as archive:
        described = json.loads(archive.read("module.json"))
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("module.json", json.dumps(change(described)))


def test_a_class_that_is_not_there_or_has_changed_is_named(tmp_path: Path) -> None:
    file = tmp_path / "leaf"
    Leaf().save(file)
    rewritten(file, lambda said: {**said, "module": {**said["module"], "$module": "somewhere:Else"}})
    with pytest.raises(CannotLoad, match="somewhere:Else, which is not imported"):
        Leaf.load(file)
    Leaf().save(file)
    rewritten(file, lambda said: {**said, "module": {**said["module"], "fields": {"size": 1, "gain": 1.0}}})
    with pytest.raises(CannotLoad, match=r"the file alone has: size; the class alone has: value"):
        Leaf.load(file)


@pytest.mark.parametrize(
    "value",
    [{"$enum": "os:system", "name": "x"}, {"$other": "os:system"}, {"$node": "os:system", "parts": {}}],
)
def test_a_file_never_says_what_to_call(tmp_path: Path, value: Any) -> None:
    file = tmp_path / "leaf"
    Leaf().save(file)
    rewritten(
        file, lambda said: {**said, "module": {**said["module"], "fields": {"value": value, "gain": 1.0}}}
    )
    with pytest.raises(CannotLoad, match="os:system"):
        Leaf.load(file)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04"])
def test_what_is_no_saved_module_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(CannotLoad, match="no saved module"):
        Leaf.load(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        Leaf.load(tmp_path / "nowhere")


def test_credentials_are_never_written(tmp_path: Path) -> None:
    secret = Secret("sk-0123456789abcdefghij")
    for value in (secret, {"key": secret}, "the key is sk-0123456789abcdefghij"):
        with pytest.raises(CannotSave, match="never written") as caught:
            Leaf(value=[value]).save(tmp_path / "leaf")
        assert "0123456789" not in str(caught.value)
        assert "0123456789" not in repr(Leaf(value=[value]))
    assert not list(tmp_path.iterdir())


def test_a_failed_save_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "leaf"
    Leaf(value=1).save(file)
    with pytest.raises(CannotSave):
        Leaf(value=Secret("sk-0123456789abcdefghij")).save(file)
    assert Leaf.load(file).value == 1
    assert [one.name for one in tmp_path.iterdir()] == ["leaf"]


def test_operators_are_saved_as_modules_are(tmp_path: Path) -> None:
    class Times(Operator):
        factor: int

        def call(self, x: int) -> int:
            return x * self.factor

    chain = Chain((Times(factor=2), Times(factor=5)))
    chain.save(tmp_path / "chain")
    assert Chain.load(tmp_path / "chain")(3) == 30
