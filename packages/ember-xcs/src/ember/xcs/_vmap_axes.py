"""Take batches apart and put results together, by axes as `jax.vmap` has them, without jax.

What an axis is: of an array, its dimension; of a list, a tuple or another sequence, axis 0 are its items and axis 1 the
items of these; of an iterator, what it gives (axis 0 only). A dict, a named tuple, a dataclass and whatever jax knows
as a pytree are structures: what they hold is mapped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import partial
from itertools import count
from operator import is_not
from typing import Any, Final, cast

from ._jax import kind_of, the_jax, tree_leaves

Axes = Any  # int | None | a tuple, list or dict of Axes: what jax.vmap takes
_Element = Callable[[int], Any]
_UNORDERED: Final = (set, frozenset)
_END: Final = object()


class Batch:
    """The arguments of a call of a vmapped function: `size` elements of them, or one cannot say how many (None)."""

    def __init__(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], in_axes: Axes) -> None:
        self._name = name
        self._sizes: list[tuple[str, int]] = []
        self._iterators: list[_Items] = []
        self.of_arrays = True
        """Whether all that is mapped are jax arrays."""
        if _is(in_axes, tuple, list):
            axes: list[Axes] = list(in_axes)
            if len(axes) != len(args):
                raise ValueError(
                    f"{name} has in_axes for {len(axes)} positional arguments and was called with {len(args)}."
                )
        else:
            axes = [in_axes] * len(args)
        self._args = [
            self._open(arg, axis, f"argument {at}") for at, (arg, axis) in enumerate(zip(args, axes))
        ]
        self._kwargs = {key: self._open(arg, 0, f"argument {key!r}") for key, arg in kwargs.items()}
        if not self._sizes and not self._iterators:
            raise ValueError(f"{name} has nothing to map over: give it a batch, with an axis in in_axes.")
        if len({size for _, size in self._sizes}) > 1:
            listed = ", ".join(f"{where} has {size}" for where, size in self._sizes)
            raise ValueError(f"{name} needs batches of one length: {listed}.")
        self.size = None if self._iterators else self._sizes[0][1]

    def __iter__(self) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
        """Give the arguments of each element's call, as late as possible."""
        end = self._sizes[0][1] if self._sizes else None
        for index in count():
            ended = [items.where for items in self._iterators if not items.advance()]
            if index == end:
                ended.append(self._sizes[0][0])
            if ended:
                if len(ended) < len(self._iterators) + (end is not None):
                    raise ValueError(
                        f"{self._name} needs batches of one length: {ended[0]} ended after {index} elements, and "
                        "another has more."
                    )
                return
            yield (
                tuple([take(index) for take in self._args]),
                {key: take(index) for key, take in self._kwargs.items()},
            )

    def _open(self, value: Any, axis: Axes, where: str) -> _Element:
        if axis is None:
            return lambda index: value
        if _is(axis, bool) or not _is(axis, int, tuple, list, dict):
            raise TypeError(
                f"in_axes are ints, None, or tuples, lists and dicts of them, not {axis!r} ({where})."
            )
        if not _is(axis, int):
            return self._open_parts(value, axis, where)
        inside = _parts(value)
        if inside is not None:
            parts, rebuild = inside
            takes = [self._open(part, axis, where + label) for label, part in parts]
            return lambda index: rebuild([take(index) for take in takes])
        return self._rows(value, axis, where)

    def _open_parts(self, value: Any, axes: Any, where: str) -> _Element:
        if _is(axes, dict):
            if not _is(value, Mapping) or set(value) != set(axes):
                keys = sorted(map(repr, axes))
                raise ValueError(
                    f"in_axes of {where} has the keys {', '.join(keys)}, and the argument has not the same."
                )
            named = {key: self._open(value[key], axes[key], f"{where}[{key!r}]") for key in value}
            return lambda index: {key: take(index) for key, take in named.items()}
        if not _is(value, tuple, list) or len(value) != len(axes):
            raise ValueError(f"in_axes of {where} has {len(axes)} parts, and the argument has not as many.")
        takes = [self._open(item, axis, f"{where}[{at}]") for at, (item, axis) in enumerate(zip(value, axes))]
        kind: Any = kind_of(value)
        if hasattr(kind, "_make"):
            kind = kind._make
        return lambda index: kind([take(index) for take in takes])

    def _rows(self, value: Any, axis: int, where: str) -> _Element:
        if hasattr(value, "shape") and hasattr(value, "__getitem__"):
            self.of_arrays &= _is_jax_array(value)
            rank = len(value.shape)
            if not -rank <= axis < rank:
                raise ValueError(
                    f"{self._name}: {where} has {rank} axes, so that it cannot be mapped over axis {axis}."
                )
            axis %= rank
            self._sizes.append((where, int(value.shape[axis])))
            before = (slice(None),) * axis
            return lambda index: value[(*before, index)]
        self.of_arrays = False
        if _is(value, *_UNORDERED, str, bytes, bytearray):
            why = "has no order" if _is(value, *_UNORDERED) else "is one value"
            raise TypeError(f"{self._name}: {where} is a {type(value).__name__}, which {why}. {_ADVICE}")
        if axis < 0:
            raise ValueError(
                f"{self._name}: {where} is no array, and its axes are counted from 0; got {axis}."
            )
        if _is(value, Sequence) or (hasattr(value, "__len__") and hasattr(value, "__getitem__")):
            return self._items(value, axis, where)
        if _is(value, Iterable) and axis == 0:
            items = _Items(iter(value), where)
            self._iterators.append(items)
            return items.take
        what = "an iterable that has only axis 0" if _is(value, Iterable) else f"a {type(value).__name__}"
        raise TypeError(f"{self._name}: {where} is {what}. {_ADVICE}")

    def _items(self, value: Any, axis: int, where: str) -> _Element:
        if axis == 0:
            self._sizes.append((where, len(value)))
            return lambda index: value[index]
        sizes = {_length(row, axis - 1, where, self._name) for row in value}
        if len(sizes) != 1:
            raise ValueError(
                f"{self._name}: {where} is ragged: along axis {axis} it has "
                f"{' and '.join(map(str, sorted(sizes)))} items."
            )
        self._sizes.append((where, sizes.pop()))
        return lambda index: _take(value, axis, index)


