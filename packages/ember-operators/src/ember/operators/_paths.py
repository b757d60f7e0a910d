"""Paths into modules, `layers[0].weights` or `routes["easy"].threshold`: what is there, and a copy with it replaced."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from ember.core.suggest import nearest

from ._arrays import is_array, is_number
from ._fields import HasFields, roles, values_of
from ._nodes import node_parts, with_node_part

if TYPE_CHECKING:
    from ._module import Module

M = TypeVar("M", bound="Module")


def leaves(tree: Any, path: str = "", role: str = "") -> Iterator[tuple[str, Any, bool]]:
    """Yield what is in modules and containers, with its path, and whether it learns."""
    parts = _parts(tree)
    if parts is None:
        yield path, tree, role in ("", "param") and (is_array(tree) or (role == "param" and is_number(tree)))
        return
    for step, part, own in parts:
        yield from leaves(part, f"{path}{step}" if path else step.removeprefix("."), own or role)


def mapped(tree: Any, function: Callable[[Any], Any], where: Callable[[str, Any], bool] | None) -> Any:
    """Return `tree` with `function` applied to the leaves that `where` chooses, or to those that learn."""
    changes = [
        (path, function(leaf))
        for path, leaf, learns in leaves(tree)
        if (learns if where is None else where(path, leaf))
    ]
    for path, leaf in changes:
        tree = _changed(tree, steps(path), leaf, path)
    return tree


def _parts(tree: Any) -> list[tuple[str, Any, str]] | None:
    """Return what `tree` consists of, with steps of paths and roles; None for what is one piece."""
    if isinstance(tree, HasFields):
        own = roles(type(tree))
        return [(f".{name}", part, own.get(name, "")) for name, part in values_of(tree).items()]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return [(f".{name}", part, "") for name, part in zip(getattr(tree, "_fields"), tree)]  # noqa: B009
    if isinstance(tree, list | tuple):
        return [(f"[{i}]", part, "") for i, part in enumerate(tree)]
    if isinstance(tree, dict):
        return [(f"[{key!r}]", part, "") for key, part in tree.items()]
    found = node_parts(tree)
    return None if found is None else [(step, part, "") for step, part in found]


_STEP: Final = re.compile(r"\.?([^\W\d]\w*)|\[(-?\d+)\]|\[(?:\"([^\"]*)\"|'([^']*)')\]")
Step = tuple[str, Any]


def steps(path: str) -> list[Step]:
    """Return the steps of a path: ("field", name), ("item", number or key). Raises ValueError for what is none.

    >>> steps("routes['easy'].weights[0]")
    [('field', 'routes'), ('item', 'easy'), ('field', 'weights'), ('item', 0)]
    """
    found: list[Step] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or (at == 0 and path[0] == "."):
            raise ValueError(
                f"{path!r} is no path: at position {at} stands {path[at:]!r}. Write field.field, [number] or ['key']."
            )
        name, number, double, single = match.groups()
        if name is not None:
            found.append(("field", name))
        elif number is not None:
            found.append(("item", int(number)))
        else:
            found.append(("item", double if double is not None else single))
        at = match.end()
    if not found:
        raise ValueError("An empty path leads nowhere: name a field.")
    return found


def no_field(module: HasFields, name: str) -> str:
    """Say that `module` has no field of that name, and which one may be meant."""
    names = tuple(roles(type(module)))
    near = nearest(name, names)
    hint = (
        f" Did you mean {' or '.join(map(repr, near))}?" if near else f" It has {', '.join(names) or 'none'}."
    )
    return f"{type(module).__name__} has no field {name!r}.{hint}"


def _child(tree: Any, step: Step, path: str) -> Any:
    kind, key = step
    if kind == "field":
        if isinstance(tree, HasFields) and key not in roles(type(tree)):
            raise LookupError(f"{path!r} leads nowhere: {no_field(tree, key)}")
        if isinstance(tree, HasFields) or (isinstance(tree, tuple) and key in getattr(tree, "_fields", ())):
            return getattr(tree, key)
    elif isinstance(tree, Mapping | list | tuple):
        try:
            return cast(Any, tree)[key]
        except (LookupError, TypeError):
            pass
    for written, part in node_parts(tree) or ():
        if steps(written.removeprefix(".")) == [step]:
            return part
    raise LookupError(f"{path!r} leads nowhere: a {type(tree).__name__} has no {key!r}.")


def _changed(tree: Any, todo: list[Step], value: Any, path: str) -> Any:
    if not todo:
        return value
    (_, key), rest = todo[0], todo[1:]
    inner = _changed(_child(tree, todo[0], path), rest, value, path)
    if isinstance(tree, HasFields):
        return cast("Module", tree).replace(**{key: inner})
    if isinstance(tree, dict):
        made = tree.copy()
        made[key] = inner
        return made
    if hasattr(tree, "_fields") and isinstance(key, str):
        return tree._replace(**{key: inner})
    if not isinstance(tree, list | tuple):
        return with_node_part(tree, lambda written: steps(written.removeprefix(".")) == [todo[0]], inner)
    items = list(tree)
    items[key] = inner
    if hasattr(tree, "_fields"):
        return type(tree)(*items)
    return type(tree)(items)


class At(Generic[M]):
    """`module.at`: index it with a path, or with a function of (path, leaf) that chooses leaves."""

    __slots__ = ("_module",)

    def __init__(self, module: M) -> None:
        self._module = module

    def __getitem__(self, path: str) -> Place[M]:
        return Place(self._module, path)


class Place(Generic[M]):
    """A place in a module. Raises LookupError where there is none."""

    __slots__ = ("_module", "_path", "_steps")

    def __init__(self, module: M, path: str) -> None:
        self._module, self._path, self._steps = module, path, steps(path)

    def get(self) -> Any:
        """Return what stands there."""
        found: Any = self._module
        for step in self._steps:
            found = _child(found, step, self._path)
        return found

    def set(self, value: Any) -> M:
        """Return a copy of the module with `value` there."""
        return cast(M, _changed(self._module, self._steps, value, self._path))

    def apply(self, function: Callable[[Any], Any]) -> M:
        """Return a copy of the module with `function` applied to what stands there."""
        return self.set(function(self.get()))
