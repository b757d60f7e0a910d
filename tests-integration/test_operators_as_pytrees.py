"""Modules are pytrees to JAX, whoever imports it and when, beside Equinox and Flax; and xcs compiles their methods."""

# pyright: reportUnknownMemberType=false, reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false, reportUnknownParameterType=false
# Half of jax's annotations are unknown to a strict checker.

from __future__ import annotations

import copy
import importlib
import pickle
import subprocess
import sys
import textwrap
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from ember.api import xcs
from ember.operators import CannotLoad, Chain, Module, Operator, Param, param, static

structure_of: Any = jax.tree.structure  # whose result the checkers see no `==` in


class Decided(Module):
    """A class whose annotations decide: JAX flattens it in C++."""

    weights: jax.Array
    name: str = "decided"
    rate: float = 0.7
    gain: float = param(1.0)
    bias: jax.Array | None = None


class Looked(Module):
    """A class at whose values one has to look."""

    anything: Any
    rate: float = 0.7
    gain: Param[float] = 1.0
    pinned: Any = static(None)


class Tree(Module):
    parts: list[Decided | Looked]
    routes: dict[str, Any]
    mixed: Any = None


class Pair(NamedTuple):
    left: Any
    right: Any


class Linear(Operator):
    weights: jax.Array
    bias: jax.Array
    scale: float = 2.0

    def call(self, x: jax.Array) -> jax.Array:
        return (x @ self.weights + self.bias) * self.scale


def tree() -> Tree:
    return Tree(
        parts=[Decided(weights=jnp.ones(3)), Looked(anything=np.arange(2.0), pinned=np.ones(2))],
        routes={"z": Decided(weights=jnp.zeros((2, 2))), "a": "gpt-4"},
        mixed=["text", Pair(0.7, jnp.ones(1)), None, {"model": len, "w": jnp.ones(2)}],
    )


def keys(module: Any) -> list[str]:
    return [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(module)]


def test_arrays_and_params_are_leaves_and_all_else_is_structure() -> None:
    assert keys(tree()) == [
        ".parts[0].weights",
        ".parts[0].gain",
        ".parts[1].anything",
        ".parts[1].gain",
        ".routes['z'].weights",
        ".routes['z'].gain",
        ".mixed[1].right",
        ".mixed[3]['w']",
    ]


def test_paths_of_jax_are_those_of_parameters_and_at() -> None:
    module = tree()
    found = module.parameters()
    assert {f".{path}" for path in found} == set(keys(module))
    for path, value in found.items():
        assert module.at[path].get() is value


def test_there_and_back_is_the_same() -> None:
    module = tree()
    leaves, structure = jax.tree.flatten(module)
    again = jax.tree.unflatten(structure, leaves)
    assert again == module and hash(again) == hash(module) and type(again) is Tree
    assert structure_of(again) == structure
    assert again.mixed[3]["model"] is len and again.routes["a"] == "gpt-4"


@pytest.mark.parametrize(
    "replacement", [str, lambda leaf: None, lambda leaf: object(), lambda leaf: [leaf, 0.5]]
)
def test_leaves_may_become_anything_and_stay_leaves(replacement: Any) -> None:
    module = tree()
    changed = jax.tree.map(replacement, module)
    assert structure_of(jax.tree.map(lambda a, b: a, module, changed)) == structure_of(module)


def test_jit_compiles_again_only_when_a_constant_changes() -> None:
    compiled: list[None] = []

    @jax.jit
    def total(module: Tree) -> Any:
        compiled.append(None)
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(module)) * module.parts[0].rate

    module = tree()
    total(module)
    for same in (
        module.at["parts[0].weights"].set(jnp.full(3, 5.0, jnp.float32)),
        copy.deepcopy(module),
        pickle.loads(pickle.dumps(module)),
        jax.tree.map(lambda leaf: leaf * 1, module),
        tree(),
    ):
        total(same)
    assert len(compiled) == 1
    for i, other in enumerate(
        [
            module.at["parts[0].rate"].set(0.9),
            module.at["parts[1].rate"].set(0.9),
            module.at["parts[1].pinned"].set(np.zeros(2)),
            module.at["routes['a']"].set("gpt-5"),
            module.at["mixed[1].left"].set(1),
        ]
    ):
        total(other)
        assert len(compiled) == 2 + i


