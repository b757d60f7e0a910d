"""Modules in files: what they are as JSON, their arrays as NumPy's, together in one zip.

Nothing is ever unpickled, and no code that a file names is imported or called.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import json
import math
import os
import sys
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ember.core import External, Secret, resolve, scrub

from ._arrays import array_text, is_array
from ._fields import HasFields, roles, values_of
from ._nodes import node_parts, with_node_parts
from ._sameness import same
from .errors import CannotLoad, CannotSave

if TYPE_CHECKING:
    from ._module import Module

FORMAT: Final = 1
_JSON: Final = "module.json"


def save(module: Module, path: str | os.PathLike[str]) -> None:
    """Write `module` to a file, which is replaced all at once."""
    writer = _Writer()
    described = {"format": FORMAT, "module": writer.described(module, "")}
    file = Path(path)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(part, "x", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(_JSON, json.dumps(described, indent=1))
            for number, array in enumerate(writer.arrays):
                with archive.open(f"{number}.npy", "w", force_zip64=True) as entry:
                    _write_array(entry, array)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def load(kind: type[Module], path: str | os.PathLike[str], like: Module | None) -> Any:
    """Return the module that a file has. Raises `CannotLoad` with all that does not fit."""
    try:
        with zipfile.ZipFile(path) as archive:
            described = json.loads(archive.read(_JSON))
            if not isinstance(described, dict) or described.get("format") != FORMAT:
                raise CannotLoad(str(path), ("it was written by another version of Ember",))
            reader = _Reader(archive, kind)
            found = reader.value(described["module"], "", like)
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise CannotLoad(str(path), (f"it is no saved module ({type(error).__name__}: {error})",)) from None
    if not reader.problems and not isinstance(found, kind):
        reader.problems.append(f"it holds a {path_of(type(found))}, and {path_of(kind)} is to be loaded")
    if reader.problems:
        raise CannotLoad(str(path), tuple(reader.problems))
    return found


def path_of(kind: type) -> str:
    """Return `module:Name` of a class."""
    return f"{kind.__module__}:{kind.__qualname__}"


class _Writer:
    """Describes values as JSON; collects arrays."""

    def __init__(self) -> None:
        self.arrays: list[Any] = []

    def described(self, value: Any, path: str) -> Any:
        if isinstance(value, Secret):
            raise CannotSave(path, "is a secret, which is never written to a file")
        if value is None or type(value) in (bool, int):
            return value
        if type(value) is str:
            return self._text(value, path)
        if type(value) is float:
            return value if math.isfinite(value) else {"$float": repr(value)}
        if isinstance(value, HasFields):
            return self._module(value, path)
        if is_array(value):
            return self._array(value, path)
        return self._container(value, path)

    def _text(self, text: str, path: str) -> str:
        if scrub(text) != text:
            raise CannotSave(path, "holds a credential, which is never written to a file")
        return text

    def _module(self, module: HasFields, path: str) -> Any:
        fields = {
            name: self.described(value, f"{path}.{name}" if path else name)
            for name, value in values_of(module).items()
        }
        return {"$module": path_of(type(module)), "fields": fields}

    def _array(self, array: Any, path: str) -> Any:
        self.arrays.append(array)
        numpy = type(array).__module__.startswith("numpy")
        return {
            "$array": len(self.arrays) - 1,
            "type": array_text(array),
            "dtype": str(array.dtype),
            "of": "numpy" if numpy else "jax",
        }

    def _container(self, value: Any, path: str) -> Any:
        kind = type(value)
        if kind is list:
            return self._all(value, path)
        if kind is tuple:
            return {"$tuple": self._all(value, path)}
        if kind in (set, frozenset):
            return {f"${kind.__name__}": self._all(sorted(value, key=repr), path)}
        if kind is dict:
            if all(type(key) is str and not key.startswith("$") for key in value):
                return {
                    self._text(key, path): self.described(part, f"{path}[{key!r}]")
                    for key, part in value.items()
                }
            pairs = [
                [self.described(key, path), self.described(part, f"{path}[{key!r}]")]
                for key, part in value.items()
            ]
            return {"$dict": pairs}
        if kind is bytes:
            return {"$bytes": b64encode(value).decode()}
        if kind is complex:
            return {"$complex": [self.described(value.real, path), self.described(value.imag, path)]}
        if isinstance(value, Enum):
            return {"$enum": path_of(kind), "name": value.name}
        if isinstance(value, External) and value.kind == "model" and not getattr(value, "params", True):
            return {"$model": getattr(value, "model", None)}
        parts = node_parts(value)
        if parts is not None:
            return {
                "$node": path_of(kind),
                "parts": {step: self.described(part, f"{path}{step}") for step, part in parts},
            }
        return {"$other": _name(value)}

    def _all(self, values: Any, path: str) -> list[Any]:
        return [self.described(value, f"{path}[{i}]") for i, value in enumerate(values)]


def _name(value: Any) -> str:
    """Return what something that is not written out is called: enough to see whether it is the same."""
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str):
        return f"{getattr(value, '__module__', '?')}:{name}"
    return f"a {path_of(type(value))}"


class _Reader:
    """Makes values of what was written; collects what is wrong with them."""

    def __init__(self, archive: zipfile.ZipFile, root: type[Module]) -> None:
        self._archive, self._root = archive, root
        self.problems: list[str] = []

    def value(self, said: Any, path: str, like: Any) -> Any:
        """Return the value that `said` describes. `like`, where given, is what it has to be like."""
        made = self._value(said, path, like)
        if like is None or self.problems or is_array(like) or isinstance(like, HasFields):
            return made
        if _is_plain(made) and _is_plain(like) and not same(made, like):
            self.problems.append(f"`{path}` is {_short(made)} in the file and {_short(like)} in `like`")
        return made

    def _value(self, said: Any, path: str, like: Any) -> Any:
        if isinstance(said, list):
            return self._all(said, path, like)
        if not isinstance(said, dict):
            return said
        tag = next((key for key in said if key.startswith("$")), None)
        if tag is None:
            return {key: self.value(part, f"{path}[{key!r}]", _in(like, key)) for key, part in said.items()}
        body = said[tag]
        match tag:
            case "$module":
                return self._module(body, said["fields"], path, like)
            case "$array":
                return self._array(said, path, like)
            case "$tuple":
                return tuple(self._all(body, path, like))
            case "$set":
                return set(self._all(body, path, None))
            case "$frozenset":
                return frozenset(self._all(body, path, None))
            case "$dict":
                pairs = [(self.value(key, path, None), part) for key, part in body]
                return {key: self.value(part, f"{path}[{key!r}]", _in(like, key)) for key, part in pairs}
            case "$float":
                return float(body)
            case "$bytes":
                return b64decode(body)
            case "$complex":
                return complex(*(self.value(part, path, None) for part in body))
            case "$model":
                return resolve("model", body) if like is None else like
            case "$enum":
                return self._enum(body, said["name"], path, like)
            case "$node":
                return self._node(body, said["parts"], path, like)
            case _:
                return self._other(str(body), path, like)

    def _all(self, said: list[Any], path: str, like: Any) -> list[Any]:
        return [self.value(part, f"{path}[{i}]", _in(like, i)) for i, part in enumerate(said)]

    def _module(self, name: str, fields: dict[str, Any], path: str, like: Any) -> Any:
        kind = next(
            (one for one in (self._root, *_subclasses(self._root), *_modules()) if path_of(one) == name), None
        )
        where = f"`{path}`" if path else "the module"
        if kind is None:
            self.problems.append(f"{where} is a {name}, which is not imported")
            return None
        if like is not None and type(like) is not kind:
            self.problems.append(f"{where} is a {name} in the file and a {path_of(type(like))} in `like`")
            return None
        own = roles(kind)
        strange, absent = fields.keys() - own.keys(), own.keys() - fields.keys()
        if strange or absent:
            known = "; ".join(
                f"{what}: {', '.join(sorted(names))}"
                for what, names in (("the file alone has", strange), ("the class alone has", absent))
                if names
            )
            self.problems.append(f"the fields of {where}, a {name}, have changed ({known})")
            return None
        made = object.__new__(kind)
        for field, said in fields.items():
            inner = f"{path}.{field}" if path else field
            vars(made)[field] = self.value(said, inner, getattr(like, field, None))
        return made

    def _array(self, said: dict[str, Any], path: str, like: Any) -> Any:
        if is_array(like) and array_text(like) != said["type"]:
            self.problems.append(f"`{path}` is {said['type']} in the file and {array_text(like)} in `like`")
        with self._archive.open(f"{said['$array']}.npy") as entry:
            array = _read_array(entry, said["dtype"])
        if said["of"] == "jax":
            import jax.numpy as jnp

            return jnp.asarray(array)
        return array

    def _enum(self, name: str, member: str, path: str, like: Any) -> Any:
        kind = type(like) if isinstance(like, Enum) else _imported(name)
        if not (isinstance(kind, type) and issubclass(kind, Enum) and path_of(kind) == name):
            self.problems.append(f"`{path}` is a {name}, which is not imported")
            return None
        if member not in kind.__members__:
            self.problems.append(f"`{path}` is {member}, and {name} has no such member")
            return None
        return kind[member]

    def _node(self, name: str, parts: dict[str, Any], path: str, like: Any) -> Any:
        if like is None or path_of(type(like)) != name:
            return self._other(name, path, like)
        made: list[Any] = []
        for step, part in node_parts(like) or ():
            if step not in parts:
                self.problems.append(f"`{path}` has no {step} in the file")
            made.append(self.value(parts.get(step), f"{path}{step}", part))
        return like if self.problems else with_node_parts(like, made)

    def _other(self, name: str, path: str, like: Any) -> Any:
        """What is no data has to come from `like`: a file says what it was, and never what to call."""
        if like is None:
            self.problems.append(
                f"`{path}` was {name}, which a file cannot hold: give a module that has it as like="
            )
        elif _name(like) != name and path_of(type(like)) != name:
            self.problems.append(f"`{path}` was {name} when it was saved and is {_name(like)} in `like`")
        return like


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | bytes | int | float | complex | Enum | set | frozenset)


def _short(value: Any) -> str:
    text = scrub(repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _in(like: Any, key: Any) -> Any:
    try:
        return None if like is None else like[key]
    except (LookupError, TypeError):
        return None


def _subclasses(kind: Any) -> Iterator[Any]:
    for one in kind.__subclasses__():
        yield one
        yield from _subclasses(one)


def _modules() -> Iterator[Any]:
    return _subclasses(HasFields)


def _imported(path: str) -> Any:
    """Return what a path names in a module that is imported already; None if there is none."""
    module, _, name = path.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _write_array(entry: Any, array: Any) -> None:
    import numpy as np

    plain = np.asarray(array)
    if plain.dtype.kind == "V":  # bfloat16 and its like, which NumPy's files do not know
        plain = plain.view(f"u{plain.dtype.itemsize}")
    np.lib.format.write_array(entry, plain, allow_pickle=False)


def _read_array(entry: Any, dtype: str) -> Any:
    import numpy as np

    array = np.lib.format.read_array(entry, allow_pickle=False)
    if str(array.dtype) == dtype:
        return array
    import ml_dtypes  # comes with jax, as such arrays do

    return array.view(np.dtype(getattr(ml_dtypes, dtype)))
