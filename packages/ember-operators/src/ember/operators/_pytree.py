"""Modules as pytrees: told to JAX when JAX is imported, by whomever and whenever, and not before.

A class whose annotations say of every field what it is gets JAX's own flattening, in C++. The others are looked at by
value: a *plan* says which fields are dynamic, and where in a container what is constant stands among what is not.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from threading import RLock
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakSet

from ._annotations import decided
from ._arrays import is_array, is_number
from ._fields import Declared, HasFields, roles, values_of
from ._nodes import is_node
from ._sameness import content_hash, same

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from ._module import Module

# What a value is to JAX ------------------------------------------------------------------------------


class Mixed:
    """The shape of a container that holds constants among what is dynamic: a shape for each index or key."""

    __slots__ = ("parts",)

    def __init__(self, parts: dict[Any, Shape]) -> None:
        self.parts = parts


Shape = bool | Mixed
"""True: dynamic as it is. False: constant."""

_PLAIN: Final = frozenset({str, int, float, bool, bytes, complex, type(None), type, FunctionType})


def shape_of(value: Any, role: str, hint: Shape | None = None) -> Shape:
    """Say what of `value` is dynamic. `hint` is what it was before JAX replaced its leaves by whatever it likes."""
    if hint is True:
        return True
    kind = type(value)
    if kind in _PLAIN:
        return role == "param" and is_number(value)
    if kind is Declared:
        value.misplaced()
    if isinstance(value, HasFields):
        return True
    if is_array(value):
        return True
    elements = _elements(value)
    if elements is None:
        return is_node(value)
    hints = hint.parts if isinstance(hint, Mixed) else {}
    parts = {key: shape_of(one, role, hints.get(key)) for key, one in elements}
    if not any(parts.values()):
        return False
    # None has no leaves: as an element of something dynamic, it may stay.
    if all(parts[key] is True or one is None for key, one in elements):
        return True
    return Mixed(parts)


def _elements(value: Any) -> list[tuple[Any, Any]] | None:
    """Return what a container holds, by index or key; None for what JAX does not know as a container."""
    kind = type(value)
    if kind in (list, tuple) or (isinstance(value, tuple) and hasattr(value, "_fields")):
        return list(enumerate(value))
    if isinstance(value, dict) and kind in (dict, OrderedDict, defaultdict):
        return list(value.items())
    return None


class Pinned:
    """A constant in a container: a pytree without leaves, which comes back as what it holds."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pinned) and same(self.value, other.value)

    def __hash__(self) -> int:
        return content_hash(self.value)

    def __repr__(self) -> str:
        return f"Pinned({self.value!r})"


def _pinned(value: Any, shape: Shape) -> Any:
    """Return `value` with its constants in the form that JAX keeps as structure."""
    if shape is True:
        return value
    if shape is False:
        return Pinned(value)
    if isinstance(value, dict):
        made = value.copy()
        made.update((key, _pinned(one, shape.parts[key])) for key, one in made.items())
        return made
    items = [_pinned(one, shape.parts[i]) for i, one in enumerate(value)]
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


# Plans -----------------------------------------------------------------------------------------------


class Plan:
    """How one instance is flattened: its dynamic fields, and its constants, by which JAX tells programs apart."""

    __slots__ = ("_hash", "constants", "names", "settled", "shapes")

    def __init__(
        self,
        names: tuple[str, ...],
        shapes: tuple[Shape, ...] | None,
        constants: dict[str, Any],
        settled: bool,
    ) -> None:
        self.names, self.constants = names, constants
        self.shapes = shapes  # None: all of the dynamic fields are so throughout
        self.settled = settled  # nothing in it can change in place, so that it holds for good
        self._hash: int | None = None

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Plan) and self.names == other.names and same(self.constants, other.constants)
        )

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((self.names, content_hash(self.constants)))
        return self._hash

    def __repr__(self) -> str:
        return ", ".join(f"{name}={value!r:.60}" for name, value in self.constants.items())


