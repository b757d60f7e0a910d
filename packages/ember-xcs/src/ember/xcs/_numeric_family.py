"""Calls of one structure: what their leaves are to jax, and the stages made for them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import Enum
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final

from ember.core.externals import External
from ember.core.marks import mark

from ._jax import kind_of, the_jax
from ._numeric_check import Check, NotNumeric
from ._numeric_stage import Stage
from ._numeric_static import Static

MOST_VALUES: Final = 8
"""Values of Python numbers, texts and functions a structure is staged for, each time anew; then no more."""

TOO_MANY_VALUES: Final = (
    f"its Python numbers, texts or functions had {MOST_VALUES} different values already, each of which is compiled "
    "anew; pass what changes as a jax.Array"
)

_REFUSALS: Final = 64
"""Shapes found not numeric per structure; then the structure is asked no more."""

_SELF_EVIDENT: Final = (int, bool, str, bytes)
_FIXED: Final = (bool, str, bytes, Enum, FunctionType, BuiltinFunctionType, type)


class Family:
    """The calls whose arguments have one structure and one type at each leaf."""

    def __init__(
        self,
        function: Callable[..., Any],
        check: Check,
        leaves: list[Any],
        treedef: Any,
        statics: tuple[Any, ...],
    ) -> None:
        self.check = check
        self._has_functions = any(map(callable, leaves))
        self._stages: dict[tuple[Any, ...], Stage] = {}
        self._set_kinds([_kind(leaf) for leaf in leaves])
        self._reason = next((kind for kind in self._kinds if kind not in ("array", "plain", "fixed")), None)
        self._function, self._treedef, self._statics = function, treedef, statics
        self._has_numpy = any(map(_is_numpy, leaves))
        # What the arguments bring along is reached too: methods of their classes, functions among them.
        brought = [*_nodes(treedef), *(value for _, _, value in statics)]
        brought += [
            leaf for leaf, kind in zip(leaves, self._kinds) if kind == "fixed" and type(leaf) is not bool
        ]
        if self._reason is None and brought:
            try:
                self.check = Check().of((function, *brought))
            except NotNumeric as error:
                self._reason = str(error)
        if self._reason is None and self.check.changes_in_place and self._has_numpy:
            self._reason = "it changes values in place, and an argument holds a numpy array"
        if self.check.asks_for_types:
            self._fix_plain()

    @property
    def direct(self) -> Callable[..., Any] | None:
        """What can be called with the leaves at once, and raises `NotNumeric` where `run` has more to do; or None."""
        if self._reason is not None or self._has_functions:
            return None
        if "fixed" in self._kinds:
            return self._by_value
        stage = self._stages.get(())
        return None if stage is None or stage.refused else stage.jitted

    def _by_value(self, *leaves: Any) -> Any:
        stage = self._stages.get(tuple([_exact(leaves[at]) for at in self._fixed]))
        if stage is None or stage.refused:
            raise NotNumeric("not yet asked")
        return stage.jitted(*[leaves[at] for at in self._dynamic])

    def run(self, leaves: list[Any]) -> Any:
        """Return the function's result, or raise `NotNumeric` if it was not run."""
        stage, dynamic = self._stage(leaves)
        stage.check(dynamic, {})
        try:
            return stage.jitted(*dynamic)
        except OverflowError as error:
            # A Python int that int32 cannot hold, which plain Python has no need to convert.
            raise NotNumeric(str(error)) from None
        except NotNumeric as error:
            self._refuse(stage, leaves, dynamic, str(error))
        return self.run(leaves)

    def verify(self, leaves: list[Any]) -> None:
        """Raise `NotNumeric` if `run` would. Runs and compiles nothing."""
        stage, dynamic = self._stage(leaves)
        stage.check(dynamic, {})
        reason = stage.judge(dynamic, {})
        if reason is not None:
            self._refuse(stage, leaves, dynamic, reason)
            self.verify(leaves)

    def _refuse(self, stage: Stage, leaves: list[Any], dynamic: tuple[Any, ...], reason: str) -> None:
        """Look at Python numbers by their value from now on if that helps; else remember these shapes."""
        if "plain" in self._kinds and not self._has_numpy:
            kinds = self._kinds
            self._fix_plain()
            by_value, rest = self._stage(leaves)
            if by_value.judge(rest, {}) is None:
                return
            self._set_kinds(kinds)
            self._stages = {(): stage}
        stage.refuse(dynamic, {}, reason)
        if len(stage.refused) >= _REFUSALS:
            self._reason = reason

    def _set_kinds(self, kinds: list[str]) -> None:
        self._kinds = kinds
        self._fixed = [at for at, kind in enumerate(kinds) if kind == "fixed"]
        self._dynamic = [at for at, kind in enumerate(kinds) if kind != "fixed"]
        self._stages = {}

    def _fix_plain(self) -> None:
        if not self._has_numpy:
            self._set_kinds(["fixed" if kind == "plain" else kind for kind in self._kinds])
        elif self._reason is None:
            self._reason = "it asks for types, and an argument holds a numpy array"

    def _stage(self, leaves: list[Any]) -> tuple[Stage, tuple[Any, ...]]:
        if self._reason is not None:
            raise NotNumeric(self._reason)
        values = tuple([_exact(leaves[at]) for at in self._fixed])
        dynamic = tuple([leaves[at] for at in self._dynamic])
        stage = self._stages.get(values)
        if stage is None:
            if len(self._stages) >= MOST_VALUES:
                raise NotNumeric(TOO_MANY_VALUES)
            stage = self._stages[values] = self._make_stage(leaves)
        return stage, dynamic

    def _make_stage(self, leaves: list[Any]) -> Stage:
        tree_unflatten = the_jax().tree_util.tree_unflatten

        treedef, statics = self._treedef, self._statics
        whole: list[Any] = [None] * len(leaves)
        for at in self._fixed:
            whole[at] = leaves[at]
        places = self._dynamic

        def rebuild(dynamic: tuple[Any, ...], _: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            parts = whole.copy()
            for at, leaf in zip(places, dynamic):
                parts[at] = leaf
            args, kwargs = tree_unflatten(treedef, parts)
            return Static.join(args, kwargs, statics)

        plain = [number for number, at in enumerate(places) if self._kinds[at] == "plain"]
        return Stage(self._function, rebuild, plain)


def is_array(leaf: Any) -> bool:
    """Say whether `leaf` is a jax array, or stands for one."""
    jax = the_jax()

    return isinstance(leaf, jax.Array)


def _is_numpy(leaf: Any) -> bool:
    return isinstance(leaf, sys.modules["numpy"].ndarray)  # jax has imported it


def _kind(leaf: Any) -> str:
    """Say what a leaf is to jax: an array, a plain number that may stand for one, fixed; or else why it is nothing."""
    numpy = sys.modules["numpy"]
    if is_array(leaf):
        return "array"
    if isinstance(leaf, (*_FIXED, numpy.dtype, numpy.bool_)) or (
        callable(leaf) and mark(leaf, "__wrapped__") is not None
    ):
        return "fixed"
    if type(leaf) in (int, float, complex) or isinstance(leaf, numpy.ndarray | numpy.generic):
        return "plain"
    return f"an argument holds a {type(leaf).__qualname__}, which is neither an array nor a pytree of arrays"


def _exact(leaf: Any) -> Any:
    """Return what equals only for what is the same, of leaves of one type: 0.0 is not -0.0."""
    return leaf if type(leaf) in _SELF_EVIDENT or callable(leaf) else repr(leaf)


def _nodes(treedef: Any) -> list[Any]:
    """Return the classes of users in a structure of arguments, and the functions kept in them as static fields."""
    found: list[Any] = []
    data = treedef.node_data()
    if data is not None:
        kind, aux = data
        if isinstance(kind, type) and kind not in (tuple, list, dict, type(None)):
            found += [kind, *_functions(aux)]
    for child in treedef.children():
        found += _nodes(child)
    return found


def _functions(aux: Any) -> list[Any]:
    kind = kind_of(aux)
    if kind in (tuple, list, dict):
        inside: list[Any] = list(aux.values() if kind is dict else aux)
        return [each for inner in inside for each in _functions(inner)]
    return [aux] if isinstance(aux, FunctionType | MethodType | External | partial) else []
