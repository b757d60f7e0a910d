"""What a field of a Module may say about itself: that it is a constant, that it learns, that it is a prompt."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Final, TypeVar, cast, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

T = TypeVar("T")

ROLE: Final = "ember"
"""The key under which a field's metadata has its role: "static", "param" or "prompt"."""


class HasFields:
    """What modules are, to those who walk in them."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


class Learnable:
    """The mark that `Param[...]` puts on an annotation."""


Param = Annotated[T, Learnable]
"""`threshold: Param[float] = 0.5` is `threshold: float = param(0.5)`: a number that learns."""


class Declared(dataclasses.Field[Any]):
    """What `param`, `static` and `prompt` return. It declares a field; as the value of one, whoever uses it is told."""

    __slots__ = ()

    def misplaced(self, *_: object) -> Any:
        """Raise TypeError: this stands where a value should."""
        role, default = self.metadata[ROLE], self.default
        shown = "..." if default is dataclasses.MISSING else repr(default)
        array = ", or an array, which learns anywhere" if role == "param" else ""
        raise TypeError(
            f"{role}({shown}) declares a field, in the body of a class: `name: type = {role}({shown})`. It is no "
            f"value: give such a field the value itself{array}."
        )

    def __repr__(self) -> str:
        return f"{self.metadata[ROLE]}({'' if self.default is dataclasses.MISSING else repr(self.default)})"


for _name in (
    *("float", "int", "index", "complex", "array", "str", "format", "len", "iter", "call", "getitem"),
    *(
        "neg",
        "abs",
        "lt",
        "le",
        "gt",
        "ge",
        "add",
        "radd",
        "sub",
        "rsub",
        "mul",
        "rmul",
        "truediv",
        "rtruediv",
    ),
    *("pow", "rpow", "matmul", "rmatmul", "mod", "rmod", "floordiv", "rfloordiv"),
):
    setattr(Declared, f"__{_name}__", Declared.misplaced)


def static(
    default: Any = dataclasses.MISSING,
    *,
    default_factory: Any = dataclasses.MISSING,
    metadata: dict[str, Any] | None = None,
) -> Any:
    """Declare a field that is a constant to JAX whatever it holds, arrays included.

    >>> from ember.operators import Module, static
    >>> class Scaled(Module):
    ...     weights: Any
    ...     mean: Any = static(0.0)
    >>> list(Scaled(weights=[1.0], mean=[2.0]).parameters())
    []
    """
    return _field("static", default, default_factory, metadata)


def param(
    default: Any = dataclasses.MISSING,
    *,
    default_factory: Any = dataclasses.MISSING,
    metadata: dict[str, Any] | None = None,
) -> Any:
    """Declare a field that learns: a leaf to JAX even if it is a plain number.

    Numbers are constants otherwise (`temperature=0.7` is no weight), and arrays learn without being told to.

    >>> from ember.operators import Module, param
    >>> class Gate(Module):
    ...     threshold: float = param(0.5)
    ...     temperature: float = 0.7
    >>> Gate().parameters()
    {'threshold': 0.5}
    """
    return _field("param", default, default_factory, metadata)


def prompt(
    default: Any = dataclasses.MISSING,
    *,
    default_factory: Any = dataclasses.MISSING,
    metadata: dict[str, Any] | None = None,
) -> Any:
    """Declare a field that `ember.operators.optimize` may rewrite: instructions, examples. To JAX it is a constant."""
    return _field("prompt", default, default_factory, metadata)


def _field(
    role: str, default: Any, default_factory: Callable[[], Any] | Any, metadata: dict[str, Any] | None
) -> Any:
    made: Any = dataclasses.field(
        default=default, default_factory=default_factory, metadata={**(metadata or {}), ROLE: role}
    )
    made.__class__ = Declared
    return made


def values_of(module: HasFields) -> dict[str, Any]:
    """Return the values of a module's fields, in the order of the fields.

    An instance may have more in it: what `functools.cached_property` keeps is no field.
    """
    values = vars(module)
    return {name: values[name] for name in roles(type(module)) if name in values}


def roles(cls: type[HasFields]) -> dict[str, str]:
    """Return the names of a class's fields, in order, and their roles: "" for those that are what they hold."""
    found = _roles.get(cls)
    if found is None:
        found = {field.name: _role(cls, field) for field in dataclasses.fields(cast(Any, cls))}
        _roles[cls] = found
    return found


_roles: WeakKeyDictionary[type, dict[str, str]] = WeakKeyDictionary()


def _role(cls: type, field: dataclasses.Field[Any]) -> str:
    role = field.metadata.get(ROLE)
    if role is not None:
        return str(role)
    kind: Any = field.type
    if isinstance(kind, str) and "Param" in kind:
        try:
            kind = get_type_hints(cls, include_extras=True).get(field.name)
        except (
            Exception
        ):  # an annotation is code of the user's: one that is for type checkers only says nothing here
            return "param" if re.match(r"(\w+\.)*Param\[", str(field.type)) else ""
    learns = get_origin(kind) is Annotated and Learnable in get_args(kind)
    return "param" if learns else ""
