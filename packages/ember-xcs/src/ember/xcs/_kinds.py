"""What kinds of values the variables and expressions of some statements have, and which functions they call.

A kind is `DATA`, `CONTAINER`, a class of the user's, a tuple of functions, or None where it is not known.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import ast
import copy
import logging
import re
from collections.abc import Sequence
from types import FunctionType, MethodType
from typing import Any, Final

from ember.core.externals import External
from ember.core.marks import mark

from . import _effects as effects, _names as names
from ._bindings import Bindings, Text, arguments_of, as_called, is_in
from ._methods import is_of_user, methods_named, of_class

ALL_CHANGING: Final[frozenset[str]] = frozenset[str]().union(*effects.CHANGING.values())

DATA: Final = object()
"""The kind of what is surely made of Python's own types. Others are a class of the user's, or a tuple of functions."""

CONTAINER: Final = object()
"""The kind of one of Python's own containers, of whatever."""

_HANDS_ON: Final = effects.SHALLOW | effects.CALLS_BACK | (effects.READ - effects.COMPUTE)


class Kinds(Bindings):
    """The kinds of what the variables and expressions of a text hold."""

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self._kinds: dict[str, Any] = {}
        self._mixed: set[str] = set()

    def kind(self, node: ast.expr | None) -> Any:
        """Return `DATA`, a class of the user's, a tuple of functions that it is one of, or None if it is not known."""
        if isinstance(node, ast.Name):  # as most are
            return self._kind_of(node.id)
        if node is None or isinstance(node, (ast.Constant, ast.JoinedStr, ast.Compare)):
            return DATA
        if isinstance(node, ast.Call):
            return self._kind_of_call(node)
        if isinstance(node, ast.UnaryOp):
            return DATA if isinstance(node.op, ast.Not) else self.kind(node.operand)
        if isinstance(node, ast.BinOp):
            left, right = self.kind(node.left), self.kind(node.right)
            text = isinstance(node.left, (ast.Constant, ast.JoinedStr))
            return DATA if left is right is DATA or (text and isinstance(node.op, ast.Mod)) else None
        if isinstance(node, (ast.BoolOp, ast.IfExp)):
            parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
            kinds = [self.kind(part) for part in parts]
            return joined(kinds)
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return DATA if all(self.kind(one) is DATA for one in node.elts) else CONTAINER
        if isinstance(node, ast.Dict):
            data = all(self.kind(one) is DATA for one in (*node.keys, *node.values))
            return DATA if data else CONTAINER
        if isinstance(node, (ast.ListComp, ast.SetComp)):
            return DATA if self.kind(node.elt) is DATA else CONTAINER
        if isinstance(node, ast.GeneratorExp):
            return DATA if self.kind(node.elt) is DATA else None
        if isinstance(node, ast.DictComp):
            return DATA if self.kind(node.key) is self.kind(node.value) is DATA else CONTAINER
        if isinstance(node, (ast.Subscript, ast.Starred)):
            found = self.kind(node.value)
            return found if found is DATA or isinstance(found, tuple) else None
        if isinstance(node, ast.Attribute):
            return DATA if self.kind(node.value) is DATA else None
        if isinstance(node, ast.NamedExpr):
            return self.kind(node.value)
        return None

    def _kind_of(self, name: str) -> Any:
        if name not in self._local:
            value = self._resolve(name)
            if isinstance(value, type) and is_of_user(value):
                return None
            if type(value) in effects.SCALARS or isinstance(value, (re.Pattern, logging.Logger)):
                return DATA
            return table(value)
        if name in self._known_kinds and (name not in self._stored or name not in self._of_self):
            return self._known_kinds[name]
        if name in self._entering or name in self._inputs | self._open or not self._assigned.get(name):
            return None
        if name in self._parameters - self._given:
            return None
        if name not in self._kinds:
            self._kinds[name] = DATA  # for what is made from itself
            kinds = [
                self._kind_of_part(value) if part else self.kind(value)
                for value, part in self._assigned[name]
            ]
            self._kinds[name] = joined(kinds)
        found = self._kinds[name]
        return CONTAINER if found is DATA and name in self._mixed else found

    def _kind_of_part(self, value: ast.expr) -> Any:
        """Return the kind of the elements of `value`."""
        found = self.kind(value)
        return None if isinstance(found, type) or found is CONTAINER else found

    def _kind_of_call(self, node: ast.Call) -> Any:
        node = as_called(node)
        function = node.func
        value = self._callee(function)
        if isinstance(value, External):
            from ._external_calls import result_kind

            return DATA if result_kind(value) in effects.SCALARS else None
        if isinstance(value, type) and not is_in(effects.READ, value):
            return value
        if isinstance(value, type) and value in effects.CONTAINERS:
            given = all(
                self.kind(one) is DATA
                for one in arguments_of(node)
                if not is_in(effects.FACTORIES, self._callee(one))
            )
            return DATA if given else CONTAINER
        if value is not None and is_in(effects.COMPUTE - {copy.copy, copy.deepcopy}, value):
            return DATA
        if value is not None and is_in(_HANDS_ON, value):
            if is_in(effects.LAZY, value):
                return None
            return DATA if node.args and all(self.kind(one) is DATA for one in arguments_of(node)) else None
        if isinstance(function, ast.Attribute):
            found = self.kind(function.value)
            if found is DATA:
                return DATA if all(self.kind(one) is DATA for one in arguments_of(node)) else None
            if found is CONTAINER and function.attr in ("items", "keys", "values", "copy"):
                return CONTAINER
            return found if isinstance(found, tuple) and function.attr == "get" else None
        if isinstance(value, FunctionType):
            return self._effects_of(value).kind
        return None

    def _candidates(self, node: ast.Call) -> list[FunctionType]:
        """Return the user's functions that a call may run."""
        function = node.func
        value = self._callee(function)
        if type(value) is MethodType:
            value = value.__func__
        if type(value) is FunctionType:
            return [value] if not is_in(effects.READ, value) else []
        if isinstance(value, type):
            made = [
                getattr(value, "__init__", None),
                getattr(value, "__new__", None),
                getattr(value, "__post_init__", None),
            ]
            return [
                one for one in made if type(one) is FunctionType and one.__code__.co_filename != "<string>"
            ]
        if isinstance(value, External):
            return []
        if isinstance(function, ast.Attribute) and value is None:
            kind = self.kind(function.value)
            if kind is DATA or kind is CONTAINER or isinstance(kind, tuple):
                return []
            if isinstance(kind, type):
                return of_class(kind, function.attr)
            return methods_named(function.attr)
        if isinstance(function, (ast.Name, ast.Subscript, ast.Call)):
            kind = self.kind(function)
            if isinstance(kind, tuple):
                return [one for one in kind if type(one) is FunctionType]
        return []

    def kinds(self) -> dict[str, Any]:
        """Return the kinds of the variables that have one: wherever in these statements they are read."""
        found = {name: self._kind_of(name) for name in {*self._assigned, *self._known_kinds}}
        return {name: kind for name, kind in found.items() if kind is not None}

    def result(self, body: Sequence[ast.AST]) -> Any:
        """Return the kind of all that these statements, a function's, return."""
        returns = [node.value for node in names.own(body) if isinstance(node, ast.Return)]
        kinds = [self.kind(value) for value in returns]
        return joined(kinds) if kinds else None


def joined(kinds: Sequence[Any]) -> Any:
    """Return the kind of what may be of any of `kinds`."""
    if all(one is kinds[0] for one in kinds):
        return kinds[0]
    return CONTAINER if all(one is DATA or one is CONTAINER for one in kinds) else None


def table(value: Any) -> tuple[Any, ...] | None:
    """Return the functions that a global dict, list or tuple holds, if it holds nothing else."""
    if type(value) in (dict, list, tuple) and value:
        held = [mark(one, "__ember_jit__", one) for one in (value.values() if type(value) is dict else value)]
        if all(isinstance(one, (FunctionType, External)) for one in held):
            return tuple(held)
    return None
