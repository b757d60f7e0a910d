"""Arguments by whose value a function is staged anew, named as `jax.jit` has them named."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import suppress
from typing import Any


class Static:
    """Which arguments are static, by position or by name, as `jax.jit` takes them."""

    def __init__(self, positions: tuple[int, ...], names: tuple[str, ...]) -> None:
        self._positions, self._names = positions, names

    @staticmethod
    def of(
        function: Any, nums: int | Sequence[int] | None, named: str | Sequence[str] | None, shift: int
    ) -> Static | None:
        """Find out what is static of `function`, whose first `shift` parameters are not counted."""
        if nums is None and named is None:
            return None
        positions = {nums} if isinstance(nums, int) else set(nums or ())
        names = {named} if isinstance(named, str) else set(named or ())
        parameters: list[inspect.Parameter] = []
        with suppress(
            TypeError, ValueError
        ):  # no signature to be had: what was given is all there is, as in jax
            parameters = list(inspect.signature(function).parameters.values())[shift:]
        positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        takes_any = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        count = len(positional)
        if parameters and not takes_any:
            for position in positions:
                if not -count <= position < count:
                    raise ValueError(
                        f"static_argnums holds {position}, and there are {count} positional parameters."
                    )
        takes_names = any(p.kind is p.VAR_KEYWORD for p in parameters)
        known = {p.name for p in parameters}
        if parameters and not takes_names and names - known:
            raise ValueError(f"static_argnames holds {sorted(names - known)}, which are no parameters.")
        positions = {p % count if p < 0 and count else p for p in positions}
        if named is None:
            names |= {positional[p] for p in positions if p < count}
        if nums is None:
            positions |= {positional.index(name) for name in names if name in positional}
        return Static(tuple(sorted(p + shift for p in positions)), tuple(sorted(names)))

    def split(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any], tuple[Any, ...]]:
        """Return the other arguments, and those that are static as (where, type, value)."""
        taken = [(at, args[at]) for at in self._positions if at < len(args)]
        named = [(name, kwargs[name]) for name in self._names if name in kwargs]
        rest = tuple(arg for at, arg in enumerate(args) if at not in self._positions)
        others = {name: value for name, value in kwargs.items() if name not in self._names}
        return rest, others, tuple((where, type(value), value) for where, value in (*taken, *named))

    @staticmethod
    def join(args: Any, kwargs: Any, statics: tuple[Any, ...]) -> tuple[Any, Any]:
        """Put back what `split` took out."""
        if not statics:
            return args, kwargs
        whole, named = list(args), dict(kwargs)
        for where, _, value in statics:
            if isinstance(where, int):
                whole.insert(where, value)
            else:
                named[where] = value
        return tuple(whole), named
