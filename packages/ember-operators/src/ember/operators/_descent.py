"""What is numeric in a module, moved downhill by `jax.grad`."""

# JAX's functions are partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ._module import Module

_M = TypeVar("_M", bound=Module)


def descend(module: _M, loss: Callable[[_M], Any], *, steps: int = 300, rate: float = 0.05) -> _M:
    """Return `module` with its parameters moved so that `loss(module)`, a JAX number, is smaller.

    Adam (Kingma and Ba, 2015) over what `jax.grad` says, for `steps` steps of about `rate` each: no randomness, so the
    same inputs give the same result. Needs JAX. `loss` must compute on numbers alone: a call of a model in it is a
    `GradientThroughModel` error. Raises FloatingPointError where the loss is no number any more.
    """
    import jax
    import jax.numpy as jnp

    parameters, constant = _apart(module)
    slope = jax.value_and_grad(lambda numbers: loss(constant(numbers)))

    def step(state: Any, number: Any) -> Any:
        numbers, first, second = state
        value, gradient = slope(numbers)
        first = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, first, gradient)
        second = jax.tree.map(lambda old, new: 0.999 * old + 0.001 * new * new, second, gradient)

        def moved(old: Any, mean: Any, square: Any) -> Any:
            return old - rate * (mean / (1 - 0.9**number)) / (jnp.sqrt(square / (1 - 0.999**number)) + 1e-8)

        return (jax.tree.map(moved, numbers, first, second), first, second), value

    still = jax.tree.map(jnp.zeros_like, parameters)
    state = (parameters, still, still)
    (parameters, _, _), values = jax.lax.scan(step, state, jnp.arange(1.0, steps + 1.0))
    value = values[-1]
    if not bool(jnp.isfinite(value)):
        raise FloatingPointError(
            f"The loss became {float(value)} within {steps} steps: try a smaller rate than {rate}."
        )
    return constant(parameters)


def _apart(module: _M) -> tuple[Any, Callable[[Any], _M]]:
    """Return the leaves of `module` as arrays, and what puts such leaves back into it."""
    import jax
    import jax.numpy as jnp

    leaves, shape = jax.tree.flatten(module)
    if not leaves:
        raise ValueError(
            f"{type(module).__name__} has nothing that learns: no array, and no field that is a param()."
        )
    return [jnp.asarray(leaf, dtype=float) for leaf in leaves], lambda numbers: jax.tree.unflatten(
        shape, numbers
    )
