"""Whether an external function changes or keeps what it is given, seen from its text.

One that only reads its arguments is given a copy of the containers among them, as they are when it is called, and the
program goes on. One that changes them, stores them somewhere or returns them is given the objects themselves, and what
uses them next waits for it. Libraries are taken to read what they are handed.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import ast
import bisect
import heapq
import random
from types import FunctionType
from typing import Any, Final

from . import _effects as effects
from ._function_effects import Key, forgets, is_installed_file, keep, key_of, resolver
from ._kinds import ALL_CHANGING
from ._source import NoSource, tree_of

_CHANGING: Final[frozenset[Any]] = frozenset(
    [
        heapq.heappush, heapq.heappop, heapq.heapify, heapq.heapreplace, heapq.heappushpop, bisect.insort,
        bisect.insort_left, bisect.insort_right, random.shuffle, setattr, delattr,
    ]
)  # fmt: skip
_known: dict[Key, bool] = {}
forgets.append(_known.clear)


def takes_over(external: Any) -> bool:
    """Whether an external call may change or keep its arguments."""
    function: Any = getattr(external, "_function", None)
    if not isinstance(function, FunctionType):  # a method: of the external function that it binds
        function = getattr(function, "_function", None)
    return type(function) is FunctionType and _takes_over(function)


def _takes_over(function: FunctionType) -> bool:
    key = key_of(function)
    found = _known.get(key)
    if found is None:
        keep(function)
        _known[key] = False  # for recursion
        try:
            found = _Uses(function).takes_over()
        except NoSource:
            found = True
        _known[key] = found
    return found


class _Uses:
    """What a function does with its parameters and with what it takes out of them."""

    def __init__(self, function: FunctionType) -> None:
        self._tree = tree_of(function.__code__)
        self._resolve = resolver(function)
        args = self._tree.args
        every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        self._theirs = {one.arg for one in every if one is not None} - {"self", "cls"}

    def takes_over(self) -> bool:
        before = -1
        while before != len(self._theirs):  # until no further name stands for something of theirs
            before = len(self._theirs)
            for node in ast.walk(self._tree):
                self._follow(node)
        return any(map(self._keeps, ast.walk(self._tree)))

    def _follow(self, node: ast.AST) -> None:
        pairs: list[tuple[ast.expr, ast.expr]] = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            pairs = [(node.target, node.iter)]
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            pairs = [(node.target, node.value)]
        for target, value in pairs:
            if self._is_theirs(value):
                self._theirs |= {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}

    def _is_theirs(self, node: ast.expr | None) -> bool:
        """Whether the value may be an argument, a part of one, or hold one."""
        if isinstance(node, ast.Name):
            return node.id in self._theirs
        if isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred, ast.Await)):
            return self._is_theirs(node.value)
        if isinstance(node, ast.NamedExpr):
            return self._is_theirs(node.value)
        if isinstance(
            node, ast.Call
        ):  # of a method: `rows.values()`; or one that hands on: `enumerate(rows)`
            if isinstance(node.func, ast.Attribute):
                return self._is_theirs(node.func.value)
            handing_on = isinstance(node.func, ast.Name) and node.func.id in _HANDING_ON
            return handing_on and any(map(self._is_theirs, node.args))
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return any(map(self._is_theirs, node.elts))
        if isinstance(node, ast.Dict):
            return any(map(self._is_theirs, node.values))
        if isinstance(node, ast.IfExp):
            return self._is_theirs(node.body) or self._is_theirs(node.orelse)
        return isinstance(node, ast.BoolOp) and any(map(self._is_theirs, node.values))

    def _keeps(self, node: ast.AST) -> bool:
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            return self._is_theirs(node.value)
        if isinstance(node, ast.Assign) and any(
            isinstance(t, (ast.Attribute, ast.Subscript)) for t in node.targets
        ):
            return self._is_theirs(node.value)
        if isinstance(node, ast.AugAssign):
            return self._is_theirs(node.target)
        if isinstance(node, ast.Return):
            return not isinstance(node.value, (ast.Attribute, ast.Call)) and self._is_theirs(node.value)
        if isinstance(node, ast.Global):
            return bool(self._theirs & set(node.names))
        return isinstance(node, ast.Call) and self._call_keeps(node)

    def _call_keeps(self, node: ast.Call) -> bool:
        given = any(map(self._is_theirs, [*node.args, *(keyword.value for keyword in node.keywords)]))
        function = node.func
        if isinstance(function, ast.Attribute):
            if function.attr in ALL_CHANGING and (given or self._is_theirs(function.value)):
                return True
            base = self._resolve(function.value.id) if isinstance(function.value, ast.Name) else None
            value = getattr(base, function.attr, None)
        else:
            value = self._resolve(function.id) if isinstance(function, ast.Name) else None
        if not given:
            return False
        if effects.is_among(value, _CHANGING):
            return True
        if type(value) is not FunctionType or is_installed_file(value.__code__.co_filename):
            return False
        return _takes_over(value)


_HANDING_ON: Final = frozenset(
    ["enumerate", "zip", "iter", "reversed", "next", "list", "tuple", "sorted", "dict"]
)
