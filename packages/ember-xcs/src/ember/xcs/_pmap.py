"""`pmap`: `vmap` over the devices there are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from ._jax import the_jax, tree_leaves
from ._vmap import Vmapped
from ._vmap_axes import Axes

if TYPE_CHECKING:
    import jax

R = TypeVar("R")


@overload
def pmap(
    function: Callable[..., jax.Array],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    *,
    max_concurrency: int | None = None,
    on_error: Literal["raise", "return"] = "raise",
) -> Vmapped[jax.Array, Any]: ...
@overload
def pmap(
    function: Callable[..., R],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    *,
    max_concurrency: int | None = None,
    on_error: Literal["raise", "return"] = "raise",
) -> Vmapped[R, Any]: ...
def pmap(
    function: Callable[..., Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    *,
    max_concurrency: int | None = None,
    on_error: Literal["raise", "return"] = "raise",
) -> Vmapped[Any, Any]:
    """Return `vmap` of `function`, compiled, with the batch spread over all of jax's devices if it is numeric.

    Unlike with `jax.pmap` a batch may have any size: it is split evenly, filled up with copies of its last element,
    whose results are dropped. What is not mapped is copied to every device. The result stays spread over them. A
    function that is not numeric is mapped as `vmap` does.

    >>> import jax.numpy as jnp
    >>> pmap(lambda row: row.sum())(jnp.ones((3, 2))).tolist()
    [2.0, 2.0, 2.0]
    """
    return _Pmapped(function, in_axes, out_axes, max_concurrency, on_error, "pmap")


class _Pmapped(Vmapped[Any, Any]):
    _compiled: Any = None

    def _jax_form(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., Any] | None:
        return None if super()._jax_form(args, kwargs) is None else self._spread

    def _spread(self, *args: Any, **kwargs: Any) -> Any:
        jax = the_jax()
        sharding = jax.sharding

        compiled = self._compiled
        if compiled is None:
            compiled = self._compiled = jax.jit(jax.vmap(self.__wrapped__, self._in_axes, self._out_axes))
        axes = (self._in_axes,) * len(args) if isinstance(self._in_axes, int) else tuple(self._in_axes)
        sizes = _sizes(axes, args) | _sizes(dict.fromkeys(kwargs, 0), kwargs)
        if not sizes or 0 in sizes:
            return compiled(*args, **kwargs)
        size, devices = sizes.pop(), jax.devices()
        filling = -size % len(devices)
        mesh = sharding.Mesh(devices, ("batch",))

        def put(axis: int | None, value: Any) -> Any:
            """Put a subtree of the arguments where its parts belong."""
            if axis is None:
                return jax.device_put(value, sharding.NamedSharding(mesh, sharding.PartitionSpec()))
            return jax.tree_util.tree_map(partial(put_batch, axis), value)

        def put_batch(axis: int, leaf: Any) -> Any:
            axis %= leaf.ndim
            if filling:
                last = jax.lax.slice_in_dim(leaf, size - 1, size, axis=axis)
                leaf = jax.numpy.concatenate([leaf, *[last] * filling], axis)
            return jax.device_put(
                leaf, sharding.NamedSharding(mesh, sharding.PartitionSpec(*[None] * axis, "batch"))
            )

        result = compiled(*_by_axes(put, axes, args), **_by_axes(put, dict.fromkeys(kwargs, 0), kwargs))
        if not filling:
            return result

        def cut(axis: int | None, value: Any) -> Any:
            if axis is None:
                return value

            def cut_batch(leaf: Any) -> Any:
                return jax.lax.slice_in_dim(leaf, 0, size, axis=axis % leaf.ndim)

            return jax.tree_util.tree_map(cut_batch, value)

        return _by_axes(cut, self._out_axes, result)


def _by_axes(function: Callable[[Any, Any], Any], axes: Axes, tree: Any) -> Any:
    tree_map = the_jax().tree_util.tree_map

    return tree_map(function, axes, tree, is_leaf=_is_none)


def _is_none(value: object) -> bool:
    return value is None


def _sizes(axes: Axes, tree: Any) -> set[int]:
    found: set[int] = set()

    def look(axis: int | None, value: Any) -> None:
        if axis is not None:
            found.update(leaf.shape[axis] for leaf in tree_leaves(value))

    _by_axes(look, axes, tree)
    return found