_ADVICE: Final = "Put None in in_axes to pass it to every call as it is, or make a list of it."


class _Items:
    """What an iterator gives, element by element."""

    def __init__(self, items: Iterator[Any], where: str) -> None:
        self._items, self.where = items, where
        self._item: Any = None

    def advance(self) -> bool:
        """Fetch the next one; False if there is none."""
        self._item = next(self._items, _END)
        return self._item is not _END

    def take(self, index: int) -> Any:
        """Return what was fetched."""
        return self._item


def check_out_axes(axes: Axes, name: str, of_arrays: bool) -> None:
    """Raise `ValueError` for what are no out_axes, before any call is made. Only those of arrays may be negative."""
    if _is(axes, dict, tuple, list):
        for axis in axes.values() if _is(axes, dict) else axes:
            check_out_axes(axis, name, of_arrays)
    elif axes is not None and (_is(axes, bool) or not _is(axes, int)):
        raise ValueError(
            f"{name}: out_axes are ints, None, or tuples, lists and dicts of them, not {axes!r}."
        )
    elif axes is not None and axes < 0 and not of_arrays:
        raise ValueError(f"{name}: out_axes of lists are counted from 0, or None; got {axes!r}.")


def together(results: list[Any], axes: Axes, name: str, of_arrays: bool = False) -> Any:
    """Return the results of all elements as one, by out_axes: a list for axis 0. Errors among them stay whole.

    What came `of_arrays` and is arrays is stacked.
    """
    if axes is None:
        if not results:
            return None
        if not all(_same(result, results[0]) for result in results):
            raise ValueError(
                f"{name} has out_axes=None, which is for a result that is the same for all elements."
            )
        return results[0]
    if _is(axes, dict, tuple, list):
        for each in results:
            _check_parts(each, axes, name)
        named = cast(
            "dict[Any, Axes]", axes if _is(axes, dict) else dict(enumerate(cast("list[Axes]", axes)))
        )
        parts = {
            key: together([_part(each, key) for each in results], axis, name, of_arrays)
            for key, axis in named.items()
        }
        kind: Any = kind_of(axes)
        return parts if _is(axes, dict) else kind(parts.values())
    if of_arrays and results and (arrays := stacked(results, axes)) is not None:
        return arrays
    check_out_axes(axes, name, False)
    if axes == 0:
        return results
    sizes = {len(each) for each in results if not isinstance(each, Exception)}
    if len(sizes) > 1:
        raise ValueError(
            f"{name}: the results are ragged along axis {axes}: {' and '.join(map(str, sorted(sizes)))} items."
        )
    return [
        together([_part(each, at) for each in results], axes - 1, name)
        for at in range(sizes.pop() if sizes else 0)
    ]