def plan_of(module: HasFields) -> Plan:
    """Return how `module` is flattened."""
    known: Plan | None = getattr(module, "_plan", None)
    if known is not None and known.settled:
        return known
    hints: dict[str, Shape] = {}
    if known is not None:
        hints = dict(zip(known.names, known.shapes or (True,) * len(known.names)))
    own = roles(type(module))
    names: list[str] = []
    shapes: list[Shape] = []
    constants: dict[str, Any] = {}
    settled = True
    for name, value in values_of(module).items():
        role = own[name]
        shape = False if role in ("static", "prompt") else shape_of(value, role, hints.get(name))
        if shape is False:
            constants[name] = value
        else:
            names.append(name)
            shapes.append(shape)
        settled = settled and not _may_change(value)
    plan = Plan(
        tuple(names), None if all(one is True for one in shapes) else tuple(shapes), constants, settled
    )
    if settled:
        _set_plan(module, plan)
    return plan


def _may_change(value: Any) -> bool:
    """Whether `value` has a list or dict in it, which somebody may change in place."""
    if isinstance(value, tuple):
        return any(map(_may_change, value))
    return isinstance(value, list | dict | set)


def _set_plan(module: HasFields, plan: Plan) -> None:
    object.__setattr__(module, "_plan", plan)


def flatten(module: HasFields) -> tuple[Iterable[Any], Plan]:
    """Return what is dynamic in `module`, and its plan."""
    plan: Plan | None = getattr(module, "_plan", None)
    if plan is None or not plan.settled:
        plan = plan_of(module)
    values = module.__dict__
    if plan.shapes is None:
        return [values[name] for name in plan.names], plan
    return [_pinned(values[name], shape) for name, shape in zip(plan.names, plan.shapes)], plan


def unflatten(kind: type[Module], plan: Plan, children: Iterable[Any]) -> Any:
    """Return the instance that `flatten` came from, with other children; whatever they are, they stay dynamic."""
    made = object.__new__(kind)
    values = vars(made)
    values.update(plan.constants)
    values.update(zip(plan.names, children))
    _set_plan(made, plan)
    return made


# Telling JAX -----------------------------------------------------------------------------------------

_lock: Final = RLock()
_waiting: WeakSet[type[Module]] = WeakSet()
_tree_util: Any = None


def register(kind: type[Module]) -> None:
    """Have JAX know `kind` as a pytree: now if JAX is imported, or as soon as it is."""
    with _lock:
        if _tree_util is None:
            _waiting.add(kind)
        else:
            _register(_tree_util, kind)


def _register(tree_util: Any, kind: type[Module]) -> None:
    fields = decided(kind)
    if fields is not None:
        dynamic, constant = fields
        tree_util.register_dataclass(kind, data_fields=dynamic, meta_fields=constant)
        return

    def with_keys(module: Module) -> tuple[list[tuple[Any, Any]], Plan]:
        children, plan = flatten(module)
        return [(tree_util.GetAttrKey(name), child) for name, child in zip(plan.names, children)], plan

    def back(plan: Plan, children: Iterable[Any]) -> Any:
        return unflatten(kind, plan, children)

    tree_util.register_pytree_with_keys(kind, with_keys, back, flatten)


def _jax_is_here() -> None:
    """Register what has waited for JAX, whose trees are there."""
    global _tree_util
    import jax.tree_util as tree_util

    with _lock:
        if _tree_util is not None:
            return
        tree_util.register_pytree_node(Pinned, lambda one: ((), one), lambda one, _: one.value)
        _tree_util = tree_util
        while _waiting:
            _register(tree_util, _waiting.pop())


def _is_imported(name: str) -> bool:
    """Whether a module is imported to its end."""
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)


class _WaitsForJax:
    """A finder of modules that finds none: it sees JAX being imported, and has the classes registered at its end."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "jax":
            if _is_imported("jax.tree_util"):  # JAX was half imported, in this thread, when we came
                self.ends()
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else cast(Any, finder).find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    _afterwards(spec.loader, self)
                return cast("ModuleSpec", spec)
        return None

    def ends(self) -> None:
        """JAX has its trees."""
        if self in sys.meta_path:
            sys.meta_path.remove(cast(Any, self))
        _jax_is_here()


def _afterwards(loader: Any, finder: _WaitsForJax) -> None:
    execute: Callable[[ModuleType], None] = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module  # the loader stays with the module, and is its own again
        execute(module)
        finder.ends()

    loader.exec_module = exec_module


def _watch() -> None:
    if "jax" in sys.modules:
        import jax  # where another thread is half-way through importing it, this waits for that to end

        del jax
    if _is_imported("jax.tree_util"):
        _jax_is_here()
    else:
        sys.meta_path.insert(0, cast(Any, _WaitsForJax()))


_watch()
