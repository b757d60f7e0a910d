"""Lowering calls: of what a generator expression is given to, of methods, of all else."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import ast
from typing import Final

from . import _names as names
from ._comprehensions import Comprehensions
from ._trees import Unsupported, load, store

_EATERS: Final = frozenset({"list", "tuple", "set", "frozenset", "sorted", "max", "min", "sum", "dict"})
_REFUSED: Final = frozenset({"locals", "vars", "eval", "exec", "dir", "globals"})


class Calls(Comprehensions):
    """Calls of one function."""

    def ex_Call(self, node: ast.Call) -> ast.expr:
        function = node.func
        if isinstance(function, ast.Name) and function.id not in self.locals:
            if function.id.startswith("_x_"):  # a hook already: see _awaits
                self.waits = self.waits or function.id in ("_x_amanager", "_x_asteps")
                given = [self.element(one) for one in node.args]
                words = [
                    ast.keyword(
                        one.arg, self.ex(one.value) if one.arg else self.X("mapping", self.ex(one.value))
                    )
                    for one in node.keywords
                ]
                if function.id == "_x_AssertionError":
                    return ast.Call(self.hook("call"), [self.hook("AssertionError"), *given], words)
                return ast.Call(self.hook(function.id[3:]), given, words)
            if function.id in _REFUSED:
                raise Unsupported(f"line {node.lineno}: it calls {function.id}()")
            if function.id == "super" and not node.args:
                if not self.parameters:
                    raise Unsupported(f"line {node.lineno}: super() without a first parameter")
                return ast.Call(load("super"), [load("__class__"), load(self.parameters[0])], [])
            builtin = self._is_builtin(function)
            if (
                builtin
                and function.id in _EATERS
                and len(node.args) == 1
                and self._is_map(node.args[0], which=filter)
            ):
                over = ast.comprehension(store("_x_one"), node.args[0], [], 0)
                return self.call(node, [self._generators([over], load("_x_one"), node)])
            if (
                builtin
                and function.id in _EATERS
                and len(node.args) == 1
                and self._is_map(node.args[0], many=True)
            ):
                inner = node.args[0]
                assert isinstance(inner, ast.Call)
                if len(inner.args) > 2:
                    return self.call(node, [self.source(inner)])
            if builtin and function.id in _EATERS and len(node.args) == 1 and self._is_map(node.args[0]):
                inner = node.args[0]
                assert isinstance(inner, ast.Call)
                mapped = self.X("mapped", *[self.ex(one) for one in inner.args], self.flags([inner]))
                return self.call(node, [ast.copy_location(mapped, inner)])
            only = self._generated(node)
            if builtin and only is not None:
                if function.id in _EATERS:
                    return self.call(node, [self.comprehension(only)])
                if function.id in ("any", "all") and len(only.generators) == 1 and not node.keywords:
                    return self.some(function.id, only)
        if isinstance(function, ast.Attribute) and function.attr == "join":
            only = self._generated(node)
            if only is not None:
                return self.call(node, [self.comprehension(only)])
        return self.call(node, None)

    def _generated(self, node: ast.Call) -> ast.GeneratorExp | None:
        """Return the only argument of a call as a generator expression, if it is one or as good as one."""
        if len(node.args) != 1:
            return None
        only = node.args[0]
        if isinstance(only, ast.GeneratorExp):
            return None if names.has([only], ast.NamedExpr) else only
        if not self._is_stepped(only):
            return None
        name = self.temporary()
        target = ast.copy_location(store(name), only)
        generator = ast.comprehension(target, only, [], 0)
        return ast.copy_location(ast.GeneratorExp(ast.copy_location(load(name), only), [generator]), only)

    def call(self, node: ast.Call, args: list[ast.expr] | None) -> ast.expr:
        function = node.func
        if isinstance(function, ast.Attribute) and not self._is_module(function.value):
            thing = self.ex(function.value)
            if names.has([*node.args, *(keyword.value for keyword in node.keywords)], ast.Call):
                thing = self.X("head", thing, ast.Constant(function.attr))
            head: list[ast.expr] = [thing, ast.Constant(function.attr)]
            name = "method"
        else:
            head, name = [self.ex(function)], "call"
        if args is None:
            args = [self.element(one) for one in node.args]
        keywords = []
        for keyword in node.keywords:
            value = self.ex(keyword.value)
            if keyword.arg is None:
                self.waits = True
                value = self.X("mapping", value)
            keywords.append(ast.copy_location(ast.keyword(keyword.arg, value), keyword))
        return ast.Call(self.hook(name), head + args, keywords)
