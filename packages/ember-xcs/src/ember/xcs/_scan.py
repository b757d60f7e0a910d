"""`scan`: carry a state through a sequence, in order."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from ._jax import kind_of, the_jax
from ._numeric import Numeric, jax_in_use
from ._vmap_axes import Batch, stacked

C = TypeVar("C")
X = TypeVar("X")
Y = TypeVar("Y")


def scan(
    function: Callable[[C, Any], tuple[C, Y]], init: C, xs: Any = None, length: int | None = None
) -> tuple[C, Any]:
    """Call `carry, y = function(carry, x)` for each of `xs`, from `init` on; return the last carry, and all `y`.

    A numeric function of jax arrays is `jax.lax.scan` of it: `xs` is a pytree of arrays and taken apart along their
    first axis, or None with a `length`, and the `y` are stacked. Any other is called in order, as a loop would; `xs`
    may be any batch that `vmap` takes. Its `y` are a list, or stacked if `xs` are jax arrays and the `y` are too, so
    that a `print` added to a numeric function does not change what it returns.

    Raises `ValueError` if `xs` have different lengths or not `length`.

    >>> scan(lambda total, word: (total + len(word), word.upper()), 0, ["some", "words"])
    (9, ['SOME', 'WORDS'])
    """
    if not callable(function):
        raise TypeError(f"xcs.scan takes a function, not a {type(function).__name__}.")
    if iscoroutinefunction(function):
        raise TypeError("xcs.scan takes a plain function: in an async one, write the loop with await.")
    in_use = jax_in_use(init, xs)
    if in_use and _numeric(function).admits((init, xs, length), {}):
        jax = the_jax()

        return cast("tuple[C, Any]", jax.lax.scan(function, init, xs, length))
    name = f"scan({getattr(function, '__name__', type(function).__name__)})"
    carry: Any = init
    ys: list[Any] = []
    elements: Any = _elements(name, xs, length)
    of_arrays = in_use
    if isinstance(elements, Batch):
        of_arrays = elements.of_arrays
    for (x,), _ in elements:
        pair: Any = function(carry, x)
        if not hasattr(pair, "__getitem__") or len(pair) != 2:
            raise TypeError(f"{name}: the function returns (carry, y); got a {type(pair).__name__}.")
        carry = pair[0]
        ys.append(pair[1])
    if of_arrays and all(y is None for y in ys):
        return carry, None
    arrays = stacked(ys, 0) if of_arrays and ys else None
    return carry, ys if arrays is None else arrays


def _elements(name: str, xs: Any, length: int | None) -> Any:
    if xs is None:
        if length is None:
            raise ValueError(f"{name} needs xs, or how many times to call the function: length.")
        nothing: list[Any] = [((None,), {})]
        return nothing * length
    # A tuple of arrays is a structure, as in jax; a tuple of anything else is a sequence.
    axes: Any = 0
    if kind_of(xs) is tuple and xs and all(hasattr(x, "shape") for x in xs):
        axes = ((0,) * len(xs),)
    batch = Batch(name, (xs,), {}, axes)
    if length is not None and batch.size is not None and batch.size != length:
        raise ValueError(f"{name} has length={length}, and xs are {batch.size}.")
    return batch


def _numeric(function: Callable[..., Any]) -> Numeric:
    try:
        return _known(function)
    except TypeError:  # it cannot be hashed
        return _made(function)


def _made(function: Callable[..., Any]) -> Numeric:
    def scanned(init: Any, xs: Any, length: int | None) -> Any:
        jax = the_jax()

        return jax.lax.scan(function, init, xs, length)

    scanned.__name__ = "scan"
    return Numeric(scanned, static_argnums=2)


_known = lru_cache(maxsize=128)(_made)