def test_a_constant_of_another_type_is_another_constant() -> None:
    kinds: list[type] = []

    @jax.jit
    def kind(module: Looked) -> Any:
        kinds.append(type(module.pinned))
        return module.gain

    for value in (1, 1.0, True, 1):
        kind(Looked(anything=None, pinned=value))
    assert kinds == [int, float, bool]


def test_a_list_that_somebody_changes_in_place_is_seen() -> None:
    module = Looked(anything=["a", jnp.ones(1)])
    before = structure_of(module)
    module.anything[0] = "b"
    assert structure_of(module) != before


def test_grad_trains_what_is_dynamic_and_nothing_else() -> None:
    def loss(model: Linear, x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.mean((model(x) - y) ** 2)

    x = jnp.arange(6.0).reshape(3, 2)
    y = x @ jnp.array([[1.0], [2.0]]) + 3.0
    model = Linear(weights=jnp.zeros((2, 1)), bias=jnp.zeros(1))
    step = jax.jit(lambda model: jax.tree.map(lambda p, g: p - 0.01 * g, model, jax.grad(loss)(model, x, y)))
    for _ in range(2000):
        model = step(model)
    assert loss(model, x, y) < 1e-3
    assert type(model) is Linear and model.scale == 2.0
    gradient = jax.grad(lambda m: m.gain * m.rate * jnp.sum(m.weights))(Decided(weights=jnp.ones(2)))
    assert gradient.gain == pytest.approx(1.4) and gradient.rate == 0.7


def test_numbers_in_a_container_learn_where_it_is_a_param() -> None:
    class Mixed(Module):
        gains: dict[str, Any] = param(default_factory=lambda: {"a": 1.0, "b": [2.0, "text"]})
        limits: list[float] = static(default_factory=lambda: [1.0])

    assert keys(Mixed()) == [".gains['a']", ".gains['b'][0]"]
    gradient = jax.grad(lambda m: m.gains["a"] * m.gains["b"][0] * m.limits[0])(Mixed())
    assert gradient.gains == {"a": 2.0, "b": [1.0, "text"]} and gradient.limits == [1.0]


def test_vmap_maps_over_stacked_modules() -> None:
    models = [Linear(weights=jnp.full((2, 1), float(i)), bias=jnp.zeros(1)) for i in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)
    out = jax.vmap(lambda model, x: model(x), in_axes=(0, None))(stacked, jnp.ones(2))
    assert out.tolist() == [[0.0], [4.0], [8.0]]


def test_shapes_can_be_evaluated_and_shown() -> None:
    model = Linear(weights=jnp.zeros((2, 1)), bias=jnp.zeros(1))
    assert repr(jax.eval_shape(lambda m: m, model)) == "Linear(weights=f32[2,1], bias=f32[1], scale=2.0)"
    shown: list[str] = []
    jax.jit(lambda m: shown.append(repr(m)))(model)
    assert shown == ["Linear(weights=f32[2,1], bias=f32[1], scale=2.0)"]


def test_methods_are_compiled_by_jax_and_by_xcs() -> None:
    model = Linear(weights=jnp.ones((2, 1)), bias=jnp.zeros(1))
    x = jnp.ones((3, 2))
    want = model(x).tolist()
    assert jax.jit(Linear.call)(model, x).tolist() == want
    assert jax.jit(model.call)(x).tolist() == want
    assert xcs.jit(model)(x).tolist() == want
    assert xcs.jit(model.call)(x).tolist() == want
    gradient = xcs.grad(lambda model: jnp.sum(model(x)))(model)
    assert gradient.weights.tolist() == [[6.0], [6.0]] and gradient.scale == 2.0


def test_a_chain_of_numbers_is_differentiated_through() -> None:
    chain = Chain(
        [
            Linear(weights=jnp.eye(2), bias=jnp.zeros(2)),
            jnp.tanh,
            Linear(weights=jnp.eye(2), bias=jnp.ones(2)),
        ]
    )
    gradient = jax.grad(lambda chain: jnp.sum(chain(jnp.ones(2))))(chain)
    assert gradient.ops[1] is jnp.tanh and gradient.ops[2].bias.tolist() == [2.0, 2.0]


def test_equinox_modules_inside_are_dynamic() -> None:
    inner = eqx.nn.Linear(2, 3, key=jax.random.key(0))
    module = Looked(anything=inner, pinned="x")
    assert keys(module) == [".anything.weight", ".anything.bias", ".gain"]
    gradient = jax.grad(lambda m: jnp.sum(m.anything(jnp.ones(2))))(module)
    assert gradient.anything.bias.tolist() == [1.0] * 3
    deep = Looked(
        anything=eqx.nn.Sequential([inner, eqx.nn.Lambda(jnp.tanh)])
    )  # a function is one of its leaves
    assert eqx.filter_jit(lambda m: m.anything(jnp.ones(2)))(deep).shape == (3,)
    arrays, rest = eqx.partition(deep, eqx.is_array)
    assert eqx.combine(arrays, rest) == deep
    held = eqx.tree_at(lambda m: m.anything.layers[0].bias, deep, jnp.ones(3))
    assert held.anything.layers[0].bias.tolist() == [1.0] * 3


def test_ember_modules_inside_equinox_modules_are_dynamic() -> None:
    class Outer(eqx.Module):
        inner: Any

    assert keys(Outer(Decided(weights=jnp.ones(1)))) == [".inner.weights", ".inner.gain"]


def test_parameters_and_at_reach_into_equinox_modules() -> None:
    module = Looked(anything=eqx.nn.Linear(2, 3, key=jax.random.key(0)))
    assert list(module.parameters()) == ["anything.weight", "anything.bias", "gain"]
    changed = module.at["anything.bias"].set(jnp.ones(3))
    assert changed.anything.bias.tolist() == [1.0] * 3 and type(changed.anything) is eqx.nn.Linear


def test_flax_modules_inside_are_dynamic() -> None:
    nnx: Any = importlib.import_module("flax.nnx")
    module = Looked(anything=nnx.Linear(2, 3, rngs=nnx.Rngs(0)))
    gradient = jax.grad(lambda m: jnp.sum(m.anything(jnp.ones(2))))(module)
    assert gradient.anything.bias[...].tolist() == [1.0] * 3


ARRAYS = st.sampled_from([np.ones(2), np.zeros((1, 2)), jnp.arange(3.0)])
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
VALUES = st.recursive(
    ARRAYS | PLAIN | st.builds(Decided, weights=ARRAYS, name=st.text(max_size=2), rate=st.floats()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.tuples(inner, inner)
        | st.builds(Pair, inner, inner)
        | st.builds(Looked, anything=inner, pinned=inner, gain=st.floats(), rate=st.floats())
    ),
    max_leaves=8,
)


@settings(max_examples=200)
@given(VALUES)
def test_flattening_loses_nothing(value: Any) -> None:
    module = Looked(anything=value)
    leaves, structure = jax.tree.flatten(module)
    again = jax.tree.unflatten(structure, leaves)
    assert again == module and hash(again) == hash(module)
    assert structure_of(again) == structure == structure_of(copy.deepcopy(module))
    assert hash(structure) == hash(structure_of(again))
    placed = jax.tree.unflatten(structure, [object() for _ in leaves])
    assert structure_of(placed) == structure
    assert all(isinstance(leaf, np.ndarray | jax.Array | float) for leaf in leaves)
    assert sorted(f".{path}" for path in module.parameters()) == sorted(keys(module))
    assert all(module.at[path].get() is leaf for path, leaf in module.parameters().items())


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_jax_may_come_late() -> None:
    said = run(
        """
        import sys
        from ember.operators import Module, Operator, param
        class Before(Module):
            weights: list
            gain: float = param(2.0)
        made = Before(weights=[1])
        assert "jax" not in sys.modules
        watching = len(sys.meta_path)
        import jax
        class After(Module):
            before: Before
        print(jax.tree.leaves(made), jax.tree.leaves(After(before=made)), watching - len(sys.meta_path))
        """
    )
    assert said == "[2.0] [2.0] 1"


def test_jax_may_be_half_imported_by_another_thread() -> None:
    said = run(
        """
        import sys, threading, time
        importing = threading.Thread(target=lambda: __import__("jax"))
        importing.start()
        while "jax" not in sys.modules:
            time.sleep(0.001)
        assert sys.modules["jax"].__spec__._initializing
        from ember.operators import Module, param
        class During(Module):
            gain: float = param(2.0)
        importing.join()
        import jax
        print(jax.tree.leaves(During()))
        """
    )
    assert said == "[2.0]"


def test_ember_may_be_imported_by_what_jax_imports() -> None:
    said = run(
        """
        import sys
        class Early:
            def find_spec(self, name, path=None, target=None):
                if name == "jax._src.tree_util":
                    sys.meta_path.remove(self)
                    from ember.operators import Module, param
                    class During(Module):
                        gain: float = param(2.0)
                    made.append(During)
        made = []
        sys.meta_path.insert(0, Early())
        import jax
        print(jax.tree.leaves(made[0]()), [one for one in sys.meta_path if "Waits" in type(one).__name__])
        """
    )
    assert said == "[2.0] []"


def test_classes_made_while_jax_is_imported_are_known_afterwards() -> None:
    said = run(
        """
        import sys, threading, time
        from ember.operators import Module, param
        made = []
        def make():
            while "jax" not in sys.modules or sys.modules["jax"].__spec__._initializing:
                class During(Module):
                    gain: float = param(2.0)
                made.append(During)
                time.sleep(0.005)
        making = threading.Thread(target=make)
        making.start()
        import jax
        making.join()
        assert made
        print({tuple(jax.tree.leaves(kind())) for kind in made})
        """
    )
    assert said == "{(2.0,)}"


def test_a_jax_that_cannot_be_imported_harms_nobody(tmp_path: Any) -> None:
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "__init__.py").write_text("raise ImportError('broken')\n")
    said = run(
        f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from ember.operators import Module, param
        class Layer(Module):
            gain: float = param(2.0)
        for _ in range(2):
            try:
                import jax
            except ImportError as error:
                print(error)
        print(Layer().parameters())
        sys.path.pop(0)
        import importlib; importlib.invalidate_caches()
        import jax
        print(jax.tree.leaves(Layer()))
        """
    )
    assert said.splitlines() == ["broken", "broken", "{'gain': 2.0}", "[2.0]"]


def test_threads_may_flatten_one_module_at_once() -> None:
    from ember.core import gather

    module = tree()
    structures = gather([lambda: structure_of(module)] * 16)
    assert all(one == structures[0] for one in structures)


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "int8", "uint32", "bool", "complex64"])
def test_arrays_are_loaded_as_they_were_saved(kind: str, tmp_path: Any) -> None:
    module: Any = tree().at["mixed[1].right"].set(jnp.arange(4).astype(kind).reshape(2, 2))
    module = module.at["parts[1].pinned"].set(np.arange(3)).replace(mixed=module.mixed[:3])
    module.save(tmp_path / "tree")
    again: Any = Tree.load(tmp_path / "tree", like=module)
    assert again == module
    found = again.mixed[1].right
    assert isinstance(found, jax.Array) and found.dtype == kind
    assert type(again.parts[1].pinned) is np.ndarray
    structures: list[Any] = [jax.tree.structure(again), jax.tree.structure(module)]
    assert structures[0] == structures[1]


def test_an_array_of_another_shape_is_named(tmp_path: Any) -> None:
    Decided(weights=jnp.ones(3)).save(tmp_path / "m")
    with pytest.raises(CannotLoad, match=r"`weights` is f32\[3\] in the file and f32\[4\] in `like`"):
        Decided.load(tmp_path / "m", like=Decided(weights=jnp.ones(4)))
    assert Decided.load(tmp_path / "m").weights.tolist() == [1.0] * 3


def test_equinox_modules_are_loaded_into_one_that_has_them(tmp_path: Any) -> None:
    def made(seed: int) -> Looked:
        return Looked(anything=eqx.nn.Linear(2, 3, key=jax.random.key(seed)))

    made(0).save(tmp_path / "m")
    assert Looked.load(tmp_path / "m", like=made(1)).anything == made(0).anything
    with pytest.raises(CannotLoad, match="give a module that has it as like="):
        Looked.load(tmp_path / "m")