def _check_parts(result: Any, axes: Any, name: str) -> None:
    """Raise `ValueError` where out_axes has other parts than a result: none of these is to be left out."""
    if isinstance(result, Exception):
        return
    if _is(axes, dict):
        if not _is(result, Mapping) or set(result) != set(axes):
            raise ValueError(
                f"{name} has out_axes with the keys {_keys(axes)}, and a result has {_keys(result)}."
            )
    elif not _is(result, tuple, list) or len(result) != len(axes):
        has = f"{len(result)}" if _is(result, tuple, list) else f"none: it is a {type(result).__name__}"
        raise ValueError(f"{name} has out_axes with {len(axes)} parts, and a result has {has}.")


def stacked(results: list[Any], axis: int) -> Any:
    """Return results that are pytrees of arrays as one of stacked arrays, as jax does; None if they are not."""
    jax = the_jax()

    leaves = tree_leaves(results)
    structures = {jax.tree_util.tree_structure(each) for each in results}
    numbers = (bool, int, float, complex)

    def stack(*rows: Any) -> Any:
        return jax.numpy.stack([jax.numpy.asarray(row) for row in rows], axis)

    if len(structures) != 1 or not leaves:
        return None
    if not all(hasattr(leaf, "shape") or isinstance(leaf, numbers) for leaf in leaves):
        return None
    try:
        return jax.tree_util.tree_map(stack, *results)
    except (TypeError, ValueError):  # ragged: a list can hold them
        return None


def _same(one: Any, other: Any) -> bool:
    """Whether two results are equal, arrays in them element by element."""
    if one is other:
        return True
    shape = getattr(one, "shape", None)
    if shape is not None:
        return getattr(other, "shape", None) == shape and bool((one == other).all())
    if kind_of(one) is kind_of(other) and _is(one, tuple, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if _is(one, dict) and _is(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)


def _keys(value: Any) -> str:
    if not _is(value, Mapping):
        return f"none: it is a {type(value).__name__}"
    return ", ".join(map(repr, value)) or "none"


def _part(result: Any, key: Any) -> Any:
    return result if isinstance(result, Exception) else result[key]


def _parts(value: Any) -> tuple[list[tuple[str, Any]], Callable[[list[Any]], Any]] | None:
    """Return what a structure holds and how to make another; None if it is a batch itself."""
    if _is(value, Mapping):
        given = dict(value)
        return [(f"[{key!r}]", each) for key, each in given.items()], lambda parts: dict(zip(given, parts))
    kind: Any = kind_of(value)
    if hasattr(kind, "_fields") and hasattr(kind, "_make"):
        return [(f".{name}", getattr(value, name)) for name in kind._fields], kind._make
    if hasattr(value, "shape") or _is(value, list, tuple, str):
        return None
    if "jax" in sys.modules and not hasattr(value, "__next__"):
        leaves, treedef = the_jax().tree_util.tree_flatten(value, is_leaf=partial(is_not, value))
        if len(leaves) != 1 or leaves[0] is not value:
            return [(f" (part {at})", leaf) for at, leaf in enumerate(leaves)], treedef.unflatten
    if is_dataclass(kind):
        names = [field.name for field in fields(value) if field.init]
        return (
            [(f".{name}", getattr(value, name)) for name in names],
            lambda parts: replace(value, **dict(zip(names, parts))),
        )
    return None


def _is(value: Any, *kinds: type[Any]) -> bool:
    """Be `isinstance`, but tell type checkers nothing: a `list[Unknown]` helps nobody."""
    return isinstance(value, kinds)


def _is_jax_array(value: object) -> bool:
    jax = sys.modules.get("jax")
    return jax is not None and _is(value, jax.Array)


def _length(value: Any, axis: int, where: str, name: str) -> int:
    if _is(value, str) or not hasattr(value, "__len__") or not hasattr(value, "__getitem__"):
        raise ValueError(f"{name}: {where} has no axis that deep: it holds a {type(value).__name__}.")
    if axis == 0:
        return len(value)
    sizes = {_length(row, axis - 1, where, name) for row in value}
    if len(sizes) != 1:
        raise ValueError(f"{name}: {where} is ragged.")
    return sizes.pop()


def _take(value: Any, axis: int, index: int) -> Any:
    return value[index] if axis == 0 else [_take(row, axis - 1, index) for row in value]
