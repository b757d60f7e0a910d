"""A function under `jax.jit` that looks at itself before jax compiles it for a new shape."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import Any

from ember.core.externals import handling

from ._jax import kind_of, the_jax, tree_flatten
from ._numeric_check import NotNumeric
from ._numeric_jaxpr import more_digits_in_python
from ._refuse import RefuseCalls

Rebuild = Callable[[tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]]


class Stage:
    """`jitted` is `jax.jit` of `function`; it raises `NotNumeric` where abstract evaluation says that it should not be.

    `rebuild` makes the function's arguments of those `jitted` is called with, `plain` are the positions of the leaves
    that are Python numbers or numpy arrays.
    """

    def __init__(self, function: Callable[..., Any], rebuild: Rebuild | None, plain: list[int]) -> None:
        jax = the_jax()
        self._plain = plain
        self.refused: dict[Any, str] = {}

        def observed(*args: Any, **kwargs: Any) -> Any:
            if rebuild is not None:
                args, kwargs = rebuild(args, kwargs)
            given, shape = tree_flatten((args, kwargs))
            result = function(*args, **kwargs)
            now, after = tree_flatten((args, kwargs))
            if shape != after or not all(map(is_, given, now)):
                raise NotNumeric("it changes its arguments")
            for leaf in tree_flatten(result)[0]:
                if not isinstance(leaf, jax.Array):
                    raise NotNumeric(
                        f"its result holds a {type(leaf).__name__}, which jax would make an array of"
                    )
            return result

        def staged(*args: Any, **kwargs: Any) -> Any:
            # Only run when jax has no operations for arguments like these: the one place that sees every new shape, and
            # costs nothing when there is none.
            reason = self.judge(args, kwargs)
            if reason is not None:
                raise NotNumeric(reason)
            return function(*args, **kwargs) if rebuild is None else observed(*args, **kwargs)

        staged.__name__ = staged.__qualname__ = getattr(function, "__name__", "staged")
        self.jitted: Any = jax.jit(staged)
        self._probe: Any = jax.jit(observed)

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raise `NotNumeric` if arguments like these were refused before."""
        if self.refused and (reason := self.refused.get(signature(args, kwargs))) is not None:
            raise NotNumeric(reason)

    def refuse(self, args: tuple[Any, ...], kwargs: dict[str, Any], reason: str) -> None:
        """Remember that arguments like these are not numeric."""
        self.refused[signature(args, kwargs)] = reason

    def judge(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """Evaluate abstractly and return why that is not all there is to it, or None."""
        try:
            # An external call in here was out of sight: in a callback of a library's, perhaps.
            with handling(RefuseCalls(_out_of_sight)):
                traced = self._probe.trace(*args, **kwargs)
        except NotNumeric as error:
            return str(error)
        except (
            Exception
        ) as error:  # user code's own, or jax's word that this needs a value: plain Python will tell
            return f"evaluating it abstractly raised {type(error).__name__}: {first_line(error)}"
        if traced.jaxpr.effects:
            return f"it has effects: {', '.join(sorted(map(str, traced.jaxpr.effects)))}"
        return more_digits_in_python(traced.jaxpr.jaxpr, self._plain)


def signature(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Return what jax tells arguments apart by: their structure and shapes."""
    leaves, treedef = tree_flatten((args, kwargs))
    shapes: tuple[Any, ...] = tuple(
        (leaf.shape, leaf.dtype, getattr(leaf, "weak_type", False))
        if hasattr(leaf, "dtype")
        else kind_of(leaf)
        for leaf in leaves
    )
    return treedef, shapes


def _out_of_sight(name: str) -> NotNumeric:
    return NotNumeric(f"it makes the external call {name}")


def first_line(error: BaseException) -> str:
    """Return the gist of a message; jax writes whole pages."""
    return str(error).strip().partition("\n")[0]
