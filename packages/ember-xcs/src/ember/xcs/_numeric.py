"""Stage functions of numbers with `jax.jit`, and know for certain which those are.

`Numeric(f).call(args, kwargs)` is `jax.jit(f)(*args, **kwargs)` when all of this holds, and `NOT_NUMERIC` otherwise:

1. jax is imported and at least one leaf of the arguments is a `jax.Array`;
2. by its bytecode, everything `f` reaches computes and does nothing else (`_numeric_check`);
3. abstract evaluation succeeds, gives arrays, and leaves the arguments as they were (`_numeric_stage`);
4. what comes of it has no effects, and no arithmetic that Python or numpy would have done with more digits
   (`_numeric_jaxpr`).

1 and 2 are asked once per structure of the arguments, 3 and 4 once per shape. After that a call costs what a call of
`jax.jit` costs and a look at whether every name still means what it meant.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import partial
from operator import is_
from threading import RLock
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final

from ember.core.externals import External
from ember.core.marks import mark

from ._jax import kind_of, tree_flatten, tree_leaves
from ._numeric_check import Check, NotNumeric, is_generator
from ._numeric_family import MOST_VALUES, TOO_MANY_VALUES, Family, is_array
from ._numeric_stage import Stage, first_line, signature
from ._numeric_static import Static


class _NotNumeric(Enum):
    NOT_NUMERIC = "not numeric"


NOT_NUMERIC: Final = _NotNumeric.NOT_NUMERIC
"""What `Numeric.call` gives for a call that is not one of numbers alone: make it as plain Python."""

_ATOMS: Final = frozenset((str, int, float, bool, bytes, type(None)))
_STRUCTURES: Final = 128
"""Structures of arguments remembered per function."""


class Numeric:
    """A function, and what is known of whether and when it is numeric.

    `static_argnums` and `static_argnames` are as in `jax.jit`: arguments by whose value the function is staged anew.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        static_argnums: int | Sequence[int] | None = None,
        static_argnames: str | Sequence[str] | None = None,
    ) -> None:
        self._lock = RLock()
        self._never: str | None = None
        self._bound: tuple[Any, ...] = ()
        if isinstance(function, MethodType):
            self._bound, function = (function.__self__,), function.__func__
        elif _is_object(function):
            self._bound, function = (function,), type(function).__call__
        if isinstance(function, External):
            self._never = f"{function.name} is an external call"
        elif isinstance(function, type):
            self._never = "it is a class"
        elif is_generator(function):
            self._never = "it is a generator"
        self._function: Any = function
        self._static = Static.of(function, static_argnums, static_argnames, len(self._bound))
        self._forget()

    def _forget(self) -> None:
        self._check: Check | None = None
        self._families: dict[Any, Family] = {}
        self._arrays: Stage | None = None
        self._functions: dict[Any, int] = {}
        self._admitted: dict[Any, bool] = {}
        # By the types of positional arguments, or the type of the only one: the compiled function, the type all leaves
        # must have if arguments are containers, and what `Guards.hold` looks at.
        self._quick: dict[Any, tuple[Any, type | None, Any, Any]] = {}

    def quick(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the result of a call like one that was served before, or `NOT_NUMERIC` if it was not run."""
        # Few arguments the quick way: `tuple(map(...))` takes 0.1 µs more.
        count = len(args)
        if count == 1:
            quick = self._quick.get(type(args[0]))
        elif count == 2:
            quick = self._quick.get((type(args[0]), type(args[1])))
        else:
            quick = self._quick.get(tuple(map(type, args)))
        if quick is not None and not kwargs:
            # Guards.hold(), written out: a call of a function is 0.1 µs, and all of this may take 0.5.
            jitted, array, lookups, rest = quick
            try:
                for get, where, values in lookups:
                    if get(where) != values:
                        break
                else:
                    if (array is None or _only_arrays(args, array)) and (
                        not rest or all(holds() for holds in rest)
                    ):
                        return jitted(*args)
            except (NotNumeric, KeyError, ValueError, TypeError, OverflowError):
                # A new shape that is refused, a name that is gone, a number that is too large, a dict whose keys cannot
                # be sorted, or the computation's own: the long way tells them apart.
                pass
        return NOT_NUMERIC

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the result of the function, staged, or `NOT_NUMERIC` if it was not run."""
        if (
            self._never is not None
            or "jax" not in sys.modules
            or (not self._bound and _ATOMS.issuperset(map(type, (*args, *kwargs.values()))))
        ):
            return NOT_NUMERIC
        try:
            return self._ask(args, kwargs, run=True)
        except NotNumeric:
            return NOT_NUMERIC

    def admits(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Say whether this call is numeric, as `why` does, but remember it."""
        if self._never is not None or not jax_in_use(args, kwargs):
            return False
        kinds = tuple(
            kind_of(leaf) if hasattr(leaf, "dtype") else (kind_of(leaf), repr(leaf))
            for leaf in tree_leaves((args, kwargs))
        )
        key = kinds, signature(args, kwargs)
        try:
            if self._admitted.get(key, False) and self._holds():
                return True
        except TypeError:  # what jax shall not follow must be hashable
            return False
        if len(self._admitted) >= _STRUCTURES:
            self._admitted.clear()
        answer = self._admitted[key] = self.why(args, kwargs) is None
        return answer

    def computes(self) -> bool:
        """Say whether, by its bytecode, all that the function reaches computes and does nothing else."""
        if self._never is not None:
            return False
        with self._lock:
            try:
                self._checked()
            except NotNumeric:
                return False
        return True

    def why(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """Return why this call is not numeric, or None if it is. Evaluates abstractly; compiles and runs nothing."""
        if "jax" not in sys.modules:
            return self._never or "jax is not imported, so no argument is a jax.Array"
        try:
            self._ask(args, kwargs, run=False)
        except NotNumeric as error:
            return str(error)
        return None

    def _ask(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, run: bool) -> Any:
        if self._never is not None:
            raise NotNumeric(self._never)
        positional = args
        static: tuple[Any, ...] = ()
        if self._bound:
            args = self._bound + args
        if self._static is not None:
            args, kwargs, static = self._static.split(args, kwargs)
        try:
            leaves, treedef = tree_flatten((args, kwargs))
        except Exception as error:  # keys that cannot be sorted, or a user's class that cannot be taken apart
            raise NotNumeric(f"an argument is no pytree: {first_line(error)}") from None
        key = (treedef, tuple([leaf if callable(leaf) else kind_of(leaf) for leaf in leaves]), static)
        try:
            family = self._families.get(key)
        except TypeError as error:  # what jax shall not follow must be hashable, as in jax.jit
            raise NotNumeric(f"a static argument is not hashable: {error}") from None
        if family is None or not family.check.guards.hold():
            if not any(map(is_array, leaves)):
                raise NotNumeric("no argument holds a jax.Array")
            with self._lock:
                check = self._checked()
                array = kind_of(leaves[0])
                if (
                    not (self._bound or static)
                    and array.__name__ == "ArrayImpl"
                    and _only_arrays((args, kwargs), array)
                ):
                    return self._ask_of_arrays(args, kwargs, array, check, run=run)
                if len(self._families) >= _STRUCTURES:
                    self._families.clear()
                self._count_functions(treedef, leaves)
                family = self._families[key] = Family(self._function, check, leaves, treedef, static)
        if not run:
            return family.verify(leaves)
        result = family.run(leaves)
        if not static and not kwargs and len(leaves) == len(positional) and all(map(is_, leaves, positional)):
            self._quicken(positional, family.direct, family.check, None)
        return result

    def _ask_of_arrays(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], array: type, check: Check, *, run: bool
    ) -> Any:
        """Ask for the commonest call: arrays alone, in tuples, lists and dicts. jax tells their structures apart."""
        if self._arrays is None:
            self._arrays = Stage(self._function, None, [])
        stage = self._arrays
        stage.check(args, kwargs)
        try:
            if not run:
                reason = stage.judge(args, kwargs)
                if reason is None:
                    return None
                raise NotNumeric(reason)
            result = stage.jitted(*args, **kwargs)
        except NotNumeric as error:
            stage.refuse(args, kwargs, str(error))
            self._quick.clear()
            if len(stage.refused) >= _STRUCTURES:
                self._never = str(error)
            raise
        if not kwargs and not stage.refused:
            self._quicken(args, stage.jitted, check, array)
        return result

    def _quicken(
        self, args: tuple[Any, ...], jitted: Callable[..., Any] | None, check: Check, array: type | None
    ) -> None:
        """Let calls like this one, which has just been served, go straight to `jitted`."""
        if jitted is None or self._bound or self._static is not None or not args:
            return
        if len(self._quick) >= _STRUCTURES:
            self._quick.clear()
        types = tuple(map(type, args))
        if {tuple, list, dict}.isdisjoint(types):
            array = None
        self._quick[types[0] if len(types) == 1 else types] = (
            jitted,
            array,
            check.guards.lookups,
            check.guards.rest,
        )

    def _count_functions(self, treedef: Any, leaves: list[Any]) -> None:
        """Raise `NotNumeric` if the function was staged for too many functions among its arguments."""
        if any(map(callable, leaves)):
            key = treedef, tuple(map(type, leaves))
            if len(self._functions) > _STRUCTURES:
                self._functions.clear()
            self._functions[key] = count = self._functions.get(key, 0) + 1
            if count > MOST_VALUES:
                raise NotNumeric(TOO_MANY_VALUES)

    def _holds(self) -> bool:
        return self._check is not None and self._check.guards.hold()

    def _checked(self) -> Check:
        """Return what is known of the function itself; what a name meant that means something else now is forgotten."""
        if self._check is not None and not self._check.guards.hold():
            self._forget()
        if self._check is None:
            try:
                self._check = Check().of((self._function,))
            except NotNumeric as error:
                self._never = str(error)
                raise
        return self._check


def _only_arrays(values: Iterable[object], array: type) -> bool:
    """Say whether `values` are of the type `array`, in nothing but tuples, lists and dicts."""
    for value in values:
        kind = type(value)
        if kind is array:
            continue
        inside: Any = value
        if kind is dict:
            inside = inside.values()
        elif kind is not list and kind is not tuple:
            return False
        if not _only_arrays(inside, array):
            return False
    return True


def _is_object(function: Any) -> bool:
    """Say whether `function` is an object of a class that defines `__call__`, so that it is an argument of that."""
    if isinstance(function, FunctionType | BuiltinFunctionType | type | partial | External):
        return False
    if not callable(function) or mark(function, "__wrapped__") is not None:
        return False
    return isinstance(type(function).__call__, FunctionType)


def jax_in_use(*values: Any) -> bool:
    """Say whether jax is imported and one of its arrays is among the leaves of `values`."""
    if "jax" not in sys.modules:
        return False
    try:
        return any(map(is_array, tree_leaves(values)))
    except Exception:  # keys that cannot be sorted, or a user's class that cannot be taken apart
        return False
