"""Paths into modules, `layers[0].weights` or `routes["easy"].threshold`: what is there, and a copy with it replaced."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from ember.core.suggest import nearest

from ._arrays import is_array, is_number
from ._fields import Declared, HasFields, roles, values_of
from ._nodes import node_parts, with_node_parts

if TYPE_CHECKING:
    from ._module import Module

M = TypeVar("M", bound="Module")


def leaves(tree: Any, path: str = "", role: str = "") -> Iterator[tuple[str, Any, bool]]:
    """Yield what is in modules and containers, with its path, and whether it learns."""
    parts = _parts(tree, role)
    if parts is None:
        yield path, tree, _learns(tree, role)
        return
    for step, part, inner in parts:
        yield from leaves(part, f"{path}{step}" if path else step.removeprefix("."), inner)


def mapped(
    tree: Any,
    function: Callable[[Any], Any],
    where: Callable[[str, Any], bool] | None,
    path: str = "",
    role: str = "",
) -> Any:
    """Return `tree` with `function` applied to the leaves that `where` chooses, or to those that learn."""
    parts = _parts(tree, role)
    if parts is None:
        chosen = _learns(tree, role) if where is None else where(path, tree)
        return function(tree) if chosen else tree
    made = [
        mapped(part, function, where, f"{path}{step}" if path else step.removeprefix("."), inner)
        for step, part, inner in parts
    ]
    return tree if all(new is part for new, (_, part, _) in zip(made, parts)) else _rebuilt(tree, made)


def _learns(leaf: Any, role: str) -> bool:
    if type(leaf) is Declared:
        leaf.misplaced()
    return role in ("", "param") and (is_array(leaf) or (role == "param" and is_number(leaf)))


def _parts(tree: Any, role: str) -> list[tuple[str, Any, str]] | None:
    """Return what `tree` consists of, with steps of paths and roles; None for what is one piece."""
    if isinstance(tree, HasFields):
        own = roles(type(tree))
        pinned = role in ("static", "prompt")
        return [(f".{name}", part, role if pinned else own[name]) for name, part in values_of(tree).items()]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return [(f".{name}", part, role) for name, part in zip(getattr(tree, "_fields"), tree)]  # noqa: B009
    if isinstance(tree, list | tuple):
        return [(f"[{i}]", part, role) for i, part in enumerate(tree)]
    if isinstance(tree, dict):
        return [(f"[{key!r}]", part, role) for key, part in tree.items()]
    found = node_parts(tree)
    return None if found is None else [(step, part, role) for step, part in found]


def _rebuilt(tree: Any, parts: list[Any]) -> Any:
    """Return `tree` with other parts in the places of what `_parts` found."""
    if isinstance(tree, HasFields):
        return cast("Module", tree).replace(**dict(zip(values_of(tree), parts)))
    if isinstance(tree, dict):
        made = tree.copy()
        made.update(zip(tree, parts))
        return made
    if isinstance(tree, list | tuple):
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return with_node_parts(tree, parts)


_STEP: Final = re.compile(
    r"""\.?([^\W\d]\w*) | \[(-?\d+)\] | \[( "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' )\]""", re.VERBOSE
)
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
        name, number, text = match.groups()
        if name is not None:
            found.append(("field", name))
        elif number is not None:
            found.append(("item", int(number)))
        else:
            found.append(("item", ast.literal_eval(text)))
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
        if _is_step(written, step):
            return part
    raise LookupError(f"{path!r} leads nowhere: a {type(tree).__name__} has no {key!r}.")


def _changed(tree: Any, todo: list[Step], value: Any, path: str) -> Any:
    if not todo:
        return value
    inner = _changed(_child(tree, todo[0], path), todo[1:], value, path)
    kind, key = todo[0]
    if isinstance(tree, list | tuple) and kind == "item":
        place = range(len(tree))[key]
        return _rebuilt(tree, [*tree[:place], inner, *tree[place + 1 :]])
    if isinstance(tree, dict):
        return _rebuilt(tree, [inner if one == key else part for one, part in tree.items()])
    parts = _parts(tree, "") or []
    return _rebuilt(tree, [inner if _is_step(step, todo[0]) else part for step, part, _ in parts])


def _is_step(written: str, step: Step) -> bool:
    return steps(written.removeprefix(".")) == [step]


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
