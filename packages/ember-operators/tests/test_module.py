"""Modules: frozen, made by keyword, changed by making another."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar, cast

import pytest
from hypothesis import given, strategies as st

from ember.core import Secret
from ember.operators import Module, Param, param, static

T = TypeVar("T")


class Layer(Module):
    weights: Any
    gain: float = param(1.0)
    name: str = "layer"


class Net(Module):
    layers: list[Layer]
    routes: dict[str, Layer] = dataclasses.field(default_factory=dict[str, Layer])
    temperature: float = 0.7


class Counted(Module):
    size: int
    sizes: list[int]

    def __init__(self, size: int) -> None:
        self.size = size
        self.sizes = [size]
        self.size = self.size + 1


class Deeper(Counted):
    depth: int

    def __init__(self, size: int, depth: int) -> None:
        super().__init__(size)
        self.depth = depth


class Same(Counted):
    pass


class Checked(Module):
    low: int
    high: int = 0

    def __post_init__(self) -> None:
        if self.high < self.low:
            self.high = self.low


def net() -> Net:
    return Net(layers=[Layer(weights=[1]), Layer(weights=[2], gain=3.0)], routes={"easy": Layer(weights=[3])})


def test_fields_are_given_by_keyword_with_defaults() -> None:
    layer = Layer(weights=[1], name="first")
    assert (layer.weights, layer.gain, layer.name) == ([1], 1.0, "first")
    with pytest.raises(TypeError):
        Layer(name="nothing")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_a_class_may_take_its_fields_by_position() -> None:
    class Pair(Module, kw_only=False):
        left: int
        right: int = 2

    assert Pair(1).right == 2 and Pair(1, 3).right == 3


@pytest.mark.parametrize(
    "change",
    [(setattr, "name", "x"), (setattr, "stranger", "x"), (delattr, "name")],
)
def test_an_instance_never_changes(change: tuple[Callable[..., None], Any]) -> None:
    layer = Layer(weights=[1])
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"Layer is frozen.*\.replace\("):
        change[0](layer, *change[1:])
    assert layer.name == "layer"


def test_an_init_of_its_own_sets_fields_and_then_no_more() -> None:
    made = Deeper(1, depth=3)
    assert (made.size, made.sizes, made.depth) == (2, [1], 3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.size = 5
    assert Same(4).size == 5  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert list(inspect.signature(Deeper).parameters) == ["size", "depth"]


def test_a_post_init_may_set_fields() -> None:
    assert Checked(low=3).high == 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        Checked(low=3).high = 5


def test_an_init_that_fails_leaves_no_open_instance_behind() -> None:
    kept: list[Any] = []

    class Failing(Module):
        size: int

        def __init__(self) -> None:
            kept.append(self)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Failing()
    with pytest.raises(dataclasses.FrozenInstanceError):
        kept[0].size = 1


def test_replace_makes_a_changed_copy_and_knows_the_fields() -> None:
    layer = Layer(weights=[1])
    changed = layer.replace(name="other")
    assert (changed.name, layer.name) == ("other", "layer")
    assert changed.weights is layer.weights
    with pytest.raises(TypeError, match=r"Layer has no field 'nmae'\. Did you mean 'name'"):
        layer.replace(nmae="x")


def test_a_path_reaches_any_part() -> None:
    whole = net()
    assert whole.at["layers[1].gain"].get() == 3.0
    assert whole.at["routes['easy'].weights"].get() == [3]
    changed = whole.at["layers[0].name"].set("input").at['routes["easy"].weights[0]'].set(9)
    assert changed.layers[0].name == "input" and changed.routes["easy"].weights == [9]
    assert whole.layers[0].name == "layer" and whole.routes["easy"].weights == [3]
    assert whole.at["layers[-1].gain"].apply(lambda gain: gain * 2).layers[1].gain == 6.0


@pytest.mark.parametrize(
    "path, what",
    [
        ("layer[0]", "Net has no field 'layer'. Did you mean 'layers'"),
        ("layers[7]", "a list has no 7"),
        ("layers.first", "a list has no 'first'"),
        ("routes['hard']", "a dict has no 'hard'"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(path: str, what: str) -> None:
    with pytest.raises(LookupError, match="leads nowhere") as caught:
        net().at[path].get()
    assert what in str(caught.value)
    with pytest.raises(LookupError):
        net().at[path].set(1)


@pytest.mark.parametrize("path", ["", ".layers", "layers[", "layers[0]]", "a b"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        net().at[path]


def test_parameters_are_what_learns_by_the_paths_that_at_takes() -> None:
    whole = net()
    found = whole.parameters()
    assert found == {"layers[0].gain": 1.0, "layers[1].gain": 3.0, "routes['easy'].gain": 1.0}
    for path, value in found.items():
        assert whole.at[path].get() == value


def test_an_annotation_says_that_a_number_learns() -> None:
    class Gate(Module):
        threshold: Param[float] = 0.5
        limit: float = 2.0
        pinned: Any = static(1.0)

    assert Gate().parameters() == {"threshold": 0.5}


def test_map_changes_parameters_or_what_is_asked_for() -> None:
    whole = net()
    assert set(whole.map(lambda gain: gain * 2).parameters().values()) == {2.0, 6.0}
    renamed = whole.map(str.upper, where=lambda path, leaf: path.endswith(".name"))
    assert renamed.layers[0].name == "LAYER" and renamed.temperature == 0.7


def test_modules_survive_pickle_copy_and_deepcopy() -> None:
    whole = net()
    for again in (pickle.loads(pickle.dumps(whole)), copy.deepcopy(whole), copy.copy(whole)):
        assert type(again) is Net and repr(again) == repr(whole)
        with pytest.raises(dataclasses.FrozenInstanceError):
            again.temperature = 1.0
    assert copy.deepcopy(whole).layers[0] is not whole.layers[0]


def test_modules_are_dataclasses() -> None:
    assert [field.name for field in dataclasses.fields(net())] == ["layers", "routes", "temperature"]
    assert dataclasses.replace(net(), temperature=0.0).temperature == 0.0
    match Checked(low=1, high=2):
        case Checked(low=low, high=high):
            assert (low, high) == (1, 2)


def test_a_notebook_shows_an_outline_without_markup_of_the_users_or_secrets() -> None:
    secret = Secret("sk-abcdefghij0123456789")
    whole = Net(
        layers=[Layer(weights="<b>sk-abcdefghij0123456789</b>")], routes={"<i>": Layer(weights=secret)}
    )
    shown = cast(Any, whole)._repr_html_()
    assert shown.count("<details") == 5 and "layers: <b>list of 1</b>" in shown
    assert "abcdefghij" not in shown and "<i>" not in shown and "&lt;b&gt;" in shown


def test_what_is_cached_in_an_instance_is_no_part_of_it() -> None:
    class Sized(Module):
        items: list[int]

        @functools.cached_property
        def total(self) -> int:
            return sum(self.items)

    sized = Sized(items=[1, 2])
    fresh = Sized(items=[1, 2])
    assert sized.total == 3
    assert sized == fresh and hash(sized) == hash(fresh) and repr(sized) == repr(fresh)
    assert sized.replace(items=[5]).total == 5
    assert "total" not in vars(copy.copy(sized))


def test_class_variables_and_init_variables_are_no_fields() -> None:
    class Scaled(Module):
        kinds: ClassVar[list[str]] = ["a"]
        size: int
        factor: dataclasses.InitVar[int] = 2

        def __post_init__(self, factor: int) -> None:
            self.size = self.size * factor

    assert Scaled(size=2, factor=3).size == 6 and Scaled(size=2).at["size"].get() == 4
    with pytest.raises(TypeError, match="no field 'kinds'"):
        Scaled(size=2).replace(kinds=[])


def test_modules_may_be_generic_abstract_and_have_several_bases() -> None:
    class Shape(Module, ABC):
        @abstractmethod
        def area(self) -> float: ...

    class Named(Module):
        name: str = "?"

    class Square(Shape, Named, Generic[T]):
        side: float
        label: T

        def area(self) -> float:
            return self.side**2

    square = Square[str](side=2.0, label="x")
    assert square.area() == 4.0 and repr(square).endswith("Square(name='?', side=2.0, label='x')")
    with pytest.raises(TypeError, match="abstract"):
        Shape()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]


VALUES = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=2))


@given(VALUES, VALUES, st.text(max_size=3))
def test_replacing_follows_its_laws(old: Any, new: Any, name: str) -> None:
    layer = Layer(weights=old, name=name)
    changed = layer.replace(weights=new)
    assert changed.weights is new and (changed.gain, changed.name) == (layer.gain, layer.name)
    assert changed.replace(weights=old) == layer.replace() == layer and layer.weights is old
    whole = Net(layers=[layer, changed], routes={name: layer})
    for path in ("layers[0]", "layers[1].weights", "temperature"):
        assert whole.at[path].set(whole.at[path].get()) == whole
        assert whole.at[path].set(new).at[path].get() is new
        assert whole.at[path].set(new).at[path].set(whole.at[path].get()) == whole
    assert whole.map(lambda gain: gain) == whole
    assert {whole.at[path].get() for path in whole.parameters()} == {1.0}
    assert Layer(weights={(1, "a"): Layer(weights=0)}).map(lambda gain: 2.0).weights[1, "a"].gain == 2.0


def test_what_is_pinned_holds_nothing_that_learns_and_a_param_does_not_reach_into_modules() -> None:
    class Outer(Module):
        pinned: Any = static(None)
        learning: Any = param(None)

    outer = Outer(pinned=Layer(weights=1), learning=[2.0, "x", Layer(weights=3.0)])
    assert outer.parameters() == {"learning[0]": 2.0, "learning[2].gain": 1.0}


USES: list[Callable[[Any], Any]] = [
    lambda gate: gate.parameters(),
    lambda gate: gate.threshold + 1,
    lambda gate: 1 - gate.threshold,
    lambda gate: gate.threshold < 1,
    lambda gate: f"{gate.threshold}",
    lambda gate: float(gate.threshold),
    lambda gate: gate.replace(threshold=[gate.threshold]).parameters(),
]


@pytest.mark.parametrize("use", USES)
def test_a_declaration_in_the_place_of_a_value_is_told_when_it_is_used(use: Callable[[Any], Any]) -> None:
    class Gate(Module):
        threshold: Any = 0.5

    gate = Gate(threshold=param(0.3))
    assert repr(gate) == "Gate(threshold=param(0.3))"
    with pytest.raises(TypeError, match=r"param\(0.3\) declares a field.*give such a field the value itself"):
        use(gate)
