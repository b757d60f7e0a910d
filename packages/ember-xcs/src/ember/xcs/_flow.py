"""Where the values of expressions come from: which variables' content they may be, or be a part of."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import ast
import copy
import logging
import re
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from ember.core.externals import External
from ember.core.marks import mark

from . import _effects as effects, _names as names
from ._bindings import Text, arguments_of, as_called, is_in, is_mixed
from ._kinds import DATA, Kinds
from ._methods import is_of_user
from ._origins import ANYWHERE, NOWHERE, OUTSIDE, Origins, global_origin


class Flow(Kinds):
    """What is kept in what, among the variables of some statements."""

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self.outside: set[str] = set()
        self._from: dict[str, Origins] = {}
        self._in: dict[str, Origins] = {}
        self._holds: dict[str, Origins] = {}

    def _flows(self, into: ast.expr, value: Origins) -> None:
        """Something of `value` is kept in what `into` refers to: whoever changes the one may change the other."""
        if value:
            for name in self.origins(into, True):
                if name.startswith(OUTSIDE):
                    self.outside |= value
                else:
                    self._holds[name] = self._holds.get(name, NOWHERE) | value

    def _mixes(self, into: ast.expr, value: ast.expr | None) -> None:
        """If `value` is not data, neither is what it is put into."""
        if value is None or self.kind(value) is not DATA:
            self._mixed |= self.origins(into, True)

    def origins(self, node: ast.expr | None, content: bool = False) -> Origins:
        """Return what the value of `node` (with its `content`: or something in it) may be, or be a part of."""
        if node is None or isinstance(node, (ast.Constant, ast.JoinedStr, ast.Compare)):
            return NOWHERE
        if isinstance(node, ast.Name):
            return self._content_of(node.id) if content else self._origins_of(node.id)
        if isinstance(node, ast.Attribute):
            module = self._module(node.value)
            if module is not None:
                known = is_constant(getattr(module, node.attr, None))
                return NOWHERE if known else frozenset({global_origin(vars(module), node.attr)})
        if isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
            return self.origins(node.value, True)
        if isinstance(node, ast.Call):
            return self._origins_of_call(node, content)
        if isinstance(node, (ast.Await, ast.Yield, ast.YieldFrom)):
            return ANYWHERE
        if isinstance(node, ast.NamedExpr):
            return self.origins(node.value, content)
        if isinstance(node, (ast.BoolOp, ast.IfExp)):
            parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
            return NOWHERE.union(*(self.origins(part, content) for part in parts))
        if not content:
            return NOWHERE  # it is made here
        if isinstance(node, (ast.ListComp, ast.SetComp)):
            return self.origins(node.elt, True)
        if isinstance(node, ast.DictComp):
            return self.origins(node.key, True) | self.origins(node.value, True)
        if isinstance(node, ast.Lambda):
            own = {arg.arg for arg in names.walk(node.args) if isinstance(arg, ast.arg)}
            return NOWHERE.union(*(self._content_of(name) for name in names.loaded([node.body]) - own))
        found: set[str] = set()
        for child in names.children(node):
            if isinstance(child, ast.expr):
                found |= self.origins(child, True)
            elif isinstance(child, ast.comprehension):
                found |= self.origins(child.iter, True)
        return frozenset(found)

    def _global(self, name: str) -> Origins:
        value = self._resolve(name)
        if is_constant(value):
            return NOWHERE
        if name in self._namespace:
            return frozenset({global_origin(self._namespace, name)})
        return ANYWHERE

    def _module(self, node: ast.expr) -> ModuleType | None:
        """Return the module that `node` stands for, if it does for one."""
        base = node
        while isinstance(base, ast.Attribute):
            base = base.value
        if not isinstance(base, ast.Name) or base.id in self._local:
            return None
        found = self._static(node)
        return found if isinstance(found, ModuleType) else None

    def _origins_of(self, name: str) -> Origins:
        if name not in self._local:
            return self._global(name)
        known = self._from.get(name)
        if known is None:
            self._from[name] = known = self._self(name)
            for value, part in self._assigned.get(name, ()):
                known |= self.origins(value, part)
            self._from[name] = known
        return known

    def _self(self, name: str) -> Origins:
        """Return `name` itself, and anything if it is a nested function's parameter or comes from an import."""
        one = frozenset({name})
        foreign = name in self._parameters - self._given and name not in self._inputs
        foreign = foreign or name in self._open
        return one | ANYWHERE if foreign else one

    def _content_of(self, name: str) -> Origins:
        if name not in self._local:
            return self._global(name)
        known = self._in.get(name)
        if known is None:
            self._in[name] = known = self._self(name) | self._holds.get(name, NOWHERE)
            for value, _ in self._assigned.get(name, ()):
                known |= self.origins(value, True)
            for other in known:
                if other in self._holds:
                    known |= self._holds[other]
            self._in[name] = known
        return known

    def _origins_of_call(self, node: ast.Call, content: bool) -> Origins:
        node = as_called(node)
        function = node.func
        value = self._callee(function)
        if isinstance(value, External) or (value is not None and is_in(effects.COMPUTE - {copy.copy}, value)):
            return NOWHERE
        candidates = self._candidates(node)
        found: set[str] = set()
        if isinstance(value, type) and not content and value is not type:
            return NOWHERE  # a new one
        arguments = arguments_of(node)
        if isinstance(value, FunctionType) and candidates and not is_mixed(node):
            gives = self._effects_of(value).gives
            arguments = [one for place, one in enumerate(arguments) if gives >> place & 1]
        for one in arguments:
            found |= self.origins(one, True)
        if isinstance(function, ast.Attribute) and not isinstance(
            value, (BuiltinFunctionType, type, FunctionType)
        ):
            found |= self.origins(function.value, True)
        for candidate in candidates:
            found |= self._effects_of(candidate).outside
        if isinstance(function, ast.Name):
            if function.id in self._defined and function.id in self._local:
                # It may return what it has captured.
                found |= NOWHERE.union(*map(self._content_of, names.loaded(self._defined[function.id])))
            elif value is None and not candidates:
                found |= ANYWHERE
        elif value is None and not candidates and not isinstance(function, ast.Attribute):
            found |= ANYWHERE
        return frozenset(found)


def is_constant(value: Any) -> bool:
    """Whether nothing that a global stands for can be changed, but by assigning it anew."""
    if isinstance(value, type) and not is_of_user(value):
        return True
    if type(value) in effects.SCALARS - {type} or isinstance(
        value, (FunctionType, ModuleType, External, BuiltinFunctionType, re.Pattern, logging.Logger)
    ):
        return value is not None
    if isinstance(value, (tuple, frozenset)):
        return all(map(is_constant, value))
    return mark(value, "__ember_jit__") is not None
