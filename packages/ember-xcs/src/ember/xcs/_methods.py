"""The user's classes: which methods there are of a name, and whose method a function is."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import sys
import sysconfig
from functools import cached_property
from pathlib import PurePath
from types import FunctionType
from typing import Any, Final, Literal
from weakref import WeakKeyDictionary, WeakSet, ref

from ember.core.marks import mark

_INSTALLED: Final = tuple(
    sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")
)


# The user's methods by name ---------------------------------------------------------------------

_modules_of_users: dict[str, bool] = {}
_index: dict[str, WeakSet[FunctionType]] = {}
_indexed: WeakSet[type] = WeakSet()
static_methods: WeakSet[FunctionType] = WeakSet()
caching: WeakSet[FunctionType] = WeakSet()
"""Functions of cached properties: their results are stored in the object."""
_seen: Any = None


def forget_classes() -> None:
    """Forget the user's classes: for tests."""
    global _seen
    _seen = None
    for table in (_index, _indexed, static_methods, caching, _owners):
        table.clear()


def methods_named(name: str) -> list[FunctionType]:
    """Return the functions of that name in the classes of all modules that are not installed."""
    _index_modules()
    return list(_index.get(name, ()))


def is_of_user(cls: type) -> bool:
    """Whether a class is the user's: its attributes may be assigned."""
    if cls.__module__ in sys.builtin_module_names:
        return False
    path = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return path is None or not is_installed(path)


def is_installed(path: str) -> bool:
    """Whether a file is the standard library's, or of an installed distribution."""
    return path.startswith(_INSTALLED) or "site-packages" in PurePath(path).parts


def _index_modules() -> None:
    global _seen
    now = (len(sys.modules), next(reversed(sys.modules), ""))
    if now == _seen:
        return
    _seen = now
    for name, module in list(sys.modules.items()):
        users = _modules_of_users.get(name)
        if users is None:
            path = getattr(module, "__file__", None)
            built_in = path is None and name != "__main__"
            ours = name == "ember" or name.startswith("ember.")
            users = _modules_of_users[name] = not built_in and not ours and not is_installed(path or "")
        if users:
            index_names(getattr(module, "__dict__", {}))


def index_names(namespace: dict[str, Any]) -> None:
    """Take the classes that a module defines into the index."""
    name = namespace.get("__name__")
    for value in list(namespace.values()):
        if isinstance(value, type) and value.__module__ == name:
            index(value)


def of_class(cls: type, name: str, part: Literal["fget", "fset"] | None = None) -> list[FunctionType]:
    """Return the method (or that `part` of the property) of that name of a class, and its subclasses' own."""
    found: list[FunctionType] = []
    for one in (cls, *subclasses(cls)):
        value: Any = getattr(one, name, None)
        if part is not None:
            value = _part_of(value, part)
        value = getattr(value, "__func__", value)
        value = mark(value, "__ember_jit__", value)
        if type(value) is FunctionType and value not in found:
            found.append(value)
    return found


def _part_of(value: Any, part: str) -> Any:
    """Return the getter or the setter of a property."""
    if isinstance(value, property):
        return getattr(value, part)
    return value.func if isinstance(value, cached_property) and part == "fget" else None


def subclasses(cls: type) -> list[type]:
    """Return all classes that derive from `cls`."""
    direct: list[type] = type.__subclasses__(cls)
    return [*direct, *(other for one in direct for other in subclasses(one))]


_owners: WeakKeyDictionary[FunctionType, ref[type]] = WeakKeyDictionary()


def owner_of(function: FunctionType) -> type | None:
    """Return the class whose method `function` is."""
    owner = _owners.get(function)
    return None if owner is None else owner()


def is_generated(function: FunctionType) -> bool:
    """Whether a method was made for a dataclass: it only reads what the object holds."""
    return function.__code__.co_filename == "<string>"


def index(cls: type) -> None:
    """Take the methods and properties of `cls` into the index."""
    if cls in _indexed:
        return
    _indexed.add(cls)
    for name, value in list(vars(cls).items()):
        if isinstance(value, (property, cached_property)):
            for kind, part in (("getter", "fget"), ("setter", "fset")):
                function = _part_of(value, part)
                if type(function) is FunctionType:
                    _index.setdefault(f"{name}.{kind}", WeakSet()).add(function)
                    _owners[function] = ref(cls)
                    if isinstance(value, cached_property):
                        caching.add(function)
            continue
        function = getattr(value, "__func__", value)
        function = mark(function, "__ember_jit__", function)
        if type(function) is FunctionType:
            _index.setdefault(name, WeakSet()).add(function)
            if not isinstance(value, (staticmethod, classmethod)):
                _owners[function] = ref(cls)
            if isinstance(value, staticmethod):
                static_methods.add(function)
        elif isinstance(function, type):
            index(function)
