"""Modules: frozen dataclasses that hold what a piece of a program is made of, and are pytrees to JAX."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, cast, dataclass_transform

from . import _paths
from ._fields import HasFields, roles, values_of
from ._pytree import register
from ._sameness import content_hash, same
from ._shown import page, shown


# Not frozen to type checkers, which would refuse `self.name = ...` in an `__init__` too. `static`, `param` and `prompt`
# are no specifiers to them, since of those they take no default by position.
@dataclass_transform(kw_only_default=True, field_specifiers=(dataclasses.field,))
class Module(HasFields):
    """A frozen dataclass that is a pytree to JAX.

    Fields are what is annotated; the constructor takes them by keyword, in `class Pair(Module, kw_only=False)` by
    position too. A class may have an `__init__` of its own, or a `__post_init__`, in which `self.name = ...` sets
    fields; afterwards an instance never changes, and `replace` and `at` make changed ones.

    To JAX, arrays, Modules and what is declared `param()` are dynamic, containers of them too; all else is constant,
    numbers included. JAX is not imported for it, and need not be there.

    >>> class Router(Module):
    ...     weights: list[float]
    ...     temperature: float = 0.7
    >>> router = Router(weights=[0.1, 0.9])
    >>> router
    Router(weights=[0.1, 0.9], temperature=0.7)
    >>> router.replace(temperature=0.0)
    Router(weights=[0.1, 0.9], temperature=0.0)
    >>> router.temperature = 1.0
    Traceback (most recent call last):
    ...
    dataclasses.FrozenInstanceError: Router is frozen: no field of it can be set. `.replace(temperature=...)` makes a
    changed one.
    """

    __slots__ = ("__dict__", "__weakref__", "_open", "_plan")

    __ember_frozen__ = True  # to xcs: reading a field waits for nobody

    if TYPE_CHECKING:
        _open: bool

    def __init_subclass__(cls, *, kw_only: bool = True, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = vars(cls)
        for name in ("__init__", "__post_init__"):
            if name in own:
                setattr(cls, name, _opening(own[name]))
        dataclasses.dataclass(
            frozen=True, eq=False, repr=False, kw_only=kw_only, init=not _inherits_init(cls)
        )(cls)
        # The decorator's, which let nobody set a field; ours, which they hide, let an `__init__` do so.
        del cls.__setattr__, cls.__delattr__
        register(cls)

    def __setattr__(self, name: str, value: object) -> None:
        if getattr(self, "_open", False):
            object.__setattr__(self, name, value)
            return
        raise _frozen(self, name, "set")

    def __delattr__(self, name: str) -> None:
        if getattr(self, "_open", False):
            object.__delattr__(self, name)
            return
        raise _frozen(self, name, "deleted")

    def replace(self, **fields: Any) -> Self:
        """Return a copy with `fields` in place of what they were. Raises TypeError for names that are no fields.

        The copy is not constructed anew: `__init__` and `__post_init__` are not called.
        """
        known = roles(type(self))
        for name in fields:
            if name not in known:
                raise TypeError(_paths.no_field(self, name))
        made = object.__new__(type(self))
        made.__dict__.update(values_of(self))
        made.__dict__.update(fields)
        return made

    @property
    def at(self) -> _paths.At[Self]:
        """`m.at["router.weights"].set(x)`: a copy with that part replaced. `.get()` returns it, `.apply(f)` maps it."""
        return _paths.At(self)

    def parameters(self) -> dict[str, Any]:
        """Return what is dynamic to JAX: arrays and `param()`s, by their paths.

        >>> from ember.operators import param
        >>> class Layer(Module):
        ...     gain: float = param(1.0)
        >>> class Net(Module):
        ...     layers: list[Layer]
        >>> Net(layers=[Layer(), Layer(gain=2.0)]).parameters()
        {'layers[0].gain': 1.0, 'layers[1].gain': 2.0}
        """
        return {path: leaf for path, leaf, learns in _paths.leaves(self) if learns}

    def map(self, function: Callable[[Any], Any], where: Callable[[str, Any], bool] | None = None) -> Self:
        """Return a copy with `function` applied to its parameters, or to leaves for which `where(path, leaf)` is true.

        >>> class Ask(Module):
        ...     model: str
        >>> class Both(Module):
        ...     asks: list[Ask]
        >>> both = Both(asks=[Ask(model="gpt-4"), Ask(model="gpt-4o")])
        >>> both.map(lambda model: "smollm2", where=lambda path, leaf: path.endswith(".model"))
        Both(asks=[Ask(model='smollm2'), Ask(model='smollm2')])
        """
        return cast(Self, _paths.mapped(self, function, where))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the module to a file: constants as JSON, arrays as NumPy's, in one zip, replaced all at once.

        Functions, clients and the like are named, not written. Raises `CannotSave` for credentials.
        """
        from ._storage import save

        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], like: Self | None = None) -> Self:
        """Return the module of this class that `save` wrote to a file; `__init__` is not called.

        With `like`, classes, constants and the shapes of arrays have to be as in that one, and what a file cannot hold
        (functions, clients) is taken from it. Raises `CannotLoad` with everything that differs. Files may come from
        strangers: nothing in them is unpickled, imported or called.
        """
        from ._storage import load

        return cast(Self, load(cls, path, like))

    def __eq__(self, other: object) -> bool:
        return same(self, other) if isinstance(other, Module) else NotImplemented

    def __hash__(self) -> int:
        return content_hash(self)

    def __repr__(self) -> str:
        return shown(self)

    def _repr_html_(self) -> str:
        return page(self)

    def __getstate__(self) -> dict[str, Any]:
        return values_of(self)


def _inherits_init(cls: type) -> bool:
    """Whether a class that `cls` derives from has an `__init__` of its own, which is then that of `cls` too."""
    return any(hasattr(vars(base).get("__init__"), "_ember_opens") for base in cls.__mro__[1:])


def _opening(function: Callable[..., None]) -> Callable[..., None]:
    """Return an `__init__` or `__post_init__` in which fields can be set."""

    @functools.wraps(function)
    def opening(self: Any, *args: Any, **kwargs: Any) -> None:
        outermost = not getattr(self, "_open", False)
        object.__setattr__(self, "_open", True)
        try:
            function(self, *args, **kwargs)
        finally:
            if outermost:
                object.__setattr__(self, "_open", False)

    setattr(opening, "_ember_opens", True)  # noqa: B010
    return opening


def _frozen(module: Module, name: str, what: str) -> dataclasses.FrozenInstanceError:
    kind = type(module).__name__
    return dataclasses.FrozenInstanceError(
        f"{kind} is frozen: no field of it can be {what}. `.replace({name}=...)` makes a changed one."
    )
