"""Gradients, and what they may not go through.

`jax.grad` follows arrays. An external call takes an array's value, or a text made of it, and gives an answer that knows
nothing of the array any more: its gradient would be zero, silently. So every external call under `grad` is refused,
whatever its arguments, but those that are said to be constants with `stop_gradient`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar, cast, overload

from ember.core.concurrency import one_by_one
from ember.core.externals import Estimate, External, Handler, handler, handling

from ._errors import GradientThroughCall
from ._jax import the_jax, tree_leaves

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_TEXT_OF_TRACER: Final = re.compile(r"\b(?:\w*Tracer|Traced)[<(]")


def grad(
    function: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[P, Any]:
    """Return the function that gives the gradient of `function`, with respect to its first argument or `argnums`.

    As `jax.grad`: `function` returns a scalar, or with `has_aux` a pair of it and anything. Arguments may be pytrees,
    callable ones among them; what is differentiated holds floating-point arrays.

    Raises `GradientThroughCall` if an external call is made on the way, even where the caller would catch it: there is
    no gradient through it. Make it through `stop_gradient` if its answer counts as a constant.

    >>> import jax.numpy as jnp
    >>> grad(lambda w: (w**2).sum())(jnp.array([1.0, 3.0])).tolist()
    [2.0, 6.0]
    """
    return _differentiated("grad", function, argnums, has_aux, holomorphic, allow_int)


def value_and_grad(
    function: Callable[P, R],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[P, tuple[R, Any]]:
    """Return the function that gives `function`'s result and its gradient, as `jax.value_and_grad` and `grad` do.

    >>> import jax.numpy as jnp
    >>> value, gradient = value_and_grad(lambda w: w**2)(jnp.array(3.0))
    >>> float(value), float(gradient)
    (9.0, 6.0)
    """
    return _differentiated("value_and_grad", function, argnums, has_aux, holomorphic, allow_int)


def differentiating() -> bool:
    """Say whether this code runs under `grad`: what is found not numeric is then run as plain Python, in one thread."""
    return isinstance(handler(), _Gradient)


def _differentiated(name: str, function: Callable[..., Any], *options: Any) -> Callable[..., Any]:
    if not callable(function):
        raise TypeError(f"xcs.{name} takes a function, not a {type(function).__name__}.")
    made: list[Callable[..., Any]] = []  # not before the first call: jax may not be imported yet

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        if not made:
            jax = the_jax()

            # jax asks for names that a callable object need not have.
            plain = wraps(function)(lambda *args, **kwargs: function(*args, **kwargs))
            made.append(getattr(jax, name)(plain, *options))
        gradient = _Gradient(handler())
        try:
            with handling(gradient):
                return made[0](*args, **kwargs)
        finally:
            if gradient.refused is not None:
                # Also when user code has caught it: going on would make the zero that must not be.
                raise gradient.refused

    try:
        return wraps(function)(differentiated)
    except AttributeError:
        return differentiated


class _Gradient:
    """The handler in force under `grad`. Refuses external calls but those under `stop_gradient`."""

    def __init__(self, outer: Handler | None, *, stopped: bool = False) -> None:
        # In a gradient's gradient, a constant is one to both.
        self.outer: Handler | None = outer.outer if isinstance(outer, _Gradient) else outer
        self._stopped = stopped
        self.refused: GradientThroughCall | None = None

    def call(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args, kwargs = self._admitted(external, args, kwargs)
        with handling(self.outer):
            return external(*args, **kwargs)

    async def acall(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args, kwargs = self._admitted(external, args, kwargs)
        with handling(self.outer):
            return await external.aio(*args, **kwargs)

    def gather(
        self, thunks: Iterable[Callable[[], Any]], limit: int | None, return_exceptions: bool = False
    ) -> list[Any]:
        """Run one after the other: jax follows values in one thread."""
        return one_by_one(thunks, return_exceptions)

    def _admitted(
        self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        try:
            if not self._stopped and not isinstance(external, StoppedCall):
                raise GradientThroughCall(external.name)
            _refuse_text(external.name, args)
            _refuse_text(external.name, kwargs)
            return _values(external, args), _values(external, kwargs)
        except GradientThroughCall as error:
            self.refused = self.refused or error
            raise


class StoppedCall(External[P, R]):
    """An external call whose answer counts as a constant: what `stop_gradient` makes of an external."""

    def __init__(self, external: External[P, R]) -> None:
        self.__wrapped__ = external
        self.name, self.kind = external.name, external.kind

    def run(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.__wrapped__.run(*args, **kwargs)

    async def arun(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self.__wrapped__.arun(*args, **kwargs)

    def estimate(self, *args: P.args, **kwargs: P.kwargs) -> Estimate | None:
        return self.__wrapped__.estimate(*args, **kwargs)

    def __repr__(self) -> str:
        return f"stop_gradient({self.__wrapped__!r})"


@overload
def stop_gradient(value: External[P, R]) -> StoppedCall[P, R]: ...
@overload
def stop_gradient(value: Callable[P, R]) -> Callable[P, R]: ...
@overload
def stop_gradient(value: T) -> T: ...
def stop_gradient(value: Any) -> Any:
    """Return `value` as a constant to `grad`. Of an external or a function: the same, whose results are constants.

    An array, or a pytree of arrays, keeps its values and has no gradient, as with `jax.lax.stop_gradient`. A callable
    may make external calls under `grad`: `xcs.stop_gradient(models)("gpt-4", "…")`. Arrays among their arguments arrive
    as values; where an array has none (inside `jit` or a numeric `vmap`), or a text was made of an array that a
    gradient follows, that is a `GradientThroughCall` too. Write f"{xcs.stop_gradient(x)}" for its text.

    >>> import jax.numpy as jnp
    >>> grad(lambda w: w * stop_gradient(w))(jnp.array(3.0)).tolist()
    3.0
    """
    if isinstance(value, External):
        return StoppedCall(cast("External[..., Any]", value))
    if callable(value) and _is_leaf(value):
        return _stopped_function(value)
    if "jax" not in sys.modules:
        return value
    jax = the_jax()

    def stopped(leaf: Any) -> Any:
        return jax.lax.stop_gradient(leaf) if isinstance(leaf, jax.Array) else leaf

    return jax.tree_util.tree_map(stopped, value)


def _stopped_function(function: Callable[..., Any]) -> Callable[..., Any]:
    def stopped(*args: Any, **kwargs: Any) -> Any:
        if not isinstance(active := handler(), _Gradient):
            return function(*args, **kwargs)
        args, kwargs = stop_gradient(args), stop_gradient(kwargs)
        inner = _Gradient(active, stopped=True)
        try:
            with handling(inner):
                return stop_gradient(function(*args, **kwargs))
        finally:
            active.refused = active.refused or inner.refused

    return wraps(function)(stopped)


def _is_leaf(value: object) -> bool:
    if "jax" not in sys.modules:
        return True
    all_leaves = the_jax().tree_util.all_leaves

    return bool(all_leaves([value]))


def _refuse_text(call: str, value: object) -> None:
    if isinstance(value, str):
        if _TEXT_OF_TRACER.search(value):
            raise GradientThroughCall(
                call,
                "is given the text of an array that a gradient follows, which does not show its value. Make the text "
                'of xcs.stop_gradient(x), as in f"{xcs.stop_gradient(x)}".',
            )
    elif isinstance(value, dict):
        for inner in cast("dict[object, object]", value).values():
            _refuse_text(call, inner)
    elif isinstance(value, tuple | list):
        for inner in cast("list[object]", value):
            _refuse_text(call, inner)


def _values(external: External[..., Any], given: T) -> T:
    """Return the arguments with arrays that have values in the place of those a gradient follows."""
    jax = the_jax()

    concrete = stop_gradient(given)
    for leaf in tree_leaves(concrete):
        if isinstance(leaf, jax.core.Tracer):
            raise GradientThroughCall(
                external.name,
                "is given an array that has no value here: it is made inside jit or a numeric vmap. Make the call "
                "outside, and pass its answer in.",
            )
    return concrete
